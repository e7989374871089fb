import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 500;

/** A busy machine may take five times as long as an idle one, and a limit that is never reached costs nothing. */
const LIMIT_MS = 60_000;

/**
 * The first value of `probe` that is neither `undefined` nor `false`; fails with `what` and the last error after
 * `limitMs`.
 */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = LIMIT_MS,
): Promise<T> {
  const givenUpAt = performance.now() + limitMs;
  let lastError: unknown;
  // What comes soon is noticed soon; what takes long is not asked for all the time, which costs everybody else.
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() > givenUpAt) {
      throw new Error(`${what}: not within ${limitMs} ms`, { cause: lastError });
    }
    await sleep(pauseMs);
  }
}
