import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Model } from '../../console/model/model.js';
import { ownSessions } from '../../console/model/rows.js';
import type { SessionResource, SessionState } from '../../domain/session.js';
import { at, changed, later, page, read, resource, shown } from '../support/page.js';

const SUPERVISORS = ['anna', 'ben', 'cora'] as const;
const CALLS = ['call-1', 'call-2'] as const;
const PLACES = CALLS.flatMap((interactionId) => SUPERVISORS.map((supervisorId) => ({ interactionId, supervisorId })));

/** The server's side: what happens to sessions there, each thing a second after the other. */
class Server {
  #seconds = 0;
  #runs = 0;
  readonly #latest = new Map<string, SessionResource>();

  /** All sessions that run, as a snapshot has them. */
  running(): SessionResource[] {
    return this.all().filter(({ state }) => state !== 'TERMINATED');
  }

  /** The latest run of each session, over or not, as it would be read now. */
  all(): SessionResource[] {
    this.#seconds += 1;
    return [...this.#latest.values()].map((session) => ({ ...session, serverNow: at(this.#seconds) }));
  }

  /** Something happens to the session of that place; `undefined` where it cannot. */
  happen(place: number, what: Happening): SessionResource | undefined {
    const { interactionId, supervisorId } = PLACES[place]!;
    const sessionId = `session~${interactionId}~${supervisorId}`;
    const before = this.#latest.get(sessionId);
    const isRunning = before !== undefined && before.state !== 'TERMINATED';
    if (what === 'begin' ? isRunning : !isRunning) return undefined;
    this.#seconds += 1;
    const serverNow = at(this.#seconds);
    const after = isRunning
      ? { ...before, ...CHANGES[what](before), serverNow }
      : resource({
          sessionId,
          interactionId,
          supervisorId,
          serverNow,
          startedAt: serverNow,
          runId: `run-${(this.#runs += 1)}`,
          state: 'PENDING',
        });
    this.#latest.set(sessionId, after);
    return after;
  }
}

const NEXT: Readonly<Record<SessionState, SessionState>> = {
  PENDING: 'SILENT',
  SILENT: 'WHISPER',
  WHISPER: 'BARGE',
  BARGE: 'SILENT',
  TERMINATED: 'TERMINATED',
};
type Happening = 'begin' | 'change' | 'end' | 'reset';
const CHANGES: Readonly<Record<Happening, (before: SessionResource) => Partial<SessionResource>>> = {
  begin: () => ({}),
  change: ({ version, state }) => ({ version: version + 1, state: NEXT[state] }),
  end: ({ version }) => ({ version: version + 1, state: 'TERMINATED', endReason: 'stopped' }),
  // Its workflow was taken back to an earlier point, from which versions count on.
  reset: ({ version }) => ({ version: Math.max(1, version - 2), state: 'SILENT' }),
};

const anyHappening = fc.tuple(
  fc.nat({ max: PLACES.length - 1 }),
  fc.constantFrom<Happening[]>('begin', 'change', 'change', 'end', 'reset'),
);
const anyStep = fc.oneof(
  fc.record({ type: fc.constant('happen'), happening: anyHappening, pick: fc.nat() }),
  fc.record({ type: fc.constantFrom('ask', 'answer', 'tell'), happening: anyHappening, pick: fc.nat() }),
);
const anySteps = fc.array(anyStep, { maxLength: 50, size: 'max' });

/** What is shown, apart from when it was said; as text, for that is compared quickly. */
function shownIn(model: Model): string {
  return contents([...model.sessions.values()]);
}

function contents(sessions: readonly SessionResource[]): string {
  return sessions
    .map((session) => JSON.stringify({ ...session, serverNow: null }))
    .toSorted()
    .join('\n');
}

/** What is wrong though it must never be, whatever has happened. */
function faultsOf(model: Model): string[] {
  const { sessions, sessionsByCall, calls, vanished, ended, endedRuns, samples } = model;
  const lists = [...sessionsByCall];
  const grouped = lists.flatMap(([, list]) => list);
  const running = new Set([...sessions.values()].map(({ runId }) => runId));
  const sorts = (list: readonly SessionResource[]): boolean =>
    list.every(({ startedAt }, index) => index === 0 || list[index - 1]!.startedAt <= startedAt);
  const isRepeated = (all: readonly SessionResource[]): boolean =>
    new Set(all.map(({ runId }) => runId)).size < all.length;
  const faults = {
    'an empty list': lists.some(([, list]) => list.length === 0),
    'a list in disorder': !lists.every(([, list]) => sorts(list)),
    'a session with another call': lists.some(([id, list]) => list.some((one) => one.interactionId !== id)),
    'a session in no list, or two': grouped.length !== sessions.size,
    'a session that differs': grouped.some((session) => sessions.get(session.sessionId) !== session),
    'a call without a row': lists.some(([id]) => !calls.has(id)),
    'a session that is over': [...sessions.values()].some(({ state }) => state === 'TERMINATED'),
    'a run that is over and runs': [...running].some((runId) => endedRuns.has(runId)),
    'a session that is sought and here': vanished.some(({ runId }) => running.has(runId)),
    'a session that is sought and over': vanished.some(({ runId }) => endedRuns.has(runId)),
    'somebody else’s among those that are sought': vanished.some(({ supervisorId }) => supervisorId !== 'anna'),
    'one that is sought twice': isRepeated(vanished),
    'somebody else’s end': ended.some(({ supervisorId }) => supervisorId !== 'anna'),
    'an end that is none': ended.some(({ state }) => state !== 'TERMINATED'),
    'an end twice, or too many': isRepeated(ended) || ended.length > 5,
    'samples of what does not run': [...samples.keys()].some((id) => !sessions.has(id)),
  };
  return Object.entries(faults).flatMap(([fault, isThere]) => (isThere ? [fault] : []));
}

describe('while the connection tells of everything at once', () => {
  test('it is the server’s word, whatever answers come late, twice or in another order', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const server = new Server();
        const answers: SessionResource[] = [];
        let model = page();
        for (const { type, happening, pick } of steps) {
          if (type === 'happen') {
            const session = server.happen(...happening);
            if (session !== undefined) model = later(model, changed(session));
          } else if (type === 'ask') answers.push(...server.all());
          else if (answers.length > 0) model = later(model, read(answers[pick % answers.length]!));
          expect(shownIn(model)).toBe(contents(server.running()));
          expect(faultsOf(model).join()).toBe('');
        }
      }),
      { numRuns: 80 },
    );
  });

  test('a snapshot is as good as the changes that led to it, and draws nothing anew', () => {
    fc.assert(
      fc.property(fc.array(anyHappening, { maxLength: 40, size: 'max' }), (happenings) => {
        const server = new Server();
        const sessions = happenings.flatMap((happening) => server.happen(...happening) ?? []);
        const model = page(...sessions.map(changed));
        const fresh = page(shown(server.running()));
        expect(faultsOf(fresh).join()).toBe('');
        expect(shownIn(fresh)).toBe(shownIn(model));
        expect([...fresh.sessionsByCall.keys()].toSorted()).toEqual([...model.sessionsByCall.keys()].toSorted());

        const again = later(model, shown(server.running().toReversed()));
        expect([...again.sessionsByCall.keys()].toSorted()).toEqual([...model.sessionsByCall.keys()].toSorted());
        for (const [id, session] of model.sessions) expect(again.sessions.get(id)).toBe(session);
        for (const [id, list] of model.sessionsByCall) expect(again.sessionsByCall.get(id)).toBe(list);
        expect(again.calls).toBe(model.calls);
        expect(again.vanished).toEqual([]);
        expect(again.announcement).toBe(model.announcement);
      }),
      { numRuns: 60 },
    );
  });

  test('a change touches its own call and nothing else', () => {
    fc.assert(
      fc.property(fc.array(anyHappening, { maxLength: 40, size: 'max' }), (happenings) => {
        const server = new Server();
        let model = page();
        for (const happening of happenings) {
          const session = server.happen(...happening);
          if (session === undefined) continue;
          const after = later(model, changed(session));
          for (const [id, other] of model.sessions) {
            if (id !== session.sessionId) expect(after.sessions.get(id)).toBe(other);
          }
          for (const [id, list] of model.sessionsByCall) {
            if (id !== session.interactionId) expect(after.sessionsByCall.get(id)).toBe(list);
          }
          for (const [id, call] of model.calls) expect(after.calls.get(id)).toBe(call);
          // Told once more, as each of several changes at once is.
          const twice = later(after, changed({ ...session, serverNow: at(9_999) }));
          if (session.state !== 'TERMINATED') expect(twice.sessions).toBe(after.sessions);
          expect(twice.sessionsByCall).toBe(after.sessionsByCall);
          expect(twice.announcement).toBe(after.announcement);
          model = after;
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('while the connection lags behind, or tells again what it told', () => {
  test('what an answer showed to be over does not come back, its end is said once, and in the end all is as the server has it', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const server = new Server();
        const answers: SessionResource[] = [];
        const untold: SessionResource[] = [];
        const over = new Set<string>();
        const said: string[] = [];
        let model = page();
        const take = (session: SessionResource, isTold: boolean): void => {
          const { announcement } = model;
          model = later(model, isTold ? changed(session) : read(session));
          if (model.announcement !== announcement && model.announcement.text.startsWith('You have left'))
            said.push(session.runId);
          if (session.state === 'TERMINATED') over.add(session.runId);
          expect([...model.sessions.values()].filter(({ runId }) => over.has(runId)).length).toBe(0);
          expect(faultsOf(model).join()).toBe('');
        };
        for (const { type, happening, pick } of steps) {
          if (type === 'happen') untold.push(...[server.happen(...happening)].filter((one) => one !== undefined));
          else if (type === 'ask') answers.push(...server.all());
          else if (type === 'answer' && answers.length > 0) take(answers[pick % answers.length]!, false);
          else if (type === 'tell') for (const session of untold.splice(0, 1 + (pick % 3))) take(session, true);
        }
        for (const session of untold) take(session, true);
        expect(shownIn(model)).toBe(contents(server.running()));
        expect(new Set(said).size).toBe(said.length);
      }),
      { numRuns: 80 },
    );
  });

  test('an answer that is ahead of the connection shows at once, and one of the same version changes nothing', () => {
    const model = page(changed(resource({ version: 3, serverNow: at(3) })));
    const ahead = later(model, read(resource({ version: 5, state: 'BARGE', serverNow: at(5) })));
    expect(ownSessions(ahead).map(({ state }) => state)).toEqual(['BARGE']);
    const same = later(ahead, read(resource({ version: 5, state: 'BARGE', serverNow: at(6) })));
    expect(same.sessions).toBe(ahead.sessions);
  });

  test('a change is taken even if its version is lower: the workflow was reset', () => {
    const model = page(changed(resource({ version: 9, state: 'BARGE' })), changed(resource({ version: 4 })));
    expect(ownSessions(model).map(({ version, state }) => [version, state])).toEqual([[4, 'SILENT']]);
  });

  test('an answer of before a reset has the higher version, and is older all the same', () => {
    const old = resource({ version: 9, state: 'BARGE', serverNow: at(1) });
    const model = page(changed(old), changed(resource({ version: 4, serverNow: at(2) })), read(old));
    expect(ownSessions(model).map(({ version }) => version)).toEqual([4]);
  });

  test('an answer of another process, whose clock is ahead, is as old as its version says', () => {
    const told = resource({ version: 9, state: 'BARGE', serverNow: at(1) });
    const model = page(changed(told), read(resource({ version: 8, serverNow: at(5) })));
    expect(ownSessions(model)).toEqual([told]);
  });

  test('of two runs under one id the later is shown, of which nobody had to tell the end of the other', () => {
    const [one, two, three] = [1, 2, 3].map((n) => resource({ runId: `run-${n}`, startedAt: at(n), serverNow: at(n) }));
    const model = page(changed(two!), read({ ...one!, serverNow: at(9) }));
    expect(ownSessions(model)).toEqual([two]);
    const next = later(model, read(three!));
    expect(ownSessions(next)).toEqual([three]);
    // It listens, as the one before it did; that one had been told of, and this is another.
    expect(next.announcement.number).toBe(model.announcement.number + 1);
  });

  test('a session that was over and was reset runs again, and its second end is news', () => {
    const end = resource({ version: 9, state: 'TERMINATED', endReason: 'stopped', serverNow: at(1) });
    const model = page(changed(end), changed(resource({ version: 4, state: 'WHISPER', serverNow: at(20) })));
    expect(ownSessions(model).map(({ state }) => state)).toEqual(['WHISPER']);
    expect([faultsOf(model), model.ended]).toEqual([[], []]);
    expect(model.announcement.text).toContain('Whispering');
    const reread = later(model, read(resource({ version: 5, state: 'SILENT', serverNow: at(21) })));
    expect(ownSessions(reread).map(({ state }) => state)).toEqual(['SILENT']);
    const over = later(reread, changed({ ...end, serverNow: at(30) }));
    expect(ownSessions(over)).toEqual([]);
    expect([faultsOf(over), over.ended.length]).toEqual([[], 1]);
    expect(over.announcement.text).toContain('You have left the call');
  });

  test('runs that are over are remembered, though not for ever', () => {
    const ends = Array.from({ length: 600 }, (_, n) =>
      resource({ runId: `run-${n}`, state: 'TERMINATED', endReason: 'stopped', supervisorId: 'ben' }),
    );
    const model = page(...ends.map(changed));
    expect(model.endedRuns.size).toBe(500);
    expect(model.endedRuns.has('run-599')).toBe(true);
    expect(model.endedRuns.has('run-99')).toBe(false);
  });
});

describe('after a gap', () => {
  const anySnapshot = fc.subarray(PLACES.map((_, place) => place));

  test('own sessions that are no longer there are looked for until it is known what became of them, and nobody else’s', () => {
    fc.assert(
      fc.property(anySnapshot, fc.array(anySnapshot, { minLength: 1, maxLength: 4 }), (begun, snapshots) => {
        const server = new Server();
        const sessions = begun.flatMap((place) => server.happen(place, 'begin') ?? []);
        let model = page(shown(sessions));
        const sought = new Set<string>();
        for (const places of snapshots) {
          const listed = sessions.filter((_, index) => places.includes(begun[index]!));
          for (const { sessionId } of ownSessions(model)) sought.add(sessionId);
          for (const { sessionId } of listed) sought.delete(sessionId);
          model = later(model, shown(listed));
          expect(faultsOf(model).join()).toBe('');
          expect(new Set(model.vanished.map(({ sessionId }) => sessionId))).toEqual(sought);
          expect(shownIn(model)).toBe(contents(listed));
        }
        for (const [index, session] of model.vanished.entries()) {
          const { sessionId, version } = session;
          const answers = [
            read({ ...session, version: version + 1, state: 'TERMINATED', endReason: 'interaction-ended' }),
            { type: 'session-missing', sessionId } as const,
            read(session),
            // The connection comes to tell of it by itself.
            changed(session),
          ];
          model = later(model, answers[index % answers.length]!);
          expect(model.vanished.map(({ runId }) => runId)).not.toContain(session.runId);
          expect(faultsOf(model).join()).toBe('');
        }
        expect(model.vanished).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test('another run under the same id takes the place of the one that is looked for', () => {
    const before = resource({ runId: 'run-1', startedAt: at(0) });
    const model = page(changed(before), shown([resource({ runId: 'run-2', startedAt: at(9) })]));
    expect(model.vanished).toEqual([before]);
    expect(later(model, read(before)).vanished).toEqual([]);
    const over = later(model, read({ ...before, version: 8, state: 'TERMINATED', endReason: 'leg-lost' }));
    expect(over.vanished).toEqual([]);
    expect(over.ended.map(({ runId }) => runId)).toEqual(['run-1']);
    expect(ownSessions(over).map(({ runId }) => runId)).toEqual(['run-2']);
    // Who hears that they have left is to be believed.
    expect(over.announcement.text).not.toContain('You have left');
  });

  test('a version that a reset has come to again is looked into', () => {
    const model = page(changed(resource({ version: 5 })), shown([resource({ version: 5, state: 'BARGE' })]));
    expect(ownSessions(model).map(({ state }) => state)).toEqual(['BARGE']);
  });

  test('a list that lags brings nothing back that is over; one of much later has found it running', () => {
    const end = resource({ version: 9, state: 'TERMINATED', endReason: 'stopped', serverNow: at(60) });
    const model = page(changed(end));
    const running = resource({ version: 8 });
    expect(ownSessions(later(model, shown([{ ...running, serverNow: at(64) }])))).toEqual([]);
    const again = later(model, shown([{ ...running, serverNow: at(90) }]));
    expect([ownSessions(again).length, again.ended.length]).toEqual([1, 0]);
    expect(faultsOf(again).join()).toBe('');
  });

  test('what has become of our own sessions meanwhile is said, and on a first look nothing', () => {
    const [one, other] = [resource(), resource({ sessionId: 'session~j~anna', interactionId: 'j', runId: 'run-j' })];
    const first = page(shown([one, other]));
    expect(first.announcement.number).toBe(0);
    const waiting = { mode: 'barge', position: 2, expiresAt: at(30) } as const;
    const second = later(
      first,
      shown([
        { ...one, version: 2, state: 'BARGE' },
        { ...other, version: 2, waiting },
        resource({ sessionId: 'session~i~ben', supervisorId: 'ben', runId: 'run-b', state: 'WHISPER' }),
      ]),
    );
    expect(second.announcement).toEqual({
      number: 1,
      text: 'Barged in. Agent and customer hear you. You are 2nd in line to barge.',
    });
  });
});

describe('own sessions that are over', () => {
  test('are shown until they are put away, the newest five of them', () => {
    const ends = Array.from({ length: 7 }, (_, n) =>
      resource({
        sessionId: `session~${n}~anna`,
        interactionId: `${n}`,
        runId: `run-${n}`,
        state: 'TERMINATED',
        endReason: 'stopped',
      }),
    );
    const model = page(...ends.map(changed), ...ends.map(read));
    expect(model.ended.map(({ runId }) => runId)).toEqual(['run-2', 'run-3', 'run-4', 'run-5', 'run-6']);
    expect(model.announcement.number).toBe(7);
    const away = later(model, { type: 'put-away', runId: 'run-3' }, changed(ends[3]!));
    expect(away.ended.map(({ runId }) => runId)).toEqual(['run-2', 'run-4', 'run-5', 'run-6']);
  });

  test('somebody else’s end is nothing to us', () => {
    const model = page(changed(resource({ supervisorId: 'ben', state: 'TERMINATED', endReason: 'stopped' })));
    expect([model.ended, model.announcement.number]).toEqual([[], 0]);
  });
});

test('own sessions keep their order, even those that began at once', () => {
  const [one, other] = ['call-1', 'call-2'].map((interactionId) =>
    resource({ sessionId: `session~${interactionId}~anna`, interactionId, runId: interactionId }),
  );
  const theirs = resource({ sessionId: 'session~call-1~ben', supervisorId: 'ben', runId: 'b' });
  const ids = (model: Model): string[] => ownSessions(model).map(({ interactionId }) => interactionId);
  expect(ids(page(shown([one!, theirs, other!])))).toEqual(['call-1', 'call-2']);
  expect(ids(page(shown([other!, theirs, one!])))).toEqual(['call-1', 'call-2']);
});

describe('what is known goes with whoever knew it', () => {
  test('when somebody else signs in, and when they sign out', () => {
    const model = page(changed(resource()), { type: 'filtered', filter: { text: 'sales' } });
    const me = { id: 'ben', kind: 'person', roles: ['qa'], expiresAt: null, temporalUi: null } as const;
    const other = later(model, { type: 'signed-in', me: { ...me, roles: ['qa'] } });
    expect([other.sessions.size, other.sessionsByCall.size, other.calls.size]).toEqual([0, 0, 0]);
    const out = later(model, { type: 'signed-out', ways: ['key'], trouble: null });
    expect([out.sessions.size, out.filter.text, out.access.kind]).toEqual([0, '', 'signed-out']);
  });
});
