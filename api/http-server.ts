import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { listenOn, urlOf } from '../http/listen-on.js';

/** How often idle connections of a server that is closing are looked for, ms. */
const IDLE_CHECK_MS = 50;

interface Handlers {
  readonly app: RequestListener;
  readonly events: { readonly upgrade: (request: IncomingMessage, stream: Duplex, head: Buffer) => void };
}

const underWay = new WeakMap<Server, Set<ServerResponse>>();
/** Node's server does not know any more of connections that have been upgraded. */
const underUpgrade = new WeakMap<Server, Set<Duplex>>();

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
  const upgraded = new Set<Duplex>();
  underUpgrade.set(server, upgraded);
  server.on('request', app).on('upgrade', (request, stream, head) => {
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
      serveAsItIs(server, request, stream, head);
      return;
    }
    upgraded.add(stream);
    stream.once('close', () => upgraded.delete(stream));
    events.upgrade(request, stream, head);
  });
  const boundPort = await listenOn(server, { host, port });
  return { server, url: urlOf(host, boundPort) };
}

/**
 * A server may ignore what a client would rather speak (RFC 9110, 7.8): many offer HTTP/2 with their first request, and want
 * it answered. Node hands over every such request once there is a listener, its body unread; so it is read once more, without
 * the offer.
 */
function serveAsItIs(server: Server, request: IncomingMessage, stream: Duplex, head: Buffer): void {
  const lines = [`${request.method ?? 'GET'} ${request.url ?? '/'} HTTP/1.1`];
  for (let n = 0; n < request.rawHeaders.length; n += 2) {
    const name = request.rawHeaders[n] ?? '';
    if (!/^(?:upgrade|connection|http2-settings)$/i.test(name))
      lines.push(`${name}: ${request.rawHeaders[n + 1] ?? ''}`);
  }
  server.emit('connection', stream);
  stream.emit('data', Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
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
  const limit = setTimeout(() => {
    server.closeAllConnections();
    for (const stream of underUpgrade.get(server) ?? []) stream.destroy();
  }, limitMs);
  try {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  } finally {
    clearInterval(idle);
    clearTimeout(limit);
  }
}
