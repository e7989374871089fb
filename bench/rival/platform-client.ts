import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import type { z } from 'zod';
import { TokenCache } from './token-cache.js';
import { errorAnswer, interactionPage, mediaServerGroups, monitorState, startAnswer } from './wire.js';
import type { Action, MonitorState } from './wire.js';

const COMMAND_PATH = '/api/v2/interactions/telephony/monitor';
const CONNECTIONS = 64;
/** The guide's back-off. */
const BACK_OFF_MS = { base: 500, most: 3_000 } as const;
const TIMEOUT_MS = 5_000;
/** Below the 10 s within which the platform carries a start out. */
const START_TIMEOUT_MS = 8_000;
/** As long as a caller may be kept waiting. */
const TRIED_FOR_MS = 25_000;

/** Why a call came to nothing. `in doubt`: it may have taken effect. */
export class PlatformFailure extends Error {
  override readonly name = 'PlatformFailure';

  constructor(
    readonly kind: 'refused' | 'gone' | 'conflict' | 'in doubt' | 'away',
    readonly code: string,
  ) {
    super(`${kind}: ${code}`);
  }
}

interface Call<Schema extends z.ZodType> {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
  readonly schema: Schema;
  readonly timeoutMs?: number;
  /** Sending it twice does no harm. */
  readonly isIdempotent: boolean;
  readonly triedForMs?: number;
}

type Exchange =
  | { readonly status: number; readonly body: unknown; readonly retryAfterMs: number | undefined }
  | 'no answer';

/** The platform over HTTP: the token, repeats with back-off, and the rate limit's headers. */
export class PlatformClient {
  readonly tokens: TokenCache;
  readonly clientId: string;
  readonly #pool: Pool;
  /** Used up: nobody asks before. */
  #pausedUntilMs = 0;

  constructor(baseUrl: string, clientId: string, clientSecret: string) {
    this.clientId = clientId;
    this.tokens = new TokenCache({ baseUrl, clientId, clientSecret });
    this.#pool = new Pool(baseUrl, { connections: CONNECTIONS, pipelining: 1 });
  }

  /** The group that carries the call; `undefined` where nobody can tell, or it takes no legs. */
  async primaryGroup(interactionId: string): Promise<string | undefined> {
    const path = `/api/v2/telephony/providers/media-server-groups?interactionId=${encodeURIComponent(interactionId)}`;
    const call = { method: 'GET', path, schema: mediaServerGroups, isIdempotent: true, triedForMs: 0 } as const;
    const { entities } = await this.#perform(call).catch(() => ({ entities: [] }));
    return entities.find(({ primary, state }) => primary && state === 'available')?.id;
  }

  /**
   * Makes a leg. Sent again only where the platform has certainly not taken it.
   * @throws PlatformFailure `in doubt` where it may have
   */
  async start(interactionId: string, mediaServerGroupId: string | undefined): Promise<string> {
    const { monitorSessionId } = await this.#perform({
      method: 'POST',
      path: COMMAND_PATH,
      body: { interactionId, action: 'start', mediaServerGroupId },
      schema: startAnswer,
      timeoutMs: START_TIMEOUT_MS,
      isIdempotent: false,
    });
    return monitorSessionId;
  }

  /** A mode change or a stop; they are idempotent on the platform. */
  async act(interactionId: string, monitorSessionId: string, action: Action, triedForMs?: number): Promise<void> {
    await this.#perform({
      method: 'POST',
      path: COMMAND_PATH,
      body: { interactionId, monitorSessionId, action },
      schema: errorAnswer.partial(),
      isIdempotent: true,
      ...(triedForMs === undefined ? {} : { triedForMs }),
    });
  }

  async state(interactionId: string, triedForMs?: number): Promise<MonitorState> {
    return this.#perform({
      method: 'GET',
      path: `/api/v2/interactions/${encodeURIComponent(interactionId)}/telephony/monitor`,
      schema: monitorState,
      isIdempotent: true,
      ...(triedForMs === undefined ? {} : { triedForMs }),
    });
  }

  /** The calls that have ended since. */
  async *ended(since: Date): AsyncGenerator<readonly string[]> {
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({ status: 'ended', pageSize: '500', endedAfter: since.toISOString() });
      if (cursor !== null) query.set('cursor', cursor);
      const call = {
        method: 'GET',
        path: `/api/v2/interactions?${query.toString()}`,
        schema: interactionPage,
      } as const;
      const page: z.infer<typeof interactionPage> = await this.#perform({ ...call, isIdempotent: true });
      yield page.entities.map(({ id }) => id);
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  async #perform<Schema extends z.ZodType>(call: Call<Schema>): Promise<z.output<Schema>> {
    const givenUpAtMs = Date.now() + (call.triedForMs ?? TRIED_FOR_MS);
    let isReplay = false;
    for (let attempt = 0; ; attempt += 1) {
      const token = await this.tokens.get().catch(() => undefined);
      const exchange = token === undefined ? undefined : await this.#exchange(call, token);
      let waitMs = Math.min(BACK_OFF_MS.base * 2 ** attempt, BACK_OFF_MS.most);
      // Nothing was sent without a token; and of 429 nothing was done.
      if (exchange === 'no answer' && !call.isIdempotent) throw new PlatformFailure('in doubt', 'no.answer');
      if (exchange !== undefined && exchange !== 'no answer') {
        const { status, body, retryAfterMs } = exchange;
        const answer = status < 300 ? call.schema.safeParse(body) : undefined;
        if (answer?.success === true) return answer.data;
        // A proxy's page: the platform has carried it out, or not.
        if (status < 300 && !call.isIdempotent) throw new PlatformFailure('in doubt', 'answer.garbled');
        if (status === 401 && token !== undefined && !isReplay) {
          this.tokens.reject(token);
          isReplay = true;
          continue;
        }
        if (status >= 500 && !call.isIdempotent) throw new PlatformFailure('in doubt', String(status));
        if (status >= 300 && status < 500 && status !== 429) throw failureOf(status, body);
        if (retryAfterMs !== undefined) waitMs = retryAfterMs;
      }
      if (Date.now() + waitMs > givenUpAtMs) throw new PlatformFailure('away', 'platform.unavailable');
      await sleep(waitMs);
    }
  }

  async #exchange(call: Call<z.ZodType>, token: string): Promise<Exchange> {
    const pauseMs = this.#pausedUntilMs - Date.now();
    if (pauseMs > 0) await sleep(pauseMs);
    const limitMs = call.timeoutMs ?? TIMEOUT_MS;
    try {
      const answer = await this.#pool.request({
        method: call.method,
        path: call.path,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json' },
        body: call.body === undefined ? null : JSON.stringify(call.body),
        headersTimeout: limitMs,
        bodyTimeout: limitMs,
      });
      const body: unknown = await answer.body.json().catch(() => undefined);
      const retryAfterMs = secondsOf(answer.headers['retry-after']);
      const resetMs = secondsOf(answer.headers['x-ratelimit-reset']);
      if (answer.headers['x-ratelimit-remaining'] === '0' && resetMs !== undefined)
        this.#pausedUntilMs = Date.now() + resetMs;
      return { status: answer.statusCode, body, retryAfterMs };
    } catch {
      return 'no answer';
    }
  }
}

function secondsOf(header: string | string[] | undefined): number | undefined {
  const seconds = Number(header);
  return header !== undefined && Number.isFinite(seconds) ? seconds * 1_000 : undefined;
}

function failureOf(status: number, body: unknown): PlatformFailure {
  const code = errorAnswer.safeParse(body).data?.code ?? String(status);
  if (code === 'barge.conflict') return new PlatformFailure('conflict', code);
  return new PlatformFailure(status === 404 || status === 410 ? 'gone' : 'refused', code);
}
