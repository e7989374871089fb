import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { MediaWatch, WatchedLeg } from '../directory/media-watch.js';
import { countHeardSessions, heardSessions } from '../directory/running-sessions.js';
import { PlatformError } from '../platform/platform-error.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { Pace } from './pace.js';

/** How long one list or count request may take, ms. */
const CALL_LIMIT_MS = 10_000;

/** A leg of which the platform has nothing to tell is not asked about for so long, ms. */
const NOTHING_TO_TELL_MS = 60_000;

/** A platform that does not let us ask, or does not understand, is not asked for so long, ms. */
const USELESS_MS = 300_000;

export interface MediaPollOptions {
  readonly platform: Pick<TelephonyPlatform, 'mediaMetrics'>;
  readonly client: Client;
  readonly watch: MediaWatch;
  /** Between two looks at a leg that no event tells of, ms. */
  readonly pollMs: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Is told of what went wrong; the next round tries again. */
  readonly onTrouble: (error: unknown) => void;
}

/**
 * Asks how legs are heard that the event stream does not tell of, one after the other, at most ten a second and with what the
 * rate limit leaves to background work. Where the stream tells of all of them that is one count request a round.
 * Resolves when the signal fires.
 */
export async function pollMedia(options: MediaPollOptions): Promise<void> {
  const { signal, onTrouble, pollMs } = options;
  const pace = new Pace(signal);
  const notBefore = new Map<string, number>();
  for (;;) {
    try {
      await sleep(pollMs, undefined, { signal });
      await pollRound(options, pace, notBefore);
    } catch (error) {
      if (signal.aborted) return;
      onTrouble(error);
    }
  }
}

async function pollRound(options: MediaPollOptions, pace: Pace, notBefore: Map<string, number>): Promise<void> {
  const { client, watch, pollMs } = options;
  const within = <T>(call: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + CALL_LIMIT_MS, call);
  // More that are heard of than there are: some have just ended.
  if (watch.heardWithin(pollMs) >= (await within(() => countHeardSessions(client)))) return;
  const running = await within(() => heardSessions(client));
  for (const session of running) watch.know(session);
  const legs = new Set(running.map(({ session }) => session?.monitorSessionId));
  const now = Date.now();
  for (const [id, untilMs] of notBefore) if (untilMs <= now) notBefore.delete(id);
  for (const leg of watch.silentFor(pollMs)) {
    // Lists lag: what is over is asked about once more, and forgotten then.
    if (!legs.has(leg.monitorSessionId)) watch.forget(leg.monitorSessionId);
    else if (!notBefore.has(leg.monitorSessionId)) {
      await pace.turn();
      if (!(await poll(options, leg, pace, notBefore))) return;
    }
  }
}

/** Whether it makes sense to ask about the next one. */
async function poll(
  { platform, watch, signal }: MediaPollOptions,
  leg: WatchedLeg,
  pace: Pace,
  notBefore: Map<string, number>,
): Promise<boolean> {
  const { interactionId, monitorSessionId } = leg;
  try {
    watch.sample({ ...(await platform.mediaMetrics(leg, { signal })), interactionId });
    return true;
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    const { fault } = error;
    switch (fault.kind) {
      case 'gone':
      case 'not-ready':
      case 'busy':
      case 'group-unavailable':
        notBefore.set(monitorSessionId, Date.now() + NOTHING_TO_TELL_MS);
        return true;
      case 'forbidden':
      case 'invalid':
      case 'unauthorized':
        pace.pause(USELESS_MS);
        return false;
      case 'throttled':
        pace.pause(fault.retryAfterMs ?? 0);
        return false;
      case 'unreachable':
      case 'ambiguous':
        return false;
    }
  }
}
