import { setTimeout as sleep } from 'node:timers/promises';

/**
 * The first value of `probe` that is neither `undefined` nor `false`; fails with `what` and the last error after
 * `limitMs`.
 */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = 15_000,
): Promise<T> {
  const givenUpAt = performance.now() + limitMs;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() > givenUpAt) {
      throw new Error(`${what}: not within ${limitMs} ms`, { cause: lastError });
    }
    await sleep(20);
  }
}
