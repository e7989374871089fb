import type { z } from 'zod';
import { CallGate } from './call-gate.js';
import type { Pass } from './call-gate.js';
import { byImportance, resultOfStatus } from './call-observer.js';
import type { CallObserver, PlatformOperation, PlatformStatus, RequestResult } from './call-observer.js';
import { faultOfAnswer, parseJson } from './fault-of-answer.js';
import type { CallSubject } from './fault-of-answer.js';
import type { HttpAnswer, HttpExchange, HttpOutcome, HttpRequest } from './http-exchange.js';
import type { Importance } from './importance.js';
import { Outage } from './outage.js';
import { PlatformError } from './platform-error.js';
import type { PlatformFault } from './platform-error.js';
import { RateBudget } from './rate-budget.js';
import { rateLimitIn } from './rate-limit-headers.js';
import { retryAfterMs } from './retry-after.js';
import type { TokenSource } from './token-source.js';

/** Shorter tokens are found by chance in harmless answers; no real platform issues one. */
const SHORTEST_TOKEN_TO_LOOK_FOR = 16;

/** One call of the port: what to send and how to take the answer. */
export interface Call<Schema extends z.ZodType> {
  /** As errors name it. */
  readonly name: string;
  readonly operation: PlatformOperation;
  readonly subject: CallSubject;
  readonly importance: Importance;
  /** Nothing depends on it: a refusal for too many calls of its kind must not hold up the others. @default false */
  readonly isOptional?: boolean;
  readonly request: Omit<HttpRequest, 'headers' | 'signal'>;
  readonly success: Schema;
  /** What must hold of a well-formed success, so that nobody acts upon another call's answer. */
  readonly fits: (answer: z.infer<Schema>) => boolean;
}

/** What came back for a call, its content read once. */
interface Received<Schema extends z.ZodType> {
  readonly answer: HttpAnswer;
  /** Of a `2xx`; `undefined` also where it must not be looked at. */
  readonly content: z.ZodSafeParseResult<z.infer<Schema>> | undefined;
}

export interface PlatformCallsOptions {
  readonly exchange: HttpExchange;
  readonly tokens: TokenSource;
  /** Calls that may be in flight at the same time. */
  readonly connections: number;
  /** `false`: every call goes out at once. */
  readonly isGated: boolean;
  /** Something harmless to ask, which shows whether a platform that went away is back. */
  readonly harmless: Call<z.ZodType>;
  /** Is told when the platform goes away (since when, ISO 8601) and comes back (`undefined`). */
  readonly onOutage: (since: string | undefined) => void;
  /** Is told of every request and refusal. */
  readonly observer: CallObserver;
  /** Monotonic clock, ms. */
  readonly now: () => number;
}

/**
 * Makes calls to the platform: each with our token, inside the rate limit, and not while the platform is away. A request is
 * written once; only a `401`, which says that nothing was done, is replayed once with a new token.
 */
export class PlatformCalls {
  readonly #exchange: HttpExchange;
  readonly #tokens: TokenSource;
  readonly #gate: CallGate | undefined;
  readonly #outage: Outage;
  readonly #budget: RateBudget;
  readonly #observer: CallObserver;
  readonly #now: () => number;

  constructor({ exchange, tokens, connections, isGated, harmless, onOutage, observer, now }: PlatformCallsOptions) {
    this.#exchange = exchange;
    this.#tokens = tokens;
    this.#observer = observer;
    this.#now = now;
    this.#budget = new RateBudget({ now, random: Math.random });
    this.#outage = new Outage({
      now,
      wallNow: Date.now,
      random: Math.random,
      probe: () => this.#isBack(harmless),
      onChange: onOutage,
    });
    const gate = { budget: this.#budget, outage: this.#outage, now, connections };
    this.#gate = isGated ? new CallGate(gate) : undefined;
  }

  /** How many workers share the platform's rate limit, this one among them. */
  set workers(count: number) {
    this.#budget.workers = Math.max(1, Math.floor(count));
  }

  /** How it stands with the platform, without asking it anything. */
  get status(): Omit<PlatformStatus, 'token'> {
    return {
      limit: this.#budget.told,
      pausedForMs: this.#budget.pausedForMs,
      waiting: this.#gate?.waiting ?? byImportance(() => 0),
      inFlight: this.#gate?.inFlight ?? 0,
      awaySince: this.#outage.since ?? null,
    };
  }

  /**
   * @throws PlatformError, or the reason of `signal` if that fires first: before the sending nothing has happened then,
   * after it anything may have. A `2xx` whose content is not what the page promises is `ambiguous`.
   */
  async perform<Schema extends z.ZodType>(
    call: Call<Schema>,
    signal: AbortSignal | undefined,
  ): Promise<z.infer<Schema>> {
    const token = await this.#tokens.token({ signal });
    let received = await this.#send(call, token, signal);
    if (received.answer.status === 401) {
      const another = await this.#tokens.refreshAfter401(token, { signal });
      received = await this.#send(call, another, signal);
    }
    if (!isSuccess(received.answer)) {
      throw new PlatformError(call.name, notAtOnce(faultOfAnswer(call.subject, received.answer, Date.now())));
    }
    return success(call, received);
  }

  close(): void {
    this.#outage.close();
    this.#gate?.close();
  }

  async #send<Schema extends z.ZodType>(
    call: Call<Schema>,
    token: string,
    signal: AbortSignal | undefined,
  ): Promise<Received<Schema>> {
    const entered = (await this.#gate?.enter(call.importance, signal)) ?? UNCOUNTED;
    if ('kind' in entered) {
      this.#observer.notSent(call.operation, entered.kind === 'throttled' ? 'throttled' : 'away');
      throw new PlatformError(call.name, entered);
    }
    return this.#exchanged(call, token, signal, entered);
  }

  async #exchanged<Schema extends z.ZodType>(
    call: Call<Schema>,
    token: string,
    signal: AbortSignal | undefined,
    pass: Pass,
  ): Promise<Received<Schema>> {
    let outcome: HttpOutcome;
    const startedAtMs = this.#now();
    const observe = (result: RequestResult, status?: number): void =>
      this.#observer.sent(call.operation, result, (this.#now() - startedAtMs) / 1_000, {
        method: call.request.method,
        status,
      });
    try {
      const headers = {
        accept: 'application/json',
        authorization: `Bearer ${token}`,
        ...(call.request.body === undefined ? {} : { 'content-type': 'application/json' }),
      };
      outcome = await this.#exchange.exchange({ ...call.request, headers, signal });
    } catch (error) {
      observe('abandoned');
      pass.abandoned();
      throw error;
    }
    if (outcome.kind === 'failure') {
      const { sent, isTimeout, detail } = outcome;
      observe(isTimeout ? 'timeout' : 'network');
      pass.failed({ sent });
      throw new PlatformError(call.name, { kind: sent ? 'ambiguous' : 'unreachable', detail });
    }
    const { status, headers, body } = outcome;
    observe(resultOfStatus(status), status);
    const content = isSuccess(outcome)
      ? call.success.safeParse(body === null ? undefined : parseJson(body))
      : undefined;
    pass.answered({
      // A page of maintenance with `200` makes no sense either.
      isAble: content?.success ?? (status < 500 && status !== 408),
      rateLimit: rateLimitIn(headers, Date.now()),
      ...(status === 429 && call.isOptional !== true
        ? { throttled: { retryAfterMs: retryAfterMs(headers, Date.now()) } }
        : {}),
    });
    if (status !== 401) this.#tokens.accepted(token);
    // Ids and codes end in histories, logs and answers, where our token must not be (`design.md`, invariant 7).
    if (token.length >= SHORTEST_TOKEN_TO_LOOK_FOR && body?.includes(token) === true) {
      return {
        answer: { ...outcome, body: null, bodyFault: 'the answer repeats our access token' },
        content: undefined,
      };
    }
    return { answer: outcome, content };
  }

  /** Asked past the gate, which is shut then. @throws PlatformError where no answer came, or no token was to be had */
  async #isBack(call: Call<z.ZodType>): Promise<boolean> {
    const token = await this.#tokens.token();
    const spent = this.#budget.spend('background');
    let isBack = false;
    const pass: Pass = {
      answered: ({ isAble: able, ...answer }) => {
        this.#budget.answered(spent, answer);
        isBack = able;
      },
      failed: ({ sent }) => (sent ? this.#budget.unanswered(spent) : this.#budget.unsent(spent)),
      abandoned: () => this.#budget.unanswered(spent),
    };
    await this.#exchanged(call, token, undefined, pass);
    return isBack;
  }
}

/** Least delay after a refusal, ms, where the platform names one at all: `Retry-After: 0` is rounded down, or a date just past. */
const LEAST_DELAY_MS = 250;

function notAtOnce(fault: PlatformFault): PlatformFault {
  if (fault.kind !== 'throttled' || fault.retryAfterMs === null) return fault;
  return { ...fault, retryAfterMs: Math.max(fault.retryAfterMs, LEAST_DELAY_MS) };
}

const UNCOUNTED: Pass = { answered: () => undefined, failed: () => undefined, abandoned: () => undefined };

function isSuccess({ status }: HttpAnswer): boolean {
  return status >= 200 && status <= 299;
}

/** The content of a `2xx`, checked. Nobody may act upon what is not as documented, yet the platform said that it did it. */
function success<Schema extends z.ZodType>(call: Call<Schema>, { answer, content }: Received<Schema>): z.infer<Schema> {
  if (content?.success === true && call.fits(content.data)) return content.data;
  const problem = content?.error === undefined ? 'it answers another request' : firstIssue(content.error);
  const detail = `unusable answer ${answer.status}: ${answer.bodyFault ?? problem}`;
  throw new PlatformError(call.name, { kind: 'ambiguous', detail });
}

/** Where the answer went wrong first. zod's messages name types and expected values, never the value that came. */
function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return 'not as documented';
  return issue.path.length === 0 ? 'not a JSON object' : `${issue.path.join('.')}: ${issue.message}`;
}
