import { expect, test } from '@jest/globals';
import { newSessionRecord } from '../../domain/session-record.js';
import { sessionOf } from '../../api/session-view.js';
import type { SessionExecution } from '../../api/session-view.js';

const startTime = new Date('2026-11-01T10:00:00.000Z');
const closeTime = new Date('2026-11-01T10:05:00.000Z');
const { session } = newSessionRecord(
  { interactionId: 'i', supervisorId: 's' },
  { sessionId: 'session~i~s', runId: '' },
  startTime.toISOString(),
);

function execution(
  change: Omit<Partial<SessionExecution>, 'status'> & { status?: SessionExecution['status']['name'] },
) {
  const { status = 'RUNNING', ...others } = change;
  return {
    type: 'monitoringSession',
    workflowId: 'session~i~s',
    runId: 'run-1',
    startTime,
    status: { name: status },
    ...others,
  };
}

test('a session is shown by its memo, with the run that its starter could not know', () => {
  expect(sessionOf(execution({ memo: { session } }))).toEqual({ ...session, runId: 'run-1' });
  expect(sessionOf(execution({ memo: { session }, firstRunId: 'run-0' }))).toMatchObject({ runId: 'run-0' });
  expect(sessionOf(execution({ memo: { session: { ...session, runId: 'run-0' } } }))).toMatchObject({ runId: 'run-0' });
});

test('a session that no worker has seen yet is pending since its start', () => {
  expect(sessionOf(execution({}))).toEqual({ ...session, runId: 'run-1' });
  expect(sessionOf(execution({ memo: { session: 'rubbish' } }))).toEqual({ ...session, runId: 'run-1' });
});

test.each(['TERMINATED', 'TIMED_OUT', 'FAILED'] as const)(
  'one that Temporal says is %s is over, whatever its memo says',
  (status) => {
    const barging = {
      ...session,
      version: 7,
      state: 'BARGE',
      waiting: { mode: 'barge', position: 1, expiresAt: startTime.toISOString() },
      ending: { reason: 'stopped', since: startTime.toISOString() },
    };
    expect(sessionOf(execution({ status, closeTime, memo: { session: barging } }))).toEqual({
      ...session,
      runId: 'run-1',
      version: 8,
      state: 'TERMINATED',
      endedAt: closeTime.toISOString(),
      endReason: 'terminated',
    });
  },
);

test('one that ended by itself keeps its own reason', () => {
  const ended = { ...session, state: 'TERMINATED', endedAt: closeTime.toISOString(), endReason: 'stopped' };
  expect(sessionOf(execution({ status: 'COMPLETED', closeTime, memo: { session: ended } }))?.endReason).toBe('stopped');
});

test('a paused session goes on', () => {
  expect(sessionOf(execution({ status: 'PAUSED', memo: { session } }))?.state).toBe('PENDING');
});

test('what never was a session is none', () => {
  expect(sessionOf(execution({ status: 'FAILED', closeTime }))).toBeUndefined();
  expect(sessionOf(execution({ type: 'bargeMutex', memo: { session } }))).toBeUndefined();
  expect(sessionOf(execution({ workflowId: 'session~i', memo: { session } }))).toBeUndefined();
});
