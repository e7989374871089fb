import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** How often idle connections of a server that is closing are looked for, ms. */
const IDLE_CHECK_MS = 50;

interface Handlers {
  readonly app: RequestListener;
  readonly events: { readonly upgrade: (request: IncomingMessage, stream: Duplex, head: Buffer) => void };
}

/**
 * Listens, and answers the address for people and programs: `http://127.0.0.1:8080`.
 * @throws the error of `listen`, such as `EADDRINUSE`
 */
export async function listen(
  { app, events }: Handlers,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer(app).on('upgrade', events.upgrade);
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
