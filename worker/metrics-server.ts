import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { bearerOf, isKey } from '../http/bearer-key.js';
import { isFromThisMachine } from '../http/from-this-machine.js';
import { listenOn, urlOf } from '../http/listen-on.js';
import type { WorkerReadiness } from './readiness.js';

export interface MetricsServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** `METRICS_KEY`; without one, whoever is on this machine may look. */
  readonly key: string | undefined;
  readonly readiness: WorkerReadiness;
  /** The page of metrics. */
  readonly page: () => Promise<{ readonly type: string; readonly text: string }>;
}

export interface MetricsServer {
  /** `http://127.0.0.1:40123` */
  readonly url: string;
  close(): void;
}

/**
 * What a worker shows of itself: `/metrics`, and for whoever runs it `/livez` and `/readyz`. Nothing can be done to it here.
 * @throws the error of `listen`, such as `EADDRINUSE`
 */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const { host, port } = options;
  const server = createServer((request, response) => {
    void answer(options, request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else send(response, 500, { status: 'failed' });
    });
  });
  // Whoever looks does so in a moment.
  server.requestTimeout = 10_000;
  const bound = await listenOn(server, { host, port });
  return {
    url: urlOf(host, bound),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function answer(
  { key, readiness, page }: MetricsServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return send(response, 405, { status: 'method not allowed' });
  }
  switch (request.url?.split('?', 1)[0]) {
    case '/livez':
      return send(response, 200, { status: 'alive' });
    case '/readyz': {
      const reasons = await readiness.reasonsAgainst();
      return send(response, reasons.length === 0 ? 200 : 503, {
        status: reasons.length === 0 ? 'ready' : 'unready',
        reasons,
      });
    }
    case '/metrics': {
      if (!mayLook(request, key)) {
        response.setHeader('WWW-Authenticate', 'Bearer');
        return send(response, 401, { status: 'send Authorization: Bearer <METRICS_KEY>' });
      }
      const { type, text } = await page();
      response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(text);
      return;
    }
    default:
      return send(response, 404, { status: 'not found' });
  }
}

function mayLook(request: IncomingMessage, key: string | undefined): boolean {
  if (key === undefined) return isFromThisMachine(request);
  const bearer = bearerOf(request.headers.authorization);
  return bearer !== undefined && isKey(key)(bearer);
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(body));
}
