import type { MediaMeasures, MediaQuality } from './media.js';

/**
 * How well speech is heard, by the E-model (ITU-T G.107, 06/2015) with its default values for everything but the network:
 * R = 93.2 − Idd − Ie,eff. 93.2 is what is left of the scale by those defaults.
 */
const R_BY_DEFAULT = 93.2;

/** Robustness against random loss of a codec that conceals it: G.711 with concealment (ITU-T G.113, table I.4). Opus has none there. */
const LOSS_ROBUSTNESS = 25.1;

/** One packet of 20 ms and the 6.5 ms that Opus looks ahead (RFC 6716, section 2.1.4). */
const CODEC_DELAY_MS = 26.5;

/** Where the classes of ITU-T G.109 begin. */
const GOOD_FROM_R = 80;
const FAIR_FROM_R = 70;

/**
 * The R value of a leg, at most 93.2; far below 50 nobody would call it a connection.
 * @param playoutDelayMs of the jitter buffer of whoever listens: what comes later is lost
 */
export function ratingOf(measures: MediaMeasures, playoutDelayMs: number): number {
  const { packetLoss, jitterMs, roundTripMs } = measures;
  const lost = 1 - (1 - packetLoss) * (1 - lateShare(jitterMs, playoutDelayMs));
  const oneWayMs = roundTripMs / 2 + playoutDelayMs + CODEC_DELAY_MS;
  return R_BY_DEFAULT - delayImpairment(oneWayMs) - lossImpairment(lost * 100);
}

/** The class of that. */
export function qualityOf(measures: MediaMeasures, playoutDelayMs: number): MediaQuality {
  const rating = ratingOf(measures, playoutDelayMs);
  if (rating >= GOOD_FROM_R) return 'good';
  return rating >= FAIR_FROM_R ? 'fair' : 'poor';
}

const SEVERITY = ['good', 'fair', 'poor'] as const satisfies readonly MediaQuality[];

/** Negative where `one` is the better of the two. */
export function compareQuality(one: MediaQuality, other: MediaQuality): number {
  return SEVERITY.indexOf(one) - SEVERITY.indexOf(other);
}

/**
 * The part of the packets that come too late for the buffer. Jitter is a mean deviation (RFC 3550, section 6.4.1); for
 * deviations that fall off exponentially to both sides, as queues make them, that many are beyond it.
 */
function lateShare(jitterMs: number, playoutDelayMs: number): number {
  return jitterMs === 0 ? 0 : Math.exp(-playoutDelayMs / jitterMs) / 2;
}

/** Idd: what delay costs a conversation (G.107, 7.4). Nothing up to 100 ms one way. */
function delayImpairment(oneWayMs: number): number {
  if (oneWayMs <= 100) return 0;
  const x = Math.log2(oneWayMs / 100);
  return 25 * ((1 + x ** 6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2);
}

/** Ie,eff: what loss costs, for random loss and a codec that costs nothing itself (G.107, 7.5). */
function lossImpairment(lossPercent: number): number {
  return (95 * lossPercent) / (lossPercent + LOSS_ROBUSTNESS);
}
