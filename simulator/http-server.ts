import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { Admission, IncomingRequest } from './admission.js';
import { apiError, codeOf, notFound, type ApiAnswer } from './api-answer.js';
import { faultAnswer, sendAnswer, type ApiServer } from './api-server.js';
import type { Timers } from './clock.js';
import { CONTROL_PREFIX, type ControlSurface } from './control-surface.js';
import type { EventStream } from './event-stream.js';

const MAX_BODY_BYTES = 64 * 1024;
/** Longer than usual clients keep an idle connection: resets are to come from faults that were asked for only. */
const KEEP_ALIVE_MS = 75_000;

export interface HttpServerOptions {
  readonly api: ApiServer;
  readonly stream: EventStream;
  readonly timers: Timers;
  readonly log: Logger;
  /** `null`: off, and everything under its path is a plain 404. */
  readonly controlSurface: ControlSurface | null;
}

/** The listening socket: plain requests go to the API or the control surface, upgrades to the event stream. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  /** Node's server forgets sockets once they ask for an upgrade, hung and refused ones included. */
  readonly #upgraded = new Set<Duplex>();

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (req, res) => void this.#serve(req, res));
    this.#server.on('upgrade', (req, socket, head) => void this.#upgrade(req, socket, head));
  }

  /** Listens; answers the port. Rejects with Node's error (`EADDRINUSE`, …). */
  async listen(port: number, host: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    const address = this.#server.address();
    return isAddressInfo(address) ? address.port : port;
  }

  /** Stops listening and drops every connection, hung ones included. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
      for (const socket of this.#upgraded) socket.destroy();
    });
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      const request = incomingOf(req, await readBody(req));
      if (request.path.startsWith(CONTROL_PREFIX)) {
        sendAnswer(res, this.#options.controlSurface?.handle(request) ?? notFound());
        return;
      }
      await this.#options.api.handle(request, req, res);
    } catch (error) {
      if (req.destroyed && !req.complete) return;
      this.#options.log.error({ err: error }, 'request failed');
      if (res.headersSent) req.socket.destroy();
      else sendAnswer(res, apiError(500, 'internal.error', 'The simulator failed; its log says why.'));
    }
  }

  async #upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    this.#upgraded.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#upgraded.delete(socket));
    const admission = this.#options.api.door.admit(incomingOf(req, ''));
    const { entry, route, refusal, effect, rateHeaders, token } = admission;
    const refuse = (answer: ApiAnswer): void => {
      entry.status = answer.status;
      entry.code = codeOf(answer);
      writeRawAnswer(socket, answer, rateHeaders);
    };
    if (refusal !== null) return refuse(refusal);
    if (route.name !== 'stream' || token === null) return refuse(notFound());
    if (effect !== null) {
      entry.fault = effect.kind;
      if (!(await this.#passes(effect, socket, admission))) return;
    }
    entry.status = 101;
    entry.executed = true;
    this.#options.stream.accept(req, socket, head, token);
  }

  /** Applies a fault to an upgrade; true if the upgrade goes on (late). There is no answer to lose: all losses are resets. */
  async #passes(effect: NonNullable<Admission['effect']>, socket: Duplex, admission: Admission): Promise<boolean> {
    const { entry, rateHeaders } = admission;
    switch (effect.kind) {
      case 'status':
      case 'status-after':
        entry.status = effect.status;
        writeRawAnswer(socket, faultAnswer(effect.status), rateHeaders);
        return false;
      case 'hang':
        entry.status = 'hung';
        if (effect.forMs !== undefined) this.#options.timers.after(effect.forMs, () => socket.destroy());
        return false;
      case 'delay':
        await new Promise<void>((resolve) => {
          this.#options.timers.after(effect.ms, resolve);
        });
        return !socket.destroyed;
      case 'lost-answer':
      case 'lost-request':
      case 'garbled-answer':
        entry.status = 'lost';
        socket.destroy();
        return false;
    }
  }
}

function incomingOf(req: IncomingMessage, bodyText: string | null): IncomingRequest {
  const target = req.url ?? '/';
  const queryAt = target.indexOf('?');
  return {
    method: req.method ?? 'GET',
    path: queryAt < 0 ? target : target.slice(0, queryAt),
    query: queryAt < 0 ? {} : Object.fromEntries(new URLSearchParams(target.slice(queryAt + 1))),
    authorization: req.headers.authorization,
    contentType: req.headers['content-type'],
    bodyText: bodyText ?? '',
    bodyTooLarge: bodyText === null,
  };
}

/** The whole body, or `null` if it is too large (the rest is read and thrown away). */
async function readBody(req: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return bytes > MAX_BODY_BYTES ? null : Buffer.concat(chunks).toString('utf8');
}

/** Answers an upgrade that isn't taken; Node leaves that to us. */
function writeRawAnswer(socket: Duplex, answer: ApiAnswer, headers: Readonly<Record<string, string>>): void {
  const body = JSON.stringify(answer.body);
  const lines = [
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

function isAddressInfo(address: AddressInfo | string | null): address is AddressInfo {
  return address !== null && typeof address === 'object';
}
