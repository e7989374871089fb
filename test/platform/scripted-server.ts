import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http';
import { createServer as createRawServer } from 'node:net';
import type { AddressInfo, Server as RawServer, Socket } from 'node:net';
import { createHttpPlatform } from '../../platform/http-platform.js';
import type { HttpPlatform, HttpPlatformOptions } from '../../platform/http-platform.js';
import { PlatformError } from '../../platform/platform-error.js';
import type { PlatformFault } from '../../platform/platform-error.js';

export const SECRET = 'the-client-secret-of-the-tests';
export const LEG = { interactionId: 'int-1', monitorSessionId: 'ms-1' } as const;

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Tells connections apart. */
  readonly clientPort: number | undefined;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

type Script = (seen: SeenRequest, response: ServerResponse) => Answer | undefined;

/** The nth token that the server issues, from 1 on. */
export function nthToken(n: number): string {
  return `access-token-number-${n}-of-the-test-server`;
}

const toClose: (() => Promise<unknown>)[] = [];

/** For `afterEach`: ends every server and adapter of the test. */
export async function closeAll(): Promise<void> {
  for (const close of toClose.splice(0).reverse()) await close();
}

/** A platform that answers as told. Tokens are issued (`nthToken`) unless `onToken` answers. */
export class ScriptedServer {
  readonly calls: SeenRequest[] = [];
  readonly tokenRequests: SeenRequest[] = [];
  onCall: Script = () => ({ status: 500, body: { code: 'not.scripted' } });
  onToken: Script = () => ({
    status: 200,
    body: { access_token: nthToken(this.tokenRequests.length), token_type: 'bearer', expires_in: 3600 },
  });

  private constructor(
    private readonly server: Server,
    readonly baseUrl: string,
  ) {}

  static async start(port = 0): Promise<ScriptedServer> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        scripted.handle(
          {
            method: request.method ?? '',
            url: request.url ?? '',
            headers: request.headers,
            body: Buffer.concat(chunks).toString(),
            clientPort: request.socket.remotePort,
          },
          response,
        );
      });
    });
    const scripted = new ScriptedServer(server, await listen(server, port));
    toClose.push(() => scripted.stop());
    return scripted;
  }

  /** Every later call gets this answer. */
  answers(answer: Answer): void {
    this.onCall = () => answer;
  }

  /** Drops all connections and listens no more. */
  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private handle(seen: SeenRequest, response: ServerResponse): void {
    const isToken = seen.url.endsWith('/api/v2/auth/token');
    (isToken ? this.tokenRequests : this.calls).push(seen);
    const answer = (isToken ? this.onToken : this.onCall)(seen, response);
    if (answer === undefined) return;
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
  }
}

export interface RawCounts {
  readonly baseUrl: string;
  /** Requests that arrived, but for the token's. */
  readonly requests: string[];
}

/** A server below HTTP: `onRequest` does with the socket what it likes. Token requests are answered properly. */
export async function startRawServer(onRequest: (socket: Socket, nth: number) => void): Promise<RawCounts> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createRawServer((socket) => {
    sockets.add(socket);
    let received = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      const length = /content-length: (\d+)/i.exec(received)?.[1] ?? '0';
      const headEnd = received.indexOf('\r\n\r\n');
      if (headEnd < 0 || received.length < headEnd + 4 + Number(length)) return;
      const request = received;
      received = '';
      if (request.startsWith('POST /api/v2/auth/token')) {
        socket.write(rawAnswer(200, JSON.stringify({ access_token: nthToken(1), expires_in: 3600 })));
        return;
      }
      requests.push(request);
      onRequest(socket, requests.length);
    });
  });
  const baseUrl = await listen(server);
  toClose.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { baseUrl, requests };
}

export function rawAnswer(status: number, body: string): string {
  return `HTTP/1.1 ${status} X\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

export const STARTED = JSON.stringify({ monitorSessionId: 'ms-1', interactionId: 'int-1', status: 'pending' });

/** An adapter for the server, closed after the test; it sends everything at once unless told otherwise. */
export function adapterFor(
  server: { readonly baseUrl: string },
  options: Partial<HttpPlatformOptions> = {},
): HttpPlatform {
  const platform = createHttpPlatform({
    baseUrl: server.baseUrl,
    clientId: 'client-1',
    clientSecret: SECRET,
    isGated: false,
    ...options,
  });
  toClose.push(() => platform.close());
  return platform;
}

/** The fault that the call ends in; anything but a `PlatformError` fails the test. */
export async function faultOf(call: Promise<unknown>): Promise<PlatformFault> {
  const error = await errorOf(call);
  if (error instanceof PlatformError) return error.fault;
  throw new Error('Expected a PlatformError', { cause: error });
}

export async function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    (value) => {
      throw new Error(`Expected a rejection, got ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
}

/** A base URL on which nobody listens. */
export async function deadBaseUrl(): Promise<string> {
  const server = createRawServer();
  const baseUrl = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return baseUrl;
}

async function listen(server: RawServer, port = 0): Promise<string> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return `http://127.0.0.1:${portOf(server.address())}`;
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('Expected a TCP address');
  return address.port;
}
