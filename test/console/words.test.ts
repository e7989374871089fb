import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { announcementOf } from '../../console/model/announcements.js';
import {
  agentName,
  durationText,
  endWords,
  eventWords,
  maskedCustomer,
  ordinal,
  presenceWords,
  reasonWords,
  secondsLeft,
  STATE_WORDS,
} from '../../console/model/words.js';
import { auditEntry } from '../../domain/audit-entry.js';
import type { SessionEvent } from '../../domain/audit-entry.js';
import { newSessionMedia } from '../../domain/media.js';
import type { MediaQuality } from '../../domain/media.js';
import { endReason, sessionState } from '../../domain/session.js';
import type { SessionResource } from '../../domain/session.js';
import { at, resource } from '../support/page.js';

describe('a customer, for whoever looks over a shoulder', () => {
  const anyText = fc.string({ unit: 'grapheme' });
  const anyNumber = fc
    .tuple(
      fc.constantFrom('', '+', 'tel:', '(0) '),
      fc.array(fc.constantFrom(...'0123456789 -/'.split('')), { maxLength: 20 }),
    )
    .map(([prefix, digits]) => prefix + digits.join(''));

  test('is a number’s last two digits, or a name’s initials, and never more', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, anyNumber), (customer) => {
        const masked = maskedCustomer(customer);
        const digits = customer.replaceAll(/\D/g, '');
        if (customer.trim() === '') expect(masked).toBe('Unknown');
        else if (digits.length >= 5) expect(masked).toBe(`••• ${digits.slice(-2)}`);
        else if (!/\p{L}/u.test(customer)) expect(masked).toBe('•••');
        else {
          const parts = customer.trim().split(/\s+/);
          expect(masked).toBe(parts.map((part) => `${String.fromCodePoint(part.codePointAt(0)!)}•••`).join(' '));
        }
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    [null, 'Unknown'],
    ['  ', 'Unknown'],
    ['+49 30 1234567', '••• 67'],
    ['sip:+493012345@pbx.example', '••• 45'],
    ['Anna Meier', 'A••• M•••'],
    [' Łukasz  Żak ', 'Ł••• Ż•••'],
    ['𝒳avier', '𝒳•••'],
    ['anna.meier@example.com', 'a•••'],
    // The whole of a short number would be its first digits.
    ['4711', '•••'],
    ['4 7 1 1', '•••'],
  ])('%j is %s', (customer, masked) => {
    expect(maskedCustomer(customer)).toBe(masked);
  });
});

test.each([
  [null, 'Unknown agent'],
  ['dmitri.volkov', 'Dmitri Volkov'],
  ['anna.maria.lópez', 'Anna Maria López'],
  ['agent-17', 'agent-17'],
  ['a.17', 'a.17'],
  ['Dmitri.Volkov', 'Dmitri.Volkov'],
  ['volkov', 'volkov'],
  ['', ''],
])('the agent %j is %s', (agentId, name) => {
  expect(agentName(agentId)).toBe(name);
});

describe('times', () => {
  test.each([
    [-5_000, '0:00'],
    [0, '0:00'],
    [999, '0:00'],
    [61_000, '1:01'],
    [3_599_999, '59:59'],
    [3_600_000, '1:00:00'],
    [90_061_000, '25:01:01'],
    // The platform’s word for when a call began may be anything.
    [Date.parse('yesterday') - 1, '–'],
  ])('%d ms are %s', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });

  test('a duration says each second of it, and longer ones never less', () => {
    fc.assert(
      fc.property(fc.nat({ max: 200_000_000 }), (ms) => {
        const text = durationText(ms);
        expect(text).toMatch(/^(?:[1-9]\d*:[0-5]\d|[1-5]?\d):[0-5]\d$/);
        const seconds = text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
        expect(seconds).toBe(Math.floor(ms / 1_000));
      }),
    );
  });

  test('what is left of a wait is never less than nothing, and nothing only when it is over', () => {
    fc.assert(
      fc.property(fc.integer({ min: -100_000, max: 100_000 }), (leftMs) => {
        const seconds = secondsLeft(at(0), Date.parse(at(0)) - leftMs);
        expect(seconds > 0).toBe(leftMs > 0);
        expect(seconds).toBe(Math.max(0, Math.ceil(leftMs / 1_000)));
      }),
    );
  });
});

test.each([
  [1, 'next'],
  [2, '2nd'],
  [3, '3rd'],
  [4, '4th'],
  [11, '11th'],
  [12, '12th'],
  [13, '13th'],
  [20, '20th'],
  [21, '21st'],
  [22, '22nd'],
  [101, '101st'],
  [111, '111th'],
  [112, '112th'],
])('place %d in line is %s', (position, text) => {
  expect(ordinal(position)).toBe(text);
});

describe('there are words for', () => {
  test('each state', () => {
    const said = sessionState.options.map((state) => Object.values(STATE_WORDS[state]).join());
    expect(new Set(said).size).toBe(sessionState.options.length);
    const present = sessionState.options.map((state) => presenceWords(resource({ state })));
    expect(new Set(present).size).toBe(sessionState.options.length);
  });

  test('each end, and one that nobody gave a reason for', () => {
    const said = [null, ...endReason.options].map(endWords);
    expect(new Set(said).size).toBe(said.length);
    for (const words of said) expect(words).toMatch(/^[a-z]/);
  });

  test('each reason that a command came to nothing, and for what is none', () => {
    const codes = ['silent', 'leg-unknown', 'invalid', 'not-ready', 'throttled', 'unauthorized', ...endReason.options];
    for (const code of codes) expect(reasonWords(code)).toContain(' ');
    expect(reasonWords('something.quite-new')).toBe('something quite new');
    expect(reasonWords(null)).toBe('');
    fc.assert(fc.property(fc.string(), (reason) => expect(typeof reasonWords(reason)).toBe('string')));
    for (const name of ['constructor', 'toString', '__proto__']) expect(reasonWords(name)).toBe(name);
  });

  const happening = { at: at(0) };
  const waiting = { ...happening, commandId: 'c', expiresAt: at(30) };
  const EVENTS: { readonly [Type in SessionEvent['type']]: Extract<SessionEvent, { type: Type }> } = {
    'session.created': { ...happening, type: 'session.created' },
    'leg.made': { ...happening, type: 'leg.made', monitorSessionId: 'm', how: 'started' },
    'session.active': {
      ...happening,
      type: 'session.active',
      mode: 'silent',
      bargeStatus: 'inactive',
      mediaServerGroupId: null,
      affinity: 'none',
    },
    'session.mode': { ...happening, type: 'session.mode', mode: 'whisper', bargeStatus: 'active' },
    'session.observed': { ...happening, type: 'session.observed', bargeStatus: 'active' },
    'session.media': {
      ...happening,
      type: 'session.media',
      packetLoss: 0,
      jitterMs: 0,
      roundTripMs: 0,
      sampledAt: at(0),
      quality: 'fair',
      bitrateBps: 20_000,
      affinity: 'none',
    },
    'session.queued': { ...waiting, type: 'session.queued', position: 3 },
    'session.moved': { ...waiting, type: 'session.moved', position: 2 },
    'session.granted': { ...waiting, type: 'session.granted', fence: 1 },
    'session.expired': { ...waiting, type: 'session.expired' },
    'session.superseded': { ...waiting, type: 'session.superseded', supersededBy: 'd' },
    'session.ending': { ...happening, type: 'session.ending', endReason: 'leg-lost' },
    'session.ended': { ...happening, type: 'session.ended', leg: 'gone' },
    'command.accepted': { ...happening, type: 'command.accepted', commandId: 'c', action: 'barge' },
    'command.settled': {
      ...happening,
      type: 'command.settled',
      commandId: 'c',
      status: 'rejected',
      reason: 'forbidden',
    },
    'platform.unanswering': { ...happening, type: 'platform.unanswering', since: at(0) },
    'platform.answering': { ...happening, type: 'platform.answering' },
    'signal.refused': { ...happening, type: 'signal.refused', signal: 'barge' },
  };

  test('each line of the audit trail', () => {
    const types = auditEntry.options.map((option) => option.shape.type.value);
    expect(Object.keys(EVENTS).toSorted()).toEqual([...types].toSorted());
    const said = Object.values(EVENTS).map((event) => eventWords(auditEntry.parse(event)));
    for (const words of said) expect(words).toMatch(/^[A-Z](?!.*(?:undefined|null|NaN))/);
    expect(new Set(said).size).toBe(said.length);
  });

  test.each<[string, SessionEvent]>([
    ['Connection found again', { ...EVENTS['leg.made'], how: 'adopted' }],
    ['Barged in', { ...EVENTS['session.mode'], mode: 'barge' }],
    ['Listening', { ...EVENTS['session.mode'], mode: 'silent' }],
    ['Nobody else speaks any more', { ...EVENTS['session.observed'], bargeStatus: 'inactive' }],
    ['Heard fairly (20 kbit/s)', EVENTS['session.media']],
    ['In line, 3rd', EVENTS['session.queued']],
    ['Leaving: the platform cut your connection, as a transfer of the call does', EVENTS['session.ending']],
    ['Came of it: rejected (the platform does not allow it)', EVENTS['command.settled']],
    ['Came of it: applied', { ...happening, type: 'command.settled', commandId: 'c', status: 'applied' }],
  ])('%s', (words, event) => {
    expect(eventWords(event)).toBe(words);
  });

  test('nobody has left of whom the platform never said so', () => {
    const ended = auditEntry.options.find((option) => option.shape.type.value === 'session.ended')!;
    expect(ended).toBeDefined();
    for (const leg of ['none', 'forbidden', 'invalid', 'unreachable', 'unknown'] as const)
      expect(eventWords({ ...EVENTS['session.ended'], leg })).not.toContain('Left');
    expect(eventWords(EVENTS['session.ended'])).toBe('Left the call');
  });

  test('where somebody else stands: leaving before waiting, waiting before the mode', () => {
    const place = { mode: 'barge', position: 1, expiresAt: at(30) } as const;
    const ending = { reason: 'stopped', since: at(0) } as const;
    expect(presenceWords(resource({ waiting: place }))).toBe('in line to barge, next');
    expect(presenceWords(resource({ waiting: place, ending }))).toBe('leaving');
  });
});

describe('a screen reader says', () => {
  const place = (position: number, mode: 'whisper' | 'barge' = 'barge'): SessionResource['waiting'] => ({
    mode,
    position,
    expiresAt: at(30),
  });
  const heard = (quality: MediaQuality): Partial<SessionResource> => ({
    media: { ...newSessionMedia({ mediaServerGroupId: null, affinity: 'none', fallback: null }), quality },
  });
  const said = (before: Partial<SessionResource> | undefined, after: Partial<SessionResource>): string | undefined =>
    announcementOf(before === undefined ? undefined : resource(before), resource(after));
  const ending = { reason: 'stopped', since: at(0) } as const;

  type Shown = Partial<SessionResource>;
  test.each<[string, Shown | undefined, Shown]>([
    ['Connecting. You hear nothing yet.', undefined, { state: 'PENDING' }],
    ['Listening. Nobody on the call hears you.', { state: 'PENDING' }, {}],
    ['Barged in. Agent and customer hear you.', {}, { state: 'BARGE' }],
    ['You are 2nd in line to barge.', {}, { waiting: place(2) }],
    ['You are next in line to barge.', { waiting: place(2) }, { waiting: place(1) }],
    ['You are next in line to whisper.', { waiting: place(1) }, { waiting: place(1, 'whisper') }],
    ['You are no longer in line.', { waiting: place(1) }, {}],
    ['Whispering. The agent hears you, the customer does not.', { waiting: place(1) }, { state: 'WHISPER' }],
    // Who is heard comes first, and is not lost among the rest.
    [
      'Listening. Nobody on the call hears you. You are 3rd in line to barge.',
      { state: 'BARGE' },
      { waiting: place(3) },
    ],
    ['The call is heard poorly.', {}, heard('poor')],
    [
      'You are next in line to barge. The call is heard poorly.',
      heard('good'),
      { ...heard('poor'), waiting: place(1) },
    ],
    ['Leaving the call.', {}, { ending }],
    ['Leaving the call.', undefined, { ending }],
    ['You are off the call: the call is over.', { ending }, { state: 'TERMINATED', endReason: 'interaction-ended' }],
  ])('%s', (text, before, after) => {
    expect(said(before, after)).toBe(text);
  });

  test.each<[string, Shown, Shown]>([
    ['a new version', {}, { version: 7 }],
    ['what others do', {}, { bargeStatus: 'active' }],
    ['a quality that is fair', heard('good'), heard('fair')],
    ['a quality that is still poor', heard('poor'), heard('poor')],
    ['a quality that is good again', heard('poor'), heard('good')],
    ['leaving, once that is said', { ending }, { ending, version: 7 }],
    [
      'the seconds left, which would drown everything else',
      { waiting: place(2) },
      { waiting: { mode: 'barge', position: 2, expiresAt: at(60) } },
    ],
  ])('nothing of %s', (_, before, after) => {
    expect(said(before, after)).toBeUndefined();
  });
});
