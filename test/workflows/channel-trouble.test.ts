import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { channelRequest } from '../../domain/channel.js';
import { mutexWorkflowId } from '../../domain/identifiers.js';
import type { LegLife } from '../../simulator/ledger.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import { asked, channelOf, inLine, listener, memoOf, reportOf, settled, stopped } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

/** Long enough for a busy machine to pass the channel on in. */
const WAIT_SECONDS = 8;
/** What one workflow takes; a few are filled up here, so that no message reaches them. */
const SIGNALS_TAKEN = 40;

let temporal: TestTemporal;
/** Where a wait lasts longer than a session that takes no message is waited for. */
let patient: SessionWorld;
/** The platform fails, forgets and answers late here, and so does Temporal. */
let world: SessionWorld;

beforeAll(async () => {
  temporal = await startTemporal({ 'history.maximumSignalsPerExecution': SIGNALS_TAKEN });
  world = await createSessionWorld(temporal, { bargeWaitSeconds: WAIT_SECONDS });
  patient = await createSessionWorld(temporal, { bargeWaitSeconds: 30, simulator: { seed: 'patient' } });
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await patient[Symbol.asyncDispose]();
  await temporal.teardown();
  expect(world.simulator.ledger.violations()).toEqual([]);
});

async function legOf(session: SessionHandle): Promise<LegLife> {
  const { interactionId, monitorSessionId } = await memoOf(session);
  const leg = world.simulator.ledger.legs({ interactionId }).find((one) => one.monitorSessionId === monitorSessionId);
  if (leg === undefined) throw new Error(`Expected the leg of ${session.workflowId} in the ledger, got none`);
  return leg;
}

function failing(interactionId: string, action: 'barge' | 'silent'): { readonly id: string } {
  return world.simulator.controls.addFault({
    match: { action, interactionId },
    effect: { kind: 'status', status: 503 },
    times: 10_000,
  });
}

/** Anna’s barge, at the head of the line until another program’s leg is gone, and then refused by a platform in trouble. */
async function headInTrouble(supervisorId: string) {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, supervisorId);
  const outside = world.simulator.controls.outsideLeg({ interactionId });
  await anna.signal('barge', { commandId: 'a' });
  const expiresAtMs = await inLine(anna, 1);
  const fault = failing(interactionId, 'barge');
  world.simulator.controls.releaseOutsideLeg(outside);
  await anna.signal('monitorStatus');
  await until('a try', () => asked(world, interactionId, 'barge') > 0);
  return { anna, expiresAtMs, fault };
}

test('a command that waited is not tried past its time', async () => {
  const { anna, expiresAtMs, fault } = await headInTrouble('anna');
  expect((await settled(anna, 'a')).status).toBe('expired');
  expect(Date.now()).toBeLessThan(expiresAtMs + 8_000);
  world.simulator.controls.removeFault(fault);
  await until('the channel is given back', async () => {
    return (await channelOf(world, (await memoOf(anna)).interactionId)).holder === null;
  });
  expect((await legOf(anna)).modes.at(-1)?.mode).toBe('silent');
  await stopped(anna);
});

test('a command whose turn has come, and which the platform puts off for longer than is left, fails at once and says why', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  const ben = await listener(world, interactionId, 'ben');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');
  await ben.signal('barge', { commandId: 'b' });
  await inLine(ben, 1);
  world.simulator.controls.addFault({
    match: { action: 'barge', interactionId },
    effect: { kind: 'status', status: 429, retryAfterSeconds: 20 },
  });
  await anna.signal('silent');
  expect(await settled(ben, 'b')).toMatchObject({ status: 'failed', reason: 'throttled' });
  await until('the channel is free', async () => (await channelOf(world, interactionId)).holder === null);
  await stopped(anna, ben);
});

test('a command that waited and is tried in vain gives way to silent at once', async () => {
  const { anna, expiresAtMs, fault } = await headInTrouble('ann');
  await anna.signal('silent', { commandId: 's' });
  expect(await settled(anna, 's')).toMatchObject({ status: 'applied' });
  expect(Date.now()).toBeLessThan(expiresAtMs);
  expect(await settled(anna, 'a')).toMatchObject({ status: 'cancelled', reason: 'silent' });
  world.simulator.controls.removeFault(fault);
  await stopped(anna);
});

test('a barge whose answers were all lost is silenced before the channel is passed on', async () => {
  const interactionId = world.interaction();
  const [anna, ben] = [await listener(world, interactionId, 'anna'), await listener(world, interactionId, 'ben')];
  const outside = world.simulator.controls.outsideLeg({ interactionId });
  await anna.signal('barge', { commandId: 'a' });
  const expiresAtMs = await inLine(anna, 1);
  const fault = world.simulator.controls.addFault({
    match: { action: 'barge', monitorSessionId: (await legOf(anna)).monitorSessionId },
    effect: { kind: 'hang', execute: true, forMs: 200 },
    times: 10_000,
  });
  world.simulator.controls.releaseOutsideLeg(outside);
  await until('it speaks', async () => (await legOf(anna)).modes.some(({ mode }) => mode === 'barge'));
  await until('half of the time is over', () => Date.now() > expiresAtMs - (WAIT_SECONDS * 1_000) / 2);
  await ben.signal('barge', { commandId: 'b' });
  expect((await settled(anna, 'a')).status).toBe('expired');
  expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
  // Let past too early, ben would have met anna’s leg on the platform.
  expect((await reportOf(ben)).history.filter((entry) => 'conflictingMonitorSessionId' in entry)).toEqual([]);
  world.simulator.controls.removeFault(fault);
  await stopped(anna, ben);
});

test('a barge that takes effect after another try was refused is noticed and silenced', async () => {
  const interactionId = world.interaction();
  const ben = await listener(world, interactionId, 'ben');
  const first = world.simulator.controls.outsideLeg({ interactionId });
  await ben.signal('barge', { commandId: 'b' });
  await inLine(ben, 1);
  world.simulator.controls.addFault({
    match: { action: 'barge', interactionId },
    effect: { kind: 'hang', execute: true, executeAfterMs: 5_000, forMs: 200 },
    times: 1,
  });
  world.simulator.controls.releaseOutsideLeg(first);
  await until('a try', () => asked(world, interactionId, 'barge') > 0);
  const second = world.simulator.controls.outsideLeg({ interactionId });
  await ben.signal('silent', { commandId: 's' });
  await settled(ben, 's');
  world.simulator.controls.releaseOutsideLeg(second);
  await until('it speaks', async () => (await legOf(ben)).modes.some(({ mode }) => mode === 'barge'));
  await until('it is silent', async () => (await legOf(ben)).modes.at(-1)?.mode === 'silent', 40_000);
  await until('the session says so', async () => (await memoOf(ben)).state === 'SILENT');
  await stopped(ben);
});

test('silence is not taken from a look that may be older than the barge', async () => {
  const interactionId = world.interaction();
  const ben = await listener(world, interactionId, 'ben');
  const before = await world.platform.monitorState(interactionId);
  // A copy of the platform’s state that lags behind.
  const look = jest.spyOn(world.platform, 'monitorState').mockResolvedValue(before);
  try {
    await ben.signal('barge', { commandId: 'b' });
    await settled(ben, 'b');
    await ben.signal('silent', { commandId: 's' });
    expect(await settled(ben, 's')).toMatchObject({ status: 'applied' });
  } finally {
    look.mockRestore();
  }
  expect((await legOf(ben)).modes.map(({ mode }) => mode)).toEqual(['silent', 'barge', 'silent']);
  await stopped(ben);
});

test('who waits for a mutex that was terminated expires in time', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  const ben = await listener(world, interactionId, 'ben');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');
  await ben.signal('barge', { commandId: 'b' });
  const expiresAtMs = await inLine(ben, 1);
  await temporal.client.workflow.getHandle(mutexWorkflowId(interactionId)).terminate();
  expect((await settled(ben, 'b')).status).toBe('expired');
  expect(Date.now()).toBeGreaterThanOrEqual(expiresAtMs);
  expect(Date.now()).toBeLessThan(expiresAtMs + 4_000);
  await stopped(anna, ben);
});

test('a grant that comes after the time is given back', async () => {
  const interactionId = world.interaction();
  const ben = await listener(world, interactionId, 'ben');
  // Nobody works on that queue: the test is the mutex.
  const mutex = await temporal.client.workflow.start('bargeMutex', {
    workflowId: mutexWorkflowId(interactionId),
    taskQueue: 'deserted',
    args: [{ interactionId, idleMs: 0 }],
  });
  await ben.signal('barge', { commandId: 'b' });
  const requestId = await until('the request', async () => {
    const { events } = await mutex.fetchHistory();
    const signal = events?.find((event) => event.workflowExecutionSignaledEventAttributes)
      ?.workflowExecutionSignaledEventAttributes?.input?.payloads?.[0]?.data;
    return signal && channelRequest.parse(JSON.parse(Buffer.from(signal).toString())).requestId;
  });
  const expiresAtMs = Date.now() + 500;
  await ben.signal('channelQueued', { requestId, position: 1, expiresAtMs });
  await inLine(ben, 1);
  await until('the time is over', () => Date.now() > expiresAtMs);
  await ben.signal('channelGranted', { requestId, fence: 1, expiresAtMs });
  expect((await settled(ben, 'b')).status).toBe('expired');
  expect(asked(world, interactionId, 'barge')).toBe(0);
  await stopped(ben);
  await mutex.terminate();
});

test('a mutex that takes no message holds up neither silent nor stop', async () => {
  const interactionId = world.interaction();
  const ben = await listener(world, interactionId, 'ben');
  const mutex = await temporal.client.workflow.start('bargeMutex', {
    workflowId: mutexWorkflowId(interactionId),
    taskQueue: 'deserted',
    args: [{ interactionId, idleMs: 0 }],
  });
  for (let n = 0; n < SIGNALS_TAKEN; n += 1) await mutex.signal('nonsense');
  await ben.signal('barge', { commandId: 'b' });
  await ben.signal('silent', { commandId: 's' });
  expect(await settled(ben, 's', 10_000)).toMatchObject({ status: 'applied' });
  await ben.signal('stop');
  await until('the leg is stopped', async () => (await legOf(ben)).endedBy === 'stop', 15_000);
  await mutex.terminate();
  await ben.result();
});

test('a session that cannot be told anything holds up nobody’s grant', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  const ben = await listener(world, interactionId, 'ben');
  const cora = await listener(world, interactionId, 'cora');
  const dan = await listener(world, interactionId, 'dan');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');
  await ben.signal('barge', { commandId: 'b' });
  await inLine(ben, 1);
  // One is left, for her barge.
  for (let n = 1; n < SIGNALS_TAKEN; n += 1) await cora.signal('channelExpired', { requestId: 'nobody’s' });
  await cora.signal('barge', { commandId: 'c' });
  await inLine(cora, 2);
  await anna.signal('silent');
  await settled(ben, 'b');
  await until('cora’s wait is over', async () => (await channelOf(world, interactionId)).waiting.length === 0);
  await dan.signal('barge', { commandId: 'd' });
  await ben.signal('silent');
  expect(await settled(dan, 'd')).toMatchObject({ status: 'applied' });
  await cora.cancel();
  await stopped(anna, ben, dan);
});

test('who is next and can be told nothing is passed over', async () => {
  const interactionId = patient.interaction();
  const anna = await listener(patient, interactionId, 'anna');
  const ben = await listener(patient, interactionId, 'ben');
  const cora = await listener(patient, interactionId, 'cora');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');
  await ben.signal('barge', { commandId: 'b' });
  await inLine(ben, 1);
  await cora.signal('barge', { commandId: 'c' });
  await inLine(cora, 2);
  await filledUp(ben);
  await anna.signal('silent');
  expect(await settled(cora, 'c')).toMatchObject({ status: 'applied' });
  await ben.cancel();
  await stopped(cora, anna);
});

/** Takes no signal any more. */
async function filledUp(session: SessionHandle): Promise<void> {
  const { events } = await session.fetchHistory();
  const taken = (events ?? []).filter((event) => event.workflowExecutionSignaledEventAttributes).length;
  for (let n = taken; n < SIGNALS_TAKEN; n += 1) await session.signal('channelExpired', { requestId: 'nobody’s' });
}

test('a session that ends does not close before the mutex has heard that it left the line', async () => {
  const interactionId = world.interaction();
  const ben = await listener(world, interactionId, 'ben');
  const mutex = await deafMutex(interactionId);
  await ben.signal('barge', { commandId: 'b' });
  await ben.signal('silent', { commandId: 's' });
  await settled(ben, 's');
  await ben.signal('stop');
  await until('the leg is stopped', async () => (await legOf(ben)).endedBy === 'stop');
  await triedAgain(ben, 'releaseChannel');
  expect((await ben.describe()).status.name).toBe('RUNNING');
  await mutex.terminate();
  await ben.result();
});

test('a request that found no hearing is made again, and is served once there is a mutex', async () => {
  const interactionId = world.interaction();
  const ben = await listener(world, interactionId, 'ben');
  const mutex = await deafMutex(interactionId);
  await ben.signal('barge', { commandId: 'b' });
  await triedAgain(ben, 'requestChannel');
  await mutex.terminate();
  expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
  await stopped(ben);
});

test('a holder whose command is kept off has one time for it, however often it is told to look', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');
  // By another program of our client; the session has not been told.
  await world.platform.changeMode({ interactionId, monitorSessionId: (await legOf(anna)).monitorSessionId }, 'silent');
  const outside = world.simulator.controls.outsideLeg({ interactionId });
  await anna.signal('whisper', { commandId: 'w' });
  const expiresAtMs = await inLine(anna, 1);
  const looks = asked(world, interactionId, 'state');
  const told = new Set([expiresAtMs]);
  await until('its time is over', async () => {
    await anna.signal('monitorStatus');
    const { waiting } = await memoOf(anna);
    if (waiting !== null) told.add(Date.parse(waiting.expiresAt));
    return waiting === null;
  });
  expect([...told]).toEqual([expiresAtMs]);
  expect((await settled(anna, 'w')).status).toBe('expired');
  expect(Date.now()).toBeLessThan(expiresAtMs + 8_000);
  expect(asked(world, interactionId, 'state')).toBeGreaterThan(looks);
  world.simulator.controls.releaseOutsideLeg(outside);
  await stopped(anna);
});

test('a barge that silent calls off passes the channel on only when its leg is silent', async () => {
  const interactionId = world.interaction();
  const [anna, ben] = [await listener(world, interactionId, 'anna'), await listener(world, interactionId, 'ben')];
  const outside = world.simulator.controls.outsideLeg({ interactionId });
  await anna.signal('barge', { commandId: 'a' });
  await inLine(anna, 1);
  const { monitorSessionId } = await legOf(anna);
  const lost = world.simulator.controls.addFault({
    match: { action: 'barge', monitorSessionId },
    effect: { kind: 'hang', execute: true, forMs: 200 },
    times: 10_000,
  });
  world.simulator.controls.addFault({
    match: { action: 'silent', monitorSessionId },
    effect: { kind: 'delay', ms: 800, before: 'execution' },
    times: 1,
  });
  world.simulator.controls.releaseOutsideLeg(outside);
  await until('it speaks', async () => (await legOf(anna)).modes.some(({ mode }) => mode === 'barge'));
  await ben.signal('barge', { commandId: 'b' });
  await inLine(ben, 2);
  await anna.signal('silent', { commandId: 's' });
  expect(await settled(anna, 's')).toMatchObject({ status: 'applied' });
  expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
  // Let past too early, ben would have met anna’s leg on the platform.
  expect((await reportOf(ben)).history.filter((entry) => 'conflictingMonitorSessionId' in entry)).toEqual([]);
  world.simulator.controls.removeFault(lost);
  await stopped(anna, ben);
});

/** A mutex on whose queue nobody works, and that takes no signal any more. */
async function deafMutex(interactionId: string): Promise<WorkflowHandle> {
  const mutex = await temporal.client.workflow.start('bargeMutex', {
    workflowId: mutexWorkflowId(interactionId),
    taskQueue: 'deserted',
    args: [{ interactionId, idleMs: 0 }],
  });
  for (let n = 0; n < SIGNALS_TAKEN; n += 1) await mutex.signal('nonsense');
  return mutex;
}

async function triedAgain(session: SessionHandle, activity: string): Promise<void> {
  await until(`${activity} is tried again`, async () => {
    const { pendingActivities } = (await session.describe()).raw;
    return pendingActivities?.some(
      ({ activityType, attempt }) => activityType?.name === activity && (attempt ?? 0) > 1,
    );
  });
}
