import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { createSessionWorld, startTemporal } from '../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import { until } from '../support/until.js';
import type { SessionState } from '../../domain/session.js';
import {
  awaitCommandUpdate,
  bargeSignal,
  silentSignal,
  stateQuery,
  stopSignal,
  whisperSignal,
} from '../../workflows/session-messages.js';

let temporal: TestWorkflowEnvironment;
let world: SessionWorld;

beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal);
}, 60_000);

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
});

async function stateOf(session: SessionHandle): Promise<SessionState> {
  return (await session.query(stateQuery)).session.state;
}

async function reached(session: SessionHandle, state: SessionState): Promise<void> {
  await until(`${session.workflowId} is ${state}`, async () => (await stateOf(session)) === state);
}

test('a session goes from pending to active, through every mode, and stops its leg', async () => {
  const interactionId = world.interaction();
  const session = await world.start({ interactionId, supervisorId: 'anna' });
  await reached(session, 'SILENT');
  for (const [signal, state] of [
    [bargeSignal, 'BARGE'],
    [whisperSignal, 'WHISPER'],
    [silentSignal, 'SILENT'],
  ] as const) {
    await session.signal(signal, { actor: 'anna' });
    await reached(session, state);
  }
  await session.signal(stopSignal, { commandId: 'bye', reason: 'coaching over' });
  const report = await session.result();
  expect(report.session).toMatchObject({ state: 'TERMINATED', endReason: 'stopped', ending: null });
  expect(report.commands.map(({ action, status }) => `${action} ${status}`)).toEqual([
    'start applied',
    'barge applied',
    'whisper applied',
    'silent applied',
    'stop applied',
  ]);
  const legs = world.simulator.ledger.legs({ interactionId });
  expect(legs).toHaveLength(1);
  expect(legs[0]?.endedBy).toBe('stop');
  expect(world.simulator.ledger.violations()).toEqual([]);
  const { events } = await session.fetchHistory();
  process.stdout.write(events?.map((e) => JSON.stringify(e.eventType)).join(' ') + '\n');
  void awaitCommandUpdate;
});
