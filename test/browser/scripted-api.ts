import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { extname, join } from 'node:path';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { InteractionResource } from '../../domain/interaction-resource.js';
import type { SessionResource } from '../../domain/session.js';
import type { Me } from '../../domain/sign-in.js';

/** What `npm run build` has made. */
const PAGE = join(import.meta.dirname, '../../dist/console');

const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

/** A request that was not for one of the page's files. */
interface AskedFor {
  /** `POST /v1/sessions`. */
  readonly what: string;
  readonly body: string;
  /** `Idempotency-Key` */
  readonly key: string;
}

/** Answers in place of what the API would; `false`: it does not. */
type Answering = (asked: AskedFor, response: ServerResponse) => boolean | Promise<boolean>;

/** The page, and as much of the API as it asks: what goes wrong between the two can be had here at will. */
export class ScriptedApi implements AsyncDisposable {
  me: Me | null = {
    id: 'ana',
    kind: 'person',
    roles: ['supervisor'],
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
    temporalUi: null,
  };
  calls: readonly InteractionResource[] = [callOf('c1'), callOf('c2')];
  /** As they are told; also of a kind that the page does not know. */
  sessions: readonly object[] = [sessionOf('c1', 'ana')];
  /** Whether who opens a socket is told anything. */
  tells = true;
  answering: Answering = () => false;
  readonly asked: AskedFor[] = [];
  readonly #sockets = new Set<WebSocket>();
  readonly #server: Server;
  readonly url: string;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}/`;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response));
    new WebSocketServer({ server }).on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      if (this.tells) socket.send(JSON.stringify({ type: 'snapshot', epoch: 'e', seq: 1, sessions: this.sessions }));
    });
  }

  static async start(): Promise<ScriptedApi> {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('unreachable');
    return new ScriptedApi(server, address.port);
  }

  get listening(): number {
    return this.#sockets.size;
  }

  /** The network goes, and comes back. */
  cut(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  times(what: string, body = ''): number {
    return this.asked.filter((one) => one.what === what && one.body.includes(body)).length;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').replace(/\?.*$/, '');
    if (!path.startsWith('/v1/')) {
      const file = path === '/' ? 'index.html' : path.slice(1);
      response.setHeader('Content-Type', TYPES[extname(file)] ?? 'image/svg+xml');
      response.end(await readFile(join(PAGE, file)));
      return;
    }
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += String(chunk);
    const key = String(request.headers['idempotency-key'] ?? '');
    const asked = { what: `${request.method ?? ''} ${path}`, body, key };
    this.asked.push(asked);
    if (await this.answering(asked, response)) return;
    const { me } = this;
    if (asked.what === 'GET /v1/sign-in') return json(response, 200, { ways: ['key'], me });
    if (me === null) return json(response, 401, { code: 'authentication.required', detail: 'Sign in.' });
    if (asked.what === 'POST /v1/sign-in') return json(response, 200, me);
    if (path === '/v1/interactions') return json(response, 200, { items: this.calls, nextCursor: null });
    if (path === '/v1/events/tickets') return json(response, 200, { ticket: 't' });
    return json(response, 404, { code: 'not.found', detail: 'There is nothing.' });
  }
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

const MINUTE_AGO = new Date(Date.now() - 60_000).toISOString();

export function callOf(id: string): InteractionResource {
  return {
    id,
    status: 'connected',
    agentId: `agent.${id}`,
    queueName: 'billing',
    customer: 'Maria Silva',
    startedAt: MINUTE_AGO,
    endedAt: null,
    sessions: [],
  };
}

export function sessionOf(interactionId: string, supervisorId: string): SessionResource {
  return {
    sessionId: `session~${interactionId}~${supervisorId}`,
    runId: `run-of-${interactionId}`,
    version: 3,
    interactionId,
    supervisorId,
    state: 'SILENT',
    monitorSessionId: 'm1',
    bargeStatus: 'inactive',
    waiting: null,
    ending: null,
    media: null,
    unansweredSince: null,
    startedAt: MINUTE_AGO,
    endedAt: null,
    endReason: null,
    serverNow: new Date().toISOString(),
  };
}
