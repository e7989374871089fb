import { LAST_STEP } from './media.js';
import type { MediaMeasures, MediaQuality } from './media.js';
import { compareQuality, qualityOf } from './media-quality.js';

/**
 * What samples of one leg come to: whether it is heard better or worse, and whether its bit rate should change. Pure, so that
 * whoever gets the samples can follow any number of legs; a session hears of changes only.
 */

/** When samples make a change (docs/decisions/0015-media-quality.md says why by default at these). */
export interface MediaLimits {
  /** Beyond this a leg should have a lower bit rate, 0–1. */
  readonly packetLoss: number;
  /** Likewise, ms. */
  readonly jitterMs: number;
  /** Samples in a row that make it worse. */
  readonly badSamples: number;
  /** Samples in a row that make it better; for the bit rate within half of the limits. */
  readonly goodSamples: number;
  /** Changes of one leg in any minute at most. */
  readonly changesPerMinute: number;
}

/** What is left of the limits where a leg is far enough from them to have its bit rate back. */
const WELL_WITHIN = 0.5;

/**
 * What was better and then worse again has to wait twice as long for the next time, and at most so many times as long: a
 * network that goes up and down would be tried, and told, for ever. What was better for that long has nothing to do with the
 * last time.
 */
const MOST_PATIENCE = 8;

/** Nothing older is believed, ms, unless nothing newer has come for as long: then the platform's clock was set. */
const LATE_MS = 60_000;

const MINUTE_MS = 60_000;

/** What is known of a leg. */
export interface MediaTrend {
  /** As it was told last; `null`: nothing has been. */
  readonly quality: MediaQuality | null;
  /** Of the bit rate; 0 is the best. */
  readonly step: number;
  /** Of the last sample, ms since the epoch, by the platform's clock. */
  readonly sampledAtMs: number;
  /** In a row: worse or better than `quality`, beyond the limits, well within them. */
  readonly worse: Run;
  readonly better: Run;
  readonly beyond: number;
  readonly within: number;
  /** How many times longer than `goodSamples` it has to be better before that counts. */
  readonly patience: number;
  /** Whether the last change was for the better, and samples since. */
  readonly hasRisen: boolean;
  readonly samplesSince: number;
  /** Since when only samples come that are older than the last one, by our own clock, ms since the epoch; `null`: they do not. */
  readonly staleSinceMs: number | null;
  /** Nothing changes before, by our own clock, ms since the epoch. */
  readonly tellsFromMs: number;
  /** When it changed within the last minute, ms since the epoch, by our own clock. */
  readonly changedAtMs: readonly number[];
}

interface Run {
  readonly samples: number;
  /** The nearest to what was told that was among them. */
  readonly nearest: MediaQuality | null;
}

const NO_RUN: Run = { samples: 0, nearest: null };

/** What a sample has changed. */
export interface MediaChange {
  readonly quality: MediaQuality;
  readonly step: number;
}

/**
 * A leg that nobody has followed, or that somebody else has.
 * @param shown what its session shows; `tellsFromMs`: by our own clock, ms since the epoch, so that who takes over from
 * another changes nothing too soon after it
 */
export function newTrend(shown: Pick<MediaTrend, 'quality' | 'step' | 'tellsFromMs'>): MediaTrend {
  return {
    ...shown,
    sampledAtMs: Number.NEGATIVE_INFINITY,
    worse: NO_RUN,
    better: NO_RUN,
    beyond: 0,
    within: 0,
    patience: 1,
    hasRisen: false,
    samplesSince: 0,
    staleSinceMs: null,
    changedAtMs: [],
  };
}

/**
 * The trend after a sample, and the change that it makes. One that is late or was there before changes nothing.
 * @param playoutDelayMs of the profile that the leg has
 * @param nowMs by our own clock, ms since the epoch
 */
export function withSample(
  trend: MediaTrend,
  measures: MediaMeasures,
  { playoutDelayMs, limits, nowMs }: { playoutDelayMs: number; limits: MediaLimits; nowMs: number },
): { readonly trend: MediaTrend; readonly change?: MediaChange } {
  const sampledAtMs = Date.parse(measures.sampledAt);
  const agoMs = trend.sampledAtMs - sampledAtMs;
  if (agoMs >= 0) {
    const staleSinceMs = trend.staleSinceMs ?? nowMs;
    const isOfAnotherClock = agoMs > LATE_MS && nowMs - staleSinceMs >= LATE_MS;
    if (!isOfAnotherClock) return { trend: { ...trend, staleSinceMs } };
  }

  const { packetLoss, jitterMs } = measures;
  const isBeyond = packetLoss > limits.packetLoss || jitterMs > limits.jitterMs;
  const isWithin = packetLoss <= limits.packetLoss * WELL_WITHIN && jitterMs <= limits.jitterMs * WELL_WITHIN;
  const quality = qualityOf(measures, playoutDelayMs);
  const compared = trend.quality === null ? 0 : compareQuality(quality, trend.quality);
  const heard: MediaTrend = {
    ...trend,
    sampledAtMs,
    staleSinceMs: null,
    samplesSince: trend.samplesSince + 1,
    worse: compared > 0 ? longer(trend.worse, quality, milder) : NO_RUN,
    better: compared < 0 ? longer(trend.better, quality, severer) : NO_RUN,
    beyond: isBeyond ? trend.beyond + 1 : 0,
    within: isWithin ? trend.within + 1 : 0,
    changedAtMs: trend.changedAtMs.filter((atMs) => Math.abs(nowMs - atMs) < MINUTE_MS),
  };
  const change = changeOf(heard, quality, limits);
  const mayChange = nowMs >= trend.tellsFromMs && heard.changedAtMs.length < limits.changesPerMinute;
  if (change === undefined || !mayChange) return { trend: heard };
  return { trend: changed(heard, change, limits, nowMs), change };
}

function longer({ samples, nearest }: Run, quality: MediaQuality, choose: typeof milder): Run {
  return { samples: samples + 1, nearest: nearest === null ? quality : choose(nearest, quality) };
}

function milder(one: MediaQuality, other: MediaQuality): MediaQuality {
  return compareQuality(one, other) <= 0 ? one : other;
}

function severer(one: MediaQuality, other: MediaQuality): MediaQuality {
  return compareQuality(one, other) >= 0 ? one : other;
}

/** What the leg is due for; the first sample already says how well it is heard. */
function changeOf(trend: MediaTrend, sampled: MediaQuality, limits: MediaLimits): MediaChange | undefined {
  const { quality, worse, better, step } = trend;
  const goodSamples = limits.goodSamples * trend.patience;
  let next = quality ?? sampled;
  if (worse.samples >= limits.badSamples) next = worse.nearest ?? next;
  if (better.samples >= goodSamples) next = better.nearest ?? next;
  let nextStep = step;
  if (trend.beyond >= limits.badSamples) nextStep = Math.min(step + 1, LAST_STEP);
  if (trend.within >= goodSamples) nextStep = Math.max(step - 1, 0);
  return next === quality && nextStep === step ? undefined : { quality: next, step: nextStep };
}

function changed(trend: MediaTrend, { quality, step }: MediaChange, limits: MediaLimits, nowMs: number): MediaTrend {
  const compared = trend.quality === null ? 0 : compareQuality(quality, trend.quality);
  const isWorse = step > trend.step || compared > 0;
  const isBetter = !isWorse && (step < trend.step || compared < 0);
  return {
    ...trend,
    quality,
    step,
    worse: NO_RUN,
    better: NO_RUN,
    beyond: step === trend.step ? trend.beyond : 0,
    within: step === trend.step ? trend.within : 0,
    patience: isWorse ? patienceAfterFall(trend, limits) : trend.patience,
    hasRisen: isBetter || (trend.hasRisen && !isWorse),
    samplesSince: 0,
    changedAtMs: [...trend.changedAtMs, nowMs],
  };
}

function patienceAfterFall({ hasRisen, samplesSince, patience }: MediaTrend, { goodSamples }: MediaLimits): number {
  if (!hasRisen) return patience;
  return samplesSince > goodSamples * MOST_PATIENCE ? 1 : Math.min(patience * 2, MOST_PATIENCE);
}
