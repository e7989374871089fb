import { expect, test } from '@jest/globals';
import { commandNews } from '../../domain/command-outcomes.js';
import type { CommandNews } from '../../domain/command-outcomes.js';
import { applySessionEvent, newSessionRecord } from '../../domain/session-record.js';
import type { SessionEvent } from '../../domain/audit-entry.js';

const at = (seconds: number): string => new Date(Date.UTC(2026, 10, 1, 0, 0, seconds)).toISOString();
const MADE: SessionEvent = { type: 'leg.made', at: at(1), monitorSessionId: 'ms-1', how: 'started' };
const ACTIVE: SessionEvent = {
  type: 'session.active',
  at: at(2),
  mode: 'silent',
  bargeStatus: 'inactive',
  mediaServerGroupId: null,
  affinity: 'none',
};
const asked = (second: number, commandId: string, action: 'barge' | 'whisper' | 'stop'): SessionEvent => ({
  type: 'command.accepted',
  at: at(second),
  commandId,
  action,
});
const queued = (second: number, commandId: string, conflictingMonitorSessionId?: string): SessionEvent => ({
  type: 'session.queued',
  at: at(second),
  commandId,
  position: 1,
  expiresAt: at(50),
  ...(conflictingMonitorSessionId === undefined ? {} : { conflictingMonitorSessionId }),
});
const granted = (second: number, commandId: string): SessionEvent => ({
  type: 'session.granted',
  at: at(second),
  commandId,
  fence: 1,
});
const applied = (second: number, commandId: string): SessionEvent => ({
  type: 'command.settled',
  at: at(second),
  commandId,
  status: 'applied',
});

/** All that is told of a session to which these events happen, `commandId status tookMs` and `result waitedMs`. */
function told(...events: SessionEvent[]): { outcomes: string[]; waits: string[] } {
  let record = newSessionRecord({ interactionId: 'i', supervisorId: 's' }, { sessionId: 'x', runId: 'r' }, at(0));
  const news: CommandNews[] = [];
  for (const event of events) {
    const after = applySessionEvent(record, event);
    const one = commandNews(record, after, event);
    if (one !== undefined) news.push(one);
    record = after;
  }
  return {
    outcomes: news.flatMap(({ outcomes }) => outcomes.map((o) => `${o.commandId} ${o.status} ${o.tookMs}`)),
    waits: news.flatMap(({ waits }) => waits.map(({ result, waitedMs }) => `${result} ${waitedMs}`)),
  };
}

test('each command is told once, with the time since its acceptance', () => {
  const { outcomes } = told(
    ...[MADE, ACTIVE, asked(3, 'a', 'barge'), granted(4, 'a'), asked(5, 's', 'stop'), applied(6, 'a'), applied(7, 'a')],
    { type: 'session.ending', at: at(8), endReason: 'stopped' },
    { type: 'session.ended', at: at(9), leg: 'gone' },
    asked(10, 'late', 'barge'),
  );
  expect(outcomes).toEqual(['~start applied 2000', 'a applied 3000', 's applied 4000', 'late cancelled 0']);
});

test('who does not wait in line has not waited', () => {
  expect(told(MADE, ACTIVE, asked(3, 'a', 'barge'), granted(9, 'a'), applied(10, 'a')).waits).toEqual([]);
});

test('a wait ends with the grant, or with what the command comes to', () => {
  const waiting = [MADE, ACTIVE, asked(3, 'a', 'barge'), queued(4, 'a')];
  expect(
    told(...waiting, { type: 'session.moved', at: at(5), commandId: 'a', position: 2 }, granted(9, 'a')).waits,
  ).toEqual(['granted 5000']);
  expect(told(...waiting, { type: 'session.expired', at: at(34), commandId: 'a' })).toEqual({
    outcomes: ['~start applied 2000', 'a expired 31000'],
    waits: ['expired 30000'],
  });
  const superseded = [
    asked(6, 'b', 'whisper'),
    { type: 'session.superseded', at: at(7), commandId: 'a', supersededBy: 'b' },
    queued(7, 'b'),
    { type: 'session.ending', at: at(9), endReason: 'stopped' },
  ] satisfies SessionEvent[];
  expect(told(...waiting, ...superseded).waits).toEqual(['superseded 3000', 'cancelled 2000']);
});

test('another program’s leg makes it wait anew', () => {
  const { waits } = told(
    ...[MADE, ACTIVE, asked(3, 'a', 'barge'), queued(4, 'a'), granted(6, 'a'), queued(7, 'a', 'ms-9')],
    ...[queued(8, 'a', 'ms-8'), applied(17, 'a')],
  );
  expect(waits).toEqual(['granted 2000', 'granted 10000']);
});
