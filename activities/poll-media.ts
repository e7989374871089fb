import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { MediaWatch, WatchedLeg } from '../directory/media-watch.js';
import { heardSessions } from '../directory/running-sessions.js';
import type { RunningSession } from '../directory/running-sessions.js';
import { PlatformError } from '../platform/platform-error.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { Pace } from './pace.js';

/** How long one list request may take, ms. */
const CALL_LIMIT_MS = 10_000;

/** Where every leg that is known is heard of, sessions are listed so often, ms, for those that nobody has told of yet. */
const LISTED_EVERY_MS = 60_000;

/** A leg of which the platform does not tell is not asked about for so long, ms. */
const UNTOLD_PAUSE_MS = 60_000;

/** So many that failed in a row, and it is not this leg or that: the round is over, and the next one comes later, ms. */
const MOST_FAILURES = 5;
const LONGEST_PAUSE_MS = 300_000;

export interface MediaPollOptions {
  readonly platform: Pick<TelephonyPlatform, 'mediaMetrics'>;
  /** The sessions whose legs are active. */
  readonly sessions: () => Promise<readonly RunningSession[]>;
  readonly watch: Pick<MediaWatch, 'know' | 'forget' | 'sample' | 'silentFor'>;
  /** Between two looks at a leg that no event tells of, ms. */
  readonly pollMs: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Is told of what went wrong; the next round tries again. */
  readonly onTrouble: (error: unknown) => void;
  /** Between two calls, ms. @default as {@link Pace} has it, 100 */
  readonly paceMs?: number;
}

/** As Temporal lists them. */
export function heardSessionsOf(client: Client): MediaPollOptions['sessions'] {
  return () => client.withDeadline(Date.now() + CALL_LIMIT_MS, () => heardSessions(client));
}

/**
 * Asks how legs are heard that the event stream does not tell of, one after the other, at most ten a second and with what the
 * rate limit leaves to background work. Where the stream tells of all of them that is one list a minute.
 * Resolves when the signal fires.
 */
export async function pollMedia(options: MediaPollOptions): Promise<void> {
  const { signal, onTrouble, pollMs } = options;
  const poll = new MediaPoll(options);
  let pauseMs = pollMs;
  for (;;) {
    try {
      await sleep(pauseMs, undefined, { signal });
      const askAgainInMs = await poll.round();
      pauseMs = askAgainInMs ?? pollMs;
    } catch (error) {
      if (signal.aborted) return;
      onTrouble(error);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }
}

class MediaPoll {
  readonly #options: MediaPollOptions;
  readonly #pace: Pace;
  /** Legs that are left alone until then, ms since the epoch. */
  readonly #notBefore = new Map<string, number>();
  #listedAtMs = 0;

  constructor(options: MediaPollOptions) {
    this.#options = options;
    this.#pace = new Pace(options.signal, options.paceMs);
  }

  /**
   * Asks about every leg that is due.
   * @returns when the platform wants to be asked again, ms, where it has said so
   * @throws the last of several failures in a row
   */
  async round(): Promise<number | undefined> {
    const { watch, pollMs } = this.#options;
    const now = Date.now();
    for (const [id, untilMs] of this.#notBefore) if (untilMs <= now) this.#notBefore.delete(id);
    const areAllHeard = watch.silentFor(pollMs).length === 0;
    if (!areAllHeard || now - this.#listedAtMs >= LISTED_EVERY_MS) await this.#list();
    let failures = 0;
    for (const leg of watch.silentFor(pollMs)) {
      if (this.#notBefore.has(leg.monitorSessionId)) continue;
      await this.#pace.turn();
      const failure = await this.#ask(leg);
      if (failure?.fault.kind === 'throttled') return failure.fault.retryAfterMs ?? undefined;
      failures = failure === undefined ? 0 : failures + 1;
      if (failures >= MOST_FAILURES && failure !== undefined) throw failure;
    }
    return undefined;
  }

  async #list(): Promise<void> {
    const { sessions, watch, pollMs } = this.#options;
    const running = await sessions();
    this.#listedAtMs = Date.now();
    for (const session of running) watch.know(session);
    const listed = new Set(running.map(({ monitorSessionId }) => monitorSessionId));
    for (const { monitorSessionId } of watch.silentFor(pollMs)) {
      if (!listed.has(monitorSessionId)) watch.forget(monitorSessionId);
    }
  }

  /** What the platform said instead of telling; the leg is left alone for a while then, whatever it was. */
  async #ask(leg: WatchedLeg): Promise<PlatformError | undefined> {
    const { platform, watch, signal } = this.#options;
    try {
      watch.sample(await platform.mediaMetrics(leg, { signal }));
      return undefined;
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      if (error.fault.kind !== 'throttled') this.#notBefore.set(leg.monitorSessionId, Date.now() + UNTOLD_PAUSE_MS);
      return error;
    }
  }
}
