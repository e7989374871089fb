import { expect, test } from '@jest/globals';
import { until } from '../../support/until.js';
import { figure, spread } from '../../support/figures.js';
import type { Supervisor } from './supervisor.js';
import type { ConsoleWorld } from './world.js';

/** Of what is measured. */
const ROUNDS = 7;

/** An answer to a question that has stood for less does not count, ms. */
const TOO_SOON_MS = 450;

export function testLife(world: () => ConsoleWorld): void {
  test('a session from its start to its end: all that is shown was confirmed by the platform, and the customer hears nobody who was not asked twice', async () => {
    const { sessions } = world();
    const anna = await world().supervisor('anna');
    const call = world().call();
    await anna.listen(call);
    await anna.seesInRow(call, 'anna', 'listening');

    // What takes the platform a while to confirm is shown as asked for until it has.
    sessions.simulator.controls.addFault({
      match: { action: 'whisper', interactionId: call },
      effect: { kind: 'delay', ms: 500, before: 'execution' },
    });
    await anna.press(call, 'whisper');
    await anna.is(call, 'Whispering');
    await anna.seesInRow(call, 'anna', 'whispering');

    // A click alone, and one that is taken back, are no barge.
    await anna.press(call, 'barge');
    await anna.question(call).getByRole('button', { name: 'Not now' }).click();
    await anna.question(call).waitFor({ state: 'detached' });
    // Nor is a key that is held: it asks, and answers nothing.
    await anna.button(call, 'barge').focus();
    const heldUntil = performance.now() + 700;
    await until('the key has been held for long', async () => {
      await anna.page.keyboard.down('Enter');
      return performance.now() > heldUntil;
    });
    await anna.page.keyboard.up('Enter');
    await anna.question(call).waitFor();
    await anna.page.keyboard.press('Escape');
    await anna.question(call).waitFor({ state: 'detached' });
    expect(world().commands(call)).toEqual(['start', 'whisper']);

    await anna.bargeIn(call);
    await anna.is(call, 'Barged in');
    await anna.press(call, 'silent');
    await anna.is(call, 'Listening');
    await anna.press(call, 'stop');
    await anna.sees(call, 'Ended: you left.');

    expect(world().commands(call)).toEqual(['start', 'whisper', 'barge', 'silent', 'stop']);
    const { modes, endedBy, activeAt } = world().leg(call);
    expect(modes.map(({ mode }) => mode)).toEqual(['silent', 'whisper', 'barge', 'silent']);
    expect(endedBy).toBe('stop');

    const seen = await anna.sightings(call);
    // What lasts for a moment only may be over before it is drawn.
    const states = seen.map(({ state }) => state).filter((state) => state !== 'Connecting' && state !== 'Leaving');
    const changes = states.filter((state, n) => state !== states[n - 1]);
    expect(changes).toEqual(['Listening', 'Whispering', 'Barged in', 'Listening', 'Ended:']);
    const asked = seen.findIndex((one) => one.asked === 'Whisper: asked for, not confirmed yet');
    expect(seen[asked]).toMatchObject({ state: 'Listening', mode: 'silent' });
    const firstMs = (state: string): number => seen.find((one) => one.state === state)?.atMs ?? NaN;
    const atMs = (mode: string): number => Date.parse(modes.find((one) => one.mode === mode)?.at ?? '');
    expect(firstMs('Listening')).toBeGreaterThanOrEqual(Date.parse(activeAt ?? ''));
    expect(firstMs('Whispering')).toBeGreaterThanOrEqual(atMs('whisper'));
    expect(firstMs('Barged in')).toBeGreaterThanOrEqual(atMs('barge'));
  });

  if (process.env['EARSHOT_FIGURES'] !== undefined) {
    test('how long it takes from a click until the page shows what the platform has confirmed', async () => {
      const anna = await world().supervisor('anna');
      const call = world().call();
      await anna.listen(call);
      const whispers: number[] = [];
      const barges: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        whispers.push(await clickToShown(anna, call, '[data-action="whisper"]', 'WHISPER'));
        await anna.press(call, 'barge');
        // As long as an answer would be too soon.
        await anna.page.waitForTimeout(TOO_SOON_MS);
        barges.push(await clickToShown(anna, call, '.danger', 'BARGE'));
        await anna.press(call, 'silent');
        await anna.is(call, 'Listening');
      }
      figure('page: whisper, click to confirmed on the screen', spread(whispers));
      figure('page: barge, click to confirmed on the screen', spread(barges));
      await anna.press(call, 'stop');
      await anna.sees(call, 'Ended: you left.');
    });
  }
}

/** Ms from a click until the frame that shows the state. */
function clickToShown(supervisor: Supervisor, call: string, selector: string, state: string): Promise<number> {
  return supervisor.card(call).evaluate(
    (card, { selector, state }) =>
      new Promise<number>((resolve) => {
        const startMs = performance.now();
        const observer = new MutationObserver(() => {
          if (card.dataset['state'] !== state) return;
          observer.disconnect();
          requestAnimationFrame(() => resolve(performance.now() - startMs));
        });
        observer.observe(card, { attributes: true });
        card.querySelector<HTMLElement>(selector)?.click();
      }),
    { selector, state },
  );
}
