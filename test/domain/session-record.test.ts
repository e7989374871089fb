import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { commandAction, isFinal } from '../../domain/commands.js';
import {
  applySessionEvent,
  COMMANDS_KEPT,
  findCommand,
  HISTORY_KEPT_BYTES,
  ImpossibleEvent,
  newSessionRecord,
  nextModeChange,
  weightOf,
} from '../../domain/session-record.js';
import { auditEntry } from '../../domain/audit-entry.js';
import type { SessionEvent } from '../../domain/audit-entry.js';
import type { SessionRecord } from '../../domain/session-record.js';
import { newSessionMedia } from '../../domain/media.js';
import { canTransition, endReason, monitorMode, sessionSnapshot, sessionState } from '../../domain/session.js';
import type { MonitorMode } from '../../domain/session.js';

const at = '2026-11-01T00:00:00.000Z';
const ids = { sessionId: 'session~i~s', runId: 'run-1' };

function fresh(mode?: MonitorMode): SessionRecord {
  return newSessionRecord({ interactionId: 'i', supervisorId: 's', ...(mode && { mode }) }, ids, at);
}

function after(record: SessionRecord, ...events: SessionEvent[]): SessionRecord {
  return events.reduce(applySessionEvent, record);
}

const made: SessionEvent = { type: 'leg.made', at, monitorSessionId: 'ms-1', how: 'started' };
const active: SessionEvent = {
  type: 'session.active',
  at,
  mode: 'silent',
  bargeStatus: 'inactive',
  mediaServerGroupId: null,
  affinity: 'none',
};
const ending: SessionEvent = { type: 'session.ending', at, endReason: 'stopped' };
const ended: SessionEvent = { type: 'session.ended', at, leg: 'gone' };
const asked = (commandId: string, action: 'barge' | 'whisper' | 'silent' | 'stop'): SessionEvent => ({
  type: 'command.accepted',
  at,
  commandId,
  action,
});

const anyEvent: fc.Arbitrary<SessionEvent> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(made, active, ended) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(...monitorMode.options).map((mode) => ({
      type: 'session.mode' as const,
      at,
      mode,
      bargeStatus: 'active' as const,
    })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...endReason.options)
      .map((reason) => ({ type: 'session.ending' as const, at, endReason: reason })),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({ commandId: fc.constantFrom('c1', 'c2', 'c3', 'c4'), action: fc.constantFrom(...commandAction.options) })
      .map((command) => ({ type: 'command.accepted' as const, at, ...command })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('c1', 'c2', 'c3', '~start', 'never-heard-of')
      .map((commandId) => ({ type: 'command.settled' as const, at, commandId, status: 'applied' as const })),
  },
  {
    weight: 8,
    arbitrary: fc
      .record({
        commandId: fc.constantFrom('c1', 'c2', 'c3', '~start', 'never-heard-of'),
        position: fc.integer({ min: 1, max: 3 }),
        expiresAt: fc.constantFrom(at, '2026-11-01T00:00:30.000Z'),
        type: fc.constantFrom(
          'session.queued',
          'session.moved',
          'session.granted',
          'session.expired',
          'session.superseded',
        ),
      })
      .map(({ type, commandId, position, expiresAt }): SessionEvent => {
        switch (type) {
          case 'session.queued':
            return { type, at, commandId, position, expiresAt };
          case 'session.moved':
            return { type, at, commandId, position };
          case 'session.granted':
            return { type, at, commandId, fence: position };
          case 'session.superseded':
            return { type, at, commandId, supersededBy: 'c4' };
          default:
            return { type: 'session.expired', at, commandId };
        }
      }),
  },
);

test('whatever happens in whatever order, a session keeps its rules', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 40 }), (events) => {
      let record = fresh('barge');
      for (const event of events) {
        const before = record;
        try {
          record = applySessionEvent(record, event);
        } catch (error) {
          expect(error).toBeInstanceOf(ImpossibleEvent);
          continue; // refused: nothing changed
        }
        const { session } = record;
        expect(sessionSnapshot.parse(session)).toEqual(session);
        const moved = before.session.state !== session.state;
        if (moved) expect(canTransition(before.session.state, session.state)).toBe(true);
        // Rule 1: the leg never changes once there is one.
        if (before.session.monitorSessionId !== null) {
          expect(session.monitorSessionId).toBe(before.session.monitorSessionId);
        }
        // Rule 3: no mode without a confirmed leg.
        if (['SILENT', 'WHISPER', 'BARGE'].includes(session.state)) expect(session.monitorSessionId).not.toBeNull();
        expect((session.state === 'TERMINATED') === (session.endReason !== null)).toBe(true);
        expect((session.state === 'TERMINATED') === (session.endedAt !== null)).toBe(true);
        // The version moves exactly when what is shown does.
        const shown = (one: SessionRecord): string => JSON.stringify({ ...one.session, version: 0 });
        expect(session.version !== before.session.version).toBe(shown(before) !== shown(record));
        // Of a command that has its outcome nothing more is heard, and a place in line is that of a queued command.
        const { type, commandId } = event;
        const isOver = before.commands.some((one) => one.commandId === commandId && isFinal(one.status));
        if (isOver && /^(command.settled|session.(queued|moved|granted|expired|superseded))$/.test(type)) {
          expect(record).toBe(before);
        }
        for (const { status, position, expiresAt } of record.commands) {
          expect({ status, places: position === undefined ? 0 : 1 }).toEqual({
            status,
            places: status === 'queued' ? 1 : 0,
          });
          expect(expiresAt === undefined).toBe(position === undefined);
        }
        const queued = record.commands.find(({ status }) => status === 'queued');
        expect(session.waiting).toEqual(
          queued === undefined || queued.action === 'silent'
            ? null
            : { mode: queued.action, position: queued.position, expiresAt: queued.expiresAt },
        );
        // An outcome is final.
        for (const command of before.commands.filter((one) => isFinal(one.status))) {
          expect(findCommand(record, command.commandId)).toEqual(command);
        }
        if (session.state === 'TERMINATED') expect(record.commands.every((one) => isFinal(one.status))).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});

describe('commands', () => {
  test('are carried out in the order of their acceptance, the initial mode first', () => {
    const record = after(fresh('whisper'), asked('c1', 'barge'), asked('c2', 'silent'));
    expect(nextModeChange(record)?.commandId).toBe('~mode');
    const settled: SessionEvent = { type: 'command.settled', at, commandId: '~mode', status: 'applied' };
    expect(nextModeChange(after(record, settled))?.commandId).toBe('c1');
  });

  test('a repeated id changes nothing, whatever it asks for', () => {
    const record = after(fresh(), asked('c1', 'barge'));
    expect(after(record, asked('c1', 'stop'))).toBe(record);
  });

  test('a place in line that is told again leaves no line in the trail, and the leg in the way is told to the end', () => {
    const expiresAt = '2026-11-01T00:00:30.000Z';
    const place: SessionEvent = { type: 'session.queued', at, commandId: 'c1', position: 1, expiresAt };
    const blocked: SessionEvent = { ...place, conflictingMonitorSessionId: 'another’s' };
    const record = after(fresh(), made, active, asked('c1', 'barge'), place, blocked);
    expect(after(record, blocked)).toBe(record);
    expect(after(record, { type: 'session.moved', at, commandId: 'c1', position: 1 })).toBe(record);
    const later = after(record, { ...blocked, expiresAt: '2026-11-01T00:01:00.000Z' });
    expect(later.session.waiting).toEqual({ mode: 'barge', position: 1, expiresAt: '2026-11-01T00:01:00.000Z' });
    const granted = after(record, { type: 'session.granted', at, commandId: 'c1', fence: 1 });
    expect(findCommand(granted, 'c1')).toEqual({ commandId: 'c1', action: 'barge', status: 'accepted' });
    expect(granted.session.waiting).toBeNull();
    expect(findCommand(after(record, { type: 'session.expired', at, commandId: 'c1' }), 'c1')).toEqual({
      commandId: 'c1',
      action: 'barge',
      status: 'expired',
      conflictingMonitorSessionId: 'another’s',
    });
  });

  test('mode changes are cancelled by the end, and told why', () => {
    const record = after(fresh('barge'), asked('c1', 'whisper'), made, active, ending);
    expect(record.commands).toMatchObject([
      { commandId: '~start', status: 'applied' },
      { commandId: '~mode', status: 'cancelled', reason: 'stopped' },
      { commandId: 'c1', status: 'cancelled', reason: 'stopped' },
    ]);
    expect(nextModeChange(record)).toBeUndefined();
  });

  test('a stop is applied when the platform has confirmed it, and failed when it never did', () => {
    const record = after(fresh(), made, active, asked('c1', 'stop'), ending);
    expect(findCommand(record, 'c1')?.status).toBe('accepted');
    expect(findCommand(after(record, ended), 'c1')?.status).toBe('applied');
    for (const [leg, reason] of [
      ['forbidden', 'forbidden'],
      ['invalid', 'invalid'],
      ['unreachable', 'platform-unreachable'],
      ['unknown', 'leg-unknown'],
    ] as const) {
      expect(findCommand(after(record, { ...ended, leg }), 'c1')).toMatchObject({ status: 'failed', reason });
    }
  });

  test('a start is failed when refused and cancelled when called off', () => {
    const refused: SessionEvent = { type: 'session.ending', at, endReason: 'forbidden' };
    expect(after(fresh(), refused, { ...ended, leg: 'none' }).commands[0]).toMatchObject({
      status: 'failed',
      reason: 'forbidden',
    });
    expect(after(fresh(), ending, { ...ended, leg: 'none' }).commands[0]).toMatchObject({ status: 'cancelled' });
  });

  test('after the end a stop has been done already, and nothing else can be', () => {
    const record = after(fresh(), made, active, ending, ended, asked('c1', 'stop'), asked('c2', 'barge'));
    expect(findCommand(record, 'c1')?.status).toBe('applied');
    expect(findCommand(record, 'c2')).toMatchObject({ status: 'cancelled', reason: 'stopped' });
  });

  test('what is kept fits into one payload of Temporal, and an open command is never forgotten', () => {
    let record = after(fresh(), made, active, asked('open', 'barge'));
    for (let n = 0; n < 1_200; n += 1) {
      const words = { actor: '語'.repeat(256), reason: '語'.repeat(500) };
      record = after(
        record,
        { type: 'command.accepted', at, commandId: `c${n}`, action: 'silent', ...words },
        { type: 'command.settled', at, commandId: `c${n}`, status: 'failed', reason: 'platform-unreachable' },
      );
    }
    expect(record.commands.length).toBe(COMMANDS_KEPT);
    expect(findCommand(record, 'open')?.status).toBe('accepted');
    expect(findCommand(record, 'c1199')?.status).toBe('failed');
    expect(record.history.at(-1)).toMatchObject({ commandId: 'c1199' });
    expect(record.history.reduce((sum, entry) => sum + weightOf(entry), 0)).toBeLessThanOrEqual(HISTORY_KEPT_BYTES);
    expect(Buffer.byteLength(JSON.stringify(record))).toBeLessThan(1_300_000);
    for (const entry of record.history) {
      expect(Buffer.byteLength(JSON.stringify(entry))).toBeLessThanOrEqual(weightOf(entry));
    }
  });
});

test('the first reason to end is the one that is kept', () => {
  const record = after(fresh(), made, active, ending, { ...ending, endReason: 'interaction-ended' }, ended);
  expect(record.session).toMatchObject({ state: 'TERMINATED', endReason: 'stopped', ending: null });
});

test('nothing happens to a session that is over', () => {
  const over = after(fresh(), ending, { ...ended, leg: 'none' });
  for (const event of [made, active, ending, ended]) expect(() => after(over, event)).toThrow(ImpossibleEvent);
  expect(sessionState.options.filter((to) => canTransition('TERMINATED', to))).toEqual([]);
  expect(sessionState.options.filter((to) => canTransition(to, 'PENDING'))).toEqual([]);
});

test('what sessions showed of their media before there was more than the group is still read', () => {
  const { session } = after(fresh(), made, active);
  expect(sessionSnapshot.parse({ ...session, media: { mediaServerGroupId: 'a' } }).media).toEqual(
    newSessionMedia({ mediaServerGroupId: 'a', affinity: 'none', fallback: null }),
  );
  expect(auditEntry.parse({ ...active, affinity: undefined })).toEqual({ ...active, affinity: 'none' });
});

test('where a leg is and how it is heard is told from its making on, and of the newest changes', () => {
  const placed: SessionEvent = {
    type: 'leg.made',
    at,
    monitorSessionId: 'ms-1',
    how: 'started',
    mediaServerGroupId: 'b',
    affinity: 'same-region',
    wantedGroupId: 'a',
    fallbackReason: 'draining',
  };
  const pending = after(fresh(), placed);
  expect(pending.session.media).toMatchObject({
    mediaServerGroupId: 'b',
    affinity: 'same-region',
    fallback: { wanted: 'a', reason: 'draining' },
    quality: null,
    sampledAt: null,
  });
  const heard = (n: number): SessionEvent => ({
    type: 'session.media',
    at,
    quality: n % 2 === 0 ? 'good' : 'poor',
    packetLoss: 0.01,
    jitterMs: 3,
    roundTripMs: 30,
    sampledAt: new Date(n * 1_000).toISOString(),
    bitrateBps: 20_000,
    affinity: 'same-region',
  });
  // Nobody hears a leg that is not active, nor one that is on its way out.
  expect(after(pending, heard(1))).toBe(pending);
  const listening = after(pending, { ...active, mediaServerGroupId: 'b', affinity: 'same-region' });
  const many = after(listening, ...Array.from({ length: 300 }, (_, n) => heard(n)));
  expect(many.session).toMatchObject({
    version: listening.session.version + 300,
    media: { quality: 'poor', codec: { bitrateBps: 20_000 }, nackEnabled: true, fallback: { wanted: 'a' } },
  });
  expect(after(many, heard(299))).toBe(many);
  expect(many.history.filter(({ type }) => type === 'session.media')).toHaveLength(200);
  expect(many.history.slice(0, 3).map(({ type }) => type)).toEqual(['session.created', 'leg.made', 'session.active']);
  const ended = after(many, ending);
  expect(after(ended, heard(400))).toBe(ended);
});

test('a second leg is impossible', () => {
  expect(() => after(fresh(), made, { ...made, monitorSessionId: 'ms-2' })).toThrow(ImpossibleEvent);
});

test('a holder that is gone no longer holds the channel', () => {
  const barge: SessionEvent = { type: 'session.mode', at, mode: 'barge', bargeStatus: 'active' };
  expect(after(fresh(), made, active, barge, ending, ended).session.bargeStatus).toBe('inactive');
  expect(after(fresh(), made, active, barge, ending, { ...ended, leg: 'forbidden' }).session.bargeStatus).toBe(
    'active',
  );
});

describe('how a leg is heard', () => {
  const measured = { packetLoss: 0.1, jitterMs: 5, roundTripMs: 60, sampledAt: at };
  const heard: SessionEvent = {
    type: 'session.media',
    at,
    quality: 'poor',
    bitrateBps: 20_000,
    affinity: 'none',
    ...measured,
  };

  test('is shown with the profile that it makes, and what was told already changes nothing', () => {
    const fallback = { wantedGroupId: 'g-1', fallbackReason: 'down' as const };
    const before = after(
      fresh(),
      { ...made, ...fallback },
      { ...active, mediaServerGroupId: 'g-2', affinity: 'primary' },
    );
    const record = after(before, heard);
    expect(record.session.media).toEqual({
      mediaServerGroupId: 'g-2',
      affinity: 'none',
      fallback: { wanted: 'g-1', reason: 'down' },
      codec: { name: 'opus', bitrateBps: 20_000 },
      playoutDelayMs: 150,
      nackEnabled: true,
      ...measured,
      quality: 'poor',
    });
    expect(after(record, heard)).toBe(record);
    expect(after(before, { ...heard, bitrateBps: 32_000 }).session.media).toMatchObject({ playoutDelayMs: 150 });
  });

  test('is of no interest before the leg is active, and once it ends', () => {
    for (const record of [after(fresh(), made), after(fresh(), made, active, ending)]) {
      expect(after(record, heard)).toBe(record);
    }
  });

  test('a leg of which nobody knows where it is begins with the tuned profile', () => {
    expect(after(fresh(), made).session.media).toMatchObject({ affinity: 'none', fallback: null, playoutDelayMs: 150 });
  });
});
