import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { FrontDoor, type Admission, type FrontDoorOptions, type IncomingRequest } from './admission.js';
import { apiError, codeOf, notFound, type ApiAnswer } from './api-answer.js';
import {
  listInteractions,
  listMediaServerGroups,
  mediaMetrics,
  monitorState,
  type PlatformHabits,
} from './api-queries.js';
import type { Clock, Timers } from './clock.js';
import type { OpenRequestEntry } from './ledger.js';
import { executeMonitorCommand } from './monitor-command.js';
import type { RequestEffect } from './request-faults.js';
import { issueToken } from './token-request.js';

export interface ApiServerOptions extends FrontDoorOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly habits: () => PlatformHabits;
  /** Resolves once everything done so far would survive a crash. */
  readonly durable: () => Promise<void>;
}

/** Where an answer goes; a reset tears the connection down without one. */
interface Reply {
  send(answer: ApiAnswer, headers: Readonly<Record<string, string>>): void;
  garble(headers: Readonly<Record<string, string>>): void;
  reset(): void;
}

/** Answers the HTTP calls of `platform-api.md`, through whatever request faults are set. */
export class ApiServer {
  readonly door: FrontDoor;
  readonly #options: ApiServerOptions;

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.door = new FrontDoor(options);
  }

  /** Answers one request; the body has been read. */
  async handle(request: IncomingRequest, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const admission = this.door.admit(request);
    const startedAtMs = this.#options.clock.nowMs();
    const reply = this.#replyTo(req.socket, res, admission.entry, startedAtMs);
    if (admission.refusal !== null) {
      reply.send(admission.refusal, admission.rateHeaders);
      return;
    }
    const execute = (): Promise<ApiAnswer> => this.#execute(request, admission);
    if (admission.effect === null) reply.send(await execute(), admission.rateHeaders);
    else await this.#suffer(admission.effect, admission, execute, reply);
  }

  async #execute(request: IncomingRequest, admission: Admission): Promise<ApiAnswer> {
    const answer = this.#answer(request, admission);
    const { entry } = admission;
    entry.executed = answer.status < 400;
    if ('monitorSessionId' in answer.body && typeof answer.body.monitorSessionId === 'string') {
      entry.monitorSessionId = answer.body.monitorSessionId;
    }
    await this.#options.durable();
    return answer;
  }

  #answer(request: IncomingRequest, { route, command, entry }: Admission): ApiAnswer {
    const { core, tokens, habits } = this.#options;
    const interactionId = route.interactionId ?? '';
    switch (route.name) {
      case 'token': {
        const { answer, tokenNumber } = issueToken(tokens, request.contentType, request.bodyText);
        entry.tokenNumber = tokenNumber;
        return answer;
      }
      case 'command':
        if (command === null) return notFound();
        return executeMonitorCommand(core, command, { clientId: entry.clientId ?? '', requestSeq: entry.seq });
      case 'state':
        return monitorState(core, interactionId, habits());
      case 'interactions':
        return listInteractions(core, request.query, habits());
      case 'media-server-groups':
        return listMediaServerGroups(core, request.query);
      case 'media-metrics':
        return mediaMetrics(core, interactionId, request.query);
      case 'stream':
        return apiError(426, 'upgrade.required', 'This address is for WebSocket connections.');
      case 'unknown':
        return notFound();
    }
  }

  async #suffer(
    effect: RequestEffect,
    { entry, rateHeaders }: Admission,
    execute: () => Promise<ApiAnswer>,
    reply: Reply,
  ): Promise<void> {
    entry.fault = effect.kind;
    switch (effect.kind) {
      case 'lost-request':
        reply.reset();
        return;
      case 'lost-answer':
        // A late execution happens behind the back of a client that already knows that its request failed.
        if (effect.executeAfterMs > 0) {
          reply.reset();
          await this.#pause(effect.executeAfterMs);
          await execute();
        } else {
          await execute();
          reply.reset();
        }
        return;
      case 'status':
        reply.send(faultAnswer(effect.status, effect.code, effect.message), {
          ...rateHeaders,
          ...(effect.retryAfterSeconds === undefined ? {} : { 'Retry-After': String(effect.retryAfterSeconds) }),
        });
        return;
      case 'status-after':
        await execute();
        reply.send(faultAnswer(effect.status), rateHeaders);
        return;
      case 'garbled-answer':
        await execute();
        reply.garble(rateHeaders);
        return;
      case 'hang':
        entry.status = 'hung';
        if (effect.execute) {
          if (effect.executeAfterMs > 0) await this.#pause(effect.executeAfterMs);
          await execute();
        }
        if (effect.forMs !== undefined) {
          await this.#pause(effect.forMs);
          reply.reset();
          entry.status = 'hung';
        }
        return;
      case 'delay': {
        if (effect.before === 'execution') await this.#pause(effect.ms);
        const answer = await execute();
        if (effect.before === 'answer') await this.#pause(effect.ms);
        reply.send(answer, rateHeaders);
        return;
      }
    }
  }

  /** Never resolves once the simulator is closing: what was still to happen then doesn't. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.timers.after(ms, resolve);
    });
  }

  #replyTo(socket: Socket, res: ServerResponse, entry: OpenRequestEntry, startedAtMs: number): Reply {
    const close = (status: OpenRequestEntry['status']): void => {
      entry.status = status;
      entry.tookMs = this.#options.clock.nowMs() - startedAtMs;
    };
    const gone = (): boolean => res.destroyed || socket.destroyed;
    return {
      send: (answer, headers) => {
        entry.code = codeOf(answer);
        close(gone() ? 'lost' : answer.status);
        if (!gone()) sendAnswer(res, answer, headers);
      },
      garble: (headers) => {
        close(gone() ? 'lost' : 200);
        if (!gone()) res.writeHead(200, { ...headers, 'Content-Type': 'text/html' }).end('<html>proxy</html>');
      },
      reset: () => {
        close('lost');
        socket.resetAndDestroy();
      },
    };
  }
}

/** Sends an answer as JSON. */
export function sendAnswer(
  res: ServerResponse,
  answer: ApiAnswer,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = JSON.stringify(answer.body);
  res
    .writeHead(answer.status, {
      ...headers,
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
    })
    .end(body);
}

/** The answer of a `status` or `status-after` fault. */
export function faultAnswer(status: number, code?: string, message?: string): ApiAnswer {
  const usualCode = status >= 500 ? 'internal.error' : status === 403 ? 'missing.permission' : 'refused';
  return apiError(status, code ?? usualCode, message ?? 'This failure was asked for.');
}
