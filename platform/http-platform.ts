import { performance } from 'node:perf_hooks';
import type { z } from 'zod';
import { interactionPage, modeAnswer, monitorState, startAnswer, stopAnswer } from '../domain/platform-wire.js';
import { followStream } from './event-stream.js';
import { faultOfAnswer, parseJson } from './fault-of-answer.js';
import type { CallSubject } from './fault-of-answer.js';
import { HttpExchange } from './http-exchange.js';
import type { HttpAnswer, HttpRequest } from './http-exchange.js';
import { PlatformError } from './platform-error.js';
import { rateLimitIn } from './rate-limit-headers.js';
import type { CallOptions, Leg, RateLimit, TelephonyPlatform } from './telephony-platform.js';
import { TokenSource } from './token-source.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/** Longest bodies read, bytes. */
const MAX_BODY_BYTES = { command: 64 * KIB, state: MIB, list: 8 * MIB } as const;
const COMMAND_PATH = '/api/v2/interactions/telephony/monitor';
/** Shorter tokens are found by chance in harmless answers; no real platform issues one. */
const SHORTEST_TOKEN_TO_LOOK_FOR = 16;

/** Time limits, ms. A call takes at most its own limit twice (the replay after a `401`), plus waits and token requests. */
export interface HttpPlatformTimeouts {
  /** Wait for a free or new connection; nothing is sent before. @default 3000 */
  readonly connectMs?: number;
  /** `start`, from sending to the whole answer; below the platform's own 10 s window. @default 8000 */
  readonly startMs?: number;
  /** Mode changes and `stop`, from sending. @default 5000 */
  readonly commandMs?: number;
  /** Reads, from sending. @default 5000 */
  readonly readMs?: number;
  /** A token request, from sending. @default 5000 */
  readonly tokenMs?: number;
}

export interface HttpPlatformOptions {
  /** `PLATFORM_BASE_URL`: `http:` or `https:`, with or without a path prefix and a trailing slash. */
  readonly baseUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly timeouts?: HttpPlatformTimeouts;
  /** Connections to the platform at most, besides two for tokens. @default 64 */
  readonly connections?: number;
  /** `PLATFORM_EVENTS_URL`. @default the base URL with `ws:` or `wss:` and the path of `platform-api.md` */
  readonly eventsUrl?: string | undefined;
  /** Monotonic clock for the token's age, ms. @default performance.now */
  readonly monotonicNow?: () => number;
}

export interface HttpPlatform extends TelephonyPlatform {
  /** Lets calls under way finish, fails later ones as `unreachable`, and closes the connections. */
  close(): Promise<void>;
}

/** One call of the port: what to send and how to take the answer. */
interface Call<Schema extends z.ZodType> {
  /** As errors name it. */
  readonly name: string;
  readonly subject: CallSubject;
  readonly request: Omit<HttpRequest, 'headers' | 'signal'>;
  readonly success: Schema;
  /** What must hold of a well-formed success, so that nobody acts upon another call's answer. */
  readonly fits: (answer: z.infer<Schema>) => boolean;
}

/**
 * The telephony platform over HTTP (`platform-api.md`). Every method rejects with a {@link PlatformError}, or with the
 * reason of its `signal` if that fires first: before the sending nothing has happened then, after it anything may have.
 *
 * A request is written once; only a `401`, which says that nothing was done, is replayed once with a new token. A `2xx`
 * whose content is not what the page promises is `ambiguous`.
 * @throws TypeError where `baseUrl` is no usable URL
 */
export function createHttpPlatform(options: HttpPlatformOptions): HttpPlatform {
  const { baseUrl, clientId, clientSecret, connections = 64, monotonicNow } = options;
  const {
    connectMs = 3_000,
    startMs = 8_000,
    commandMs = 5_000,
    readMs = 5_000,
    tokenMs = 5_000,
  } = options.timeouts ?? {};
  const calls = new HttpExchange({ baseUrl, connections, connectMs });
  // Its own connections: a token must not queue behind the calls that wait for it.
  const tokenCalls = new HttpExchange({ baseUrl, connections: 2, connectMs });
  const tokens = new TokenSource({
    exchange: tokenCalls,
    clientId,
    clientSecret,
    timeoutMs: tokenMs,
    ...(monotonicNow === undefined ? {} : { monotonicNow }),
  });

  const eventsUrl = options.eventsUrl ?? eventsUrlOf(baseUrl);
  let rateLimit: RateLimit | undefined;

  async function send(
    call: Pick<Call<z.ZodType>, 'name' | 'request'>,
    token: string,
    signal: AbortSignal | undefined,
  ): Promise<HttpAnswer> {
    const headers = {
      accept: 'application/json',
      authorization: `Bearer ${token}`,
      ...(call.request.body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const outcome = await calls.exchange({ ...call.request, headers, signal });
    if (outcome.kind === 'failure') {
      throw new PlatformError(call.name, {
        kind: outcome.sent ? 'ambiguous' : 'unreachable',
        detail: outcome.detail,
      });
    }
    rateLimit = rateLimitIn(outcome.headers, performance.now()) ?? rateLimit;
    // Ids and codes end in histories, logs and answers, where our token must not be (`design.md`, invariant 7).
    if (token.length >= SHORTEST_TOKEN_TO_LOOK_FOR && outcome.body?.includes(token) === true) {
      return { ...outcome, body: null, bodyFault: 'the answer repeats our access token' };
    }
    return outcome;
  }

  async function perform<Schema extends z.ZodType>(
    call: Call<Schema>,
    { signal }: CallOptions = {},
  ): Promise<z.infer<Schema>> {
    const token = await tokens.token({ ...(signal === undefined ? {} : { signal }) });
    let answer = await send(call, token, signal);
    if (answer.status === 401) {
      const another = await tokens.refreshAfter401(token, { ...(signal === undefined ? {} : { signal }) });
      answer = await send(call, another, signal);
    }
    if (answer.status < 200 || answer.status > 299) {
      throw new PlatformError(call.name, faultOfAnswer(call.subject, answer, Date.now()));
    }
    return success(call, answer);
  }

  function command<Schema extends z.ZodType>(
    leg: Leg,
    action: string,
    success: Schema,
    fits: Call<Schema>['fits'],
  ): Call<Schema> {
    return {
      name: action,
      subject: 'leg',
      request: {
        method: 'POST',
        path: COMMAND_PATH,
        body: JSON.stringify({
          interactionId: leg.interactionId,
          monitorSessionId: leg.monitorSessionId,
          action,
        }),
        answerTimeoutMs: commandMs,
        maxBodyBytes: MAX_BODY_BYTES.command,
      },
      success,
      fits,
    };
  }

  return {
    clientId,

    async startMonitor({ interactionId, mediaServerGroupId }, callOptions) {
      const { monitorSessionId } = await perform(
        {
          name: 'start',
          subject: 'interaction',
          request: {
            method: 'POST',
            path: COMMAND_PATH,
            body: JSON.stringify({ interactionId, action: 'start', mediaServerGroupId }),
            answerTimeoutMs: startMs,
            maxBodyBytes: MAX_BODY_BYTES.command,
          },
          success: startAnswer,
          fits: (answer) => answer.interactionId === interactionId,
        },
        callOptions,
      );
      return { monitorSessionId };
    },

    async changeMode(leg, mode, callOptions) {
      await perform(
        command(leg, mode, modeAnswer, (answer) => namesNoOther(leg, answer) && answer.mode === mode),
        callOptions,
      );
    },

    async stopMonitor(leg, callOptions) {
      try {
        await perform(
          command(leg, 'stop', stopAnswer, (answer) => namesNoOther(leg, answer)),
          callOptions,
        );
        return 'stopped';
      } catch (error) {
        if (error instanceof PlatformError && error.fault.kind === 'gone') return 'already-gone';
        throw error;
      }
    },

    monitorState(interactionId, callOptions) {
      return perform(
        {
          name: 'GET monitor state',
          subject: 'interaction',
          request: {
            method: 'GET',
            path: `/api/v2/interactions/${pathSegment(interactionId)}/telephony/monitor`,
            answerTimeoutMs: readMs,
            maxBodyBytes: MAX_BODY_BYTES.state,
          },
          success: monitorState,
          fits: (answer) => answer.interactionId === interactionId,
        },
        callOptions,
      );
    },

    listInteractions({ status, pageSize, cursor, endedAfter }, callOptions) {
      const query = new URLSearchParams({ status, pageSize: String(pageSize) });
      if (cursor !== undefined) query.set('cursor', cursor);
      if (endedAfter !== undefined) query.set('endedAfter', endedAfter);
      return perform(
        {
          name: 'GET interactions',
          subject: 'list',
          request: {
            method: 'GET',
            path: `/api/v2/interactions?${query.toString()}`,
            answerTimeoutMs: readMs,
            maxBodyBytes: MAX_BODY_BYTES.list,
          },
          success: interactionPage,
          fits: () => true,
        },
        callOptions,
      );
    },

    async followEvents(listener, { signal } = {}) {
      const wanted = { ...(signal === undefined ? {} : { signal }) };
      const token = await tokens.token(wanted);
      let end = await followStream({ url: eventsUrl, token, listener, signal });
      if (end.kind === 'refused' && end.status === 401) {
        const another = await tokens.refreshAfter401(token, wanted);
        end = await followStream({ url: eventsUrl, token: another, listener, signal });
      }
      switch (end.kind) {
        case 'closed':
          return end.detail;
        case 'failed':
          throw new PlatformError('event stream', { kind: 'unreachable', detail: end.detail });
        case 'refused':
          throw new PlatformError('event stream', faultOfAnswer('list', { ...end, ...NO_BODY }, Date.now()));
      }
    },

    rateLimit: () => rateLimit,

    async close() {
      await Promise.all([calls.close(), tokenCalls.close()]);
    },
  };
}

const NO_BODY = { kind: 'answer', body: null, bodyFault: null } as const;

function eventsUrlOf(baseUrl: string): string {
  return `${baseUrl.replace(/\/+$/, '').replace(/^http/i, 'ws')}/api/v2/notifications/stream`;
}

/** The content of a `2xx`, checked. Nobody may act upon what is not as documented, yet the platform said that it did it. */
function success<Schema extends z.ZodType>(call: Call<Schema>, answer: HttpAnswer): z.infer<Schema> {
  const parsed = call.success.safeParse(answer.body === null ? undefined : parseJson(answer.body));
  if (parsed.success && call.fits(parsed.data)) return parsed.data;
  const why = answer.bodyFault ?? (parsed.success ? 'it answers another request' : firstIssue(parsed.error));
  throw new PlatformError(call.name, { kind: 'ambiguous', detail: `unusable answer ${answer.status}: ${why}` });
}

function namesNoOther(leg: Leg, answer: { readonly monitorSessionId?: string | undefined }): boolean {
  return answer.monitorSessionId === undefined || answer.monitorSessionId === leg.monitorSessionId;
}

/** Where the answer went wrong first. zod's messages name types and expected values, never the value that came. */
function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return 'not as documented';
  return issue.path.length === 0 ? 'not a JSON object' : `${issue.path.join('.')}: ${issue.message}`;
}

/** Lone surrogates, which cannot be encoded, become U+FFFD: an id like that is unknown to the platform anyway. */
function pathSegment(id: string): string {
  return encodeURIComponent(id.replaceAll(/\p{Surrogate}/gu, '\uFFFD'));
}
