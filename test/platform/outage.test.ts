import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
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
  return { world, outage };
}

test('five calls in a row without an answer, and none with one for a second, are an outage', async () => {
  const { world, outage } = setUp();
  outage.answered();
  for (let n = 0; n < 50; n += 1) outage.failed();
  expect(outage.away).toBeUndefined();
  await jest.advanceTimersByTimeAsync(1_000);
  outage.failed();
  expect(outage.away).toEqual({ since: '2026-11-02T10:00:00.000Z', retryAfterMs: 5_500 });
  expect(world.changes).toEqual(['2026-11-02T10:00:00.000Z']);
});

test('one answer in between, and it is none', async () => {
  const { outage } = setUp();
  for (let n = 0; n < 20; n += 1) {
    for (let failure = 0; failure < 4; failure += 1) outage.failed();
    await jest.advanceTimersByTimeAsync(2_000);
    outage.answered();
  }
  expect(outage.away).toBeUndefined();
});

test('it is asked at growing intervals whether it is back, and few go at first when it is', async () => {
  const { world, outage } = setUp();
  for (let n = 0; n < 5; n += 1) outage.failed();
  await jest.advanceTimersByTimeAsync(60_000);
  const pauses = world.looks.map((atMs, index) => atMs - (world.looks[index - 1] ?? 0));
  expect(pauses.slice(0, 6)).toEqual([500, 1_000, 2_000, 4_000, 5_000, 5_000]);
  expect(world.looks.length).toBeLessThan(16);
  world.answers = true;
  await jest.advanceTimersByTimeAsync(5_000);
  expect(outage.away).toBeUndefined();
  expect(world.changes).toEqual([expect.any(String), undefined]);
  expect(outage.atOnce).toBe(4);
  for (let n = 0; n < 6; n += 1) outage.answered();
  expect(outage.atOnce).toBe(10);
  // Not yet well: it is away again as soon as five fail, however recently one was answered.
  for (let n = 0; n < 5; n += 1) outage.failed();
  expect(outage.away).toBeDefined();
});

test('one that is closed asks no more', async () => {
  const { world, outage } = setUp();
  for (let n = 0; n < 5; n += 1) outage.failed();
  outage.close();
  await jest.advanceTimersByTimeAsync(60_000);
  expect(world.looks).toEqual([]);
});
