import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Importance } from '../../platform/importance.js';
import { Outage } from '../../platform/outage.js';

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse('2026-11-02T10:00:00Z') });
});
afterEach(() => {
  jest.useRealTimers();
});

function setUp() {
  const startedMs = Date.now();
  const world: { answers: boolean; readonly looks: number[]; readonly changes: (string | undefined)[] } = {
    answers: false,
    looks: [],
    changes: [],
  };
  const outage = new Outage({
    now: () => Date.now() - startedMs,
    wallNow: () => Date.now(),
    random: () => 1,
    probe() {
      world.looks.push(Date.now() - startedMs);
      return Promise.resolve(world.answers);
    },
    onChange: (since) => world.changes.push(since),
  });
  const fail = async (times: number, importance: Importance = 'confirm', phase = outage.phase) => {
    for (let n = 0; n < times; n += 1) outage.failed(importance, phase);
    await jest.advanceTimersByTimeAsync(0);
  };
  /** Who is let out tries it for the others. */
  const admit = (importance: Importance) => {
    const refusal = outage.refusal(importance);
    if (refusal === undefined) outage.goesOut();
    return refusal;
  };
  return { world, outage, fail, admit };
}

test('five calls in a row without an answer, none with one for a second, and a look in vain, are an outage', async () => {
  const { world, outage, fail, admit } = setUp();
  outage.answered();
  await fail(50);
  expect(admit('start')).toBeUndefined();
  await jest.advanceTimersByTimeAsync(1_000);
  await fail(1);
  expect(admit('start')).toEqual({ since: '2026-11-02T10:00:00.000Z', retryAfterMs: 1_000 });
  expect(world.changes).toEqual(['2026-11-02T10:00:00.000Z']);
});

test('it is none where one call answers in between, where a look does, or where only lists fail', async () => {
  const { world, outage, fail, admit } = setUp();
  for (let n = 0; n < 20; n += 1) {
    await fail(4);
    await jest.advanceTimersByTimeAsync(2_000);
    outage.answered();
  }
  expect(world.looks).toEqual([]);
  await jest.advanceTimersByTimeAsync(2_000);
  // One call alone goes wrong, again and again.
  world.answers = true;
  for (let n = 0; n < 20; n += 1) {
    await fail(5);
    await jest.advanceTimersByTimeAsync(2_000);
  }
  world.answers = false;
  await fail(100, 'background');
  expect(world.changes).toEqual([]);
  expect(admit('background')).toBeUndefined();
});

test('one call at a time finds out whether it is back, a stop more often than the rest, and any answer says so', async () => {
  const { outage, fail, world, admit } = setUp();
  await fail(5);
  let starts = 0;
  let stops = 0;
  for (let ms = 0; ms < 30_000; ms += 50) {
    await jest.advanceTimersByTimeAsync(50);
    if (admit('start') === undefined) starts += 1;
    if (admit('release') === undefined) stops += 1;
  }
  expect(starts).toBeLessThanOrEqual(10);
  expect(starts + stops).toBeGreaterThanOrEqual(20);
  expect(stops).toBeLessThanOrEqual(30);
  // Those who came were enough.
  expect(world.looks).toHaveLength(1);
  outage.answered();
  expect(admit('start')).toBeUndefined();
  expect(world.changes.at(-1)).toBeUndefined();
});

test('where nobody comes, something harmless is asked at growing intervals; few go at first when it is back', async () => {
  const { world, outage, fail, admit } = setUp();
  await fail(5);
  await jest.advanceTimersByTimeAsync(60_000);
  const pauses = world.looks.map((atMs, index) => atMs - (world.looks[index - 1] ?? 0));
  expect(pauses.slice(1, 7)).toEqual([1_500, 2_000, 3_000, 5_000, 6_000, 6_000]);
  // The longer it lasts, the further those who are sent away are spread.
  expect(admit('start')?.retryAfterMs).toBeGreaterThan(10_000);
  expect(admit('release')?.retryAfterMs).toBeLessThan(5_000);
  world.answers = true;
  await jest.advanceTimersByTimeAsync(7_000);
  expect(world.changes).toEqual([expect.any(String), undefined]);
  expect(outage.atOnce).toBe(4);
  outage.answered();
  expect(outage.atOnce).toBe(5);
  for (let n = 0; n < 100; n += 1) outage.answered();
  // It has recovered: failures right after an answer are no outage again.
  world.answers = false;
  await fail(5);
  expect(admit('start')).toBeUndefined();
});

test('calls that were sent before it was back say nothing about it', async () => {
  const { world, outage, fail, admit } = setUp();
  const { phase } = outage;
  await fail(5);
  outage.answered();
  await fail(50, 'confirm', phase);
  expect(admit('start')).toBeUndefined();
  await fail(5);
  expect(world.changes).toHaveLength(3);
});

test('one that is closed asks no more', async () => {
  const { world, outage, fail } = setUp();
  await fail(5);
  outage.close();
  await jest.advanceTimersByTimeAsync(60_000);
  expect(world.looks).toHaveLength(1);
});
