import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { awaitCommandUpdate } from '../../workflows/session-messages.js';
import { startWorker } from '../api/api-world.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import { asked, causeOf, legsGone, memoOf, reached, reportOf, settled } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

let temporal: TestTemporal;
let world: SessionWorld;

beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal);
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
  expect(world.simulator.ledger.violations()).toEqual([]);
});

test('a session goes from pending to active, through every mode, and stops its leg', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'anna', reason: 'new hire' });
  await reached(session, 'SILENT');
  for (const [signal, state] of [
    ['barge', 'BARGE'],
    ['whisper', 'WHISPER'],
    ['silent', 'SILENT'],
  ] as const) {
    await session.signal(signal, { actor: 'anna' });
    await reached(session, state);
    const shown = await memoOf(session);
    expect(shown).toMatchObject({ state, bargeStatus: state === 'SILENT' ? 'inactive' : 'active' });
    expect((await session.describe()).typedSearchAttributes.getAll()).toContainEqual(
      expect.objectContaining({ value: state }),
    );
  }
  await session.signal('stop', { commandId: 'bye', reason: 'coaching over' });
  const report = await session.result();
  expect(report.session).toMatchObject({ state: 'TERMINATED', endReason: 'stopped', ending: null, waiting: null });
  expect(await memoOf(session)).toEqual(report.session);
  expect(report.commands.map(({ action, status }) => `${action} ${status}`)).toEqual([
    'start applied',
    'barge applied',
    'whisper applied',
    'silent applied',
    'stop applied',
  ]);
  expect(report.history.map(({ type }) => type)).toEqual([
    'session.created',
    'leg.made',
    'session.active',
    ...['command.accepted', 'session.granted', 'session.mode', 'command.settled'],
    ...Array.from({ length: 2 }, () => ['command.accepted', 'session.mode', 'command.settled']).flat(),
    'command.accepted',
    'session.ending',
    'session.ended',
  ]);
  expect(report.history[0]).toMatchObject({ reason: 'new hire' });
  expect(report.history.at(-2)).toMatchObject({ commandId: 'bye', reason: 'coaching over' });

  expect(legsGone(world, interactionId)).toBe(1);
  const [leg] = world.simulator.ledger.legs({ interactionId });
  expect(leg?.endedBy).toBe('stop');
  expect(leg?.modes.map(({ mode }) => mode)).toEqual(['silent', 'barge', 'whisper', 'silent']);
  expect(asked(world, interactionId, 'start')).toBe(1);
});

test('mode changes wait for the confirmation, then run in their order, after the initial mode', async () => {
  const interactionId = world.interaction();
  world.simulator.controls.addLegFault({ interactionId, effect: 'activate', afterMs: 1_200 });
  const session = await world.start({ interactionId, supervisorId: 'ben', mode: 'whisper' });
  await session.signal('barge', { commandId: 'first' });
  await session.signal('silent', { commandId: 'second' });
  await session.signal('barge', { commandId: 'third' });
  expect((await reportOf(session)).session.state).toBe('PENDING');
  expect(await settled(session, 'third')).toMatchObject({ status: 'applied' });
  const [leg] = world.simulator.ledger.legs({ interactionId });
  expect(leg?.modes.map(({ mode }) => mode)).toEqual(['silent', 'whisper', 'barge', 'silent', 'barge']);
  await session.signal('stop');
  await session.result();
});

test('a command is carried out once, however often it comes', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'cora' });
  await session.signal('barge', { commandId: 'once' });
  await session.signal('barge', { commandId: 'once' });
  await settled(session, 'once');
  await session.signal('silent', { commandId: 'back' });
  await settled(session, 'back');
  await session.signal('barge', { commandId: 'once' });
  const outcome = await session.executeUpdate(awaitCommandUpdate, { args: [{ commandId: 'once', waitMs: 0 }] });
  expect(outcome.command).toEqual({ commandId: 'once', action: 'barge', status: 'applied' });
  expect(outcome.session.state).toBe('SILENT');
  expect(asked(world, interactionId, 'barge')).toBe(1);
  // Not even a stop: the id says that it has been done.
  await session.signal('stop', { commandId: 'once' });
  await session.signal('whisper', { commandId: 'after' });
  expect(await settled(session, 'after')).toMatchObject({ status: 'applied' });
  await session.signal('stop');
  await session.result();
});

test('a mode that the leg has already costs the platform no command', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'dora' });
  await session.signal('silent', { commandId: 'nothing-to-do' });
  expect(await settled(session, 'nothing-to-do')).toMatchObject({ status: 'applied' });
  expect(asked(world, interactionId, 'silent')).toBe(0);
  await session.signal('stop');
  await session.result();
});

test('awaitCommand answers with the outcome, or with what it is when the wait is over', async () => {
  const interactionId = world.interaction();
  world.simulator.controls.addLegFault({ interactionId, effect: 'activate', afterMs: 3_000 });
  const session = await world.start({ interactionId, supervisorId: 'finn' });
  const started = session.executeUpdate(awaitCommandUpdate, { args: [{ commandId: '~start', waitMs: 20_000 }] });
  await session.signal('barge', { commandId: 'b' });
  const early = await session.executeUpdate(awaitCommandUpdate, { args: [{ commandId: 'b', waitMs: 50 }] });
  expect(early.command.status).toBe('accepted');
  expect((await started).session.state).toBe('SILENT');
  const late = await session.executeUpdate(awaitCommandUpdate, { args: [{ commandId: 'b', waitMs: 20_000 }] });
  expect(late).toMatchObject({ command: { status: 'applied' }, session: { state: 'BARGE' } });
  expect(
    await causeOf(session.executeUpdate(awaitCommandUpdate, { args: [{ commandId: 'unheard-of', waitMs: 1 }] })),
  ).toMatchObject({ type: 'command.not.found', message: expect.stringContaining('unheard-of') });
  expect(
    await causeOf(session.executeUpdate(awaitCommandUpdate, { args: [{ commandId: 'b', waitMs: 30_001 }] })),
  ).toMatchObject({ type: 'invalid.request', message: expect.stringContaining('waitMs') });
  await session.signal('stop');
  await session.result();
});

test('a signal that is not as it should be changes nothing and leaves a line in the trail', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'gus' });
  await reached(session, 'SILENT');
  for (const payload of [{ volume: 11 }, { commandId: 'no spaces' }, { ['v'.repeat(900_000)]: 11 }, 'barge!']) {
    await session.signal('barge', payload);
  }
  const {
    history,
    commands,
    session: shown,
  } = await until('four refusals', async () => {
    const report = await reportOf(session);
    return report.history.filter(({ type }) => type === 'signal.refused').length === 4 && report;
  });
  expect(shown.state).toBe('SILENT');
  expect(commands).toHaveLength(1);
  expect(history.find(({ type }) => type === 'signal.refused')?.reason).toContain('volume');
  expect(JSON.stringify(history).length).toBeLessThan(5_000);
  await session.signal('stop');
  await session.result();
});

test.each([
  ['an unknown field', { volume: 11 }, 'volume'],
  ['a mode that there is none', { mode: 'shout' }, 'mode'],
  ['an endless session', { maxDurationSeconds: 86_401 }, 'maxDurationSeconds'],
])('a start with %s fails and names the field', async (_, wrong, field) => {
  const interactionId = world.interaction();
  const input = { interactionId, supervisorId: 'hal', ...wrong };
  const handle = await temporal.client.workflow.start('monitoringSession', {
    workflowId: `session~${interactionId}~hal`,
    taskQueue: world.taskQueue,
    args: [input],
  });
  expect(await causeOf(handle.result())).toMatchObject({
    type: 'invalid.request',
    message: expect.stringContaining(field),
  });
  expect(asked(world, interactionId, 'start')).toBe(0);
});

test('a start under another id fails and names the right one', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'ida/2' }, 'my-own-id');
  expect(await causeOf(session.result())).toMatchObject({
    type: 'session.id.mismatch',
    message: expect.stringContaining(`session~${interactionId}~ida%2F2`),
  });
  expect(asked(world, interactionId, 'start')).toBe(0);
});

test('Temporal’s UI is told what a session is, and what each message does', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'jo`e' });
  await reached(session, 'SILENT');
  const metadata = JSON.stringify(await session.query('__temporal_workflow_metadata'));
  expect(metadata).toContain('**SILENT**');
  expect(metadata).toContain("Supervisor `jo'e` on interaction");
  for (const name of ['barge', 'whisper', 'silent', 'stop', 'interactionEnded', 'state', 'awaitCommand']) {
    expect(metadata).toMatch(new RegExp(`"name":"${name}","description":"[^"]{10,}"`));
  }
  await session.signal('stop');
  await session.result();
});

test('a session whose history cannot be replayed ends, where it would hang for ever', async () => {
  await using other = await createSessionWorld(temporal);
  await other.stopWorker();
  // Another code under the same name, as a faulty release would be.
  const start = async (): Promise<SessionHandle> => {
    await using faulty = await startWorker(temporal, other.taskQueue);
    expect(faulty).toBeDefined();
    const started = await other.start({ interactionId: other.interaction(), supervisorId: 'anna', reason: 'hold' });
    await until('its first task is done', async () => (await started.describe()).historyLength >= 4);
    await started.signal('go');
    await until('it goes on', async () => (await started.describe()).historyLength > 7);
    return started;
  };
  const session = await start();
  await other.startWorker();
  await session.signal('silent');
  await until('it has failed', async () => (await session.describe()).status.name === 'FAILED');
});
