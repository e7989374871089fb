import { cancellationSignal, getClient, heartbeat, log, sleep } from '@temporalio/activity';
import { signalled } from '../directory/tell-workflows.js';
import { isCallEvent } from '../domain/platform-events.js';
import type { CallEvent } from '../domain/platform-events.js';
import type { MediaMetrics } from '../domain/platform-wire.js';
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

/** Messages that are not understood are told of so often at most, ms: they may come with every sample. */
const NONSENSE_TOLD_EVERY_MS = 60_000;

/** For the queue of watchers only: it lasts as long as the deployment. */
export interface EventActivities {
  /**
   * Holds the one connection to the platform's event stream and brings what comes to whom it concerns; and asks how legs are
   * heard that it does not tell of. `off`: this worker is told to do neither (`PLATFORM_EVENTS_URL=off`,
   * `MEDIA_POLL_SECONDS=0`).
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

/** To whom what the platform tells is brought. */
export interface EventRoutes {
  /** Resolves once all that an event causes is durable; absent: without the event stream. */
  readonly calls?: (event: CallEvent) => Promise<void>;
  /** How legs are heard; absent: it is not followed. */
  readonly media?: MediaRoute;
}

export interface MediaRoute {
  readonly take: (sample: MediaMetrics) => void;
  /** Asks of legs that are not told of, until the signal fires; it does not reject. Absent: never. */
  readonly poll?: (signal: AbortSignal) => Promise<void>;
  /** Somebody else goes on. */
  readonly leave: () => void;
}

export function createEventActivities(
  platform: Pick<TelephonyPlatform, 'followEvents'>,
  { calls, media }: EventRoutes,
): EventActivities {
  return {
    async followEvents() {
      if (calls === undefined && media?.poll === undefined) return 'off';
      const shift: Shift = { connectedAt: null, connections: 0, events: 0, trouble: null };
      const gap = new Gap();
      const alive = setInterval(() => {
        heartbeat(shift);
        void gap.tell();
      }, HEARTBEAT_MS);
      const over = new AbortController();
      const polling = media?.poll?.(AbortSignal.any([cancellationSignal(), over.signal]));
      try {
        if (calls === undefined) await pause(SHIFT_MS);
        else await listen(platform, shift, { calls, media, gap });
        return 'go-on';
      } finally {
        clearInterval(alive);
        over.abort();
        await polling;
        media?.leave();
      }
    },
  };
}

/** What happened while nobody listened is found out by the sweep; until that knows, it is told again. */
class Gap {
  #isUntold = false;

  note(): void {
    this.#isUntold = true;
    void this.tell();
  }

  async tell(): Promise<void> {
    if (!this.#isUntold) return;
    this.#isUntold = false;
    this.#isUntold = !(await signalled(getClient(), INTERACTION_SWEEP_ID, SWEEP_NOW, {}).catch(() => false));
  }
}

/** One connection after the other, for a shift. */
async function listen(
  platform: Pick<TelephonyPlatform, 'followEvents'>,
  shift: Shift,
  { calls, media, gap }: { calls: NonNullable<EventRoutes['calls']>; media: MediaRoute | undefined; gap: Gap },
): Promise<void> {
  const endsAtMs = performance.now() + SHIFT_MS;
  let nonsenseToldAtMs = Number.NEGATIVE_INFINITY;
  for (let failures = 0; performance.now() < endsAtMs;) {
    const openedAtMs = performance.now();
    const { detail, pauseMs } = await connection(platform, {
      onOpen() {
        shift.connectedAt = new Date().toISOString();
        shift.connections += 1;
        log.info('events.connected', { connections: shift.connections });
        gap.note();
      },
      async onEvent(event) {
        shift.events += 1;
        if (isCallEvent(event)) await calls(event);
        else media?.take(event.data);
      },
      onNonsense(problem) {
        if (performance.now() - nonsenseToldAtMs < NONSENSE_TOLD_EVERY_MS) return;
        nonsenseToldAtMs = performance.now();
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
