import { performance } from 'node:perf_hooks';
import type { z } from 'zod';
import {
  interactionPage,
  mediaMetrics,
  mediaServerGroups,
  modeAnswer,
  monitorState,
  startAnswer,
  stopAnswer,
} from '../domain/platform-wire.js';
import { NO_OBSERVER } from './call-observer.js';
import type { CallObserver, PlatformOperation, PlatformStatus } from './call-observer.js';
import { followEventStream } from './event-connection.js';
import { faultOfAnswer } from './fault-of-answer.js';
import { HttpExchange } from './http-exchange.js';
import { importanceOf } from './importance.js';
import type { Importance } from './importance.js';
import { PlatformCalls } from './platform-calls.js';
import type { Call } from './platform-calls.js';
import { PlatformError } from './platform-error.js';
import type { Leg, TelephonyPlatform } from './telephony-platform.js';
import { TokenSource } from './token-source.js';
import type { TokenReport } from './token-source.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/** Longest bodies read, bytes. */
const MAX_BODY_BYTES = { command: 64 * KIB, state: MIB, list: 8 * MIB } as const;
const COMMAND_PATH = '/api/v2/interactions/telephony/monitor';

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
  /**
   * Whether calls keep to the platform's rate limit and spare a platform that is away; `false`: each goes out at once, for
   * those who look at single exchanges. @default true
   */
  readonly isGated?: boolean;
  /** `PLATFORM_EVENTS_URL`. @default the base URL with `ws:` or `wss:` and the path of `platform-api.md` */
  readonly eventsUrl?: string | undefined;
  /** Is told when the platform goes away (since when, ISO 8601) and comes back (`undefined`). @default nobody */
  readonly onOutage?: (since: string | undefined) => void;
  /** Is told of every request to the platform, and of every call that was not sent. @default nobody */
  readonly observer?: CallObserver;
  /** Monotonic clock, ms. @default performance.now */
  readonly monotonicNow?: () => number;
}

export interface HttpPlatform extends TelephonyPlatform {
  /**
   * Keeps the token fresh: replaces it when it is due, and says how it is.
   * Resolves also where it could not be had; the report says why.
   */
  keepToken(): Promise<TokenReport>;

  /** How many workers share the platform's rate limit, this one among them. @default 1 */
  shareWith(workers: number): void;

  /** How it stands with the platform, without asking it anything. */
  status(): PlatformStatus;

  /** Lets calls under way finish, fails later ones as `unreachable`, and closes the connections. */
  close(): Promise<void>;
}

/**
 * The telephony platform over HTTP (`platform-api.md`). Every method rejects with a {@link PlatformError}, or with the
 * reason of its `signal` if that fires first; see {@link PlatformCalls}.
 * @throws TypeError where `baseUrl` is no usable URL
 */
export function createHttpPlatform(options: HttpPlatformOptions): HttpPlatform {
  const { baseUrl, clientId, clientSecret, connections = 64, monotonicNow: now = () => performance.now() } = options;
  const { onOutage = () => undefined, observer = NO_OBSERVER, isGated = true } = options;
  const {
    connectMs = 3_000,
    startMs = 8_000,
    commandMs = 5_000,
    readMs = 5_000,
    tokenMs = 5_000,
  } = options.timeouts ?? {};
  const exchange = new HttpExchange({ baseUrl, connections, connectMs });
  // Its own connections: a token must not queue behind the calls that wait for it.
  const tokenCalls = new HttpExchange({ baseUrl, connections: 2, connectMs });
  const tokens = new TokenSource({
    exchange: tokenCalls,
    clientId,
    clientSecret,
    timeoutMs: tokenMs,
    monotonicNow: now,
    onRequested: (result) => observer.tokenRequested(result),
  });
  const eventsUrl = options.eventsUrl ?? eventsUrlOf(baseUrl);

  const list = (query: URLSearchParams, importance: Importance): Call<typeof interactionPage> => ({
    name: 'GET interactions',
    operation: 'list',
    subject: 'list',
    importance,
    request: {
      method: 'GET',
      path: `/api/v2/interactions?${query.toString()}`,
      answerTimeoutMs: readMs,
      maxBodyBytes: MAX_BODY_BYTES.list,
    },
    success: interactionPage,
    fits: () => true,
  });
  const harmless = list(new URLSearchParams({ status: 'connected', pageSize: '1' }), 'background');
  const calls = new PlatformCalls({ exchange, tokens, connections, isGated, harmless, onOutage, observer, now });

  function command<Schema extends z.ZodType>(
    leg: Leg,
    action: Exclude<PlatformOperation, 'start' | 'state' | 'list' | 'groups' | 'metrics'>,
    importance: Importance,
    success: Schema,
    fits: Call<Schema>['fits'],
  ): Call<Schema> {
    return {
      name: action,
      operation: action,
      subject: 'leg',
      importance,
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

    async startMonitor({ interactionId, mediaServerGroupId }, { signal, notAfterMs } = {}) {
      const { monitorSessionId } = await calls.perform(
        {
          name: 'start',
          operation: 'start',
          subject: 'interaction',
          importance: 'start',
          request: {
            method: 'POST',
            path: COMMAND_PATH,
            body: JSON.stringify({ interactionId, action: 'start', mediaServerGroupId }),
            answerTimeoutMs: startMs,
            notAfterMs,
            maxBodyBytes: MAX_BODY_BYTES.command,
          },
          success: startAnswer,
          fits: (answer) => answer.interactionId === interactionId,
        },
        signal,
      );
      return { monitorSessionId };
    },

    async changeMode(leg, mode, { signal } = {}) {
      const fits = (answer: z.infer<typeof modeAnswer>) => namesNoOther(leg, answer) && answer.mode === mode;
      await calls.perform(command(leg, mode, importanceOf(mode), modeAnswer, fits), signal);
    },

    async stopMonitor(leg, { signal } = {}) {
      try {
        const fits = (answer: z.infer<typeof stopAnswer>) => namesNoOther(leg, answer);
        await calls.perform(command(leg, 'stop', 'release', stopAnswer, fits), signal);
        return 'stopped';
      } catch (error) {
        if (error instanceof PlatformError && error.fault.kind === 'gone') return 'already-gone';
        throw error;
      }
    },

    monitorState(interactionId, { importance = 'confirm', signal } = {}) {
      return calls.perform(
        {
          name: 'GET monitor state',
          operation: 'state',
          subject: 'interaction',
          importance,
          request: {
            method: 'GET',
            path: `/api/v2/interactions/${pathSegment(interactionId)}/telephony/monitor`,
            answerTimeoutMs: readMs,
            maxBodyBytes: MAX_BODY_BYTES.state,
          },
          success: monitorState,
          fits: (answer) => answer.interactionId === interactionId,
        },
        signal,
      );
    },

    listInteractions({ status, pageSize, cursor, endedAfter }, { importance = 'background', signal } = {}) {
      const query = new URLSearchParams({ status, pageSize: String(pageSize) });
      if (cursor !== undefined) query.set('cursor', cursor);
      if (endedAfter !== undefined) query.set('endedAfter', endedAfter);
      return calls.perform(list(query, importance), signal);
    },

    async mediaServerGroups(interactionId, { importance = 'confirm', signal } = {}) {
      const query = new URLSearchParams({ interactionId });
      const { entities } = await calls.perform(
        {
          name: 'GET media server groups',
          operation: 'groups',
          isOptional: true,
          subject: 'interaction',
          importance,
          request: {
            method: 'GET',
            path: `/api/v2/telephony/providers/media-server-groups?${query.toString()}`,
            answerTimeoutMs: readMs,
            maxBodyBytes: MAX_BODY_BYTES.state,
          },
          success: mediaServerGroups,
          fits: () => true,
        },
        signal,
      );
      return entities;
    },

    mediaMetrics(leg, { importance = 'background', signal } = {}) {
      const query = new URLSearchParams({ monitorSessionId: leg.monitorSessionId });
      return calls.perform(
        {
          name: 'GET media metrics',
          operation: 'metrics',
          isOptional: true,
          subject: 'leg',
          importance,
          request: {
            method: 'GET',
            path: `/api/v2/interactions/${pathSegment(leg.interactionId)}/telephony/media-metrics?${query.toString()}`,
            answerTimeoutMs: readMs,
            maxBodyBytes: MAX_BODY_BYTES.command,
          },
          success: mediaMetrics,
          fits: (answer) => answer.monitorSessionId === leg.monitorSessionId,
        },
        signal,
      );
    },

    async followEvents(listener, { signal } = {}) {
      const end = await followEventStream({ url: eventsUrl, tokens, listener, signal });
      switch (end.kind) {
        case 'closed':
          return end.detail;
        case 'failed':
          throw new PlatformError('event stream', { kind: 'unreachable', detail: end.detail });
        case 'refused':
          throw new PlatformError('event stream', faultOfAnswer('list', { ...end, ...NO_BODY }, Date.now()));
      }
    },

    keepToken: () => tokens.keep(),

    shareWith(workers) {
      calls.workers = workers;
    },

    status: () => ({ ...calls.status, token: tokens.health }),

    async close() {
      calls.close();
      await Promise.all([exchange.close(), tokenCalls.close()]);
    },
  };
}

const NO_BODY = { kind: 'answer', body: null, bodyFault: null } as const;

function eventsUrlOf(baseUrl: string): string {
  return `${baseUrl.replace(/\/+$/, '').replace(/^http/i, 'ws')}/api/v2/notifications/stream`;
}

function namesNoOther(leg: Leg, answer: { readonly monitorSessionId?: string | undefined }): boolean {
  return answer.monitorSessionId === undefined || answer.monitorSessionId === leg.monitorSessionId;
}

/** Lone surrogates, which cannot be encoded, become U+FFFD: an id like that is unknown to the platform anyway. */
function pathSegment(id: string): string {
  return encodeURIComponent(id.replaceAll(/\p{Surrogate}/gu, '\uFFFD'));
}
