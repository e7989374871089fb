import { setTimeout as sleep } from 'node:timers/promises';

const LIMIT_MS = 60_000;

/** The first value of `probe` that isn't `undefined`; fails with `what` if there is none within a minute. */
export async function until<T>(
  what: string,
  everyMs: number,
  probe: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const givenUpAt = performance.now() + LIMIT_MS;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > givenUpAt) throw new Error(`${what}: not within ${LIMIT_MS / 1_000} s`);
    await sleep(everyMs);
  }
}
