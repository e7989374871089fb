import type { Importance } from './importance.js';
import { IMPORTANCES } from './importance.js';

/** What the platform is asked for. */
export const OPERATIONS = [
  'start',
  'barge',
  'whisper',
  'silent',
  'stop',
  'state',
  'list',
  'groups',
  'metrics',
] as const;
export type PlatformOperation = (typeof OPERATIONS)[number];

/**
 * What became of one request: the class of its status, or the status itself where that means something here (`401`, `409`,
 * `429`); `timeout` and `network`: no status came; `abandoned`: its caller gave it up.
 */
export type RequestResult = '2xx' | '3xx' | '401' | '409' | '429' | '4xx' | '5xx' | 'timeout' | 'network' | 'abandoned';

/** Why a call was not sent: the rate limit, or the connections, had no room soon; the platform is away. */
export type LocalRefusal = 'throttled' | 'away';

/** What a request for a token came to. */
export type TokenResult = 'issued' | 'refused' | 'throttled' | 'unreachable';

/** A request as HTTP has it. */
export interface Exchange {
  readonly method: 'GET' | 'POST';
  /** `undefined`: none came. */
  readonly status: number | undefined;
}

/** Is told of everything that is asked of the platform, as it happens. It must not throw. */
export interface CallObserver {
  /** @param seconds from the sending, or the wait for a connection, to the end of the answer */
  sent(operation: PlatformOperation, result: RequestResult, seconds: number, exchange: Exchange): void;
  notSent(operation: PlatformOperation, why: LocalRefusal): void;
  tokenRequested(result: TokenResult): void;
}

export const NO_OBSERVER: CallObserver = {
  sent: () => undefined,
  notSent: () => undefined,
  tokenRequested: () => undefined,
};

/** Tells each of several observers. */
export function observedBy(...observers: readonly CallObserver[]): CallObserver {
  return {
    sent: (...told) => observers.forEach((observer) => observer.sent(...told)),
    notSent: (...told) => observers.forEach((observer) => observer.notSent(...told)),
    tokenRequested: (...told) => observers.forEach((observer) => observer.tokenRequested(...told)),
  };
}

/** How things stand with the platform, as one worker process sees it. Times are by our own clock. */
export interface PlatformStatus {
  /** What the platform's answers say of its rate limit; `null`: nothing. */
  readonly limit: { readonly calls: number; readonly remaining: number } | null;
  /** No call is made for so long, as after a `429`, ms. */
  readonly pausedForMs: number;
  /** Calls that wait here for their turn. */
  readonly waiting: Readonly<Record<Importance, number>>;
  readonly inFlight: number;
  /** Since when it has not answered, ISO 8601; `null`: it does. */
  readonly awaySince: string | null;
  readonly token: {
    /** ISO 8601; `null`: there is none that is good. */
    readonly expiresAt: string | null;
    /** When the last one was got, ISO 8601; `null`: never. */
    readonly refreshedAt: string | null;
    /** Requests for one that failed since. */
    readonly failures: number;
  };
}

/** As many of each importance as `count` gives. */
export function byImportance(count: (importance: Importance) => number): Readonly<Record<Importance, number>> {
  const [release, mode, start, confirm, background] = IMPORTANCES;
  return {
    release: count(release),
    mode: count(mode),
    start: count(start),
    confirm: count(confirm),
    background: count(background),
  };
}

/** The result of an answer by its status. */
export function resultOfStatus(status: number): RequestResult {
  switch (status) {
    case 401:
    case 409:
    case 429:
      return `${status}`;
    default:
      if (status < 300) return '2xx';
      if (status < 400) return '3xx';
      return status < 500 ? '4xx' : '5xx';
  }
}
