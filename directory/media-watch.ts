import type { Client } from '@temporalio/client';
import { affinityOf } from '../domain/media-placement.js';
import type { MediaHome } from '../domain/media-placement.js';
import { profileOf, stepOf } from '../domain/media.js';
import type { MediaAffinity, MediaMeasures, MediaNews } from '../domain/media.js';
import { newTrend, withSample } from '../domain/media-trend.js';
import type { MediaChange, MediaLimits, MediaTrend } from '../domain/media-trend.js';
import type { LegSample } from '../domain/notifications.js';
import type { MediaMetrics } from '../domain/platform-wire.js';
import { MEDIA_QUALITY_SIGNAL } from '../domain/workflow-contract.js';
import { sessionsOfLegs } from './running-sessions.js';
import type { RunningSession } from './running-sessions.js';
import { signalled } from './tell-workflows.js';
import { UnknownLegs } from './unknown-legs.js';

/** How long one list request or signal may take, ms. */
const CALL_LIMIT_MS = 5_000;

/** A leg of which nothing was heard for so long is over, ms. */
const FORGOTTEN_AFTER_MS = 600_000;

/**
 * How often it is found out anew where a call is carried whose leg is not heard well, ms: what the platform says of a call that
 * has just been moved may be older than how it sounds. Of all legs together no more often than twice a second.
 */
const PLACED_AGAIN_AFTER_MS = 60_000;
const BETWEEN_LOOKUPS_MS = 500;

/** Who takes a leg over does not know when its session was told last, ms. */
const A_MINUTE_MS = 60_000;

/** A leg whose session is known. */
export interface WatchedLeg {
  readonly sessionId: string;
  readonly interactionId: string;
  readonly monitorSessionId: string;
  readonly mediaServerGroupId: string | null;
  affinity: MediaAffinity;
  /** When that was last looked up here, ms since the epoch; 0: never. */
  placedAtMs: number;
  trend: MediaTrend;
  /** By our own clock, ms since the epoch; 0: never. */
  heardAtMs: number;
  readonly knownAtMs: number;
  /** What its session is to be told; only the last of it matters. */
  untold: (MediaChange & { readonly measures: MediaMeasures }) | undefined;
  isBeingTold: boolean;
}

/** The sessions that legs belong to. */
export interface LegSessions {
  /** Those that run and have one of these legs, a hundred at most. */
  readonly find: (monitorSessionIds: readonly string[]) => Promise<readonly RunningSession[]>;
  /** Resolves once it is durable; false: the session is over. */
  readonly tell: (sessionId: string, news: MediaNews) => Promise<boolean>;
}

/** As Temporal has them. */
export function legSessions(client: Client): LegSessions {
  const within = <T>(call: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + CALL_LIMIT_MS, call);
  return {
    find: (monitorSessionIds) => within(() => sessionsOfLegs(client, monitorSessionIds)),
    tell: (sessionId, news) => within(() => signalled(client, sessionId, MEDIA_QUALITY_SIGNAL, news)),
  };
}

export interface MediaWatchOptions {
  readonly sessions: LegSessions;
  readonly limits: MediaLimits;
  /** Where an interaction is carried now; `null`: nobody can tell. */
  readonly homeOf: (interactionId: string) => Promise<MediaHome | null>;
  /** Is told of what went wrong; it is tried again with the next sample. */
  readonly onTrouble: (error: unknown) => void;
  /** Is told each sample of a leg whose session is known, but for those that came before or too late. @default nobody */
  readonly onSample?: (sample: LegSample) => void;
}

/**
 * Follows how well legs are heard, sample by sample, and tells their sessions what changes. Samples stay here, in memory: a
 * session's history has what matters to its supervisor, and that is limited.
 *
 * Whoever takes over begins with what the sessions show (docs/decisions/0015-media-quality.md).
 */
export class MediaWatch {
  readonly #options: MediaWatchOptions;
  readonly #legs = new Map<string, WatchedLeg>();
  readonly #unknown: UnknownLegs;
  #tidiedAtMs = Date.now();
  #placedAtMs = 0;

  constructor(options: MediaWatchOptions) {
    this.#options = options;
    const { sessions, onTrouble } = options;
    this.#unknown = new UnknownLegs({ find: sessions.find, onTrouble, onFound: (session) => this.know(session) });
  }

  /** Takes a sample; what follows from it happens by and by. */
  sample(sample: MediaMetrics): void {
    const now = Date.now();
    if (now - this.#tidiedAtMs > FORGOTTEN_AFTER_MS) this.#tidy(now);
    const leg = this.#legs.get(sample.monitorSessionId);
    if (leg === undefined) return this.#unknown.meet(sample.monitorSessionId);
    leg.heardAtMs = now;
    const { playoutDelayMs } = profileOf(leg.affinity, leg.trend.step);
    const { limits } = this.#options;
    const { trend, change } = withSample(leg.trend, sample, { playoutDelayMs, limits, nowMs: now });
    const isNews = trend.sampledAtMs !== leg.trend.sampledAtMs;
    leg.trend = trend;
    if (isNews) this.#options.onSample?.(legSampleOf(leg, sample));
    if (change !== undefined) leg.untold = { ...change, measures: sample };
    if (leg.untold !== undefined) void this.#tell(leg);
    else if (this.#isDueForPlacing(leg, now)) void this.#placeAgain(leg, sample);
  }

  /** Takes a session up by what lists show of it, unless its leg is known. */
  know({ sessionId, interactionId, session }: RunningSession): void {
    // One that waits for its leg hears nothing of it yet, and may be told otherwise where it is.
    if (session === undefined || session.state === 'PENDING') return;
    if (session.monitorSessionId === null || session.media === null) return;
    const { monitorSessionId } = session;
    if (this.#legs.has(monitorSessionId)) return;
    const { mediaServerGroupId, affinity, quality, codec } = session.media;
    const now = Date.now();
    this.#legs.set(monitorSessionId, {
      sessionId,
      interactionId,
      monitorSessionId,
      mediaServerGroupId,
      affinity,
      placedAtMs: 0,
      trend: newTrend({
        quality,
        step: stepOf(codec.bitrateBps),
        tellsFromMs: quality === null ? now : now + A_MINUTE_MS,
      }),
      heardAtMs: 0,
      knownAtMs: now,
      untold: undefined,
      isBeingTold: false,
    });
    this.#unknown.found(monitorSessionId);
  }

  /** Legs that were not heard of within that time, ms, those that have waited longest first. */
  silentFor(ms: number): WatchedLeg[] {
    const since = Date.now() - ms;
    return [...this.#legs.values()]
      .filter(({ heardAtMs }) => heardAtMs < since)
      .toSorted((one, other) => one.heardAtMs - other.heardAtMs);
  }

  /** The leg is gone. */
  forget(monitorSessionId: string): void {
    this.#legs.delete(monitorSessionId);
  }

  /** Legs that are watched, by how well they are heard. */
  get qualities(): readonly MediaTrend['quality'][] {
    return [...this.#legs.values()].map(({ trend }) => trend.quality);
  }

  /** Another process goes on with it. */
  clear(): void {
    this.#unknown.clear();
    this.#legs.clear();
  }

  /** One by one, and the last news only: who is told late is told how it is then. */
  async #tell(leg: WatchedLeg): Promise<void> {
    if (leg.isBeingTold) return;
    leg.isBeingTold = true;
    try {
      for (let news = leg.untold; news !== undefined; news = leg.untold) {
        // A leg that is heard well by the call's own group is still there, or might as well be.
        const isSettled = leg.affinity === 'primary' && news.quality === 'good';
        const affinity = isSettled ? leg.affinity : await this.#affinityNow(leg);
        const payload = newsOf(leg, news, affinity);
        const isRunning = await this.#options.sessions.tell(leg.sessionId, payload);
        leg.affinity = affinity;
        if (leg.untold === news) leg.untold = undefined;
        if (!isRunning) this.forget(leg.monitorSessionId);
      }
    } catch (error) {
      this.#options.onTrouble(error);
    } finally {
      leg.isBeingTold = false;
    }
  }

  /** A call may be carried by another group than at its start. */
  async #affinityNow(leg: WatchedLeg): Promise<MediaAffinity> {
    const { interactionId, mediaServerGroupId, affinity } = leg;
    if (mediaServerGroupId === null) return affinity;
    leg.placedAtMs = Date.now();
    const home = await this.#options.homeOf(interactionId);
    return home === null ? affinity : affinityOf(home, mediaServerGroupId);
  }

  #isDueForPlacing({ trend, placedAtMs, isBeingTold }: WatchedLeg, now: number): boolean {
    if (trend.quality === 'good' || isBeingTold || now - placedAtMs < PLACED_AGAIN_AFTER_MS) return false;
    return now - this.#placedAtMs >= BETWEEN_LOOKUPS_MS;
  }

  async #placeAgain(leg: WatchedLeg, measures: MediaMeasures): Promise<void> {
    this.#placedAtMs = Date.now();
    const { quality, step } = leg.trend;
    const affinity = await this.#affinityNow(leg);
    // What has been told meanwhile is newer, and has looked as well.
    const isOvertaken = leg.trend.quality !== quality || leg.trend.step !== step;
    if (affinity === leg.affinity || quality === null || isOvertaken) return;
    leg.untold = { quality, step, measures };
    await this.#tell(leg);
  }

  #tidy(now: number): void {
    this.#tidiedAtMs = now;
    for (const [id, { heardAtMs, knownAtMs }] of this.#legs) {
      if (now - Math.max(heardAtMs, knownAtMs) > FORGOTTEN_AFTER_MS) this.#legs.delete(id);
    }
  }
}

function legSampleOf(
  { sessionId, monitorSessionId, trend }: WatchedLeg,
  { sampledAt, packetLoss, jitterMs, roundTripMs }: MediaMeasures,
): LegSample {
  return { sessionId, monitorSessionId, sampledAt, packetLoss, jitterMs, roundTripMs, quality: trend.quality };
}

function newsOf(
  leg: WatchedLeg,
  { quality, step, measures }: NonNullable<WatchedLeg['untold']>,
  affinity: MediaAffinity,
): MediaNews {
  const { packetLoss, jitterMs, roundTripMs, sampledAt } = measures;
  return {
    monitorSessionId: leg.monitorSessionId,
    quality,
    bitrateBps: profileOf(affinity, step).codec.bitrateBps,
    affinity,
    packetLoss,
    jitterMs,
    roundTripMs,
    sampledAt,
  };
}
