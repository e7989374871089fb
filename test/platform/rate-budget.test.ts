import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { IMPORTANCES, reserveFrom } from '../../platform/importance.js';
import type { Importance } from '../../platform/importance.js';
import { RateBudget } from '../../platform/rate-budget.js';
import type { Spent } from '../../platform/rate-budget.js';

/** A platform that counts calls in windows, as `platform-api.md` has it, in simulated time. */
class CountingPlatform {
  #endsAtMs = 0;
  #used = 0;
  readonly #limit: number;
  readonly #windowMs: number;
  readonly #says: 'all' | 'remaining' | 'nothing';
  readonly served: { readonly atMs: number; readonly worker: number }[] = [];
  refused = 0;

  constructor(limit: number, windowMs: number, says: 'all' | 'remaining' | 'nothing' = 'all') {
    this.#limit = limit;
    this.#windowMs = windowMs;
    this.#says = says;
  }

  take(atMs: number, worker: number) {
    if (atMs >= this.#endsAtMs) {
      this.#endsAtMs = atMs + this.#windowMs;
      this.#used = 0;
    }
    const isAllowed = this.#used < this.#limit;
    if (isAllowed) {
      this.#used += 1;
      this.served.push({ atMs, worker });
    } else this.refused += 1;
    // Rounded up to seconds, as platforms do.
    const resetsInMs = Math.ceil((this.#endsAtMs - atMs) / 1_000) * 1_000;
    const remaining = this.#limit - this.#used;
    const known = { limit: this.#limit, remaining, resetsInMs };
    return {
      rateLimit: { all: known, remaining: { limit: null, remaining, resetsInMs: null }, nothing: undefined }[
        this.#says
      ],
      throttled: isAllowed ? undefined : { retryAfterMs: this.#says === 'all' ? resetsInMs : null },
    };
  }
}

interface Run {
  readonly limit: number;
  readonly windowMs: number;
  readonly latencyMs: readonly number[];
  readonly workers: number;
  /** One in so many calls gets no answer; 0: all do. */
  readonly lost: number;
  readonly says?: 'all' | 'remaining' | 'nothing';
  readonly lastsMs: number;
  readonly importance?: Importance;
}

/** Workers that always have something to ask, for a while. */
function saturate({ limit, windowMs, latencyMs, workers, lost, says, lastsMs, importance = 'start' }: Run) {
  let now = 0;
  let sent = 0;
  const platform = new CountingPlatform(limit, windowMs, says);
  const budgets = Array.from({ length: workers }, () => new RateBudget({ now: () => now, random: () => 0 }));
  for (const budget of budgets) budget.workers = workers;
  const events: { readonly atMs: number; readonly happen: () => void }[] = [];
  for (; now < lastsMs; now += 1) {
    for (let index = events.length - 1; index >= 0; index -= 1) {
      if (events[index]!.atMs <= now) events.splice(index, 1)[0]!.happen();
    }
    for (const [worker, budget] of budgets.entries()) {
      while (budget.waitMs(importance) === 0) {
        const spent: Spent = budget.spend(importance);
        sent += 1;
        const [there = 1, back = 1] = [
          latencyMs[sent % latencyMs.length],
          latencyMs[(sent * 7 + 3) % latencyMs.length],
        ];
        const isLost = lost > 0 && sent % lost === 0;
        events.push({
          atMs: now + there,
          happen() {
            const answer = platform.take(now, worker);
            events.push({
              atMs: now + back,
              happen: () => (isLost ? budget.unanswered(spent) : budget.answered(spent, answer)),
            });
          },
        });
      }
    }
  }
  return { platform, sent };
}

test('one worker never goes past the limit, whatever its answers do, and makes use of it', () => {
  fc.assert(
    fc.property(
      fc.record({
        limit: fc.integer({ min: 1, max: 60 }),
        windowMs: fc.constantFrom(1_000, 2_500, 10_000),
        latencyMs: fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 8 }),
        lost: fc.constantFrom(0, 0, 7, 3),
        workers: fc.constant(1),
        lastsMs: fc.constant(40_000),
        importance: fc.constantFrom(...IMPORTANCES),
      }),
      (run) => {
        const { platform } = saturate(run);
        // A stop is tried now and then whatever is known, and so is a window of one call whose answer was lost.
        const tries = run.importance === 'release' || (run.lost > 0 && run.limit < 4) ? run.lastsMs / 1_000 : 0;
        expect(platform.refused).toBeLessThanOrEqual(tries);
        // A window goes by while the reset is rounded up, and its first call is waited for.
        const windows = run.lastsMs / (run.windowMs + 1_000 + 1_300);
        const each = run.limit - reserveFrom(run.importance, run.limit);
        expect(platform.served.length).toBeGreaterThanOrEqual(Math.floor(windows * Math.min(each, 8)));
      },
    ),
    {
      numRuns: 60,
      // The first call of a window gets no answer, and the next one begins another window.
      examples: [
        [
          {
            ...{ limit: 13, windowMs: 1_000, latencyMs: [1, 1, 3, 5] },
            ...{ lost: 7, workers: 1, lastsMs: 40_000, importance: 'mode' },
          },
        ],
      ],
    },
  );
});

test('several workers share a window about evenly, and one alone may use nearly all of it', () => {
  const base = { limit: 200, windowMs: 10_000, latencyMs: [5, 9, 3], lost: 0, lastsMs: 120_000 };
  const { platform } = saturate({ ...base, workers: 4 });
  const shares = [0, 1, 2, 3].map((worker) => platform.served.filter((call) => call.worker === worker).length);
  expect(Math.max(...shares) / Math.min(...shares)).toBeLessThan(1.5);
  expect(platform.served.length).toBeGreaterThan((200 - reserveFrom('start', 200)) * 12 * 0.7);
  expect(platform.refused).toBeLessThan(platform.served.length * 0.01);

  let now = 0;
  const alone = new RateBudget({ now: () => now, random: () => 0 });
  alone.workers = 4;
  const quiet = new CountingPlatform(100, 1_000);
  for (; now < 950; now += 1) {
    while (alone.waitMs('start') === 0) alone.answered(alone.spend('start'), quiet.take(now, 0));
  }
  // All but what is left to stops, and what four could not divide.
  expect(quiet.served.length).toBeGreaterThanOrEqual(100 - reserveFrom('start', 100) - 8);
});

test('where only the remainder is told, or nothing, the limit is found and kept to', () => {
  for (const says of ['remaining', 'nothing'] as const) {
    const { platform } = saturate({
      ...{ limit: 20, windowMs: 1_000, latencyMs: [5], workers: 1, lost: 0, lastsMs: 120_000, says },
    });
    const late = platform.served.filter(({ atMs }) => atMs > 60_000).length;
    // Of 1,200.
    expect({ says, late }).toEqual({ says, late: expect.any(Number) });
    expect(late).toBeGreaterThan(400);
    expect(platform.refused).toBeLessThan(platform.served.length * 0.05);
  }
});

test('before the first answer there is one probe, and without any headers a low rate at first', () => {
  let now = 0;
  const budget = new RateBudget({ now: () => now, random: () => 0 });
  const probe = budget.spend('confirm');
  for (const importance of IMPORTANCES) expect(budget.waitMs(importance)).toBeNull();
  budget.answered(probe, { rateLimit: undefined });
  let sent = 0;
  while (budget.waitMs('release') === 0) {
    budget.answered(budget.spend('release'), { rateLimit: undefined });
    sent += 1;
  }
  expect(sent).toBeLessThanOrEqual(6);
  now += 1_000;
  expect(budget.waitMs('release')).toBe(0);
});

test('what is left over is for what matters more', () => {
  const budget = new RateBudget({ now: () => 0, random: () => 0 });
  const left = (remaining: number): readonly Importance[] => {
    budget.answered(budget.spend('release'), { rateLimit: { limit: 20, remaining, resetsInMs: 1_000 } });
    return IMPORTANCES.filter((importance) => budget.waitMs(importance) === 0);
  };
  expect(left(20)).toEqual(IMPORTANCES);
  expect(left(10)).toEqual(['release', 'mode', 'start', 'confirm']);
  expect(left(6)).toEqual(['release', 'mode', 'start']);
  expect(left(4)).toEqual(['release', 'mode']);
  expect(left(2)).toEqual(['release']);
  expect(left(0)).toEqual([]);
});

test('a 429 holds everything for as long as it says, and a little longer; without a word longer each time', () => {
  let now = 0;
  const budget = new RateBudget({ now: () => now, random: () => 1 });
  const refuse = (retryAfterMs: number | null): number => {
    budget.answered(budget.spend('confirm'), { rateLimit: undefined, throttled: { retryAfterMs } });
    const [release = 0, ...waits] = IMPORTANCES.map((importance) => budget.waitMs(importance) ?? 0);
    expect(new Set(waits).size).toBe(1);
    expect(release).toBeLessThanOrEqual(Math.min(waits[0] ?? 0, 5_000));
    now += waits[0] ?? 0;
    return Math.round(waits[0] ?? 0);
  };
  expect(refuse(2_000)).toBe(2_200);
  expect(refuse(null)).toBe(2_200);
  expect(refuse(null)).toBe(4_400);
  budget.answered(budget.spend('confirm'), { rateLimit: undefined });
  expect(refuse(null)).toBe(1_100);
});

test('those who are sent away come back one after the other', () => {
  let now = 0;
  const budget = new RateBudget({ now: () => now, random: () => 0 });
  budget.answered(budget.spend('start'), { rateLimit: { limit: 20, remaining: 0, resetsInMs: 1_000 } });
  const turns = Array.from({ length: 100 }, () => budget.turnInMs('start'));
  expect(turns[0]).toBe(1_000);
  // 16 a second: the rest is left to stops and changes of mode.
  expect(turns[16]).toBeCloseTo(2_000, -2);
  expect(turns[99]).toBeCloseTo(1_000 + 99 * 62.5, -2);
  now += 60_000;
  expect(budget.turnInMs('start')).toBe(1);
});

test('a call that never was sent costs nothing, and one without an answer counts', () => {
  const budget = new RateBudget({ now: () => 0, random: () => 0 });
  budget.answered(budget.spend('release'), { rateLimit: { limit: 2, remaining: 1, resetsInMs: 1_000 } });
  const refused = budget.spend('release');
  expect(budget.waitMs('release')).not.toBe(0);
  budget.unsent(refused);
  expect(budget.waitMs('release')).toBe(0);
  budget.unanswered(budget.spend('release'));
  expect(budget.waitMs('release')).not.toBe(0);
});

test('a 429 that says how many calls are left holds up nobody else', () => {
  const budget = new RateBudget({ now: () => 0, random: () => 0 });
  budget.answered(budget.spend('mode'), {
    rateLimit: { limit: 20, remaining: 19, resetsInMs: 1_000 },
    throttled: { retryAfterMs: 20_000 },
  });
  for (const importance of IMPORTANCES) expect(budget.waitMs(importance)).toBe(0);
});

test('what is said of other calls keeps a stop from going out for seconds only, until one is refused itself', () => {
  let now = 0;
  const budget = new RateBudget({ now: () => now, random: () => 0 });
  budget.answered(budget.spend('background'), { rateLimit: { limit: 100, remaining: 0, resetsInMs: 36_000_000 } });
  expect(budget.waitMs('release')).toBe(5_000);
  now += 5_000;
  expect(budget.waitMs('release')).toBe(0);
  expect(budget.waitMs('mode')).toBeGreaterThan(0);
  budget.answered(budget.spend('release'), { rateLimit: undefined, throttled: { retryAfterMs: 20_000 } });
  now += 19_999;
  expect(budget.waitMs('release')).not.toBe(0);
  now += 1;
  expect(budget.waitMs('release')).toBe(0);
  // Nobody else waits for hours by one word either.
  now += 60_000;
  expect(budget.waitMs('mode')).toBe(0);
});

test('stops are not divided by the number of workers', () => {
  const budget = new RateBudget({ now: () => 0, random: () => 0 });
  budget.workers = 10;
  budget.answered(budget.spend('release'), { rateLimit: { limit: 10, remaining: 9, resetsInMs: 60_000 } });
  expect(budget.waitMs('release')).toBe(0);
});

test('a platform that asks for no delay, again and again, is asked less and less', () => {
  let now = 0;
  const budget = new RateBudget({ now: () => now, random: () => 0 });
  const waits = Array.from({ length: 6 }, () => {
    budget.answered(budget.spend('confirm'), { rateLimit: undefined, throttled: { retryAfterMs: 0 } });
    const waitMs = budget.waitMs('confirm') ?? 0;
    now += waitMs;
    return Math.round(waitMs);
  });
  expect(waits.slice(1)).toEqual([500, 1_000, 2_000, 4_000, 7_500]);
});

test('answers that say nothing leave nothing behind, however many they are', () => {
  let now = 0;
  const budget = new RateBudget({ now: () => now, random: () => 0 });
  budget.answered(budget.spend('start'), { rateLimit: { limit: 100, remaining: 99, resetsInMs: 1_000 } });
  for (let n = 0; n < 50_000; n += 1) {
    now += 1;
    budget.answered(budget.spend('start'), { rateLimit: undefined });
  }
  const startedMs = performance.now();
  for (let n = 0; n < 1_000; n += 1) budget.waitMs('start');
  expect(performance.now() - startedMs).toBeLessThan(2_000);
});

test('what is said of a window is believed for a minute, and one call finds out what holds then', () => {
  let now = 0;
  const budget = new RateBudget({ now: () => now, random: () => 0 });
  budget.answered(budget.spend('background'), { rateLimit: { limit: 100, remaining: 0, resetsInMs: 36_000_000 } });
  now += 59_999;
  expect(budget.waitMs('mode')).toBeGreaterThan(0);
  now += 1;
  expect(budget.waitMs('mode')).toBe(0);
});

test('where the first call of a window got no answer, one goes out at a time until one does', () => {
  let now = 0;
  const budget = new RateBudget({ now: () => now, random: () => 0 });
  budget.answered(budget.spend('mode'), { rateLimit: { limit: 100, remaining: 99, resetsInMs: 10_000 } });
  now += 10_000;
  budget.unanswered(budget.spend('mode'));
  now += 1_001;
  expect(budget.waitMs('mode')).toBe(0);
  const second = budget.spend('mode');
  expect(budget.waitMs('mode')).toBeNull();
  budget.answered(second, { rateLimit: { limit: 100, remaining: 98, resetsInMs: 500 } });
  expect(budget.waitMs('mode')).toBe(0);
  budget.spend('mode');
  expect(budget.waitMs('mode')).toBe(0);
});
