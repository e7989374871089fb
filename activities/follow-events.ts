import { cancellationSignal, getClient, heartbeat, log, sleep } from '@temporalio/activity';
import { signalled } from '../directory/tell-workflows.js';
import type { PlatformEvent } from '../domain/platform-events.js';
import { INTERACTION_SWEEP_ID, SWEEP_NOW } from '../domain/sweep.js';
import { PlatformError } from '../platform/platform-error.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { stopIfTold } from './worker-stopping.js';

/** How often the holder of the connection shows that it is alive, ms: a dead one is noticed when four of them fail to come. */
const HEARTBEAT_MS = 1_000;

/** Before the next connection, ms: doubling, and drawn anew each time so that no two deployments come back in step. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

/** Where our OAuth client may not listen, ms: somebody may give it the right. */
const REFUSED_PAUSE_MS = 60_000;

/** A connection that lasted so long was a good one, ms. */
const GOOD_AFTER_MS = 30_000;

/** After that another attempt goes on, ms: no activity lasts for ever. */
const SHIFT_MS = 12 * 3_600_000;

/** For the queue of watchers only: it lasts as long as the deployment. */
export interface EventActivities {
  /**
   * Holds the one connection to the platform's event stream and brings what comes to whom it concerns. `off`: this worker is
   * told to do without events (`PLATFORM_EVENTS_URL=off`).
   * Fails with the retryable `worker.stopping` so that another worker takes over at once.
   */
  followEvents(): Promise<'off' | 'go-on'>;
}

/** What the holder shows of itself in Temporal's UI. */
interface Shift {
  connectedAt: string | null;
  connections: number;
  events: number;
  trouble: string | null;
}

/** @param route resolves once all that an event causes is durable; `undefined`: without events */
export function createEventActivities(
  platform: Pick<TelephonyPlatform, 'followEvents'>,
  route: ((event: PlatformEvent) => Promise<void>) | undefined,
): EventActivities {
  return {
    async followEvents() {
      if (route === undefined) return 'off';
      const shift: Shift = { connectedAt: null, connections: 0, events: 0, trouble: null };
      // What happened while nobody listened is found out by the sweep; until that knows, it is told again.
      let hasGap = false;
      const tellOfGap = async (): Promise<void> => {
        if (!hasGap) return;
        hasGap = false;
        hasGap = !(await signalled(getClient(), INTERACTION_SWEEP_ID, SWEEP_NOW, {}).catch(() => false));
      };
      const alive = setInterval(() => {
        heartbeat(shift);
        void tellOfGap();
      }, HEARTBEAT_MS);
      const endsAtMs = performance.now() + SHIFT_MS;
      try {
        for (let failures = 0; performance.now() < endsAtMs;) {
          const openedAtMs = performance.now();
          const { detail, pauseMs } = await connection(platform, {
            onOpen() {
              shift.connectedAt = new Date().toISOString();
              shift.connections += 1;
              log.info('events.connected', { connections: shift.connections });
              hasGap = true;
              void tellOfGap();
            },
            async onEvent(event) {
              shift.events += 1;
              await route(event);
            },
            onNonsense(problem) {
              log.warn('events.not-understood', { problem });
            },
          });
          shift.connectedAt = null;
          shift.trouble = detail;
          stopIfTold({ nonRetryable: false });
          log.info('events.disconnected', { trouble: shift.trouble });
          failures = performance.now() - openedAtMs >= GOOD_AFTER_MS ? 0 : failures + 1;
          await pause(pauseMs ?? Math.random() * Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS));
        }
        return 'go-on';
      } finally {
        clearInterval(alive);
      }
    },
  };
}

/** Until it ends; why it did, and how long to wait before the next one where the platform has said so. */
async function connection(
  platform: Pick<TelephonyPlatform, 'followEvents'>,
  listener: Parameters<TelephonyPlatform['followEvents']>[0],
): Promise<{ readonly detail: string; readonly pauseMs?: number | undefined }> {
  try {
    return { detail: await platform.followEvents(listener, { signal: cancellationSignal() }) };
  } catch (error) {
    stopIfTold({ nonRetryable: false });
    const detail = error instanceof Error ? error.message : 'unknown';
    const fault = error instanceof PlatformError ? error.fault : undefined;
    switch (fault?.kind) {
      case 'throttled':
        return { detail, pauseMs: fault.retryAfterMs ?? undefined };
      case 'forbidden':
        return { detail, pauseMs: REFUSED_PAUSE_MS };
      default:
        return { detail };
    }
  }
}

async function pause(ms: number): Promise<void> {
  await sleep(ms).catch((error: unknown) => {
    stopIfTold({ nonRetryable: false });
    throw error;
  });
}
