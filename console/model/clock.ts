/**
 * The server's clock as a page knows it: times that it was told, beside its own at that moment. All countdowns run by it, so that
 * a computer whose clock is wrong shows the same seconds as everybody else's.
 */
export interface ServerClock {
  /** How far the server's clock is ahead of ours by each of the last times that it was told, ms. */
  readonly observed: readonly number[];
}

/** As many as are compared. */
const OBSERVATIONS = 12;

export const UNKNOWN_CLOCK: ServerClock = { observed: [] };

/** Takes a time that the server told a moment ago, both in ms since the epoch. */
export function observeClock(clock: ServerClock, serverMs: number, ourMs: number): ServerClock {
  if (!Number.isFinite(serverMs)) return clock;
  return { observed: [...clock.observed, serverMs - ourMs].slice(-OBSERVATIONS) };
}

/** How far the server's clock is ahead of ours, ms: what was told on the way least long, for delay only makes it seem behind. */
export function aheadMs({ observed }: ServerClock): number {
  return observed.length === 0 ? 0 : Math.max(...observed);
}
