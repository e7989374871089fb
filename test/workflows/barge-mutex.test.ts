import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WithStartWorkflowOperation } from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import { z } from 'zod';
import type { ChannelRequest } from '../../domain/channel.js';
import { mutexWorkflowId } from '../../domain/identifiers.js';
import { endsOfRuns, replayEveryHistory } from '../support/replay.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import {
  causeOf,
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
/** Long enough for a busy machine to pass the channel on. */
const WAIT_SECONDS = 5;
/** A mutex ends here the moment it is idle. */
let world: SessionWorld;

beforeAll(async () => {
  // A history counts as long after 60 events, so that continue-as-new comes after a few turns.
  temporal = await startTemporal({ 'limit.historyCount.suggestContinueAsNew': 60 });
  world = await createSessionWorld(temporal, { bargeWaitSeconds: WAIT_SECONDS, channelIdleMs: 0 });
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
  expect(world.simulator.ledger.violations()).toEqual([]);
});

async function holder(interactionId: string, supervisorId: string): Promise<SessionHandle> {
  const session = await listener(world, interactionId, supervisorId);
  await session.signal('barge', { commandId: 'first' });
  expect(await settled(session, 'first')).toMatchObject({ status: 'applied' });
  return session;
}

function mutexOf(interactionId: string): WorkflowHandle {
  return temporal.client.workflow.getHandle(mutexWorkflowId(interactionId));
}

async function closed(interactionId: string): Promise<void> {
  await until('the mutex has ended', async () => (await mutexOf(interactionId).describe()).status.name === 'COMPLETED');
}

/** Has a mutex continue as new: each message is a task of its own, and a few events. */
async function nextRun(interactionId: string): Promise<void> {
  const { runId } = await mutexOf(interactionId).describe();
  await until('another run', async () => {
    await mutexOf(interactionId).signal('releaseChannel', { requestId: 'never-heard-of', runId });
    return (await mutexOf(interactionId).describe()).runId !== runId;
  });
}

/** A request in the name of a session, as a repeat on the network would be. */
async function requestOf(session: SessionHandle, requestId: string): Promise<ChannelRequest> {
  const { sessionId, runId, monitorSessionId } = await memoOf(session);
  return {
    requestId,
    sessionId,
    runId,
    currentRunId: runId,
    monitorSessionId: monitorSessionId ?? '',
    askedAtMs: Date.now(),
    waitMs: 60_000,
  };
}

/** The fences that a session was granted, in order. */
async function fencesOf(session: SessionHandle): Promise<number[]> {
  return (await reportOf(session)).history.flatMap((entry) => (entry.type === 'session.granted' ? [entry.fence] : []));
}

describe('the traps of a lock in a workflow', () => {
  test('a waiter that has closed does not fail the lock, nor lose the others’ places', async () => {
    const interactionId = world.interaction();
    const anna = await holder(interactionId, 'anna');
    const [ben, cora] = [await listener(world, interactionId, 'ben'), await listener(world, interactionId, 'cora')];
    await ben.signal('barge', { commandId: 'b' });
    await inLine(ben, 1);
    await cora.signal('barge', { commandId: 'c' });
    await inLine(cora, 2);
    await ben.terminate();
    await anna.signal('silent');
    expect(await settled(cora, 'c')).toMatchObject({ status: 'applied' });
    expect((await mutexOf(interactionId).describe()).status.name).toBe('RUNNING');
    await stopped(anna, cora);
  });

  test('releases and grants of workers of before, which were updates, are heard, so that their histories can be replayed', async () => {
    const interactionId = world.interaction();
    const anna = await holder(interactionId, 'anna');
    const release = { requestId: 'never-heard-of', runId: (await memoOf(anna)).runId };
    await mutexOf(interactionId).executeUpdate('releaseChannel', { args: [release] });
    const grant = { requestId: 'never-heard-of', fence: 1, expiresAtMs: Date.now() };
    await anna.executeUpdate('channelGranted', { args: [grant] });
    expect((await memoOf(anna)).state).toBe('BARGE');
    await stopped(anna);
  });

  test('no lease ends under a live holder: it outlasts every wait', async () => {
    const interactionId = world.interaction();
    const anna = await holder(interactionId, 'anna');
    const ben = await listener(world, interactionId, 'ben');
    await ben.signal('barge', { commandId: 'b' });
    await inLine(ben, 1);
    expect(await settled(ben, 'b', 10_000)).toEqual({ commandId: 'b', action: 'barge', status: 'expired' });
    expect(await memoOf(ben)).toMatchObject({ state: 'SILENT', waiting: null });
    expect((await memoOf(anna)).state).toBe('BARGE');
    expect((await channelOf(world, interactionId)).holder?.sessionId).toBe(anna.workflowId);
    const { at, type } = world.announced.findLast(({ sessionId }) => sessionId === ben.workflowId) ?? {};
    expect(type).toBe('session.expired');
    const queuedAt = world.announced.find(
      (one) => one.sessionId === ben.workflowId && one.type === 'session.queued',
    )?.at;
    const waitedMs = Date.parse(at ?? '') - Date.parse(queuedAt ?? '');
    expect(waitedMs).toBeGreaterThan(WAIT_SECONDS * 1_000 - 500);
    expect(waitedMs).toBeLessThan(WAIT_SECONDS * 2_000);
    await stopped(anna, ben);
  });

  test('a request that is repeated is in line once, also after it is over', async () => {
    const interactionId = world.interaction();
    const anna = await holder(interactionId, 'anna');
    const ben = await listener(world, interactionId, 'ben');
    const request = await requestOf(ben, 'again-and-again');
    for (let n = 0; n < 3; n += 1) await mutexOf(interactionId).signal('requestChannel', request);
    await until('one place', async () => (await channelOf(world, interactionId)).waiting.length === 1);
    await mutexOf(interactionId).signal('releaseChannel', request);
    await mutexOf(interactionId).signal('requestChannel', request);
    await until('none', async () => (await channelOf(world, interactionId)).waiting.length === 0);
    await stopped(anna, ben);
    await closed(interactionId);
  });

  test.each(['granted', 'queued'])(
    'an answer that came too late for the one who asked is told once more (%s)',
    async (kind) => {
      const interactionId = world.interaction();
      const anna = await listener(world, interactionId, 'anna');
      const ben = await (kind === 'queued' ? holder(interactionId, 'ben') : listener(world, interactionId, 'ben'));
      const request = await requestOf(anna, 'slow');
      const mutex = {
        workflowId: mutexWorkflowId(interactionId),
        taskQueue: world.taskQueue,
        args: [{ interactionId, idleMs: 0 }],
      };
      // As slow as can be: nobody takes the update while its caller listens, and the signal that follows is there first.
      await world.stopWorker();
      const { client } = temporal;
      const startWorkflowOperation = new WithStartWorkflowOperation('bargeMutex', {
        ...mutex,
        workflowIdConflictPolicy: 'USE_EXISTING',
      });
      const update = client.withDeadline(Date.now() + 300, () =>
        client.workflow.executeUpdateWithStart('requestChannel', { args: [request], startWorkflowOperation }),
      );
      await expect(update).rejects.toThrow();
      await client.workflow.signalWithStart('bargeMutex', {
        ...mutex,
        signal: 'requestChannel',
        signalArgs: [request],
      });
      await world.startWorker();
      await until(`anna is told that she is ${kind}`, async () => {
        const { events = [] } = await anna.fetchHistory();
        return events?.some(
          ({ workflowExecutionSignaledEventAttributes: signal }) =>
            signal?.signalName === 'channelQueued' || signal?.signalName === 'channelGranted',
        );
      });
      await stopped(anna, ben);
    },
  );

  test('a grant that nobody waits for is given back at once', async () => {
    const interactionId = world.interaction();
    const anna = await holder(interactionId, 'anna');
    const ben = await listener(world, interactionId, 'ben');
    // As ben’s session would have asked before it was reset to a time when it had not.
    await mutexOf(interactionId).signal('requestChannel', await requestOf(ben, 'forgotten'));
    const cora = await listener(world, interactionId, 'cora');
    await cora.signal('barge', { commandId: 'c' });
    await inLine(cora, 2);
    await anna.signal('silent');
    expect(await settled(cora, 'c')).toMatchObject({ status: 'applied' });
    expect((await memoOf(ben)).state).toBe('SILENT');
    await stopped(anna, ben, cora);
  });

  test('a stale release frees nobody’s channel, and a stale grant moves nobody', async () => {
    const interactionId = world.interaction();
    const anna = await holder(interactionId, 'anna');
    const { holder: held } = await channelOf(world, interactionId);
    const requestId = held?.requestId ?? '';
    const { runId } = await memoOf(anna);
    await mutexOf(interactionId).signal('releaseChannel', { requestId, runId, fence: (held?.fence ?? 0) - 1 });
    await mutexOf(interactionId).signal('releaseChannel', {
      requestId,
      runId: 'another-session’s',
      fence: held?.fence,
    });
    await mutexOf(interactionId).signal('releaseChannel', { requestId: 'somebody-else’s', runId });
    await anna.signal('channelGranted', { requestId, fence: 1, expiresAtMs: 1 });
    await anna.signal('channelExpired', { requestId });
    await anna.signal('whisper', { commandId: 'next' });
    expect(await settled(anna, 'next')).toMatchObject({ status: 'applied' });
    expect((await channelOf(world, interactionId)).holder).toEqual(held);
    // Her release has to bear the fence that she was granted.
    await stopped(anna);
    await closed(interactionId);
  });

  test('a message that makes no sense is ignored by both sides', async () => {
    const interactionId = world.interaction();
    const anna = await holder(interactionId, 'anna');
    const huge = { ...(await requestOf(anna, 'huge')), waitMs: 9e15 };
    for (const signal of ['requestChannel', 'releaseChannel', 'channelBlocked']) {
      for (const message of [undefined, 'nonsense', { requestId: 7 }, huge]) {
        await mutexOf(interactionId).signal(signal, message);
      }
    }
    for (const signal of ['channelGranted', 'channelQueued', 'channelExpired']) {
      for (const message of [undefined, 'nonsense', { requestId: 7 }]) await anna.signal(signal, message);
    }
    await stopped(anna);
    await closed(interactionId);
  });

  test('the handlers are the same few however many turns there were', async () => {
    const interactionId = world.interaction();
    const anna = await holder(interactionId, 'anna');
    const handlers = async (): Promise<string[]> => {
      const metadata = z.object({
        definition: z.object({ signalDefinitions: z.array(z.object({ name: z.string() })) }),
      });
      const told = metadata.parse(await mutexOf(interactionId).query('__temporal_workflow_metadata'));
      return told.definition.signalDefinitions.map(({ name }) => name);
    };
    const atFirst = await handlers();
    expect(atFirst.toSorted()).toEqual(['channelBlocked', 'lookAtHolder', 'releaseChannel', 'requestChannel']);
    const ben = await listener(world, interactionId, 'ben');
    await ben.signal('barge', { commandId: 'b' });
    await anna.signal('silent');
    await settled(ben, 'b');
    expect(await handlers()).toEqual(atFirst);
    await stopped(anna, ben);
  });
});

test('a mutex that ends the moment it is idle loses no request: the next one starts another, with higher fences', async () => {
  // So long a wait that one which ends is a lost request, and not a slow machine.
  await using patient = await createSessionWorld(temporal, { bargeWaitSeconds: 60, channelIdleMs: 0 });
  const interactionId = patient.interaction();
  const supervisors = [await listener(patient, interactionId, 'anna'), await listener(patient, interactionId, 'ben')];
  const turns = 12;
  // Each release leaves the mutex about to close, and a request is already on its way.
  await Promise.all(
    supervisors.map(async (session) => {
      for (let n = 0; n < turns; n += 1) {
        await session.signal('barge', { commandId: `b${n}` });
        expect(await settled(session, `b${n}`)).toMatchObject({ status: 'applied' });
        await session.signal('silent', { commandId: `s${n}` });
      }
    }),
  );
  const fences = await Promise.all(supervisors.map(fencesOf));
  expect(fences.flat()).toHaveLength(2 * turns);
  expect(new Set(fences.flat()).size).toBe(2 * turns);
  for (const own of fences) expect(own).toEqual(own.toSorted((a, b) => a - b));
  await stopped(...supervisors);
  await closed(interactionId);
  expect(patient.simulator.ledger.violations()).toEqual([]);
});

test('continue-as-new keeps the holder, the line and what is over, and nobody can tell', async () => {
  const interactionId = world.interaction();
  const anna = await holder(interactionId, 'anna');
  const waiting = await Promise.all(
    ['ben', 'cora'].map((supervisorId) => listener(world, interactionId, supervisorId)),
  );
  // Of somebody who asks for nothing else, so that only the memory of it keeps the repeat out.
  const dora = await listener(world, interactionId, 'dora');
  const over = await requestOf(dora, 'over');
  await mutexOf(interactionId).signal('requestChannel', over);
  await mutexOf(interactionId).signal('releaseChannel', over);
  for (const [index, session] of waiting.entries()) {
    await mutexOf(interactionId).signal('requestChannel', await requestOf(session, `in-line-${index}`));
  }
  const before = await until('both in line', async () => {
    const channel = await channelOf(world, interactionId);
    return channel.waiting.length === 2 && channel;
  });
  await nextRun(interactionId);
  await mutexOf(interactionId).signal('requestChannel', over);
  expect(await channelOf(world, interactionId)).toEqual(before);
  await stopped(anna, ...waiting, dora);
  await closed(interactionId);
});

test('a grant that is repeated to a dead holder in a later run lets nobody past its leg', async () => {
  const interactionId = world.interaction();
  const anna = await holder(interactionId, 'anna');
  const ben = await listener(world, interactionId, 'ben');
  await nextRun(interactionId);
  const { holder: held } = await channelOf(world, interactionId);
  const request = await requestOf(anna, held?.requestId ?? '');
  await anna.terminate();
  await mutexOf(interactionId).signal('requestChannel', request);
  await ben.signal('barge', { commandId: 'b' });
  expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
  expect((await reportOf(ben)).history.filter((entry) => 'conflictingMonitorSessionId' in entry)).toEqual([]);
  await stopped(ben);
  expect(legsGone(world, interactionId)).toBe(2);
});

test('who has closed and is granted the channel does not keep it, though nobody else waits', async () => {
  const interactionId = world.interaction();
  const anna = await holder(interactionId, 'anna');
  const ben = await listener(world, interactionId, 'ben');
  await ben.signal('barge', { commandId: 'b' });
  await inLine(ben, 1);
  await ben.terminate();
  await anna.signal('silent');
  await closed(interactionId);
  await stopped(anna);
});

test('a session that continues as new keeps the channel', async () => {
  const interactionId = world.interaction();
  const started = await holder(interactionId, 'anna');
  const anna = temporal.client.workflow.getHandle<SessionHandle extends WorkflowHandle<infer T> ? T : never>(
    started.workflowId,
  );
  const { runId } = await memoOf(anna);
  for (let n = 0; (await anna.describe()).runId === runId; n += 1) {
    await anna.signal(n % 2 === 0 ? 'whisper' : 'barge', { commandId: `c${n}` });
    await settled(anna, `c${n}`);
  }
  expect((await channelOf(world, interactionId)).holder?.sessionId).toBe(anna.workflowId);
  // A waiter has the holder watched, whose run is another one by now: it is told again, and goes on.
  const ben = await listener(world, interactionId, 'ben');
  await ben.signal('barge', { commandId: 'b' });
  await inLine(ben, 1);
  expect(['BARGE', 'WHISPER']).toContain((await memoOf(anna)).state);
  await anna.signal('silent');
  expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
  await anna.signal('stop');
  await anna.result();
  await stopped(ben);
  expect(legsGone(world, interactionId)).toBe(2);
});

test('a mutex is started under the one id of its interaction', async () => {
  const handle = await temporal.client.workflow.start('bargeMutex', {
    workflowId: 'my-own-lock',
    taskQueue: world.taskQueue,
    args: [{ interactionId: 'int-1', idleMs: 0 }],
  });
  expect(await causeOf(handle.result())).toMatchObject({
    type: 'mutex.id.mismatch',
    message: expect.stringContaining('barge-mutex~int-1'),
  });
});

test('a run ends in a task in which nothing else is done, so that nothing is done twice if the server refuses it', async () => {
  const { continued, restless } = await endsOfRuns(temporal);
  expect(continued).toBeGreaterThan(2);
  expect(restless).toEqual([]);
});

test('every history of this file replays without a difference', async () => {
  expect(await replayEveryHistory(temporal)).toBeGreaterThan(10);
});
