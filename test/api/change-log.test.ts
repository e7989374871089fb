import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ChangeLog } from '../../api/change-log.js';
import { changesBetween } from '../../api/session-changes.js';
import { newSessionMedia } from '../../domain/media.js';
import { newSessionRecord } from '../../domain/session-record.js';
import type { SessionSnapshot } from '../../domain/session.js';

const { session } = newSessionRecord(
  { interactionId: 'i', supervisorId: 's' },
  { sessionId: 'session~i~s', runId: 'r' },
  '2026-11-27T00:00:00.000Z',
);
const WAITING = { mode: 'barge', position: 2, expiresAt: '2026-11-27T00:00:30.000Z' } as const;
const SILENT: SessionSnapshot = { ...session, version: 3, state: 'SILENT' };
const MEDIA = newSessionMedia({ mediaServerGroupId: 'a', affinity: 'primary', fallback: null });
const HEARD: SessionSnapshot = { ...SILENT, media: MEDIA };
const SAMPLED_AT = '2026-11-27T00:00:20.000Z';

test('whoever comes back is told exactly what came since, or that it is not known any more', () => {
  fc.assert(
    fc.property(fc.nat(60), fc.nat(70), fc.boolean(), (told, seq, isForeign) => {
      const log = new ChangeLog();
      for (let n = 0; n < told; n += 1) log.add('session.updated', session);
      const since = log.since({ epoch: isForeign ? 'another' : log.epoch, seq });
      if (isForeign || seq > told) expect(since).toBeUndefined();
      else
        expect(since?.map((change) => change.seq)).toEqual(Array.from({ length: told - seq }, (_, n) => seq + 1 + n));
    }),
  );
});

test('the latest ten thousand can be told again, and their numbers go on', () => {
  const log = new ChangeLog();
  for (let n = 0; n < 25_000; n += 1) log.add('session.updated', session);
  const { epoch, seq } = log;
  expect(seq).toBe(25_000);
  expect(log.since({ epoch, seq: 15_000 })).toHaveLength(10_000);
  expect(log.since({ epoch, seq: 15_000 })?.[0]?.seq).toBe(15_001);
  expect(log.since({ epoch, seq: 10 })).toBeUndefined();
});

test.each([
  ['nothing', SILENT, SILENT, []],
  ['one that is new', undefined, session, ['session.created']],
  ['one that ended unseen', undefined, { ...session, state: 'TERMINATED' }, ['session.ended']],
  ['another under its id', { ...SILENT, runId: 'q' }, session, ['session.created']],
  ['its confirmation', session, SILENT, ['session.active']],
  ['another quality', HEARD, { ...HEARD, version: 4, media: { ...MEDIA, sampledAt: SAMPLED_AT } }, ['session.media']],
  ['where its leg is', SILENT, { ...HEARD, version: 4 }, ['session.updated']],
  ['another mode', SILENT, { ...SILENT, version: 4, state: 'WHISPER' }, ['session.mode']],
  ['a place in line', SILENT, { ...SILENT, version: 4, waiting: WAITING }, ['session.queued']],
  [
    'a better place',
    { ...SILENT, waiting: WAITING },
    { ...SILENT, version: 4, waiting: { ...WAITING, position: 1 } },
    ['session.moved'],
  ],
  [
    'its turn',
    { ...SILENT, waiting: WAITING },
    { ...SILENT, version: 5, state: 'BARGE' },
    ['session.granted', 'session.mode'],
  ],
  ['a wait that is over', { ...SILENT, waiting: WAITING }, { ...SILENT, version: 4 }, ['session.updated']],
  [
    'its end, all at once',
    session,
    { ...session, version: 4, state: 'TERMINATED', endReason: 'stopped' },
    ['session.ended'],
  ],
] as const)('between two looks shows %s', (_what, before, after, types) => {
  expect(changesBetween(before, after)).toEqual(types);
});
