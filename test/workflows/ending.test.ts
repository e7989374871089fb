import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { WorkflowFailedError } from '@temporalio/client';
import { awaitCommandUpdate } from '../../workflows/session-messages.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionWorld } from '../support/session-world.js';
import { asked, channelOf, legsGone, memoOf, reached, reportOf, settled } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

let temporal: TestTemporal;
let world: SessionWorld;

beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal);
});

afterEach(() => {
  expect(world.simulator.ledger.violations()).toEqual([]);
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
});

test('a stop while pending ends the session at once, held commands and all', async () => {
  const interactionId = world.interaction();
  world.simulator.controls.addLegFault({ interactionId, effect: 'never-active' });
  const session = await world.start({ interactionId, supervisorId: 'anna', mode: 'barge' });
  await until('the leg', () => world.simulator.ledger.legs({ interactionId, live: true }).length === 1);
  await session.signal('whisper', { commandId: 'held' });
  const askedAt = performance.now();
  await session.signal('stop');
  const report = await session.result();
  expect(performance.now() - askedAt).toBeLessThan(3_000);
  expect(report.session.endReason).toBe('stopped');
  expect(report.commands.map(({ action, status }) => `${action} ${status}`)).toEqual([
    'start cancelled',
    'barge cancelled',
    'whisper cancelled',
    'stop applied',
  ]);
  expect(legsGone(world, interactionId)).toBe(1);
});

test('a stop while the start is on its way takes the answer and stops the leg that it names', async () => {
  const interactionId = world.interaction();
  world.simulator.controls.addFault({
    match: { action: 'start', interactionId },
    effect: { kind: 'delay', ms: 1_500, before: 'answer' },
  });
  const session = await world.start({ interactionId, supervisorId: 'ben' });
  await until('the start', () => asked(world, interactionId, 'start') === 1);
  await session.signal('stop');
  expect((await session.result()).session).toMatchObject({ endReason: 'stopped' });
  expect(legsGone(world, interactionId)).toBe(1);
  expect(asked(world, interactionId, 'start')).toBe(1);
});

test('a session that is stopped before any worker took it never asks for a leg', async () => {
  const interactionId = world.interaction();
  await world.stopWorker();
  const session = await world.start({ interactionId, supervisorId: 'cora' });
  await session.signal('stop');
  await world.startWorker();
  expect((await session.result()).session).toMatchObject({ endReason: 'stopped', monitorSessionId: null });
  expect(asked(world, interactionId, 'start')).toBe(0);
});

test('a stop cuts a mode change short that the platform keeps failing', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'dora' });
  await reached(session, 'SILENT');
  world.simulator.controls.addFault({
    match: { action: 'barge', interactionId },
    effect: { kind: 'status', status: 503 },
    times: 1_000,
  });
  await session.signal('barge', { commandId: 'stuck' });
  await session.signal('silent', { commandId: 'behind' });
  await until('a retry', () => asked(world, interactionId, 'barge') >= 3);
  const askedAt = performance.now();
  await session.signal('stop');
  const report = await session.result();
  expect(performance.now() - askedAt).toBeLessThan(3_000);
  expect(report.commands.map(({ action, status }) => `${action} ${status}`)).toEqual([
    'start applied',
    'barge cancelled',
    'silent cancelled',
    'stop applied',
  ]);
  expect(legsGone(world, interactionId)).toBe(1);
});

test('a platform that hangs delays a stop by two seconds at most', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'emil' });
  await reached(session, 'SILENT');
  world.simulator.controls.addFault({
    match: { action: 'barge', interactionId },
    effect: { kind: 'hang', execute: false },
    times: 1_000,
  });
  await session.signal('barge', { commandId: 'hangs' });
  await until('the barge', () => asked(world, interactionId, 'barge') === 1);
  const askedAt = performance.now();
  await session.signal('stop');
  await session.result();
  expect(performance.now() - askedAt).toBeLessThan(6_000);
  expect(legsGone(world, interactionId)).toBe(1);
});

test('a stop goes before mode changes that are queued, however slow each of them is', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'erik' });
  await reached(session, 'SILENT');
  world.simulator.controls.addFault({
    match: { action: ['barge', 'whisper'], interactionId },
    effect: { kind: 'delay', ms: 1_300, before: 'answer' },
    times: 100,
  });
  for (let n = 0; n < 6; n += 1) await session.signal(n % 2 === 0 ? 'barge' : 'whisper', { commandId: `c${n}` });
  await until('the first change', () => asked(world, interactionId, 'barge') === 1);
  await session.signal('stop');
  const { commands } = await session.result();
  expect(commands.filter(({ status }) => status === 'cancelled').length).toBeGreaterThanOrEqual(4);
  expect(asked(world, interactionId, 'barge') + asked(world, interactionId, 'whisper')).toBeLessThanOrEqual(2);
  expect(legsGone(world, interactionId)).toBe(1);
});

test('a barge that takes effect late, after the channel was given back, is shown and silenced', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'fred' });
  await reached(session, 'SILENT');
  world.simulator.controls.addFault({
    match: { action: 'barge', interactionId },
    effect: { kind: 'lost-answer', executeAfterMs: 3_000 },
  });
  await session.signal('barge', { commandId: 'late' });
  await settled(session, 'late');
  await session.signal('silent', { commandId: 'back' });
  expect(await settled(session, 'back')).toMatchObject({ status: 'applied' });
  await until(
    'the late barge',
    () => world.simulator.ledger.legs({ interactionId })[0]?.modes.at(-1)?.mode === 'barge',
  );
  const shown = await until('silence', async () => {
    const { history } = await reportOf(session);
    const modes = history.flatMap((entry) => (entry.type === 'session.mode' ? [entry.mode] : []));
    return modes.length === 4 && modes;
  });
  expect(shown).toEqual(['barge', 'silent', 'barge', 'silent']);
  expect((await memoOf(session)).state).toBe('SILENT');
  expect(world.simulator.ledger.legs({ interactionId })[0]?.modes.at(-1)?.mode).toBe('silent');
  await session.signal('stop');
  await session.result();
});

test('a mode change whose answer is lost is applied once it is confirmed, and shown then', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'finn' });
  await reached(session, 'SILENT');
  world.simulator.controls.addFault({ match: { action: 'barge', interactionId }, effect: { kind: 'lost-answer' } });
  await session.signal('barge', { commandId: 'lost' });
  expect(await settled(session, 'lost')).toMatchObject({ status: 'applied' });
  expect((await memoOf(session)).state).toBe('BARGE');
  // Asked for once more, although a look shows it: the look could be older than the change.
  expect(asked(world, interactionId, 'barge')).toBe(2);
  const [leg] = world.simulator.ledger.legs({ interactionId });
  expect(leg?.modes.map(({ mode }) => mode)).toEqual(['silent', 'barge']);
  await session.signal('stop');
  await session.result();
});

test('a throttled mode change waits as long as the platform asks', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'gus' });
  await reached(session, 'SILENT');
  world.simulator.controls.addFault({
    match: { action: 'barge', interactionId },
    effect: { kind: 'status', status: 429, retryAfterSeconds: 3 },
    times: 2,
  });
  await session.signal('barge', { commandId: 'later' });
  expect(await settled(session, 'later')).toMatchObject({ status: 'applied' });
  // The first delay is the workflow's, the second one Temporal's.
  const [first, second, third] = world.simulator.ledger
    .requests({ interactionId, action: 'barge' })
    .map(({ at }) => Date.parse(at));
  expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(3_000);
  expect((third ?? 0) - (second ?? 0)).toBeGreaterThanOrEqual(3_000);
  await session.signal('stop');
  await session.result();
});

test('a barge that nobody confirmed fails, and the leg is silenced before the channel goes to anybody else', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'hal' });
  await reached(session, 'SILENT');
  // The barge goes through, and then nothing is heard of this leg for longer than a command is tried. It hangs, so that
  // the outage is there before the next look.
  world.simulator.controls.addFault({
    match: { action: 'barge', interactionId },
    effect: { kind: 'hang', execute: true },
  });
  await session.signal('barge', { commandId: 'unheard' });
  await until('the barge', () => asked(world, interactionId, 'barge') === 1);
  const outage = world.simulator.controls.addFault({
    match: { action: 'state', interactionId },
    effect: { kind: 'status', status: 503 },
    times: 1_000,
  });
  expect(await settled(session, 'unheard', 45_000)).toMatchObject({
    status: 'failed',
    reason: 'platform-unreachable',
  });
  expect((await memoOf(session)).state).toBe('SILENT');
  expect((await channelOf(world, interactionId)).holder?.sessionId).toBe(session.workflowId);
  world.simulator.controls.removeFault(outage);
  await until('a free channel', async () => (await channelOf(world, interactionId)).holder === null, 40_000);
  expect(world.simulator.ledger.legs({ interactionId })[0]?.modes.map(({ mode }) => mode)).toEqual([
    'silent',
    'barge',
    'silent',
  ]);
  await session.signal('stop');
  await session.result();
  expect(legsGone(world, interactionId)).toBe(1);
});

test('a mode change that our client may not make is rejected at once, and not repeated', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'ida' });
  await reached(session, 'SILENT');
  world.simulator.controls.addFault({
    match: { action: 'barge', interactionId },
    effect: { kind: 'status', status: 403, code: 'missing.permission' },
    times: 10,
  });
  await session.signal('barge', { commandId: 'forbidden' });
  expect(await settled(session, 'forbidden')).toMatchObject({ status: 'rejected', reason: 'forbidden' });
  expect(asked(world, interactionId, 'barge')).toBe(1);
  await session.signal('stop');
  await session.result();
});

test('a stop is tried until the platform confirms it, and the session says so meanwhile', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'jo' });
  await reached(session, 'SILENT');
  const outage = world.simulator.controls.addFault({
    match: { action: 'stop', interactionId },
    effect: { kind: 'status', status: 503 },
    times: 1_000,
  });
  await session.signal('stop', { commandId: 's' });
  await until('ending', async () => (await memoOf(session)).ending?.reason === 'stopped');
  // Nothing else can be asked of it any more.
  await session.signal('barge', { commandId: 'too-late' });
  expect(await settled(session, 'too-late')).toMatchObject({ status: 'cancelled', reason: 'stopped' });
  await until('several tries', () => asked(world, interactionId, 'stop') >= 4);
  const { session: shown, commands } = await reportOf(session);
  expect(shown).toMatchObject({ state: 'SILENT', ending: { reason: 'stopped' } });
  expect(commands.find(({ commandId }) => commandId === 's')?.status).toBe('accepted');
  world.simulator.controls.removeFault(outage);
  expect((await session.result()).commands.find(({ commandId }) => commandId === 's')?.status).toBe('applied');
  expect(legsGone(world, interactionId)).toBe(1);
});

test('whoever waits for the stop is answered before the session closes', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'karl' });
  await reached(session, 'SILENT');
  const outage = world.simulator.controls.addFault({
    match: { action: 'stop', interactionId },
    effect: { kind: 'status', status: 503 },
    times: 1_000,
  });
  await session.signal('stop', { commandId: 's' });
  await until('a repeat', () => asked(world, interactionId, 'stop') >= 2);
  const waiting = await session.startUpdate(awaitCommandUpdate, {
    args: [{ commandId: 's', waitMs: 20_000 }],
    waitForStage: 'ACCEPTED',
  });
  world.simulator.controls.removeFault(outage);
  expect(await waiting.result()).toMatchObject({ command: { status: 'applied' }, session: { state: 'TERMINATED' } });
  await session.result();
});

test('a stop whose answer is lost is repeated, and a leg that is gone is success', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'kim' });
  await reached(session, 'SILENT');
  world.simulator.controls.addFault({ match: { action: 'stop', interactionId }, effect: { kind: 'lost-answer' } });
  await session.signal('stop');
  expect((await session.result()).session.endReason).toBe('stopped');
  expect(asked(world, interactionId, 'stop')).toBe(2);
  expect(legsGone(world, interactionId)).toBe(1);
});

test('a stop that our client may not make is not repeated, and the session ends telling so', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'kurt' });
  await reached(session, 'SILENT');
  world.simulator.controls.addFault({
    match: { action: 'stop', interactionId },
    effect: { kind: 'status', status: 403, code: 'missing.permission' },
    times: 10,
  });
  await session.signal('stop', { commandId: 's' });
  const { commands, history } = await session.result();
  expect(commands.at(-1)).toMatchObject({ action: 'stop', status: 'failed', reason: 'forbidden' });
  expect(history.at(-1)).toMatchObject({ type: 'session.ended', leg: 'forbidden' });
  expect(asked(world, interactionId, 'stop')).toBe(1);
});

test('a second stop while the first is under way shares its outcome', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'lea' });
  await reached(session, 'SILENT');
  world.simulator.controls.addFault({
    match: { action: 'stop', interactionId },
    effect: { kind: 'delay', ms: 800, before: 'answer' },
  });
  await session.signal('stop', { commandId: 'one' });
  await session.signal('stop', { commandId: 'two' });
  const { commands } = await session.result();
  expect(commands.filter(({ action }) => action === 'stop').map(({ status }) => status)).toEqual([
    'applied',
    'applied',
  ]);
  expect(legsGone(world, interactionId)).toBe(1);
});

test('the end of the interaction ends the session, and so does a command that hears of it', async () => {
  const told = world.interaction();
  const session = await world.start({ interactionId: told, supervisorId: 'mia' });
  await reached(session, 'SILENT');
  world.simulator.controls.endInteraction({ interactionId: told });
  await session.signal('interactionEnded');
  expect((await session.result()).session.endReason).toBe('interaction-ended');

  const untold = world.interaction();
  const other = await world.start({ interactionId: untold, supervisorId: 'mia' });
  await reached(other, 'SILENT');
  world.simulator.controls.endInteraction({ interactionId: untold });
  await other.signal('barge', { commandId: 'late' });
  const report = await other.result();
  expect(report.session.endReason).toBe('interaction-ended');
  expect(report.commands.at(-1)).toMatchObject({ status: 'cancelled', reason: 'interaction-ended' });
});

test('a severed leg is noticed by the next command', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'nils' });
  await reached(session, 'SILENT');
  world.simulator.controls.sever({ interactionId });
  await session.signal('whisper');
  expect((await session.result()).session.endReason).toBe('leg-lost');
});

test('maxDurationSeconds ends the session', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'olga', maxDurationSeconds: 2 });
  await reached(session, 'SILENT');
  const { session: ended } = await session.result();
  expect(ended.endReason).toBe('max-duration');
  expect(Date.parse(ended.endedAt ?? '') - Date.parse(ended.startedAt)).toBeGreaterThanOrEqual(1_900);
  expect(legsGone(world, interactionId)).toBe(1);
});

test.each(['while pending', 'while active', 'while barging'])(
  'cancelled from Temporal %s: the leg is stopped first',
  async (when) => {
    const interactionId = world.interaction();
    if (when === 'while pending') world.simulator.controls.addLegFault({ interactionId, effect: 'never-active' });
    const mode = when === 'while barging' ? 'barge' : 'silent';
    const session = await world.start({ interactionId, supervisorId: 'pia', mode });
    if (when === 'while pending') {
      await until('the leg', () => world.simulator.ledger.legs({ interactionId, live: true }).length === 1);
    } else {
      await reached(session, when === 'while active' ? 'SILENT' : 'BARGE');
    }
    const waiting = await session.startUpdate(awaitCommandUpdate, {
      args: [{ commandId: '~start', waitMs: 20_000 }],
      waitForStage: 'ACCEPTED',
    });
    const outcome = waiting.result();
    await session.cancel();
    await expect(session.result()).rejects.toBeInstanceOf(WorkflowFailedError);
    expect((await session.describe()).status.name).toBe('CANCELLED');
    expect(await memoOf(session)).toMatchObject({ state: 'TERMINATED', endReason: 'cancelled', ending: null });
    expect(await outcome).toMatchObject({ command: { status: when === 'while pending' ? 'cancelled' : 'applied' } });
    expect(legsGone(world, interactionId)).toBe(1);
  },
);
