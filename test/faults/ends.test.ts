/**
 * Many calls that end within a second: until when their sessions are over, and whether the API still answers meanwhile. By
 * each of the three ways in which an end is told, and by all of them at once, late, twice, in any order or not at all.
 */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { INTERACTION_SWEEP_ID, SWEEP_SETTINGS } from '../../domain/sweep.js';
import { startApi } from '../api/api-world.js';
import type { RunningApi } from '../api/api-world.js';
import { forEachOfMany } from '../../directory/a-few-at-a-time.js';
import { figure, spread } from '../support/figures.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import { memoOf } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';
import { readRunSettings } from './run-settings.js';

const { ends } = readRunSettings();
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const SOME = Math.max(10, Math.ceil(ends / 10));
const SWEEP_INTERVAL_MS = 2_000;
/** Longer than this file runs. */
const NEVER_MS = 3_600_000;
const LIMIT_MS = 60_000 + ends * 400;

let temporal: TestTemporal;
let world: SessionWorld;
let api: RunningApi;

beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal, {
    cleaning: { intervalMs: NEVER_MS, followsEvents: true },
    simulator: { rateLimit: { limit: 1_000_000, windowSeconds: 10 } },
  });
  api = await startApi(temporal.client, { taskQueue: world.taskQueue, webhookSecrets: SECRET });
});

afterEach(() => {
  world.simulator.controls.clearFaults();
  world.simulator.controls.setWebhook(null);
});

afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
});

/** Without it, events alone have to do. */
async function sweepFromNowOn(): Promise<void> {
  const settings = { intervalMs: SWEEP_INTERVAL_MS };
  await temporal.client.workflow.getHandle(INTERACTION_SWEEP_ID).signal(SWEEP_SETTINGS, settings);
}

function useWebhook(): void {
  world.simulator.controls.setWebhook({ url: `${api.url}/v1/webhooks/platform`, secret: SECRET });
}

async function listeners(count: number): Promise<{ interactionId: string; session: SessionHandle }[]> {
  const all: { interactionId: string; session: SessionHandle }[] = [];
  const calls = Array.from({ length: count }, () => world.interaction());
  await forEachOfMany(calls, async (interactionId) => {
    all.push({ interactionId, session: await world.start({ interactionId, supervisorId: 'anna' }) });
  });
  await forEachOfMany(all, ({ session }) =>
    until('it listens', async () => (await memoOf(session)).state === 'SILENT', LIMIT_MS),
  );
  return all;
}

/** How long that took, ms; and how long the API took to answer meanwhile. */
async function endAll(all: Awaited<ReturnType<typeof listeners>>): Promise<{ tookMs: number; answersMs: number[] }> {
  expect(all.length).toBeGreaterThanOrEqual(SOME);
  const sinceMs = performance.now();
  for (const { interactionId } of all) world.simulator.controls.endInteraction({ interactionId });
  const open = { all: true };
  const over = forEachOfMany(all, ({ session }) => session.result()).finally(() => (open.all = false));
  const answersMs: number[] = [];
  while (open.all) {
    const askedAtMs = performance.now();
    expect((await api.get('/v1/sessions?limit=1')).status).toBe(200);
    answersMs.push(performance.now() - askedAtMs);
    await until('a moment has passed', () => !open.all || performance.now() - askedAtMs > 100);
  }
  await over;
  return { tookMs: performance.now() - sinceMs, answersMs };
}

function expectNothingLeft(all: Awaited<ReturnType<typeof listeners>>): void {
  const { ledger } = world.simulator;
  for (const { interactionId } of all) {
    expect(ledger.legs({ interactionId })).toHaveLength(1);
    expect(ledger.legs({ interactionId, live: true })).toEqual([]);
  }
  expect(ledger.violations()).toEqual([]);
}

test(
  'many calls end within a second, told by the event stream and the webhook: all sessions are over, and the API answers',
  async () => {
    useWebhook();
    const all = await listeners(ends);
    const { tookMs, answersMs } = await endAll(all);
    for (const { session } of all) expect((await memoOf(session)).endReason).toBe('interaction-ended');
    expectNothingLeft(all);
    figure(`${ends} calls ended within a second, all sessions over after, ms`, Math.round(tookMs));
    figure(
      'meanwhile GET /v1/sessions answered in',
      `${spread(answersMs).split(' (')[0] ?? ''}, at most ${Math.round(Math.max(...answersMs))} ms`,
    );
  },
  LIMIT_MS * 2,
);

test(
  'with every event late, most of them twice and out of order, and some lost, all sessions are over',
  async () => {
    useWebhook();
    await sweepFromNowOn();
    world.simulator.controls.setEventFaults({
      dropProbability: 0.3,
      duplicateProbability: 0.7,
      reorderProbability: 0.5,
      delayMs: 300,
    });
    const all = await listeners(SOME);
    await endAll(all);
    expectNothingLeft(all);
  },
  LIMIT_MS,
);

test(
  'with every event lost, the sweep ends all sessions',
  async () => {
    await sweepFromNowOn();
    world.simulator.controls.setEventFaults({ dropProbability: 1 });
    const all = await listeners(SOME);
    const { tookMs } = await endAll(all);
    expectNothingLeft(all);
    figure(
      `${SOME} calls ended and every event lost: all sessions over after (sweep every ${SWEEP_INTERVAL_MS} ms), ms`,
      Math.round(tookMs),
    );
  },
  LIMIT_MS,
);
