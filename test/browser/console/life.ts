import { expect, test } from '@jest/globals';
import { until } from '../../support/until.js';
import type { ConsoleWorld } from './world.js';

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
    await anna.is(call, 'On the call');
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
    expect(changes).toEqual(['Listening', 'Whispering', 'On the call', 'Listening', 'Ended:']);
    const asked = seen.findIndex((one) => one.asked === 'Whisper: asked for, not confirmed yet');
    expect(seen[asked]).toMatchObject({ state: 'Listening', mode: 'silent' });
    const firstMs = (state: string): number => seen.find((one) => one.state === state)?.atMs ?? NaN;
    const atMs = (mode: string): number => Date.parse(modes.find((one) => one.mode === mode)?.at ?? '');
    expect(firstMs('Listening')).toBeGreaterThanOrEqual(Date.parse(activeAt ?? ''));
    expect(firstMs('Whispering')).toBeGreaterThanOrEqual(atMs('whisper'));
    expect(firstMs('On the call')).toBeGreaterThanOrEqual(atMs('barge'));
  });
}
