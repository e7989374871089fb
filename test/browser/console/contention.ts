import { expect, test } from '@jest/globals';
import { sessionWorkflowId } from '../../../domain/identifiers.js';
import { memoOf } from '../../support/sessions.js';
import { until } from '../../support/until.js';
import type { Supervisor } from './supervisor.js';
import type { ConsoleWorld } from './world.js';

export function testContention(world: () => ConsoleWorld): void {
  test('two supervisors want to speak: the second waits in line, which both see, and the seconds left are those of the server though the clock of the computer is wrong', async () => {
    const { anna, ben, call } = await bothOn(world());
    await anna.bargeIn(call);
    await anna.is(call, 'Barged in');
    await ben.seesInRow(call, 'anna', 'barged in');
    await ben.sees(call, 'anna speaks now: you would wait in line.');

    await ben.press(call, 'whisper');
    await ben.sees(call, 'In line to whisper: you are next');
    await ben.is(call, 'Listening');
    await ben.seesInRow(call, 'ben', 'in line to whisper, next');
    await anna.sees(call, 'ben in line to whisper, next');
    await anna.seesInRow(call, 'ben', 'in line to whisper, next');
    const { waiting } = await memoOf(world().session(call, 'ben'));
    const expiresAtMs = Date.parse(waiting?.expiresAt ?? '');
    const first = await rightSeconds(ben, call, expiresAtMs);
    await until('the seconds fall', async () => (await rightSeconds(ben, call, expiresAtMs)) < first);
    // Ben's clock is an hour ahead: the call has lasted minutes at most all the same.
    expect(await ben.row(call).locator('.elapsed').innerText()).toMatch(/^\d:\d\d$/);

    await anna.press(call, 'silent');
    await ben.is(call, 'Whispering');
    await ben.sees(call, 'The agent hears you, the customer does not');
    await anna.sees(call, 'ben whispering');
    await anna.seesInRow(call, 'ben', 'whispering');
    await bothLeave(world(), call);
    // Neither before the other had given the channel back.
    expect(world().commands(call)).toEqual(
      expect.arrayContaining(['start', 'start', 'barge', 'silent', 'whisper', 'stop', 'stop']),
    );
  });

  test('who leaves the line goes on listening, which both see; who barges in from the line keeps the place', async () => {
    const { anna, ben, call } = await bothOn(world());
    await anna.press(call, 'whisper');
    await anna.is(call, 'Whispering');
    await ben.press(call, 'whisper');
    await ben.sees(call, 'In line to whisper: you are next');
    await ben.bargeIn(call);
    await ben.sees(call, 'In line to barge in: you are next');
    await anna.sees(call, 'ben in line to barge, next');

    await ben.card(call).getByRole('button', { name: 'Leave the line' }).click();
    await ben.button(call, 'silent').filter({ hasText: 'Listen' }).waitFor();
    expect(await ben.card(call).locator('.in-line').count()).toBe(0);
    await anna.sees(call, 'ben listening');
    await bothLeave(world(), call);
    const asked = world().commands(call);
    expect(asked).not.toContain('barge');
    expect(asked.filter((action) => action === 'whisper')).toHaveLength(1);
  });

  test('a wait that is over is told as over, on both pages', async () => {
    const { settings } = world().sessions;
    const usualSeconds = settings.bargeWaitSeconds;
    settings.bargeWaitSeconds = 2;
    const { anna, ben, call } = await bothOn(world()).finally(() => (settings.bargeWaitSeconds = usualSeconds));
    await anna.bargeIn(call);
    await anna.is(call, 'Barged in');
    await ben.bargeIn(call);
    await ben.sees(call, 'Barge in: your time in line was over before it was your turn. You can ask again.');
    await ben.is(call, 'Listening');
    await anna.sees(call, 'ben listening');
    const lines = (await ben.sightings(call)).map(({ line }) => line);
    expect(lines).toContain('In line to barge in: you are next');
    await bothLeave(world(), call);
    expect(
      world()
        .commands(call)
        .filter((action) => action === 'barge'),
    ).toHaveLength(1);
  });
}

interface Both {
  readonly anna: Supervisor;
  readonly ben: Supervisor;
  readonly call: string;
}

async function bothOn(world: ConsoleWorld): Promise<Both> {
  const anna = await world.supervisor('anna');
  const ben = await world.supervisor('ben');
  const call = world.call();
  await Promise.all([anna.listen(call), ben.listen(call)]);
  return { anna, ben, call };
}

async function bothLeave(world: ConsoleWorld, call: string): Promise<void> {
  const [anna, ben] = await Promise.all([world.supervisor('anna'), world.supervisor('ben')]);
  await Promise.all([anna.press(call, 'stop'), ben.press(call, 'stop')]);
  await Promise.all([anna.sees(call, 'Ended: you left.'), ben.sees(call, 'Ended: you left.')]);
  const legs = world.sessions.simulator.ledger.legs({ interactionId: call });
  expect(legs.map(({ endedBy }) => endedBy)).toEqual(['stop', 'stop']);
}

/** The seconds left that a page shows, once they are right by this machine's clock, give or take the one they tick in. */
function rightSeconds(supervisor: Supervisor, call: string, expiresAtMs: number): Promise<number> {
  return until(`${sessionWorkflowId(call, supervisor.name)} shows the right seconds`, async () => {
    const text = await supervisor.card(call).getByRole('timer').innerText();
    const shown = Number(/^(\d+) s left/.exec(text)?.[1]);
    const left = (expiresAtMs - Date.now()) / 1_000;
    return Math.abs(shown - left) < 1.5 && shown;
  });
}
