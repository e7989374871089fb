import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { controlsOf } from '../../console/model/controls.js';
import type { Control } from '../../console/model/controls.js';
import type { Command, Link } from '../../console/model/model.js';
import { commandAction, commandStatus } from '../../domain/commands.js';
import type { CommandAction } from '../../domain/commands.js';
import { sessionState } from '../../domain/session.js';
import type { SessionResource } from '../../domain/session.js';
import type { Role } from '../../domain/sign-in.js';
import { at, resource } from '../support/page.js';

type Situation = Parameters<typeof controlsOf>[0];

const LINKS: readonly Link[] = [
  { kind: 'connecting' },
  { kind: 'live' },
  { kind: 'lost', sinceMs: 0, retryAtMs: 1_000 },
];
const ROLES: readonly (readonly Role[])[] = [[], ['qa'], ['supervisor'], ['admin'], ['qa', 'supervisor']];
const WAITING: readonly SessionResource['waiting'][] = [
  null,
  { mode: 'whisper', position: 1, expiresAt: at(30) },
  { mode: 'barge', position: 3, expiresAt: at(30) },
];
const OTHERS: readonly (readonly SessionResource[])[] = [
  [],
  [resource({ sessionId: 'session~i~ben', supervisorId: 'ben', state: 'BARGE' })],
];

function command(action: Command['action'], status: Command['status']): Command {
  return { commandId: 'c', action, status, reason: null, trouble: null };
}
const OPEN: readonly Command['status'][] = ['sending', 'accepted', 'queued'];
const COMMANDS: readonly (Command | undefined)[] = [
  undefined,
  ...(['sending', 'unsent', ...commandStatus.options] as const).flatMap((status) =>
    [...commandAction.options, 'start' as const].map((action) => command(action, status)),
  ),
];

/** Every session that can be, and many that cannot. */
const SESSIONS = sessionState.options.flatMap((state) =>
  WAITING.flatMap((waiting) =>
    [null, { reason: 'stopped', since: at(0) } as const].flatMap((ending) =>
      (['active', 'inactive'] as const).map((bargeStatus) => resource({ state, waiting, ending, bargeStatus })),
    ),
  ),
);

/** All combinations: some forty thousand. What is wrong is collected, for an assertion each would take minutes. */
function faultsIn(isFault: (controls: readonly Control[], situation: Situation) => boolean): Situation[] {
  const faults: Situation[] = [];
  for (const session of SESSIONS)
    for (const others of OTHERS)
      for (const roles of ROLES)
        for (const link of LINKS)
          for (const one of COMMANDS) {
            const situation = { session, sessions: [session, ...others], command: one, roles, link };
            if (isFault(controlsOf(situation), situation)) faults.push(situation);
          }
  return faults.slice(0, 3);
}

const named = (controls: readonly Control[], action: CommandAction): Control =>
  controls.find((control) => control.action === action)!;
const isLeaving = ({ session }: Situation): boolean => session.ending !== null || session.state === 'TERMINATED';

describe('in every situation', () => {
  test('each thing to do is there, in the same place, and says what it leads to or why it cannot be done', () => {
    const faults = faultsIn(
      (controls) =>
        controls.map(({ action }) => action).join() !== 'silent,whisper,barge,stop' ||
        controls.some(({ hint, label }) => hint.trim() === '' || label.trim() === '' || /undefined|null/.test(hint)),
    );
    expect(faults).toEqual([]);
  });

  test('leaving is possible, unless it is under way: whatever the role, the connection, or what else was asked for', () => {
    const faults = faultsIn((controls, situation) => {
      const isAsked =
        situation.command?.action === 'stop' && ['sending', 'accepted'].includes(situation.command.status);
      return named(controls, 'stop').isPossible === (isLeaving(situation) || isAsked);
    });
    expect(faults).toEqual([]);
  });

  test('who may listen only never speaks, and is told that it is for their role', () => {
    const faults = faultsIn((controls, { roles, link, ...situation }) => {
      if (roles.some((role) => role !== 'qa')) return false;
      const speaking = [named(controls, 'whisper'), named(controls, 'barge')];
      const isReason = link.kind !== 'live' || isLeaving({ roles, link, ...situation });
      return speaking.some(
        ({ isPossible, isAsked, hint }) => isPossible || (!isReason && !isAsked && !hint.includes('role')),
      );
    });
    expect(faults).toEqual([]);
  });

  test('nothing but leaving is possible on a call that is left, before it is confirmed, or while nobody tells of changes', () => {
    const faults = faultsIn((controls, situation) => {
      const isBarred = isLeaving(situation) || situation.session.state === 'PENDING' || situation.link.kind !== 'live';
      return isBarred && controls.some(({ action, isPossible }) => isPossible && action !== 'stop');
    });
    expect(faults).toEqual([]);
  });

  test('one mode at most is the current one, as the session says; none while in line', () => {
    const faults = faultsIn((controls, { session }) => {
      const current = controls.filter(({ isCurrent }) => isCurrent).map(({ action }) => action.toUpperCase());
      const expected = session.waiting === null && ['SILENT', 'WHISPER', 'BARGE'].includes(session.state);
      return current.join() !== (expected ? session.state : '');
    });
    expect(faults).toEqual([]);
  });

  test('what is current is not to be asked for again, nor what is asked for while it is on its way', () => {
    const faults = faultsIn((controls, { command: one }) =>
      controls.some(
        ({ isPossible, isCurrent, isAsked }) => isPossible && (isCurrent || (isAsked && one?.status !== 'queued')),
      ),
    );
    expect(faults).toEqual([]);
  });

  test('what shows as asked for is what was asked for last, has no outcome, and has not come about', () => {
    const faults = faultsIn((controls, { command: one }) =>
      controls.some(
        ({ action, isAsked, isCurrent }) =>
          isAsked !== (one?.action === action && OPEN.includes(one.status) && !isCurrent),
      ),
    );
    expect(faults).toEqual([]);
  });

  test('nothing that a person asks for makes a mode the current one', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...SESSIONS),
        fc.constantFrom(...COMMANDS),
        fc.constantFrom(...ROLES),
        fc.constantFrom(...LINKS),
        (session, one, roles, link) => {
          const current = (asked: Command | undefined): boolean[] =>
            controlsOf({ session, sessions: [session], command: asked, roles, link }).map((all) => all.isCurrent);
          expect(current(one)).toEqual(current(undefined));
        },
      ),
    );
  });
});

describe('a supervisor who listens', () => {
  const situation = (over: Partial<Situation> = {}, session = resource()): Situation => ({
    session,
    sessions: [session],
    command: undefined,
    roles: ['supervisor'],
    link: { kind: 'live' },
    ...over,
  });
  const hintOf = (action: CommandAction, one: Situation): string => named(controlsOf(one), action).hint;

  test('may whisper, barge in and leave', () => {
    const possible = controlsOf(situation()).filter(({ isPossible }) => isPossible);
    expect(possible.map(({ action }) => action)).toEqual(['whisper', 'barge', 'stop']);
    expect(hintOf('whisper', situation())).toBe('Only the agent hears you.');
    expect(hintOf('barge', situation())).toBe('Agent and customer hear you.');
  });

  test('is told who speaks and that they would wait, by what sessions show or else by what the platform says', () => {
    const ben = resource({ sessionId: 'session~i~ben', supervisorId: 'ben', state: 'WHISPER' });
    const wait = 'Agent and customer hear you. ben speaks now: you would wait in line.';
    const session = resource();
    expect(hintOf('barge', situation({ sessions: [session, ben] }))).toBe(wait);
    expect(hintOf('barge', situation({ sessions: [ben] }, resource({ bargeStatus: 'active' })))).toBe(wait);
    expect(hintOf('barge', situation({}, resource({ bargeStatus: 'active' })))).toContain('Somebody else speaks now');
    const speaking = resource({ state: 'WHISPER', bargeStatus: 'active' });
    expect(hintOf('barge', situation({}, speaking))).toBe('Agent and customer hear you.');
  });

  test('is told the place in line, may change what for, and may leave the line', () => {
    const inLine = situation({}, resource({ waiting: { mode: 'barge', position: 2, expiresAt: at(30) } }));
    expect(hintOf('barge', inLine)).toBe('You are in line: 2nd.');
    expect(hintOf('whisper', inLine)).toBe('Only the agent hears you. You keep your place in line.');
    expect(named(controlsOf(inLine), 'silent')).toMatchObject({ label: 'Leave the line', isPossible: true });
    expect(named(controlsOf(inLine), 'barge').isPossible).toBe(false);
  });

  test('reads that something is asked for until the session shows it, not until the command’s outcome comes', () => {
    const asked = { command: command('whisper', 'accepted') };
    expect(named(controlsOf(situation(asked)), 'whisper')).toMatchObject({
      isAsked: true,
      isPossible: false,
      hint: 'Asked for; waiting for the platform to confirm.',
    });
    expect(named(controlsOf(situation(asked, resource({ state: 'WHISPER' }))), 'whisper')).toMatchObject({
      isAsked: false,
      isCurrent: true,
      hint: 'This is where you are.',
    });
  });
});
