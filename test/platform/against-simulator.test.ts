import { afterEach, expect, test } from '@jest/globals';
import { startSimulator } from '../../simulator/simulator.js';
import type { Simulator } from '../../simulator/simulator.js';
import type { HttpPlatform, HttpPlatformTimeouts } from '../../platform/http-platform.js';
import { adapterFor, closeAll, faultOf, SECRET } from './scripted-server.js';
import { until } from '../support/until.js';

let simulator: Simulator | undefined;
afterEach(async () => {
  await closeAll();
  await simulator?.close();
});

const INTERACTION = { interactionId: 'int-1' } as const;

async function setUp(timeouts: HttpPlatformTimeouts = {}): Promise<{ platform: HttpPlatform; sim: Simulator }> {
  simulator = await startSimulator({
    port: 0,
    clientId: 'client-1',
    clientSecret: SECRET,
    population: null,
    mediaMetricsIntervalSeconds: 0,
    activationDelayMs: { min: 60_000, max: 60_000 },
  });
  simulator.controls.addInteraction({ id: 'int-1' });
  return { platform: adapterFor(simulator, { timeouts }), sim: simulator };
}

test('a leg from start to stop', async () => {
  const { platform, sim } = await setUp();
  const { monitorSessionId } = await platform.startMonitor(INTERACTION);
  const leg = { ...INTERACTION, monitorSessionId };
  expect((await platform.monitorState('int-1')).monitors).toMatchObject([
    { monitorSessionId, status: 'pending', clientId: platform.clientId },
  ]);
  expect(await faultOf(platform.changeMode(leg, 'barge'))).toEqual({ kind: 'not-ready' });
  expect(await platform.stopMonitor(leg)).toBe('stopped');

  sim.controls.setActivationDelay({ min: 0, max: 0 });
  const active = { ...INTERACTION, ...(await platform.startMonitor(INTERACTION)) };
  let status: string | undefined;
  const look = async () => {
    const { monitors } = await platform.monitorState('int-1');
    status = monitors.find((other) => other.monitorSessionId === active.monitorSessionId)?.status;
  };
  for (let looks = 0; looks < 500 && status !== 'active'; looks += 1) await look();
  expect(status).toBe('active');
  for (const mode of ['barge', 'barge', 'whisper', 'silent'] as const) {
    await platform.changeMode(active, mode);
    expect((await platform.monitorState('int-1')).bargeStatus).toBe(mode === 'silent' ? 'inactive' : 'active');
  }
  const holder = sim.controls.outsideLeg(INTERACTION).monitorSessionId;
  expect(await faultOf(platform.changeMode(active, 'whisper'))).toEqual({
    kind: 'busy',
    conflictingMonitorSessionId: holder,
  });
  sim.controls.sever({ monitorSessionId: active.monitorSessionId });
  expect(await faultOf(platform.changeMode(active, 'silent'))).toMatchObject({ kind: 'gone', what: 'leg' });
  expect(await platform.stopMonitor(active)).toBe('already-gone');
});

test('interactions that are unknown or over, and a group that takes no leg', async () => {
  const { platform, sim } = await setUp();
  const nowhere = { interactionId: 'nobody-knows', monitorSessionId: 'ms-1' };
  const unknown = { kind: 'gone', what: 'interaction', ended: false };
  expect(await faultOf(platform.startMonitor(nowhere))).toEqual(unknown);
  expect(await faultOf(platform.changeMode(nowhere, 'barge'))).toEqual(unknown);
  expect(await faultOf(platform.monitorState('nobody-knows'))).toEqual(unknown);
  expect(await platform.stopMonitor(nowhere)).toBe('already-gone');
  expect(await faultOf(platform.startMonitor({ ...INTERACTION, mediaServerGroupId: 'no-such-group' }))).toEqual({
    kind: 'group-unavailable',
  });
  sim.controls.endInteraction(INTERACTION);
  const ended = { kind: 'gone', what: 'interaction', ended: true };
  expect(await faultOf(platform.startMonitor(INTERACTION))).toEqual(ended);
  expect(await faultOf(platform.monitorState('int-1'))).toEqual(ended);
});

test('interactions are paged through', async () => {
  const { platform, sim } = await setUp();
  for (let n = 2; n <= 5; n += 1) sim.controls.addInteraction({ id: `int-${n}` });
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await platform.listInteractions({
      status: 'connected',
      pageSize: 2,
      ...(cursor === null ? {} : { cursor }),
    });
    seen.push(...page.entities.map(({ id }) => id));
    ({ nextCursor: cursor } = page);
  } while (cursor !== null);
  expect(seen.sort()).toEqual(['int-1', 'int-2', 'int-3', 'int-4', 'int-5']);
});

test('a revoked token costs one refresh and no call', async () => {
  const { platform, sim } = await setUp();
  await platform.monitorState('int-1');
  sim.controls.revokeTokens();
  await Promise.all(Array.from({ length: 20 }, () => platform.monitorState('int-1')));
  const tokenRequests = sim.ledger.requests().filter(({ action }) => action === 'token');
  expect(tokenRequests).toHaveLength(2);
});

test('wrong credentials, missing permission, rate limit', async () => {
  const { platform, sim } = await setUp();
  const stranger = adapterFor(sim, { clientSecret: 'wrong' });
  expect(await faultOf(stranger.startMonitor(INTERACTION))).toMatchObject({ kind: 'unauthorized' });
  sim.controls.setAccess({ clientId: 'client-1', denial: 'missing.permission' });
  expect(await faultOf(platform.startMonitor(INTERACTION))).toEqual({ kind: 'forbidden', code: 'missing.permission' });
  sim.controls.setAccess({ clientId: 'client-1', denial: null });
  sim.controls.setRateLimit({ limit: 1, windowSeconds: 60, headers: true });
  // Whatever the window has left, the second of two does not get through.
  await Promise.allSettled([platform.startMonitor(INTERACTION)]);
  expect(await faultOf(platform.startMonitor(INTERACTION))).toEqual({
    kind: 'throttled',
    retryAfterMs: expect.any(Number),
  });
});

test.each([
  [{ kind: 'lost-answer' }, 1],
  [{ kind: 'lost-request' }, 0],
  [{ kind: 'status', status: 503 }, 0],
  [{ kind: 'status-after', status: 504 }, 1],
  [{ kind: 'hang', execute: true }, 1],
  [{ kind: 'hang', execute: false }, 0],
  [{ kind: 'delay', ms: 5_000, before: 'answer' }, 1],
  [{ kind: 'garbled-answer' }, 1],
] as const)('a start that meets %j is ambiguous and leaves %i legs', async (effect, legs) => {
  const { platform, sim } = await setUp({ startMs: 150 });
  sim.controls.addFault({ match: { action: 'start' }, effect });
  expect(await faultOf(platform.startMonitor(INTERACTION))).toMatchObject({ kind: 'ambiguous' });
  const starts = () => sim.ledger.requests().filter(({ action }) => action === 'start');
  await until('the ledger has the start', () => starts().length > 0);
  expect(starts()).toHaveLength(1);
  expect((await platform.monitorState('int-1')).monitors).toHaveLength(legs);
});
