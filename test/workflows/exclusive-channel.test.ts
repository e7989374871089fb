import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ChannelRequest } from '../../domain/channel.js';
import { mutexWorkflowId } from '../../domain/identifiers.js';
import { replayEveryHistory } from '../support/replay.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import {
  asked,
  channelOf,
  inLine,
  legsGone,
  listener,
  memoOf,
  reportOf,
  settled,
  stopped,
} from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

let temporal: TestTemporal;
let world: SessionWorld;

beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal);
});

/** Of a counter, with exactly these labels. */
async function counted(name: string, labels: string): Promise<number> {
  const page = await world.metrics.registry.getSingleMetricAsString(name);
  return Number(
    page
      .split('\n')
      .find((line) => line.startsWith(`${name}{${labels}} `))
      ?.split(' ')
      .at(-1) ?? 0,
  );
}

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
  expect(world.simulator.ledger.violations()).toEqual([]);
});

async function commandOf(session: SessionHandle, commandId: string) {
  return (await reportOf(session)).commands.find((command) => command.commandId === commandId);
}

function modesOf(interactionId: string, monitorSessionId: string | null): string[] {
  const leg = world.simulator.ledger.legs({ interactionId }).find((one) => one.monitorSessionId === monitorSessionId);
  return leg?.modes.map(({ mode }) => mode) ?? [];
}

test('a second barge waits its turn, is told its place, and gets the channel the moment it is free', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  const ben = await listener(world, interactionId, 'ben');
  const cora = await listener(world, interactionId, 'cora');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');

  await ben.signal('whisper', { commandId: 'b' });
  await inLine(ben, 1);
  await cora.signal('barge', { commandId: 'c' });
  await inLine(cora, 2);
  const waiting = await memoOf(cora);
  expect(waiting).toMatchObject({ state: 'SILENT', waiting: { mode: 'barge', position: 2 } });
  const queued = await commandOf(cora, 'c');
  expect(queued).toEqual({
    commandId: 'c',
    action: 'barge',
    status: 'queued',
    position: 2,
    expiresAt: waiting.waiting?.expiresAt,
  });
  expect(Date.parse(queued?.expiresAt ?? '') - Date.now()).toBeLessThanOrEqual(30_000);
  await until('the platform’s word', async () => (await memoOf(cora)).bargeStatus === 'active');

  await anna.signal('silent');
  expect(await settled(ben, 'b')).toEqual({ commandId: 'b', action: 'whisper', status: 'applied' });
  await inLine(cora, 1);
  await stopped(ben);
  expect(await settled(cora, 'c')).toEqual({ commandId: 'c', action: 'barge', status: 'applied' });
  expect((await memoOf(cora)).waiting).toBeNull();
  const trail = (await reportOf(cora)).history.filter(({ type }) => /queued|moved|granted/.test(type));
  expect(trail).toMatchObject([
    { type: 'session.queued', commandId: 'c', position: 2 },
    { type: 'session.moved', commandId: 'c', position: 1 },
    { type: 'session.granted', commandId: 'c' },
  ]);
  expect(
    world.announced
      .filter(({ sessionId, commandId }) => sessionId === cora.workflowId && commandId === 'c')
      .map(({ type, position }) => ({ type, position })),
  ).toEqual([
    { type: 'session.queued', position: 2 },
    { type: 'session.moved', position: 1 },
    { type: 'session.granted', position: undefined },
    { type: 'session.mode', position: undefined },
  ]);
  // Nobody was sent to the platform in vain.
  expect(asked(world, interactionId, 'barge') + asked(world, interactionId, 'whisper')).toBe(3);
  await stopped(anna, cora);
  expect(await counted('earshot_channel_waits_total', 'result="granted"')).toBeGreaterThanOrEqual(2);
  expect(await counted('earshot_commands_total', 'action="whisper",status="applied"')).toBeGreaterThanOrEqual(1);
  expect(await counted('earshot_sessions_ended_total', 'reason="stopped"')).toBeGreaterThanOrEqual(1);
  expect(legsGone(world, interactionId)).toBe(3);
  expect(await channelOf(world, interactionId)).toEqual({ holder: null, waiting: [] });
});

test('barge and whisper by the holder keep the channel; only silence passes it on', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  const ben = await listener(world, interactionId, 'ben');
  await anna.signal('barge', { commandId: 'a1' });
  await settled(anna, 'a1');
  await ben.signal('barge', { commandId: 'b' });
  await inLine(ben, 1);
  const { holder } = await channelOf(world, interactionId);
  for (const [commandId, mode] of [
    ['a2', 'whisper'],
    ['a3', 'barge'],
  ] as const) {
    await anna.signal(mode, { commandId });
    expect(await settled(anna, commandId)).toMatchObject({ status: 'applied' });
  }
  expect((await channelOf(world, interactionId)).holder).toEqual(holder);
  expect(await commandOf(ben, 'b')).toMatchObject({ status: 'queued', position: 1 });
  await stopped(anna);
  expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
  await stopped(ben);
});

test('a silent that the platform does not confirm passes nothing on', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  const ben = await listener(world, interactionId, 'ben');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');
  await ben.signal('barge', { commandId: 'b' });
  await inLine(ben, 1);
  const fault = world.simulator.controls.addFault({
    match: { action: 'silent', interactionId },
    effect: { kind: 'status', status: 503 },
    times: 1_000,
  });
  await anna.signal('silent', { commandId: 's' });
  await until('some refusals', () => asked(world, interactionId, 'silent') >= 3);
  expect(await commandOf(ben, 'b')).toMatchObject({ status: 'queued' });
  expect(asked(world, interactionId, 'barge')).toBe(1);
  world.simulator.controls.removeFault(fault);
  expect(await settled(anna, 's')).toMatchObject({ status: 'applied' });
  expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
  await stopped(anna, ben);
});

test('a newer barge or whisper of a waiting session takes over its place, and its time', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  const ben = await listener(world, interactionId, 'ben');
  const cora = await listener(world, interactionId, 'cora');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');
  await ben.signal('barge', { commandId: 'b1' });
  await inLine(ben, 1);
  await cora.signal('barge', { commandId: 'c' });
  await inLine(cora, 2);
  const before = await memoOf(ben);
  await ben.signal('whisper', { commandId: 'b2' });
  expect(await settled(ben, 'b1')).toEqual({ commandId: 'b1', action: 'barge', status: 'superseded' });
  await until('the new wait', async () => (await memoOf(ben)).waiting?.mode === 'whisper');
  expect((await memoOf(ben)).waiting).toEqual({ ...before.waiting, mode: 'whisper' });
  await anna.signal('silent');
  expect(await settled(ben, 'b2')).toMatchObject({ status: 'applied' });
  expect((await memoOf(ben)).state).toBe('WHISPER');
  expect(world.announced.filter(({ type }) => type === 'session.superseded')).toMatchObject([
    { sessionId: ben.workflowId, commandId: 'b1', supersededBy: 'b2' },
  ]);
  await stopped(anna, ben, cora);
});

test('silent takes a waiting session out of the line at once', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  const ben = await listener(world, interactionId, 'ben');
  const cora = await listener(world, interactionId, 'cora');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');
  await ben.signal('barge', { commandId: 'b' });
  await inLine(ben, 1);
  await cora.signal('barge', { commandId: 'c' });
  await inLine(cora, 2);
  await ben.signal('silent', { commandId: 's' });
  expect(await settled(ben, 'b')).toEqual({ commandId: 'b', action: 'barge', status: 'cancelled', reason: 'silent' });
  expect(await settled(ben, 's')).toMatchObject({ status: 'applied' });
  expect((await memoOf(ben)).waiting).toBeNull();
  await inLine(cora, 1);
  await anna.signal('silent');
  expect(await settled(cora, 'c')).toMatchObject({ status: 'applied' });
  await stopped(anna, ben, cora);
});

test('silent does not wait for a mutex that gives no answer', async () => {
  const interactionId = world.interaction();
  const ben = await listener(world, interactionId, 'ben');
  // Nobody works on that queue: whatever is sent to the mutex is accepted, and nothing comes of it.
  const mutex = await temporal.client.workflow.start('bargeMutex', {
    workflowId: mutexWorkflowId(interactionId),
    taskQueue: 'deserted',
    args: [{ interactionId, idleMs: 0 }],
  });
  await ben.signal('barge', { commandId: 'b' });
  await ben.signal('silent', { commandId: 's' });
  expect(await settled(ben, 's', 15_000)).toMatchObject({ status: 'applied' });
  expect(await settled(ben, 'b')).toEqual({ commandId: 'b', action: 'barge', status: 'cancelled', reason: 'silent' });
  await stopped(ben);
  await mutex.terminate();
});

test.each([
  ['stop', 'stopped'],
  ['interactionEnded', 'interaction-ended'],
] as const)('%s ends a waiting session at once, and the line closes up', async (signal, reason) => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  const ben = await listener(world, interactionId, 'ben');
  const cora = await listener(world, interactionId, 'cora');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');
  await ben.signal('barge', { commandId: 'b' });
  await inLine(ben, 1);
  await cora.signal('barge', { commandId: 'c' });
  await inLine(cora, 2);
  await ben.signal(signal);
  const { session, commands } = await ben.result();
  expect(session).toMatchObject({ endReason: reason, waiting: null });
  expect(commands.find(({ commandId }) => commandId === 'b')).toEqual({
    commandId: 'b',
    action: 'barge',
    status: 'cancelled',
    reason,
  });
  await inLine(cora, 1);
  await stopped(anna, cora);
  expect(await channelOf(world, interactionId)).toEqual({ holder: null, waiting: [] });
});

test('while another program’s leg has the channel, the command keeps the head of the line and is tried again', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  const ben = await listener(world, interactionId, 'ben');
  const { monitorSessionId } = world.simulator.controls.outsideLeg({ interactionId });
  await anna.signal('whisper', { commandId: 'a' });
  await inLine(anna, 1);
  expect(await commandOf(anna, 'a')).toMatchObject({ status: 'queued', conflictingMonitorSessionId: monitorSessionId });
  expect((await memoOf(anna)).bargeStatus).toBe('active');
  await ben.signal('barge', { commandId: 'b' });
  // Before it is she who is next.
  await inLine(ben, 2);
  expect(asked(world, interactionId, 'whisper')).toBe(0);

  world.simulator.controls.releaseOutsideLeg({ monitorSessionId });
  expect(await settled(anna, 'a')).toEqual({ commandId: 'a', action: 'whisper', status: 'applied' });
  await inLine(ben, 1);
  await stopped(anna, ben);
  // Another program's leg is never touched.
  expect(world.simulator.ledger.requests({ interactionId, action: 'stop' })).toHaveLength(2);
});

test('a waiting head is tried again as soon as it is told that something has changed', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  const { monitorSessionId } = world.simulator.controls.outsideLeg({ interactionId });
  await anna.signal('barge', { commandId: 'a' });
  await inLine(anna, 1);
  // By now the looks are 3 s apart.
  await until('some looks', () => asked(world, interactionId, 'state') >= 8);
  world.simulator.controls.releaseOutsideLeg({ monitorSessionId });
  const releasedAt = Date.now();
  await anna.signal('monitorStatus');
  expect(await settled(anna, 'a')).toMatchObject({ status: 'applied' });
  expect(Date.now() - releasedAt).toBeLessThan(2_000);
  await stopped(anna);
});

test('a session that listens learns of another program’s barge when it is told to look', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  world.simulator.controls.outsideLeg({ interactionId });
  await anna.signal('monitorStatus');
  await until('the truth', async () => (await memoOf(anna)).bargeStatus === 'active');
  await stopped(anna);
});

test('a 409 that names no other leg means that ours is not ready: it is tried again, and nobody has to wait', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  world.simulator.controls.addFault({
    match: { action: 'barge', interactionId },
    effect: { kind: 'status', status: 409, code: 'monitor.not.active' },
    times: 2,
  });
  await anna.signal('barge', { commandId: 'a' });
  expect(await settled(anna, 'a')).toMatchObject({ status: 'applied' });
  expect((await reportOf(anna)).history.map(({ type }) => type)).not.toContain('session.queued');
  await stopped(anna);
});

test('a leg of ours that speaks without right is silenced by its session, and the head of the line gets through', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  const ben = await listener(world, interactionId, 'ben');
  const { monitorSessionId } = await memoOf(anna);
  // As a barge does that takes effect long after its answer was lost: nobody knows, and no mutex was asked.
  await world.platform.changeMode({ interactionId, monitorSessionId: monitorSessionId ?? '' }, 'barge');
  await ben.signal('barge', { commandId: 'b' });
  expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
  expect(modesOf(interactionId, monitorSessionId)).toEqual(['silent', 'barge', 'silent']);
  await stopped(anna, ben);
});

test('a leg of ours that speaks and that no session has any more is stopped', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  const { monitorSessionId } = await world.platform.startMonitor({ interactionId });
  await until('it is active', async () => {
    const { monitors } = await world.platform.monitorState(interactionId);
    return monitors.some((leg) => leg.monitorSessionId === monitorSessionId && leg.status === 'active');
  });
  await world.platform.changeMode({ interactionId, monitorSessionId }, 'barge');
  await anna.signal('barge', { commandId: 'a' });
  expect(await settled(anna, 'a')).toMatchObject({ status: 'applied' });
  const [leg] = world.simulator.ledger
    .legs({ interactionId })
    .filter((one) => one.monitorSessionId === monitorSessionId);
  expect(leg?.endedBy).toBe('stop');
  await stopped(anna);
});

describe('when something dies', () => {
  test('a terminated holder loses the channel, and its leg is stopped before anybody else speaks', async () => {
    const interactionId = world.interaction();
    const anna = await listener(world, interactionId, 'anna');
    const ben = await listener(world, interactionId, 'ben');
    await anna.signal('barge', { commandId: 'a' });
    await settled(anna, 'a');
    const { monitorSessionId } = await memoOf(anna);
    await ben.signal('barge', { commandId: 'b' });
    await inLine(ben, 1);
    await anna.terminate();
    expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
    const [leg] = world.simulator.ledger
      .legs({ interactionId })
      .filter((one) => one.monitorSessionId === monitorSessionId);
    expect(leg?.endedBy).toBe('stop');
    await stopped(ben);
  });

  test('a grant that is repeated to a holder that has died lets nobody past its leg', async () => {
    const interactionId = world.interaction();
    const anna = await listener(world, interactionId, 'anna');
    const ben = await listener(world, interactionId, 'ben');
    await anna.signal('barge', { commandId: 'a' });
    await settled(anna, 'a');
    const { runId, monitorSessionId } = await memoOf(anna);
    const { holder } = await channelOf(world, interactionId);
    await anna.terminate();
    const request = {
      requestId: holder?.requestId,
      sessionId: anna.workflowId,
      runId,
      currentRunId: runId,
      monitorSessionId,
      askedAtMs: Date.now(),
      waitMs: 30_000,
    };
    await temporal.client.workflow
      .getHandle(mutexWorkflowId(interactionId))
      .signal('requestChannel', request satisfies Record<keyof ChannelRequest, unknown>);
    await ben.signal('barge', { commandId: 'b' });
    expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
    // Let past, ben would have met anna's leg on the platform.
    const { history } = await reportOf(ben);
    expect(history.filter((entry) => 'conflictingMonitorSessionId' in entry)).toEqual([]);
    await stopped(ben);
    expect(legsGone(world, interactionId)).toBe(2);
  });

  test('a holder that died before anybody asked is found out when somebody does', async () => {
    const interactionId = world.interaction();
    const anna = await listener(world, interactionId, 'anna');
    await anna.signal('barge', { commandId: 'a' });
    await settled(anna, 'a');
    await anna.terminate();
    // Her next session has the same id, and is another one.
    const again = await listener(world, interactionId, 'anna');
    await again.signal('whisper', { commandId: 'a2' });
    expect(await settled(again, 'a2')).toMatchObject({ status: 'applied' });
    await stopped(again);
    expect(legsGone(world, interactionId)).toBe(2);
  });

  test('a holder whose leg was severed, unknown to its session, keeps the channel from nobody', async () => {
    const interactionId = world.interaction();
    const anna = await listener(world, interactionId, 'anna');
    const ben = await listener(world, interactionId, 'ben');
    await anna.signal('barge', { commandId: 'a' });
    await settled(anna, 'a');
    const { monitorSessionId } = await memoOf(anna);
    world.simulator.controls.sever({ monitorSessionId: monitorSessionId ?? '' });
    await ben.signal('barge', { commandId: 'b' });
    expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
    expect((await anna.result()).session.endReason).toBe('leg-lost');
    await stopped(ben);
  });

  test('a grant that reaches the dead holder’s successor frees the channel once the dead one’s leg is stopped', async () => {
    const interactionId = world.interaction();
    const anna = await listener(world, interactionId, 'anna');
    await anna.signal('barge', { commandId: 'a' });
    await settled(anna, 'a');
    const { monitorSessionId } = await memoOf(anna);
    const { holder } = await channelOf(world, interactionId);
    await anna.terminate();
    const again = await listener(world, interactionId, 'anna');
    // Repeated for a holder that was reset, and then terminated before it came.
    const grant = { requestId: holder?.requestId, fence: holder?.fence, expiresAtMs: Date.now() + 1_000 };
    await again.signal('channelGranted', grant);
    await until('the channel is free', async () => (await channelOf(world, interactionId)).holder === null);
    const dead = world.simulator.ledger
      .legs({ interactionId })
      .find((leg) => leg.monitorSessionId === monitorSessionId);
    expect(dead).toMatchObject({ endedBy: 'stop' });
    await stopped(again);
    expect(legsGone(world, interactionId)).toBe(2);
  });

  test('the dead among those who wait are passed over', async () => {
    const interactionId = world.interaction();
    const anna = await listener(world, interactionId, 'anna');
    const ben = await listener(world, interactionId, 'ben');
    const cora = await listener(world, interactionId, 'cora');
    await anna.signal('barge', { commandId: 'a' });
    await settled(anna, 'a');
    await ben.signal('barge', { commandId: 'b' });
    await inLine(ben, 1);
    await cora.signal('barge', { commandId: 'c' });
    await inLine(cora, 2);
    await ben.terminate();
    await anna.signal('silent');
    expect(await settled(cora, 'c')).toMatchObject({ status: 'applied' });
    await stopped(anna, cora);
    expect(await channelOf(world, interactionId)).toEqual({ holder: null, waiting: [] });
  });

  test('a cancelled holder passes the channel on when its leg is stopped', async () => {
    const interactionId = world.interaction();
    const anna = await listener(world, interactionId, 'anna');
    const ben = await listener(world, interactionId, 'ben');
    await anna.signal('whisper', { commandId: 'a' });
    await settled(anna, 'a');
    await ben.signal('barge', { commandId: 'b' });
    await inLine(ben, 1);
    await anna.cancel();
    expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
    await stopped(ben);
  });

  test('a mutex that is cancelled goes on, and one that is terminated locks nothing', async () => {
    const interactionId = world.interaction();
    const anna = await listener(world, interactionId, 'anna');
    const ben = await listener(world, interactionId, 'ben');
    await anna.signal('barge', { commandId: 'a' });
    await settled(anna, 'a');
    const mutex = temporal.client.workflow.getHandle(mutexWorkflowId(interactionId));
    await mutex.cancel();
    await ben.signal('barge', { commandId: 'b' });
    await inLine(ben, 1);
    await ben.signal('silent', { commandId: 's' });
    await settled(ben, 's');
    await mutex.terminate();
    // The next mutex knows nothing of anna, but the platform does: it has the last word.
    await ben.signal('barge', { commandId: 'b2' });
    await inLine(ben, 1);
    expect((await commandOf(ben, 'b2'))?.conflictingMonitorSessionId).toBe((await memoOf(anna)).monitorSessionId);
    await anna.signal('silent');
    expect(await settled(ben, 'b2')).toMatchObject({ status: 'applied' });
    await stopped(anna, ben);
    expect(await channelOf(world, interactionId)).toEqual({ holder: null, waiting: [] });
  });
});

test('every history of this file replays without a difference', async () => {
  expect(await replayEveryHistory(temporal)).toBeGreaterThan(10);
});
