/**
 * Starts whose answers are lost after the platform has made the leg, a fifth of them, several on the same call at the same
 * time, while the sweep looks for legs that nobody owns. What must hold afterwards: one leg each, none twice, none left.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { forEachOfMany } from '../../directory/a-few-at-a-time.js';
import { figure } from '../support/figures.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import { memoOf } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';
import { readRunSettings } from './run-settings.js';

const { starts } = readRunSettings();
const ON_ONE_CALL = 4;
/** Sessions in doubt decide one after the other, each some seconds after the last. */
const SETTLED_WITHIN_MS = 120_000;

let temporal: TestTemporal;
let world: SessionWorld;

beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal, {
    cleaning: { intervalMs: 1_000, followsEvents: true },
    simulator: { rateLimit: { limit: 1_000_000, windowSeconds: 10 } },
  });
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
});

test(
  'starts that lose their answers make one leg each, and leave none',
  async () => {
    world.simulator.controls.addFault({
      match: { action: 'start' },
      effect: { kind: 'lost-answer' },
      probability: 0.2,
    });
    const calls = Array.from({ length: Math.ceil(starts / ON_ONE_CALL) }, () => world.interaction());
    const wanted = calls
      .flatMap((interactionId) =>
        Array.from({ length: ON_ONE_CALL }, (_, n) => ({ interactionId, supervisorId: `supervisor-${n}` })),
      )
      .slice(0, starts);
    const sessions: SessionHandle[] = [];
    await forEachOfMany(wanted, async (input) => {
      sessions.push(await world.start(input));
    });
    await forEachOfMany(sessions, (session) =>
      until(`${session.workflowId} listens`, async () => (await memoOf(session)).state === 'SILENT', SETTLED_WITHIN_MS),
    );

    const { ledger } = world.simulator;
    const owned = await Promise.all(sessions.map(async (session) => (await memoOf(session)).monitorSessionId));
    const live = ledger.legs({ live: true }).map(({ monitorSessionId }) => monitorSessionId);
    expect(new Set(owned).size).toBe(starts);
    expect(live.toSorted()).toEqual(owned.toSorted());
    expect(ledger.legs()).toHaveLength(starts);
    const lost = ledger.requests({ action: 'start', status: 'lost' }).length;
    expect(lost).toBeGreaterThan(0);
    figure('starts, and how many lost their answers', `${starts}, ${lost}`);

    await forEachOfMany(sessions, async (session) => {
      await session.signal('stop');
      await session.result();
    });
    expect(ledger.legs({ live: true })).toEqual([]);
    expect(new Set(ledger.legs().map(({ endedBy }) => endedBy))).toEqual(new Set(['stop']));
    expect(ledger.requests({ action: 'start' })).toHaveLength(starts);
    expect(ledger.violations()).toEqual([]);
  },
  60_000 + 3 * SETTLED_WITHIN_MS,
);
