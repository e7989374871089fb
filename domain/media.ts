import { z } from 'zod';

/** How a leg is carried and how well it is heard, as a session shows it and a supervisor's client applies it. */

/**
 * By the R value of ITU-T G.107, in the classes of ITU-T G.109: `good` from 80 on (high), `fair` from 70 (medium: some are
 * dissatisfied), `poor` below (low).
 */
export const mediaQuality = z.enum(['good', 'fair', 'poor']);
export type MediaQuality = z.infer<typeof mediaQuality>;

/**
 * How near the leg's media server group is to the one that carries the interaction: it is that one (`primary`), it is in the
 * same region, or neither (`none`), as far as anybody could tell.
 */
export const mediaAffinity = z.enum(['primary', 'same-region', 'none']);
export type MediaAffinity = z.infer<typeof mediaAffinity>;

/**
 * Why a leg is not where it was wanted: by the platform's own list that group is `draining`, `down` or `unknown`; it is
 * `unavailable`, which is all that the refusal says; the platform took it and put the leg elsewhere (`moved`); or which one
 * carries the interaction could not be found out in time (`lookup-failed`).
 */
export const fallbackReason = z.enum(['draining', 'down', 'unavailable', 'moved', 'unknown', 'lookup-failed']);
export type FallbackReason = z.infer<typeof fallbackReason>;

/** That a leg is not in the group that was wanted: the caller's, or the one that carries the interaction. */
export const mediaFallback = z.object({
  /** `null`: nobody knows which. */
  wanted: z.string().nullable(),
  reason: fallbackReason,
});
export type MediaFallback = z.infer<typeof mediaFallback>;

/** What the supervisor's client applies to its peer connection. */
export const mediaProfile = z.object({
  codec: z.object({
    name: z.literal('opus'),
    /** At most so much in each direction, bit/s. */
    bitrateBps: z.int().positive(),
  }),
  /** How long the jitter buffer holds what it has received, ms. */
  playoutDelayMs: z.int().nonnegative(),
  /** Whether lost packets are asked for again (RFC 4585, generic NACK). */
  nackEnabled: z.boolean(),
});
export type MediaProfile = z.infer<typeof mediaProfile>;

/** What was measured of a leg (`platform-api.md`, Media quality). */
const measures = {
  /** 0–1. */
  packetLoss: z.number().min(0).max(1),
  jitterMs: z.number().nonnegative(),
  roundTripMs: z.number().nonnegative(),
  /** By the platform's clock. */
  sampledAt: z.iso.datetime({ offset: true }).max(40),
};
export const mediaMeasures = z.object(measures);
export type MediaMeasures = z.infer<typeof mediaMeasures>;

/**
 * `media` of a session. What was measured is of the last change, and `null` before the first one. Sessions of before there was
 * more than the group show what is known of them: nothing.
 */
export const sessionMedia = z.object({
  codec: mediaProfile.shape.codec.default(() => profileOf('none', 0).codec),
  playoutDelayMs: mediaProfile.shape.playoutDelayMs.default(() => profileOf('none', 0).playoutDelayMs),
  nackEnabled: mediaProfile.shape.nackEnabled.default(() => profileOf('none', 0).nackEnabled),
  /** The group that carries the leg; `null` where the platform does not tell. */
  mediaServerGroupId: z.string().nullable(),
  affinity: mediaAffinity.default('none'),
  fallback: mediaFallback.nullable().default(null),
  packetLoss: measures.packetLoss.nullable().default(null),
  jitterMs: measures.jitterMs.nullable().default(null),
  roundTripMs: measures.roundTripMs.nullable().default(null),
  sampledAt: measures.sampledAt.nullable().default(null),
  quality: mediaQuality.nullable().default(null),
});
export type SessionMedia = z.infer<typeof sessionMedia>;

/**
 * That a leg is heard better or worse, or should be heard otherwise: the payload of the signal `mediaQuality`. The last
 * sample goes with it; the others are known to who watches the leg only.
 */
export const mediaNews = z.strictObject({
  ...measures,
  monitorSessionId: z.string().min(1).max(128),
  quality: mediaQuality,
  /** Of the codec from now on; one of the steps. */
  bitrateBps: z.int().positive(),
  /** As it was looked up now; absent: as it was. */
  affinity: mediaAffinity.optional(),
});
export type MediaNews = z.infer<typeof mediaNews>;

/**
 * Bit rates of Opus, from the best: what RFC 7587 (section 3.1.1) recommends for speech at full band (28–40 kbit/s),
 * wide band (16–20) and narrow band (8–12).
 */
const LOWEST_BITRATE_BPS = 12_000;
const BITRATE_STEPS_BPS = [32_000, 20_000, LOWEST_BITRATE_BPS] as const;
export const LAST_STEP = BITRATE_STEPS_BPS.length - 1;

/** Three packets of 20 ms: what a network within one region needs. */
const STANDING_PLAYOUT_MS = 60;

/**
 * For a network between regions: at a jitter of 50 ms 2.5 % of the packets come later than that, and speech one way stays
 * below the 400 ms that ITU-T G.114 plans with at most.
 */
const TUNED_PLAYOUT_MS = 150;

/**
 * The profile of a leg by where it is carried and how far its bit rate has been taken back. Far away, or after the first
 * step, the jitter buffer is tuned (seed, Edge Case 1).
 */
export function profileOf(affinity: MediaAffinity, step: number): MediaProfile {
  const isTuned = affinity === 'none' || step > 0;
  return {
    codec: { name: 'opus', bitrateBps: BITRATE_STEPS_BPS[step] ?? LOWEST_BITRATE_BPS },
    playoutDelayMs: isTuned ? TUNED_PLAYOUT_MS : STANDING_PLAYOUT_MS,
    nackEnabled: isTuned,
  };
}

/** The step that has that bit rate, or the next lower one. */
export function stepOf(bitrateBps: number): number {
  const step = BITRATE_STEPS_BPS.findIndex((bps) => bps <= bitrateBps);
  return step === -1 ? LAST_STEP : step;
}

/** `media` of a leg of which nothing has been measured yet. */
export function newSessionMedia(
  place: Pick<SessionMedia, 'mediaServerGroupId' | 'affinity' | 'fallback'>,
): SessionMedia {
  return {
    ...place,
    ...profileOf(place.affinity, 0),
    packetLoss: null,
    jitterMs: null,
    roundTripMs: null,
    sampledAt: null,
    quality: null,
  };
}
