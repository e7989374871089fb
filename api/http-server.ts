import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** How often idle connections of a server that is closing are looked for, ms. */
const IDLE_CHECK_MS = 50;

interface Handlers {
  readonly app: RequestListener;
  readonly events: { readonly upgrade: (request: IncomingMessage, stream: Duplex, head: Buffer) => void };
}
const underWay = new WeakMap<Server, Set<ServerResponse>>();

/**
 * Listens, and answers the address for people and programs: `http://127.0.0.1:8080`.
 * @throws the error of `listen`, such as `EADDRINUSE`
 */
export async function listen(
  { app, events }: Handlers,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer();
  const open = new Set<ServerResponse>();
  underWay.set(server, open);
  server.on('request', (_request, response) => {
    open.add(response);
    response.once('close', () => open.delete(response));
  });
  server.on('request', app).on('upgrade', events.upgrade);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  const boundPort = typeof address === 'object' && address !== null ? address.port : port;
  return { server, url: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}` };
}

/** From now on every answer ends its connection, so that callers go elsewhere; what is under way goes on. */
export function sendAway(server: Server): void {
  const last = (response: ServerResponse): void => {
    if (!response.headersSent) response.setHeader('Connection', 'close');
  };
  for (const response of underWay.get(server) ?? []) last(response);
  server.prependListener('request', (_request, response) => last(response));
}

/** Takes no new connection, lets what is under way end, and cuts off what is left after `limitMs`. */
export async function drain(server: Server, limitMs: number): Promise<void> {
  // A connection that is kept alive becomes idle only once its last answer is out, and would stay open for seconds.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const limit = setTimeout(() => server.closeAllConnections(), limitMs);
  try {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  } finally {
    clearInterval(idle);
    clearTimeout(limit);
  }
}
