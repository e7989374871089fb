import { performance } from 'node:perf_hooks';
import { tokenAnswer } from '../domain/platform-wire.js';
import type { TokenHealth } from '../domain/token-keeper.js';
import type { TokenResult } from './call-observer.js';
import { parseJson } from './fault-of-answer.js';
import type { HttpExchange, HttpOutcome } from './http-exchange.js';
import { describeFault, PlatformError } from './platform-error.js';
import type { PlatformFault } from './platform-error.js';
import { retryAfterMs } from './retry-after.js';
import type { CallOptions } from './telephony-platform.js';
import { tokenLifetimeMs } from './token-lifetime.js';
import { untilAborted } from './until-aborted.js';

const MAX_BODY_BYTES = 64 * 1024;
/** A token is replaced this long before it expires, or at half its life if that is shorter. */
const EARLY_MS = 30_000;
/**
 * After a failure nobody is asked again for this long, doubling with each in a row: a refusal, or no usable answer, of which
 * the first is taken for a mishap. A throttle that asks for less gets a part of it.
 */
const PAUSE_MS = { refused: { first: 1_000, longest: 30_000 }, unreachable: { first: 250, longest: 5_000 } } as const;
const LEAST_PART = 0.25;
/** A token that lasts longer is used without waiting for the next one, ms. */
const ENOUGH_MS = 1_000;
const REFUSES_ALL = 'the platform refuses every token that its token endpoint issues';
/** What can stand in an `Authorization` header. */
const SENDABLE = /^[\x21-\x7e]+$/;

export interface TokenSourceOptions {
  readonly exchange: HttpExchange;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Time of one token request, ms. */
  readonly timeoutMs: number;
  /** Monotonic clock, ms. @default performance.now */
  readonly monotonicNow?: () => number;
  /** Is told what each request for a token came to. @default nobody */
  readonly onRequested?: (result: TokenResult) => void;
}

/** How the token is. Times are by our own clock. */
export interface TokenReport extends TokenHealth {
  /** When the token has to be looked after again, ms from now. */
  readonly dueInMs: number;
}

interface HeldToken {
  readonly value: string;
  /** Monotonic times, ms. */
  readonly refreshAt: number;
  readonly expiresAt: number;
}

type Outcome = { readonly value: string } | { readonly fault: PlatformFault };

/**
 * The platform's access token: fetched when first needed, replaced in time, shared by all calls. It is in this
 * object's private fields and nowhere else (`design.md`, invariant 7).
 *
 * Every fault it throws says that the call which wanted the token was not sent: `unauthorized` (our credentials are
 * refused), `throttled`, or `unreachable` (no answer, `5xx`, an unreadable one); never `ambiguous`.
 */
export class TokenSource {
  readonly #exchange: HttpExchange;
  readonly #form: string;
  readonly #timeoutMs: number;
  readonly #now: () => number;
  readonly #onRequested: (result: TokenResult) => void;
  #held: HeldToken | undefined;
  /** The one request under way. It never rejects, so nobody needs to be waiting for it. */
  #refreshing: Promise<Outcome> | undefined;
  #pause: { readonly until: number; readonly fault: PlatformFault } | undefined;
  #failures = 0;
  #isAccepted = false;
  /** Tokens in a row that were refused from the first call on. */
  #neverAccepted = 0;
  /** Since when no request for a token has had a usable answer, ISO 8601. */
  #silentSince: string | undefined;
  #refreshedAt: string | null = null;

  constructor({ exchange, clientId, clientSecret, timeoutMs, monotonicNow, onRequested }: TokenSourceOptions) {
    this.#exchange = exchange;
    this.#form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret,
    }).toString();
    this.#timeoutMs = timeoutMs;
    this.#now = monotonicNow ?? (() => performance.now());
    this.#onRequested = onRequested ?? (() => undefined);
  }

  /**
   * The token to use now. Where it is due for replacement and that fails, the old one until it really expires.
   * @throws PlatformError (see the class); the reason of `signal`, which gives up this caller's wait only.
   */
  async token({ signal }: CallOptions = {}): Promise<string> {
    const now = this.#now();
    if (this.#held !== undefined && now < this.#held.refreshAt) return this.#held.value;
    if (this.#held !== undefined && this.#held.expiresAt - now > ENOUGH_MS) {
      // A slow endpoint holds up nobody as long as the old one is good.
      void this.#refresh();
      return this.#held.value;
    }
    signal?.throwIfAborted();
    const outcome = await untilAborted(this.#refresh(), signal);
    if ('value' in outcome) return outcome.value;
    if (this.#held !== undefined && this.#now() < this.#held.expiresAt) return this.#held.value;
    throw new PlatformError('token', outcome.fault);
  }

  /**
   * Another token than the one that was just refused. Any number of calls refused with the same token cause one
   * request; a call refused with a token that has been replaced meanwhile just gets the newer one.
   * @throws as {@link token}
   */
  async refreshAfter401(usedToken: string, options: CallOptions = {}): Promise<string> {
    if (this.#held?.value === usedToken) {
      this.#held = undefined;
      // One that nobody has ever accepted: it is not the token that is wrong, and another one will not help for now.
      if (this.#isAccepted) this.#neverAccepted = 0;
      else if ((this.#neverAccepted += 1) > 1) this.#pauseAfter({ kind: 'unauthorized', detail: REFUSES_ALL });
    }
    return this.token(options);
  }

  /** A call with this token was not refused for it. */
  accepted(token: string): void {
    if (this.#held?.value !== token) return;
    this.#isAccepted = true;
    this.#neverAccepted = 0;
  }

  /** Replaces the token if it is due, and reports. Never rejects. */
  async keep(): Promise<TokenReport> {
    if (this.#held === undefined || this.#now() >= this.#held.refreshAt) await this.#refresh();
    const now = this.#now();
    const held = this.#held;
    const pausedForMs = Math.max(0, (this.#pause?.until ?? 0) - now);
    return {
      ...this.health,
      dueInMs: Math.ceil(Math.max(pausedForMs, held === undefined ? 0 : held.refreshAt - now)),
    };
  }

  /** How the token is, without asking for another. */
  get health(): TokenHealth {
    const now = this.#now();
    const held = this.#held;
    return {
      expiresAt:
        held !== undefined && held.expiresAt > now ? new Date(Date.now() + held.expiresAt - now).toISOString() : null,
      refreshedAt: this.#refreshedAt,
      failures: this.#failures,
      trouble: this.#pause === undefined ? null : describeFault(this.#pause.fault),
    };
  }

  /** How long until a token is due for replacement, ms; 0 where it is not the one that is held any more. */
  replacedInMs(token: string): number {
    return this.#held?.value === token ? Math.max(0, this.#held.refreshAt - this.#now()) : 0;
  }

  #refresh(): Promise<Outcome> {
    // One at a time: a request that timed out is cut off before the next begins, so no older answer comes in late.
    this.#refreshing ??= this.#fetch().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #fetch(): Promise<Outcome> {
    const askedAt = this.#now();
    if (this.#pause !== undefined && askedAt < this.#pause.until) {
      return { fault: this.#remaining(this.#pause.fault, this.#pause.until - askedAt) };
    }
    const outcome = await this.#exchange.exchange({
      method: 'POST',
      path: '/api/v2/auth/token',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: this.#form,
      answerTimeoutMs: this.#timeoutMs,
      maxBodyBytes: MAX_BODY_BYTES,
    });
    const read = readTokenOutcome(outcome);
    this.#onRequested('fault' in read ? resultOf(read.fault) : 'issued');
    if ('fault' in read) {
      this.#pauseAfter(read.fault);
      return { fault: this.#remaining(read.fault, (this.#pause?.until ?? 0) - this.#now()) };
    }
    this.#pause = undefined;
    this.#failures = 0;
    this.#silentSince = undefined;
    this.#refreshedAt = new Date().toISOString();
    // Counted from the asking: the platform's clock for it began no later than the answer.
    const lifetimeMs = tokenLifetimeMs(read.expiresIn);
    const expiresAt = askedAt + lifetimeMs;
    this.#isAccepted = false;
    this.#held = { value: read.value, refreshAt: expiresAt - Math.min(EARLY_MS, lifetimeMs / 2), expiresAt };
    return { value: read.value };
  }

  /** A failure as seen by one who asks in the pause after it. */
  #remaining(fault: PlatformFault, restMs: number): PlatformFault {
    const retryAfterMs = Math.max(0, Math.ceil(restMs));
    if (fault.kind === 'throttled') return { ...fault, retryAfterMs };
    if (fault.kind !== 'unreachable' || this.#silentSince === undefined) return fault;
    return { ...fault, since: this.#silentSince, ...(retryAfterMs > 0 ? { retryAfterMs } : {}) };
  }

  /** Wrong credentials stay wrong, a throttle holds for everybody, and one that is down is not helped by being asked. */
  #pauseAfter(fault: PlatformFault): void {
    this.#silentSince = fault.kind === 'unreachable' ? (this.#silentSince ?? new Date().toISOString()) : undefined;
    const { first, longest } = PAUSE_MS[fault.kind === 'unreachable' ? 'unreachable' : 'refused'];
    const isMishap = fault.kind === 'unreachable' && this.#failures === 0;
    const growing = isMishap ? 0 : Math.min(first * 2 ** this.#failures, longest);
    this.#failures += 1;
    const asked = fault.kind === 'throttled' ? fault.retryAfterMs : null;
    const pauseMs = Math.max(asked ?? growing, growing * LEAST_PART);
    this.#pause = { until: this.#now() + pauseMs, fault };
  }
}

function readTokenOutcome(
  outcome: HttpOutcome,
): { readonly value: string; readonly expiresIn: unknown } | { readonly fault: PlatformFault } {
  if (outcome.kind === 'failure') return unreachable(outcome.detail);
  const { status } = outcome;
  if (status >= 200 && status < 300) {
    const parsed = tokenAnswer.safeParse(parseJson(outcome.body ?? ''));
    if (!parsed.success || !SENDABLE.test(parsed.data.access_token)) {
      return unreachable(outcome.bodyFault ?? `its answer ${status} holds no usable access_token`);
    }
    return { value: parsed.data.access_token, expiresIn: parsed.data.expires_in };
  }
  if (status === 429) return { fault: { kind: 'throttled', retryAfterMs: retryAfterMs(outcome.headers, Date.now()) } };
  if (status === 408 || status >= 500) return unreachable(`it answered ${status}`);
  // The answer's own words are left out: a platform that repeats what it was sent would put the secret into a log.
  const check =
    status === 400 || status === 401 || status === 403
      ? 'check PLATFORM_CLIENT_ID and PLATFORM_CLIENT_SECRET'
      : 'check PLATFORM_BASE_URL, then PLATFORM_CLIENT_ID and PLATFORM_CLIENT_SECRET';
  return { fault: { kind: 'unauthorized', detail: `the token endpoint answered ${status}: ${check}` } };
}

function resultOf({ kind }: PlatformFault): TokenResult {
  if (kind === 'throttled') return 'throttled';
  return kind === 'unauthorized' ? 'refused' : 'unreachable';
}

function unreachable(detail: string): { readonly fault: PlatformFault } {
  return { fault: { kind: 'unreachable', detail: `token endpoint: ${detail}` } };
}
