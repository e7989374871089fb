import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Model } from '../../console/model/model.js';
import { queuesOf, rowsOf } from '../../console/model/rows.js';
import { changed, later, listed, page, resource, shown } from '../support/page.js';

const IDS = ['call-1', 'call-2', 'call-3', 'call-4', 'call-5'];
const STAYS_MS = 8_000;
/** While somebody is among the rows. */
const STAYS_HELD_MS = 60_000;

const onCall = (interactionId: string, over = {}): ReturnType<typeof resource> =>
  resource({ interactionId, sessionId: `session~${interactionId}~ben`, supervisorId: 'ben', ...over });

const idsOf = (model: Model): string[] => rowsOf(model).map(({ call }) => call.id);

const anyStep = fc.record({
  type: fc.constantFrom('list', 'list', 'settle', 'begin', 'end', 'snapshot', 'fail'),
  ids: fc.shuffledSubarray(IDS),
  pauseMs: fc.integer({ min: 0, max: 6_000 }),
  isHeld: fc.boolean(),
});

test('rows keep their places, new ones come last, and none goes before its time or while somebody is on it', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 40, size: 'max' }), (steps) => {
      let model = page();
      let nowMs = 0;
      let runs = 0;
      const running = new Map<string, string>();
      const goneSince = new Map<string, number>();
      const known = new Set<string>();
      for (const { type, ids, pauseMs, isHeld } of steps) {
        nowMs += isHeld ? 5 * pauseMs : pauseMs;
        const before = idsOf(model);
        const [id = 'call-1'] = ids;
        if (type === 'list') {
          model = later(model, { type: 'calls-listed', items: ids.map((one) => listed(one)), nowMs });
          for (const one of ids) known.add(one);
          for (const one of before)
            if (!ids.includes(one) && (known.has(one) || !running.has(one)) && !goneSince.has(one))
              goneSince.set(one, nowMs);
          for (const one of ids) goneSince.delete(one);
        } else if (type === 'begin') {
          if (!running.has(id)) running.set(id, `run-${(runs += 1)}`);
          model = later(model, changed(onCall(id, { runId: running.get(id) })));
        } else if (type === 'end') {
          const runId = running.get(id);
          running.delete(id);
          if (runId !== undefined) model = later(model, changed(onCall(id, { runId, state: 'TERMINATED' })));
        } else if (type === 'snapshot') {
          for (const one of running.keys()) if (!ids.includes(one)) running.delete(one);
          model = later(model, shown([...running].toReversed().map(([one, runId]) => onCall(one, { runId }))));
        } else if (type === 'fail') {
          model = later(model, { type: 'calls-failed', trouble: { code: 'network', text: 'Nobody answers.' } });
        } else model = later(model, { type: 'settle', nowMs, isHeld });

        const after = idsOf(model);
        // Those that stay are in the order they were in, and all new ones come after them.
        const stayed = before.filter((one) => after.includes(one));
        const left = before.filter((one) => !after.includes(one));
        const isDue = (one: string): boolean =>
          !running.has(one) && nowMs - (goneSince.get(one) ?? nowMs) >= (isHeld ? STAYS_HELD_MS : STAYS_MS);
        const faults = {
          'a row twice': new Set(after).size < after.length,
          'a row that moved': after.slice(0, stayed.length).join() !== stayed.join(),
          'a row that went by itself': type !== 'settle' && left.length > 0,
          'a row that went too early': left.some((one) => !isDue(one)),
          'a row that stayed for ever': type === 'settle' && after.some(isDue),
          'another time of being gone': rowsOf(model).some(
            ({ call }) => call.goneAtMs !== (goneSince.get(call.id) ?? null),
          ),
          'a session without a row': [...running.keys()].some((one) => !after.includes(one)),
        };
        expect(
          Object.entries(faults)
            .flatMap(([fault, isThere]) => (isThere ? [fault] : []))
            .join(),
        ).toBe('');
        for (const one of left) {
          goneSince.delete(one);
          known.delete(one);
        }
      }
    }),
    { numRuns: 100 },
  );
});

test('a call that is listed as it was stays the same object, and one that has changed does not', () => {
  const items = [listed('a', { agentId: 'dmitri.volkov', queueName: 'sales' }), listed('b'), listed('c')];
  const model = page({ type: 'calls-listed', items, nowMs: 0 }, changed(onCall('d')));
  const fields = [
    ['agentId', 'ann.other'],
    ['queueName', 'service'],
    ['customer', 'Ms Smith'],
    ['startedAt', '2026-11-01T00:00:00Z'],
  ] as const;
  for (const [field, value] of fields) {
    const again = [listed('a', { agentId: 'dmitri.volkov', queueName: 'sales' }), listed('b', { [field]: value })];
    const after = later(model, { type: 'calls-listed', items: again, nowMs: 1_000 });
    expect(after.calls.get('a')).toBe(model.calls.get('a'));
    expect(after.calls.get('b')?.[field]).toBe(value);
    expect(after.calls.get('c')?.goneAtMs).toBe(1_000);
    expect(after.calls.get('d')).toBe(model.calls.get('d'));
  }
  expect(rowsOf(model)[1]?.sessions).toBe(rowsOf(model)[2]?.sessions);
});

test('a call that is not listed has a row while somebody is on it, and what is known of it once it is listed', () => {
  const model = page(changed(onCall('new')));
  expect(rowsOf(model)[0]).toMatchObject({ call: { id: 'new', goneAtMs: null, isListed: false }, sessions: [{}] });
  const known = later(model, { type: 'calls-listed', items: [listed('old'), listed('new')], nowMs: 0 });
  expect(known.calls.get('new')).toMatchObject({ isListed: true, goneAtMs: null });
  expect(idsOf(known)).toEqual(['new', 'old']);
});

test('nothing is done anew where nothing has to go', () => {
  const model = page({ type: 'calls-listed', items: [listed('a')], nowMs: 0 });
  expect(later(model, { type: 'settle', nowMs: 99_000, isHeld: false })).toBe(model);
});

test('what was asked of a call goes with its row', () => {
  const command = { commandId: 'c', action: 'start' } as const;
  const model = page(
    { type: 'calls-listed', items: [listed('a'), listed('b')], nowMs: 0 },
    { type: 'asked', interactionId: 'a', command },
    { type: 'asked', interactionId: 'b', command },
    { type: 'calls-listed', items: [listed('b')], nowMs: 0 },
    { type: 'settle', nowMs: STAYS_MS, isHeld: false },
  );
  expect([...model.commands.keys()]).toEqual(['b']);
});

describe('of the rows those are shown that are asked for', () => {
  const items = [
    listed('call-1', { agentId: 'dmitri.volkov', queueName: 'sales', customer: 'Ms Secret' }),
    listed('call-2', { agentId: 'ann.lee', queueName: 'service' }),
    listed('call-3', { queueName: 'sales' }),
  ];
  const model = page({ type: 'calls-listed', items, nowMs: 0 }, changed(onCall('call-2')));

  test.each([
    [{}, ['call-1', 'call-2', 'call-3']],
    [{ text: '  ' }, ['call-1', 'call-2', 'call-3']],
    [{ text: 'Dmitri Volkov' }, ['call-1']],
    [{ text: 'DMITRI.' }, ['call-1']],
    [{ text: 'volkov sales' }, ['call-1']],
    [{ text: 'unknown agent' }, ['call-3']],
    [{ text: 'volkov service' }, []],
    [{ text: 'ben' }, ['call-2']],
    [{ text: 'call-3' }, ['call-3']],
    // Whoever guesses a name must not find out whether they are on a call.
    [{ text: 'secret' }, []],
    [{ queue: 'service' }, ['call-2']],
    [{ monitored: true }, ['call-2']],
    [{ monitored: true, queue: 'sales' }, []],
  ])('%j', (filter, ids) => {
    expect(idsOf(later(model, { type: 'filtered', filter }))).toEqual(ids);
  });

  test('the queues are those of the calls, once each', () => {
    expect(queuesOf(model)).toEqual(['sales', 'service']);
  });
});
