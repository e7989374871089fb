import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { aheadMs, observeClock, UNKNOWN_CLOCK } from '../../console/model/clock.js';
import { EMPTY_MODEL } from '../../console/model/model.js';
import type { Command, Model, PageEvent, Trail } from '../../console/model/model.js';
import { commandStatus, isFinal } from '../../domain/commands.js';
import type { CommandStatus } from '../../domain/commands.js';
import type { MediaSample } from '../../domain/notifications.js';
import { at, changed, later, listed, page, read, resource, shown } from '../support/page.js';

const TROUBLE = { code: 'network', text: 'Nobody answers.' };

describe('commands', () => {
  const asked = (commandId: string, interactionId = 'i'): PageEvent => ({
    type: 'asked',
    interactionId,
    command: { commandId, action: 'whisper' },
  });
  const answered = (commandId: string, status: CommandStatus, reason?: string): PageEvent => ({
    type: 'answered',
    interactionId: 'i',
    command: { commandId, action: 'whisper', status, ...(reason === undefined ? {} : { reason }) },
  });
  const unsent = (commandId: string): PageEvent => ({
    type: 'unsent',
    interactionId: 'i',
    commandId,
    trouble: TROUBLE,
  });
  const commandOf = (model: Model): Command | undefined => model.commands.get('i');

  const anyAnswer = fc.oneof(
    fc.tuple(fc.nat({ max: 3 }), fc.constantFrom(...commandStatus.options)),
    fc.tuple(fc.nat({ max: 3 }), fc.constantFrom('unsent' as const, 'asked' as const)),
  );

  test('the last one asked for is shown, with the latest that is known of it; an outcome is never changed', () => {
    fc.assert(
      fc.property(fc.array(anyAnswer, { maxLength: 30, size: 'max' }), (answers) => {
        let model = page();
        let last: { id: string; status: string } | undefined;
        let count = 0;
        for (const [age, what] of answers) {
          const id = `c-${count - age}`;
          if (what === 'asked') {
            count += 1;
            last = { id: `c-${count}`, status: 'sending' };
            model = later(model, asked(last.id));
          } else {
            model = later(model, what === 'unsent' ? unsent(id) : answered(id, what));
            const isOpen = ['sending', 'unsent', 'accepted', 'queued'].includes(last?.status ?? '');
            if (last?.id === id && isOpen) last.status = what;
          }
          const command = commandOf(model);
          expect([command?.commandId, command?.status]).toEqual([last?.id, last?.status]);
          expect(command?.trouble ?? null).toEqual(last?.status === 'unsent' ? TROUBLE : null);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('what nobody asked for here changes nothing', () => {
    const model = page(asked('c-1'));
    expect(later(model, answered('c-0', 'applied'))).toBe(model);
    expect(later(model, unsent('c-0'))).toBe(model);
    expect(later(page(), answered('c-1', 'applied')).commands.size).toBe(0);
  });

  test('one call’s are none of another’s, and never change what is shown of a session', () => {
    const model = page(changed(resource()), asked('c-1', 'j'));
    const after = later(model, asked('c-2'), answered('c-2', 'applied'));
    expect(after.commands.get('j')).toBe(model.commands.get('j'));
    expect(after.sessions).toBe(model.sessions);
    expect(after.sessionsByCall).toBe(model.sessionsByCall);
  });

  test('the reason goes with the outcome', () => {
    expect(commandOf(page(asked('c'), answered('c', 'rejected', 'forbidden')))?.reason).toBe('forbidden');
    expect(commandStatus.options.filter(isFinal)).not.toContain('queued');
  });
});

describe('samples', () => {
  const BEN = resource({ sessionId: 'session~i~ben', supervisorId: 'ben', runId: 'run-b' });
  const sample = (seconds: number, sessionId = 'session~i~anna'): MediaSample => ({
    sessionId,
    sampledAt: at(seconds),
    packetLoss: 0,
    jitterMs: 1,
    roundTripMs: 1,
  });
  const sampled = (...samples: MediaSample[]): PageEvent => ({ type: 'sampled', samples });

  test('they are our own, one of each moment, oldest first, the latest sixty, however they come', () => {
    const ids = fc.constantFrom('session~i~anna', 'session~i~ben', 'session~unknown~anna');
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.tuple(fc.nat({ max: 90 }), ids), { maxLength: 40, size: 'max' }), { maxLength: 6 }),
        (messages) => {
          let model = page(shown([resource(), BEN]));
          for (const message of messages) model = later(model, sampled(...message.map((one) => sample(...one))));
          const own = messages.flat().filter(([, id]) => id === 'session~i~anna');
          const moments = [...new Set(own.map(([seconds]) => seconds))].toSorted((one, other) => one - other);
          expect([...model.samples.keys()]).toEqual(own.length === 0 ? [] : ['session~i~anna']);
          const kept = model.samples.get('session~i~anna') ?? [];
          const told = kept.map(({ sampledAt }) => sampledAt);
          expect(told).toEqual(told.toSorted());
          expect(told.length).toBe(Math.min(60, moments.length));
          // An old one that comes late may have been put away; the newest never is.
          expect(told.slice(-1)).toEqual(moments.slice(-1).map(at));
        },
      ),
      { numRuns: 60 },
    );
    const many = Array.from({ length: 100 }, (_, n) => sample(n));
    const model = page(changed(resource()), sampled(...many));
    expect(model.samples.get('session~i~anna')).toEqual(many.slice(-60));
    expect(later(model, sampled(...many.slice(-60)))).toBe(model);
  });

  test('a moment is the same however it is written', () => {
    const once = { ...sample(1), sampledAt: '2026-11-01T01:00:01+01:00' };
    expect(page(changed(resource()), sampled(sample(1), once)).samples.get('session~i~anna')).toHaveLength(1);
  });

  test('they go with the run that they are of', () => {
    const model = page(changed(resource()), sampled(sample(1)));
    expect(later(model, changed(resource({ version: 2 }))).samples.size).toBe(1);
    expect(later(model, shown([resource({ version: 2 })])).samples.size).toBe(1);
    expect(later(model, changed(resource({ version: 2, state: 'TERMINATED' }))).samples.size).toBe(0);
    const next = resource({ runId: 'run-2', startedAt: at(9) });
    expect(later(model, changed(next)).samples.size).toBe(0);
    expect(later(model, read(next)).samples.size).toBe(0);
    expect(later(model, shown([next])).samples.size).toBe(0);
    expect(later(model, shown([])).samples.size).toBe(0);
  });

  test('a page of nobody’s, as of a service, has none', () => {
    const me = { id: null, kind: 'service', roles: [], expiresAt: null, temporalUi: null } as const;
    const model = later(EMPTY_MODEL, { type: 'signed-in', me: { ...me, roles: [] } }, changed(BEN));
    expect(later(model, sampled(sample(1), sample(1, BEN.sessionId))).samples.size).toBe(0);
  });
});

describe('trails', () => {
  const trail = (version: number, runId = 'run'): Trail => ({ runId, version, entries: [], trouble: null });
  const readTrail = (one: Trail): PageEvent => ({ type: 'trail-read', sessionId: 'session~i~anna', trail: one });
  const versionIn = (model: Model): number | undefined => model.trails.get('session~i~anna')?.version;

  test('an answer that was overtaken is not shown', () => {
    expect(versionIn(page(changed(resource({ version: 5 })), readTrail(trail(5)), readTrail(trail(4))))).toBe(5);
    expect(versionIn(page(readTrail(trail(5)), readTrail(trail(4))))).toBe(5);
    expect(versionIn(page(readTrail(trail(5)), readTrail(trail(6))))).toBe(6);
  });

  test('another run’s is, and that of after a reset', () => {
    expect(versionIn(page(readTrail(trail(5)), readTrail(trail(1, 'run-2'))))).toBe(1);
    expect(versionIn(page(readTrail(trail(9)), changed(resource({ version: 4 })), readTrail(trail(4))))).toBe(4);
  });

  test('one that is closed is gone', () => {
    const model = page(readTrail(trail(5)), { type: 'trail-closed', sessionId: 'session~i~anna' });
    expect(model.trails.size).toBe(0);
  });
});

describe('the clock', () => {
  const anyDelays = fc.array(fc.tuple(fc.nat({ max: 60_000 }), fc.integer({ min: 0, max: 5_000 })), {
    minLength: 1,
    maxLength: 40,
    size: 'max',
  });

  test('is never ahead of the server’s, and is as the least delayed of the last twelve told it', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), anyDelays, (offsetMs, tellings) => {
        let clock = UNKNOWN_CLOCK;
        let ourMs = 1e12;
        const delays: number[] = [];
        for (const [pauseMs, delayMs] of tellings) {
          ourMs += pauseMs;
          delays.push(delayMs);
          clock = observeClock(clock, ourMs - delayMs + offsetMs, ourMs);
          expect(aheadMs(clock)).toBeLessThanOrEqual(offsetMs);
          expect(aheadMs(clock)).toBe(offsetMs - Math.min(...delays.slice(-12)));
        }
      }),
    );
  });

  test('is ours while nobody has told a time, and what is no time tells none', () => {
    expect(aheadMs(UNKNOWN_CLOCK)).toBe(0);
    expect(observeClock(UNKNOWN_CLOCK, NaN, 5)).toBe(UNKNOWN_CLOCK);
    const model = page();
    expect(later(model, { type: 'heard', at: 'soon', nowMs: 0 })).toBe(model);
  });

  test('is set by all that tells a time', () => {
    const session = resource({ serverNow: at(10) });
    const nowMs = Date.parse(at(3));
    const tellings: PageEvent[] = [
      { type: 'heard', at: at(10), nowMs },
      { type: 'changed', session, nowMs },
      { type: 'session-read', session, nowMs },
      { type: 'snapshot', sessions: [session], nowMs },
    ];
    for (const telling of tellings) expect(aheadMs(page(telling).clock)).toBe(7_000);
    expect(page({ type: 'snapshot', sessions: [], nowMs }).clock).toBe(UNKNOWN_CLOCK);
  });

  test('is not put back by what is told again after a break', () => {
    const model = page({ type: 'heard', at: at(1_000), nowMs: Date.parse(at(1_000)) });
    const toldAgain = Array.from({ length: 20 }, (_, version) =>
      changed(resource({ version: version + 1, serverNow: at(1_000 + version) }), Date.parse(at(1_060))),
    );
    expect(aheadMs(later(model, ...toldAgain).clock)).toBe(0);
  });
});

describe('the connection', () => {
  test('has been lost since the first time that it was, however often it is tried again', () => {
    const lost = (nowMs: number): PageEvent => ({ type: 'link-lost', nowMs, retryAtMs: nowMs + 250 });
    const model = page({ type: 'link-live' }, lost(1_000), lost(2_000));
    expect(model.link).toEqual({ kind: 'lost', sinceMs: 1_000, retryAtMs: 2_250 });
    expect(later(model, { type: 'link-live' }, lost(9_000)).link).toMatchObject({ sinceMs: 9_000 });
  });

  test('takes nothing away of what was shown', () => {
    const model = page(changed(resource()));
    expect(later(model, { type: 'link-lost', nowMs: 0, retryAtMs: 1 }).sessions).toBe(model.sessions);
  });
});

describe('who is signed in', () => {
  test('is asked for once the ways are known, and an attempt forgets what was wrong with the last', () => {
    const out = later(EMPTY_MODEL, { type: 'signed-out', ways: ['token'], trouble: TROUBLE });
    expect(out.access).toEqual({ kind: 'signed-out', ways: ['token'], trouble: TROUBLE, isBusy: false });
    const trying = later(out, { type: 'signing-in' });
    expect(trying.access).toEqual({ kind: 'signed-out', ways: ['token'], trouble: null, isBusy: true });
    const model = page();
    expect(later(model, { type: 'signing-in' })).toBe(model);
  });

  test('is not forgotten because nobody answers', () => {
    const nobody = later(EMPTY_MODEL, { type: 'unreachable', trouble: TROUBLE });
    expect(nobody.access).toEqual({ kind: 'unknown', trouble: TROUBLE });
    const model = page();
    expect(later(model, { type: 'unreachable', trouble: TROUBLE })).toBe(model);
  });
});

test('a card of what is over keeps the names of its call after the row has gone', () => {
  const call = listed(resource().interactionId, { agentId: 'dmitri.volkov' });
  const model = page(
    { type: 'calls-listed', items: [call], nowMs: 0 },
    changed(resource()),
    changed(resource({ state: 'TERMINATED', endReason: 'interaction-ended' })),
    { type: 'calls-listed', items: [], nowMs: 0 },
    { type: 'settle', nowMs: 3_600_000, isHeld: false },
  );
  expect(model.calls.size).toBe(0);
  expect(model.endedCalls.get(call.id)?.agentId).toBe('dmitri.volkov');
});

test('what came of a command can be put away, but not what is still asked for', () => {
  const { interactionId } = resource();
  const command = { commandId: 'c', action: 'barge' } as const;
  const asked = page(changed(resource()), { type: 'asked', interactionId, command });
  expect(later(asked, { type: 'outcome-read', interactionId }).commands.size).toBe(1);
  const failed = later(asked, { type: 'answered', interactionId, command: { ...command, status: 'failed' } });
  expect(later(failed, { type: 'outcome-read', interactionId }).commands.size).toBe(0);
});

test('a page that is too old for what it is told says so until it is loaded again', () => {
  const model = page({ type: 'outdated' }, changed(resource()));
  expect([model.isOutdated, model.sessions.size]).toEqual([true, 1]);
});

test('a list of calls that failed says why, and keeps those that are known', () => {
  const model = page(changed(resource()), { type: 'calls-failed', trouble: TROUBLE });
  expect([model.listing, model.calls.size]).toEqual([{ kind: 'failed', trouble: TROUBLE }, 1]);
  expect(later(model, { type: 'calls-listed', items: [], nowMs: 0 }).listing).toEqual({ kind: 'ready' });
});
