import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { CallGate } from '../../platform/call-gate.js';
import type { Pass } from '../../platform/call-gate.js';
import { IMPORTANCES } from '../../platform/importance.js';
import type { Importance } from '../../platform/importance.js';
import { Outage } from '../../platform/outage.js';
import type { PlatformFault } from '../../platform/platform-error.js';
import { RateBudget } from '../../platform/rate-budget.js';

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});
afterEach(() => {
  jest.useRealTimers();
});

function setUp({ limit = 1_000, remaining = 1_000, resetsInMs = 10_000, connections = 64 } = {}) {
  const now = () => Date.now();
  const random = () => 0;
  const budget = new RateBudget({ now, random });
  budget.answered(budget.spend('release'), { rateLimit: { limit, remaining, resetsInMs } });
  const outage = new Outage({
    now,
    wallNow: now,
    random,
    probe: () => Promise.resolve(false),
    onChange: () => undefined,
  });
  const gate = new CallGate({ budget, outage, now, connections });
  const out: { readonly importance: Importance; readonly pass: Pass }[] = [];
  const refused: PlatformFault[] = [];
  const call = async (importance: Importance, signal?: AbortSignal): Promise<void> => {
    const entered = await gate.enter(importance, signal);
    if ('kind' in entered) refused.push(entered);
    else out.push({ importance, pass: entered });
  };
  return { gate, outage, out, refused, call };
}

const FINE = { isAble: true, rateLimit: undefined };

test('who waits goes in order of importance, and among equals in order', async () => {
  const { out, call } = setUp({ connections: 1 });
  void call('start');
  await jest.advanceTimersByTimeAsync(0);
  for (const importance of ['background', 'confirm', 'start', 'mode', 'release', 'release'] as const)
    void call(importance);
  for (let n = 1; n < 7; n += 1) {
    expect(out).toHaveLength(n);
    out[n - 1]!.pass.answered(FINE);
    await jest.advanceTimersByTimeAsync(0);
  }
  expect(out.map(({ importance }) => importance)).toEqual([
    ...(['start', 'release', 'release', 'mode', 'start', 'confirm', 'background'] as const),
  ]);
});

test('what cannot go soon is sent away at once with the time to come back, and later ones later', async () => {
  const { out, refused, call } = setUp({ limit: 20, remaining: 4 });
  for (let n = 0; n < 32; n += 1) void call('start');
  await jest.advanceTimersByTimeAsync(0);
  expect(out).toHaveLength(0);
  expect(refused).toHaveLength(32);
  const delays = refused.map((fault) => ('retryAfterMs' in fault ? fault.retryAfterMs : undefined));
  expect(delays[0]).toBe(10_000);
  // Sixteen a window.
  expect(delays[31]).toBeCloseTo(10_000 + 31 * (10_000 / 16), -1);
  // A stop does not wait for any of it.
  void call('release');
  await jest.advanceTimersByTimeAsync(0);
  expect(out).toHaveLength(1);
});

test('a platform that hangs keeps no stop from a connection', async () => {
  const { out, refused, call } = setUp({ connections: 10 });
  for (let n = 0; n < 100; n += 1)
    for (const importance of ['background', 'confirm', 'start', 'mode'] as const) void call(importance);
  await jest.advanceTimersByTimeAsync(600);
  expect(out).toHaveLength(9);
  expect(refused.length).toBeGreaterThanOrEqual(300 - 9);
  void call('release');
  await jest.advanceTimersByTimeAsync(0);
  expect(out.map(({ importance }) => importance)).toContain('release');
});

test('while the platform is away nothing goes out, and everybody is told since when', async () => {
  const { gate, out, refused, call } = setUp();
  for (let n = 0; n < 5; n += 1) void call('confirm');
  await jest.advanceTimersByTimeAsync(2_000);
  for (const { pass } of out) pass.failed({ sent: true });
  await jest.advanceTimersByTimeAsync(0);
  for (const importance of IMPORTANCES) void call(importance);
  await jest.advanceTimersByTimeAsync(0);
  expect(out).toHaveLength(5);
  expect(refused).toHaveLength(IMPORTANCES.length);
  for (const fault of refused) {
    expect(fault).toMatchObject({
      kind: 'unreachable',
      since: '1970-01-01T00:00:02.000Z',
      retryAfterMs: expect.any(Number),
    });
  }
  expect(gate).toBeDefined();
});

test('somebody who gives up leaves the line, and a call that is given up frees its place', async () => {
  const { out, call } = setUp({ connections: 1 });
  void call('mode');
  await jest.advanceTimersByTimeAsync(0);
  const givenUp = new AbortController();
  const waiting = call('mode', givenUp.signal);
  const next = call('mode');
  givenUp.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  out[0]!.pass.abandoned();
  // Only once, whatever is said of it later.
  out[0]!.pass.answered(FINE);
  await next;
  void call('mode');
  await jest.advanceTimersByTimeAsync(0);
  expect(out).toHaveLength(2);
});

test('however much there is to do, now and then a call goes out that nobody waits for', async () => {
  const { out, call } = setUp({ limit: 40, remaining: 20, resetsInMs: 60_000 });
  await jest.advanceTimersByTimeAsync(10_000);
  void call('background');
  for (let n = 1; n <= 10; n += 1) {
    await jest.advanceTimersByTimeAsync(0);
    expect(out).toHaveLength(n - 1);
    void call('mode');
    await jest.advanceTimersByTimeAsync(0);
    out[n - 1]!.pass.answered({
      isAble: true,
      rateLimit: { limit: 40, remaining: 20 - n, resetsInMs: 50_000 },
    });
  }
  await jest.advanceTimersByTimeAsync(0);
  expect(out.filter(({ importance }) => importance === 'mode')).toHaveLength(10);
  expect(out.slice(9).map(({ importance }) => importance)).toContain('background');
});

test('a gate that is closed keeps no process alive', async () => {
  const { gate, call } = setUp({ limit: 20, remaining: 0, resetsInMs: 500 });
  void call('mode');
  await jest.advanceTimersByTimeAsync(0);
  expect(jest.getTimerCount()).toBe(2);
  gate.close();
  expect(jest.getTimerCount()).toBe(1);
});

test('where it is the connections that are short, the time to come back is short as well', async () => {
  const { refused, call } = setUp({ connections: 1, resetsInMs: 60_000 });
  for (let n = 0; n < 2; n += 1) void call('start');
  await jest.advanceTimersByTimeAsync(400);
  expect(refused).toEqual([{ kind: 'throttled', retryAfterMs: expect.any(Number) }]);
  expect(refused[0]).toMatchObject({ retryAfterMs: expect.any(Number) });
  const [{ retryAfterMs } = { retryAfterMs: 0 }] = refused.flatMap((fault) => ('retryAfterMs' in fault ? [fault] : []));
  expect(retryAfterMs).toBeLessThanOrEqual(500);
});

test('a call to a platform that is away hangs, and nobody waits for it', async () => {
  const { out, refused, call } = setUp();
  for (let n = 0; n < 5; n += 1) void call('confirm');
  await jest.advanceTimersByTimeAsync(2_000);
  for (const { pass } of out) pass.failed({ sent: true });
  // The window is over too: of the next one only one call goes out.
  await jest.advanceTimersByTimeAsync(20_000);
  for (let n = 0; n < 10; n += 1) void call('start');
  await jest.advanceTimersByTimeAsync(0);
  expect(out.length).toBeLessThanOrEqual(6);
  expect(refused).toHaveLength(15 - out.length);
  expect(new Set(refused.map(({ kind }) => kind))).toEqual(new Set(['unreachable']));
});

test('a platform that has just come back is not overrun', async () => {
  const { outage, out, call } = setUp();
  for (let n = 0; n < 5; n += 1) void call('confirm');
  await jest.advanceTimersByTimeAsync(2_000);
  for (const { pass } of out.splice(0)) pass.failed({ sent: true });
  await jest.advanceTimersByTimeAsync(0);
  outage.answered();
  for (let n = 0; n < 20; n += 1) void call('mode');
  await jest.advanceTimersByTimeAsync(0);
  expect(out).toHaveLength(4);
  out[0]!.pass.answered(FINE);
  await jest.advanceTimersByTimeAsync(0);
  // One has left, and one more may go for the answer.
  expect(out).toHaveLength(6);
});
