import { connect, createSecureServer } from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Authority } from './certificates.js';

export interface TlsGateway extends AsyncDisposable {
  /** `host:port` */
  readonly address: string;
  /** How many calls were let through, by what stood in their header `authorization`. */
  readonly passed: ReadonlyMap<string, number>;
}

/** `UNAUTHENTICATED` of gRPC. */
const UNAUTHENTICATED = '16';

/**
 * Stands before a Temporal server as Temporal Cloud does: TLS of one authority, certificates of clients checked by it, and
 * an API key asked of every call.
 */
export async function startTlsGateway(
  target: string,
  { authority, name, apiKey }: { readonly authority: Authority; readonly name: string; readonly apiKey: string },
): Promise<TlsGateway> {
  const upstream: ClientHttp2Session = connect(`http://${target}`);
  upstream.on('error', () => undefined);
  const passed = new Map<string, number>();
  const server = createSecureServer({
    ...authority.issue(name, 'server'),
    ca: authority.cert,
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.on('sessionError', () => undefined).on('tlsClientError', () => undefined);
  const sockets = new Set<{ destroy: () => unknown }>();
  server.on('session', (session) => sockets.add(session));
  server.on('stream', (stream: ServerHttp2Stream, { ':authority': _host, ...headers }) => {
    stream.on('error', () => undefined);
    if (headers.authorization !== `Bearer ${apiKey}`) {
      stream.respond(
        {
          ':status': 200,
          'content-type': 'application/grpc',
          'grpc-status': UNAUTHENTICATED,
          'grpc-message': 'Request unauthorized.',
        },
        { endStream: true },
      );
      return;
    }
    passed.set(headers.authorization, (passed.get(headers.authorization) ?? 0) + 1);
    const call = upstream.request(headers);
    call.on('error', () => stream.close());
    stream.on('close', () => call.close());
    call.on('response', ({ ':status': status = 200, ...answer }, flags) => {
      if (stream.destroyed) return;
      // Some answers are nothing but their end.
      const endStream = (flags & 1) !== 0;
      stream.respond({ ':status': status, ...answer }, { waitForTrailers: !endStream, endStream });
    });
    let trailers: IncomingHttpHeaders = {};
    call.on('trailers', (end: IncomingHttpHeaders) => {
      trailers = end;
    });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.pipe(call);
    call.pipe(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('Expected a TCP address');
  return {
    address: `127.0.0.1:${address.port}`,
    passed,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      upstream.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
