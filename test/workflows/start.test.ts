import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionWorld } from '../support/session-world.js';
import { asked, legsGone, memoOf, reached, reportOf, stopped } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

let temporal: TestTemporal;
let world: SessionWorld;

beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal, { confirmTimeoutSeconds: 3, timeouts: { startMs: 1_000 } });
});

afterEach(() => {
  expect(world.simulator.ledger.violations()).toEqual([]);
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
});

const lostAnswer = { kind: 'lost-answer' } as const;

test.each([
  ['403', { status: 403, code: 'missing.license' }, 'forbidden'],
  ['404', { status: 404, code: 'interaction.not.found' }, 'start-failed'],
  ['410', { status: 410, code: 'interaction.ended' }, 'interaction-ended'],
  ['400', { status: 400, code: 'bad.request' }, 'start-failed'],
])('a start answered %s ends the session, told why, after one request', async (_, answer, endReason) => {
  const interactionId = world.interaction();
  world.simulator.controls.addFault({
    match: { action: 'start', interactionId },
    effect: { kind: 'status', ...answer },
  });
  const session = await world.start({ interactionId, supervisorId: 'anna' });
  const report = await session.result();
  expect(report.session).toMatchObject({ state: 'TERMINATED', endReason, monitorSessionId: null });
  expect(report.commands[0]).toMatchObject({ action: 'start', status: 'failed', reason: endReason });
  expect(report.history.find(({ type }) => type === 'session.ending')?.reason).toMatch(/^start: /);
  expect(asked(world, interactionId, 'start')).toBe(1);
  expect(asked(world, interactionId, 'stop')).toBe(0);
});

test('a start that no media server group takes ends the session, after each was asked once', async () => {
  const interactionId = world.interaction();
  world.simulator.controls.addFault({
    match: { action: 'start', interactionId },
    effect: { kind: 'status', status: 409, code: 'media.server.group.unavailable' },
    times: 10,
  });
  const session = await world.start({ interactionId, supervisorId: 'anna' });
  const report = await session.result();
  expect(report.session).toMatchObject({ state: 'TERMINATED', endReason: 'start-failed', media: null });
  const groups = world.simulator.ledger
    .requests({ interactionId, action: 'start' })
    .map(({ body }) => z.object({ mediaServerGroupId: z.string().optional() }).parse(body).mediaServerGroupId);
  expect(groups.length).toBeGreaterThan(1);
  expect(new Set(groups).size).toBe(groups.length);
  expect(groups.at(-1)).toBeUndefined();
  expect(report.history.find(({ type }) => type === 'session.ending')?.reason).toMatch(/^start: .*\(any\)$/);
});

test.each([
  ['never becomes active', 'never-active'],
  ['fails', 'fail'],
] as const)('a leg that %s is stopped, and the session ends as not-confirmed', async (_, effect) => {
  const interactionId = world.interaction();
  world.simulator.controls.addLegFault({ interactionId, effect });
  const session = await world.start({ interactionId, supervisorId: 'ben', mode: 'barge' });
  const report = await session.result();
  expect(report.session).toMatchObject({ state: 'TERMINATED', endReason: 'not-confirmed' });
  expect(report.commands).toMatchObject([
    { action: 'start', status: 'failed' },
    { action: 'barge', status: 'cancelled', reason: 'not-confirmed' },
  ]);
  expect(legsGone(world, interactionId)).toBe(1);
  expect(asked(world, interactionId, 'barge')).toBe(0);
});

test('a leg that is severed while pending ends the session as leg-lost', async () => {
  const interactionId = world.interaction();
  world.simulator.controls.addLegFault({ interactionId, effect: 'never-active' });
  const session = await world.start({ interactionId, supervisorId: 'cora' });
  await until('the leg', () => world.simulator.ledger.legs({ interactionId, live: true }).length === 1);
  world.simulator.controls.sever({ interactionId });
  expect((await session.result()).session.endReason).toBe('leg-lost');
});

test('the platform is asked for the state with 500 ms at first and never more than 3 s between', async () => {
  const slow = await createSessionWorld(temporal, { confirmTimeoutSeconds: 20 });
  try {
    const interactionId = slow.interaction();
    slow.simulator.controls.addLegFault({ interactionId, effect: 'activate', afterMs: 9_000 });
    const session = await slow.start({ interactionId, supervisorId: 'dora' });
    await reached(session, 'SILENT');
    const looks = slow.simulator.ledger.requests({ interactionId, action: 'state' }).map(({ at }) => Date.parse(at));
    const gaps = looks.slice(1).map((at, index) => at - (looks[index] ?? 0));
    // 500 ms, 1 s, 2 s, then every 3 s (uncapped it would be 4 s and 8 s); the margin is for a busy machine.
    expect(gaps.length).toBeGreaterThanOrEqual(5);
    [500, 1_000, 2_000, 3_000, 3_000].forEach((expected, index) => {
      expect(gaps[index]).toBeGreaterThanOrEqual(expected - 50);
      expect(gaps[index]).toBeLessThan(expected + 2_500);
    });
    await session.signal('stop');
    await session.result();
  } finally {
    await slow[Symbol.asyncDispose]();
  }
});

test('a start that the platform certainly did not take is sent again, after the delay it asked for', async () => {
  const interactionId = world.interaction();
  world.simulator.controls.addFault({
    match: { action: 'start', interactionId },
    effect: { kind: 'status', status: 429, retryAfterSeconds: 2 },
  });
  const session = await world.start({ interactionId, supervisorId: 'emil' });
  await reached(session, 'SILENT');
  const [refused, taken, ...more] = world.simulator.ledger.requests({ interactionId, action: 'start' });
  expect(more).toEqual([]);
  expect(Date.parse(taken?.at ?? '') - Date.parse(refused?.at ?? '')).toBeGreaterThanOrEqual(2_000);
  await session.signal('stop');
  await session.result();
  expect(legsGone(world, interactionId)).toBe(1);
});

test('a start without a token was not sent, and is once there is one', async () => {
  const fresh = await createSessionWorld(temporal);
  try {
    const interactionId = fresh.interaction();
    fresh.simulator.controls.addFault({
      match: { action: 'token' },
      effect: { kind: 'status', status: 503 },
      times: 2,
    });
    const session = await fresh.start({ interactionId, supervisorId: 'ella' });
    await reached(session, 'SILENT', 8_000);
    expect(asked(fresh, interactionId, 'start')).toBe(1);
    await session.signal('stop');
    await session.result();
  } finally {
    await fresh[Symbol.asyncDispose]();
  }
});

test('a platform that throttles every start is given up after CONFIRM_TIMEOUT_SECONDS', async () => {
  const interactionId = world.interaction();
  world.simulator.controls.addFault({
    match: { action: 'start', interactionId },
    effect: { kind: 'status', status: 429, retryAfterSeconds: 1 },
    times: 100,
  });
  const session = await world.start({ interactionId, supervisorId: 'finn' });
  expect((await session.result()).session.endReason).toBe('platform-unreachable');
  expect(legsGone(world, interactionId)).toBe(0);
});

// Each of these waits out the platform's 10 s window, so they do it side by side.
test('a start whose answer is lost never makes a second leg, and the one it made is found', async () => {
  // One start that hangs may keep others waiting for a second or two: more than the other tests here give it.
  await using patient = await createSessionWorld(temporal, { timeouts: { startMs: 1_000 } });
  const adopts = async (effect: Parameters<SessionWorld['simulator']['controls']['addFault']>[0]['effect']) => {
    const interactionId = patient.interaction();
    patient.simulator.controls.addFault({ match: { action: 'start', interactionId }, effect });
    const session = await patient.start({ interactionId, supervisorId: 'gus', mode: 'whisper' });
    await reached(session, 'WHISPER', 40_000);
    const report = await reportOf(session);
    expect(report.history.find(({ type }) => type === 'leg.made')).toMatchObject({ how: 'adopted' });
    // The second look comes when lists show everybody who may own what the first one saw.
    const [first, second] = patient.simulator.ledger.requests({ interactionId, action: 'state' });
    expect(Date.parse(second?.at ?? '') - Date.parse(first?.at ?? '')).toBeGreaterThanOrEqual(3_000);
    await session.signal('stop');
    await session.result();
    expect(legsGone(patient, interactionId)).toBe(1);
    expect(asked(patient, interactionId, 'start')).toBe(1);
  };

  const lostRequests = (interactionId: string, times: number) =>
    patient.simulator.controls.addFault({
      match: { action: 'start', interactionId },
      effect: { kind: 'lost-request' },
      times,
    });
  const isSentAgain = async () => {
    const interactionId = patient.interaction();
    lostRequests(interactionId, 1);
    const session = await patient.start({ interactionId, supervisorId: 'hal' });
    await until('it says that nobody answers', async () => (await memoOf(session)).unansweredSince !== null);
    await reached(session, 'SILENT', 40_000);
    expect((await memoOf(session)).unansweredSince).toBeNull();
    const [first, second] = patient.simulator.ledger.requests({ interactionId, action: 'start' });
    // The first one can take effect no more.
    expect(Date.parse(second?.at ?? '') - Date.parse(first?.at ?? '')).toBeGreaterThanOrEqual(10_000);
    await stopped(session);
    expect(legsGone(patient, interactionId)).toBe(1);
  };
  const endsWithout = async () => {
    const interactionId = patient.interaction();
    lostRequests(interactionId, 10);
    const session = await patient.start({ interactionId, supervisorId: 'hal' });
    expect((await session.result()).session).toMatchObject({ endReason: 'start-failed', monitorSessionId: null });
    expect(asked(patient, interactionId, 'start')).toBe(3);
    expect(legsGone(patient, interactionId)).toBe(0);
  };

  const endsWithTheCall = async () => {
    const interactionId = patient.interaction();
    patient.simulator.controls.addFault({ match: { action: 'start', interactionId }, effect: lostAnswer });
    const session = await patient.start({ interactionId, supervisorId: 'ivo' });
    await until('the lost start', () => asked(patient, interactionId, 'start') === 1);
    patient.simulator.controls.endInteraction({ interactionId });
    expect((await session.result()).session.endReason).toBe('interaction-ended');
  };

  const cannotBeTold = async () => {
    const interactionId = patient.interaction();
    patient.simulator.controls.addFault({ match: { action: 'start', interactionId }, effect: lostAnswer });
    patient.simulator.controls.addFault({
      match: { action: 'state', interactionId },
      effect: { kind: 'status', status: 403, code: 'missing.permission' },
      times: 10,
    });
    const session = await patient.start({ interactionId, supervisorId: 'ines' });
    await until('the lost start', () => asked(patient, interactionId, 'start') === 1);
    await session.signal('stop', { commandId: 's' });
    // Nobody can know, so nobody says that all is well.
    const report = await session.result();
    expect(report.session).toMatchObject({ state: 'TERMINATED', endReason: 'stopped', monitorSessionId: null });
    expect(report.history.at(-1)).toMatchObject({ type: 'session.ended', leg: 'unknown' });
    expect(report.commands.at(-1)).toMatchObject({ action: 'stop', status: 'failed', reason: 'leg-unknown' });
    expect(asked(patient, interactionId, 'state')).toBe(1);
  };

  const leavesLaterLegsAlone = async () => {
    const interactionId = patient.interaction();
    const neighbour = await patient.start({ interactionId, supervisorId: 'nora' });
    await reached(neighbour, 'SILENT');
    const looks = asked(patient, interactionId, 'state');
    lostRequests(interactionId, 1);
    const session = await patient.start({ interactionId, supervisorId: 'jan' });
    await until('the first look', () => asked(patient, interactionId, 'state') > looks);
    // Made by somebody who started after that look, and is not listed yet.
    const { monitorSessionId } = await patient.platform.startMonitor({ interactionId });
    // It is another one that the session asks for then.
    await reached(session, 'SILENT', 40_000);
    expect((await memoOf(session)).monitorSessionId).not.toBe(monitorSessionId);
    await stopped(session, neighbour);
    const live = patient.simulator.ledger.legs({ interactionId, live: true });
    expect(live.map((leg) => leg.monitorSessionId)).toEqual([monitorSessionId]);
  };

  const waitsForTheUndecided = async () => {
    const interactionId = patient.interaction();
    // Asked for, but no worker has come to it: nobody knows yet whether it makes a leg.
    const undecided = await temporal.client.workflow.start('monitoringSession', {
      workflowId: `session~${interactionId}~zoe`,
      taskQueue: 'nobody-polls-this',
      args: [{ interactionId, supervisorId: 'zoe' }],
    });
    patient.simulator.controls.addFault({ match: { action: 'start', interactionId }, effect: lostAnswer });
    const session = await patient.start({ interactionId, supervisorId: 'kai' });
    await until('two claims', () => asked(patient, interactionId, 'state') >= 3);
    expect((await memoOf(session)).state).toBe('PENDING');
    await undecided.terminate();
    await reached(session, 'SILENT');
    await session.signal('stop');
    await session.result();
    expect(legsGone(patient, interactionId)).toBe(1);
  };

  const stopsOrphans = async () => {
    const interactionId = patient.interaction();
    await patient.platform.startMonitor({ interactionId });
    patient.simulator.controls.addFault({ match: { action: 'start', interactionId }, effect: lostAnswer });
    const session = await patient.start({ interactionId, supervisorId: 'luis' });
    await reached(session, 'SILENT');
    expect(patient.simulator.ledger.legs({ interactionId, live: true })).toHaveLength(1);
    await session.signal('stop');
    await session.result();
    expect(legsGone(patient, interactionId)).toBe(2);
  };

  const stoppedMeanwhile = async () => {
    const interactionId = patient.interaction();
    patient.simulator.controls.addFault({ match: { action: 'start', interactionId }, effect: lostAnswer });
    const session = await patient.start({ interactionId, supervisorId: 'ida' });
    await until('the lost start', () => asked(patient, interactionId, 'start') === 1);
    await session.signal('stop');
    await until('ending', async () => (await memoOf(session)).ending?.reason === 'stopped', 15_000);
    expect((await session.result()).session.endReason).toBe('stopped');
    expect(legsGone(patient, interactionId)).toBe(1);
  };

  const cancelledMeanwhile = async () => {
    const interactionId = patient.interaction();
    patient.simulator.controls.addFault({
      match: { action: 'start', interactionId },
      effect: { kind: 'lost-request' },
    });
    const session = await patient.start({ interactionId, supervisorId: 'ilse' });
    await until('the lost start', () => asked(patient, interactionId, 'start') === 1);
    await session.cancel();
    await expect(session.result()).rejects.toThrow();
    expect((await session.describe()).status.name).toBe('CANCELLED');
    expect(await memoOf(session)).toMatchObject({ endReason: 'cancelled' });
  };

  const manyInDoubt = async () => {
    const interactionId = patient.interaction();
    patient.simulator.controls.addFault({ match: { action: 'start', interactionId }, effect: lostAnswer, times: 3 });
    const sessions = await Promise.all(
      ['jo', 'kim', 'lea'].map((supervisorId) => patient.start({ interactionId, supervisorId })),
    );
    // One whose answers come, beside those in doubt; and a leg of another client that is nobody's business.
    await until('three lost starts', () => asked(patient, interactionId, 'start') === 3);
    const outside = patient.simulator.controls.outsideLeg({ interactionId, mode: 'silent' });
    const fourth = await patient.start({ interactionId, supervisorId: 'mia' });
    await Promise.all([...sessions, fourth].map((session) => reached(session, 'SILENT', 60_000)));
    const legs = await Promise.all([...sessions, fourth].map(async (one) => (await memoOf(one)).monitorSessionId));
    expect(new Set(legs).size).toBe(4);
    expect(patient.simulator.ledger.legs({ interactionId, clientId: 'earshot' })).toHaveLength(4);
    await Promise.all([...sessions, fourth].map((session) => session.signal('stop')));
    await Promise.all([...sessions, fourth].map((session) => session.result()));
    expect(patient.simulator.ledger.legs({ interactionId, live: true }).map((leg) => leg.monitorSessionId)).toEqual([
      outside.monitorSessionId,
    ]);
  };

  await Promise.all([
    adopts(lostAnswer),
    adopts({ kind: 'lost-answer', executeAfterMs: 5_000 }),
    adopts({ kind: 'status-after', status: 502 }),
    adopts({ kind: 'hang', execute: true }),
    adopts({ kind: 'garbled-answer' }),
    leavesLaterLegsAlone(),
    waitsForTheUndecided(),
    stopsOrphans(),
    endsWithout(),
    endsWithTheCall(),
    isSentAgain(),
    cannotBeTold(),
    cancelledMeanwhile(),
    stoppedMeanwhile(),
    manyInDoubt(),
  ]);
});
