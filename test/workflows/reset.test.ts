import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mutexWorkflowId } from '../../domain/identifiers.js';
import { replayEveryHistory } from '../support/replay.js';
import { resetTo, resetToBeginning, tasksOf } from '../support/reset-session.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import {
  asked,
  channelOf,
  inLine,
  legsGone,
  memoOf,
  reached,
  reportOf,
  settled,
  stopped,
} from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

/** An operator resets sessions in Temporal: they forget what came after, and the platform does not. */
let temporal: TestTemporal;
let world: SessionWorld;

/** Long enough for a busy machine to pass the channel on in; two tests wait it out. */
const WAIT_SECONDS = 20;

beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal, { bargeWaitSeconds: WAIT_SECONDS });
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
  expect(world.simulator.ledger.violations()).toEqual([]);
});

/** `RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL` and `_UPDATE` of Temporal's API: what came later is forgotten for good. */
const NOTHING_IS_REPEATED = { resetReapplyExcludeTypes: [1, 2] };

async function listeners(interactionId: string, ...supervisors: readonly string[]): Promise<SessionHandle[]> {
  const sessions: SessionHandle[] = [];
  for (const supervisorId of supervisors) {
    const session = await world.start({ interactionId, supervisorId });
    await reached(session, 'SILENT');
    sessions.push(session);
  }
  return sessions;
}

test('a session that is reset to its beginning keeps its leg', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'cora' });
  await reached(session, 'SILENT');
  const { monitorSessionId } = await memoOf(session);
  const successor = await resetToBeginning(session);
  await until('the successor is active', async () => {
    const { session: shown } = await reportOf(successor);
    return shown.state === 'SILENT' && shown.monitorSessionId === monitorSessionId;
  });
  expect(asked(world, interactionId, 'start')).toBe(1);
  await stopped(successor);
  expect(legsGone(world, interactionId)).toBe(1);
});

test('a session that is reset after its leg was severed makes another one', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'cleo' });
  await reached(session, 'SILENT');
  world.simulator.controls.sever({ interactionId });
  const successor = await resetToBeginning(session);
  await reached(successor, 'SILENT');
  expect(asked(world, interactionId, 'start')).toBe(2);
  expect(world.simulator.ledger.legs({ interactionId, live: true })).toHaveLength(1);
  await stopped(successor);
  expect(legsGone(world, interactionId)).toBe(2);
});

test('a session that is reset while its start is lost sends no second one, whatever came before it', async () => {
  const interactionId = world.interaction();
  // An earlier session under the same id, whose leg is long gone, says nothing about this one's.
  const earlier = await world.start({ interactionId, supervisorId: 'carl' });
  await reached(earlier, 'SILENT');
  await stopped(earlier);
  world.simulator.controls.addFault({ match: { action: 'start', interactionId }, effect: { kind: 'lost-answer' } });
  const session = await world.start({ interactionId, supervisorId: 'carl' });
  await until('the lost start', () => asked(world, interactionId, 'start') === 2);
  const successor = await resetToBeginning(session);
  // The reset run gives the earlier attempt its full time before it looks.
  await reached(successor, 'SILENT', 80_000);
  expect(asked(world, interactionId, 'start')).toBe(2);
  expect(world.simulator.ledger.legs({ interactionId, live: true })).toHaveLength(1);
  await stopped(successor);
  expect(legsGone(world, interactionId)).toBe(2);
});

test('a holder that is reset keeps its turn or gives it back, and its leg speaks only with the channel', async () => {
  const interactionId = world.interaction();
  const anna = await world.start({ interactionId, supervisorId: 'anna' });
  const ben = await world.start({ interactionId, supervisorId: 'ben' });
  for (const session of [anna, ben]) await reached(session, 'SILENT');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');
  await ben.signal('barge', { commandId: 'b' });
  await until('ben is next', async () => (await memoOf(ben)).waiting?.position === 1);
  // What anna was told to do comes again after the reset: she barges.
  const again = await resetToBeginning(anna);
  await reached(again, 'BARGE');
  await until('the holder', async () => (await channelOf(world, interactionId)).holder?.sessionId === anna.workflowId);
  await again.signal('silent', { commandId: 's' });
  expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
  expect(asked(world, interactionId, 'start')).toBe(2);
  await stopped(again, ben);
  expect(legsGone(world, interactionId)).toBe(2);
  expect(await channelOf(world, interactionId)).toEqual({ holder: null, waiting: [] });
});

test('a holder that is reset to before its barge, and not told to barge again, locks nothing', async () => {
  const interactionId = world.interaction();
  const anna = await world.start({ interactionId, supervisorId: 'ann' });
  const ben = await world.start({ interactionId, supervisorId: 'benno' });
  for (const session of [anna, ben]) await reached(session, 'SILENT');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');
  const again = await resetToBeginning(anna, NOTHING_IS_REPEATED);
  await reached(again, 'SILENT');
  await ben.signal('barge', { commandId: 'b' });
  expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
  await stopped(again, ben);
  expect(legsGone(world, interactionId)).toBe(2);
});

test('a holder that is reset and told to be silent at once falls silent before anybody else speaks', async () => {
  const interactionId = world.interaction();
  const anna = await world.start({ interactionId, supervisorId: 'anna' });
  const ben = await world.start({ interactionId, supervisorId: 'ben' });
  for (const session of [anna, ben]) await reached(session, 'SILENT');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');
  await ben.signal('barge', { commandId: 'b' });
  await until('ben is next', async () => (await memoOf(ben)).waiting?.position === 1);
  // Slow, so that the repeated grant and the silent are both there before the first look is over.
  const slow = world.simulator.controls.addFault({
    match: { action: 'state', interactionId },
    effect: { kind: 'delay', ms: 1_200, before: 'answer' },
    times: 1_000,
  });
  const again = await resetToBeginning(anna, NOTHING_IS_REPEATED);
  await again.signal('silent', { commandId: 's' });
  expect(await settled(again, 's')).toMatchObject({ status: 'applied' });
  world.simulator.controls.removeFault(slow);
  expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
  expect((await reportOf(ben)).history.filter((entry) => 'conflictingMonitorSessionId' in entry)).toEqual([]);
  await stopped(again, ben);
  expect(legsGone(world, interactionId)).toBe(2);
});

test('a waiter that is reset keeps its place', async () => {
  const interactionId = world.interaction();
  const sessions = await Promise.all(
    ['una', 'vera', 'wanda'].map((supervisorId) => world.start({ interactionId, supervisorId })),
  );
  const [una, vera, wanda] = sessions;
  for (const session of sessions) await reached(session, 'SILENT');
  await una!.signal('barge', { commandId: 'u' });
  await settled(una!, 'u');
  await vera!.signal('barge', { commandId: 'v' });
  await until('vera is next', async () => (await memoOf(vera!)).waiting?.position === 1);
  await wanda!.signal('barge', { commandId: 'w' });
  await until('wanda is behind her', async () => (await memoOf(wanda!)).waiting?.position === 2);
  const again = await resetToBeginning(vera!);
  await until('vera is next again', async () => (await memoOf(again)).waiting?.position === 1);
  expect((await channelOf(world, interactionId)).waiting.map(({ sessionId }) => sessionId)).toEqual([
    vera!.workflowId,
    wanda!.workflowId,
  ]);
  await una!.signal('silent');
  expect(await settled(again, 'v')).toMatchObject({ status: 'applied' });
  await stopped(una!, again, wanda!);
  expect(legsGone(world, interactionId)).toBe(3);
});

/** Who waits, was granted the channel and speaks, and whose worker dies before any of that is written down. */
async function speakerWhoForgets(interactionId: string, options: Record<string, unknown>) {
  const [anna, ben] = await listeners(interactionId, 'anna', 'ben');
  await anna!.signal('barge', { commandId: 'a' });
  await settled(anna!, 'a');
  await ben!.signal('barge', { commandId: 'b' });
  const expiresAtMs = await inLine(ben!, 1);
  // Later than the one in which he asked, or he would ask again.
  const asking = (await tasksOf(ben!)).length;
  await ben!.signal('channelExpired', { requestId: 'nobody’s' });
  const waiting = await until('one more task', async () => (await tasksOf(ben!))[asking]);
  await anna!.signal('silent');
  expect(await settled(ben!, 'b')).toMatchObject({ status: 'applied' });
  await world.stopWorker();
  const again = await resetTo(ben!, waiting, options);
  // So long that the session, too, would give up: its timer is there with the grant when it wakes up.
  await until('the wait is over', () => Date.now() > expiresAtMs + 2_000, 1_000 * WAIT_SECONDS + 2_000);
  await world.startWorker();
  return { anna: anna!, ben: again };
}

function modesOf(interactionId: string, monitorSessionId: string | null): string[] {
  const leg = world.simulator.ledger.legs({ interactionId }).find((one) => one.monitorSessionId === monitorSessionId);
  return leg?.modes.map(({ mode }) => mode) ?? [];
}

test('a barge that took effect in time is applied, though nobody knows of it until the wait is over', async () => {
  const interactionId = world.interaction();
  const { anna, ben } = await speakerWhoForgets(interactionId, {});
  expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
  const { state, monitorSessionId } = await memoOf(ben);
  expect(state).toBe('BARGE');
  expect(modesOf(interactionId, monitorSessionId)).toEqual(['silent', 'barge']);
  await stopped(ben, anna);
  expect(await channelOf(world, interactionId)).toEqual({ holder: null, waiting: [] });
});

test('a leg that speaks, and whose session has forgotten the grant, is silenced when the wait is over', async () => {
  const interactionId = world.interaction();
  const { anna, ben } = await speakerWhoForgets(interactionId, NOTHING_IS_REPEATED);
  expect(await settled(ben, 'b')).toMatchObject({ status: 'expired' });
  const { monitorSessionId } = await memoOf(ben);
  await until('silence', () => modesOf(interactionId, monitorSessionId).at(-1) === 'silent', 15_000);
  expect((await memoOf(ben)).state).toBe('SILENT');
  await stopped(ben, anna);
  expect(await channelOf(world, interactionId)).toEqual({ holder: null, waiting: [] });
});

test('a waiter that is reset while its grant is on its way is not overtaken', async () => {
  const interactionId = world.interaction();
  const [anna, ben, cora] = await listeners(interactionId, 'anna', 'ben', 'cora');
  await anna!.signal('barge', { commandId: 'a' });
  await settled(anna!, 'a');
  await ben!.signal('barge', { commandId: 'b' });
  await inLine(ben!, 1);
  await cora!.signal('barge', { commandId: 'c' });
  await inLine(cora!, 2);
  const waiting = (await tasksOf(ben!)).at(-1);
  const { holder } = await channelOf(world, interactionId);
  const leg = { interactionId, monitorSessionId: (await memoOf(anna!)).monitorSessionId ?? '' };
  await world.platform.changeMode(leg, 'silent');
  // Ben’s task stays open for that long, and the grant waits for it.
  const slow = world.simulator.controls.addFault({
    match: { action: 'state', interactionId },
    effect: { kind: 'delay', ms: 1_500, before: 'answer' },
  });
  const looks = asked(world, interactionId, 'state');
  await ben!.signal('monitorStatus');
  await until('a look', () => asked(world, interactionId, 'state') > looks);
  const { requestId, fence } = holder ?? {};
  const { runId } = await memoOf(anna!);
  await temporal.client.workflow
    .getHandle(mutexWorkflowId(interactionId))
    .signal('releaseChannel', { requestId, runId, fence });
  await until('the grant', async () => (await channelOf(world, interactionId)).holder?.sessionId === ben!.workflowId);
  const again = await resetTo(ben!, waiting);
  world.simulator.controls.removeFault(slow);
  expect(await settled(again, 'b')).toMatchObject({ status: 'applied' });
  expect(await commandStatus(cora!, 'c')).toBe('queued');
  await stopped(cora!, again, anna!);
});

async function commandStatus(session: SessionHandle, commandId: string): Promise<string | undefined> {
  return (await reportOf(session)).commands.find((command) => command.commandId === commandId)?.status;
}

test('a waiter or holder that is reset, and whose new leg stays pending, keeps the channel from nobody', async () => {
  const interactionId = world.interaction();
  const [anna, ben, cora] = await listeners(interactionId, 'anna', 'ben', 'cora');
  await anna!.signal('barge', { commandId: 'a' });
  await settled(anna!, 'a');
  await ben!.signal('barge', { commandId: 'b' });
  await inLine(ben!, 1);
  world.simulator.controls.addLegFault({ interactionId, effect: 'never-active', times: 2 });
  const sessions: SessionHandle[] = [];
  for (const session of [anna!, ben!]) {
    const { monitorSessionId } = await memoOf(session);
    world.simulator.controls.sever({ monitorSessionId: monitorSessionId ?? '' });
    const starts = asked(world, interactionId, 'start');
    sessions.push(await resetToBeginning(session));
    await until('another leg', () => asked(world, interactionId, 'start') > starts);
  }
  await cora!.signal('barge', { commandId: 'c' });
  expect(await settled(cora!, 'c')).toMatchObject({ status: 'applied' });
  await stopped(cora!, ...sessions);
});

test('what a reset takes along can be replayed, also where the session ends at the same time', async () => {
  const interactionId = world.interaction();
  const [anna, ben] = await listeners(interactionId, 'abe', 'bob');
  if (anna === undefined || ben === undefined) throw new Error('Expected two sessions');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');
  await ben.signal('barge', { commandId: 'b' });
  await inLine(ben, 1);
  const before = await tasksOf(ben);
  await ben.signal('monitorStatus');
  const task = await until('another task', async () => {
    const tasks = await tasksOf(ben);
    return tasks.length > before.length && tasks.at(-1);
  });
  const grant = { requestId: 'nobody’s', fence: 1, expiresAtMs: 1 };
  await ben.executeUpdate('channelGranted', { args: [grant] });
  await world.stopWorker();
  const successor = await resetTo(ben, task);
  // Signals of the same task, before and after.
  await successor.signal('silent', { commandId: 's' });
  await successor.signal('interactionEnded');
  await world.startWorker();
  await successor.result();
  await stopped(anna);
});

test('every history of this file replays without a difference', async () => {
  expect(await replayEveryHistory(temporal)).toBeGreaterThan(20);
});
