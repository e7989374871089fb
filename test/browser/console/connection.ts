import { expect, test } from '@jest/globals';
import { stopped } from '../../support/sessions.js';
import type { Supervisor } from './supervisor.js';
import type { ConsoleWorld } from './world.js';

/** What Chromium says of each request that comes to nothing. */
const CUT_OFF = [/net::ERR_(?:INTERNET_DISCONNECTED|CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|FAILED)/];

export function testConnection(world: () => ConsoleWorld): void {
  test('cut off, the page says so and lets nothing be asked but to leave; it comes back by itself and tells what has happened meanwhile', async () => {
    const { sessions } = world();
    const anna = await world().supervisor('anna');
    const [call, other] = [world().call(), world().call()];
    await anna.listen(call);
    await anna.listen(other);
    anna.allow(...CUT_OFF);

    await anna.context.setOffline(true);
    await anna.link('No connection');
    await anna.sees(call, 'Not connected: what is shown may be old.');
    expect(await disabled(anna, call)).toEqual({ silent: true, whisper: true, barge: true, stop: false });
    // It says why, and does nothing.
    await anna.button(call, 'whisper').click({ force: true });
    const unlisted = anna.page.getByRole('alert').filter({ hasText: 'The list of calls cannot be read' });
    await anna.lists(unlisted);

    sessions.simulator.controls.endInteraction({ interactionId: call });
    const cora = await world().listener(other, 'cora');
    await cora.signal('whisper');
    await sessions.temporal.client.workflow.getHandle(world().session(call, 'anna').workflowId).result();
    expect(await anna.card(call).getAttribute('data-state')).toBe('SILENT');

    await anna.context.setOffline(false);
    await anna.link('Live');
    await anna.sees(call, 'Ended: the call is over.');
    await anna.sees(other, 'cora whispering');
    await anna.lists(anna.row(call).filter({ hasText: 'Over' }));
    await anna.lists(unlisted, 'detached');
    expect(await disabled(anna, other)).toEqual({ silent: true, whisper: false, barge: false, stop: false });
    expect(world().commands(call)).not.toContain('whisper');
    await stopped(cora, world().session(other, 'anna'));
    await anna.sees(other, 'Ended: you left.');
  });

  test('the API is started again: whoever was signed in still is, and sees all that has happened, as after a reload', async () => {
    const anna = await world().supervisor('anna');
    const [call, other, third] = [world().call(), world().call(), world().call()];
    for (const one of [call, other, third]) await anna.listen(one);
    const ben = await world().supervisor('ben');
    for (const seat of [anna, ben]) seat.allow(...CUT_OFF);

    await world().stopApi();
    await anna.link('No connection');
    // What is asked for when there is nobody to take it is taken later, once.
    await anna.press(third, 'stop');
    await anna.sees(third, 'Leave: not sent yet, there is no connection; it is tried again');
    const mine = world().session(call, 'anna');
    await mine.signal('whisper');
    const cora = await world().listener(call, 'cora');
    await stopped(world().session(other, 'anna'));
    await cora.signal('barge');

    await world().startApi();
    await anna.link('Live');
    await anna.is(call, 'Whispering');
    await anna.sees(call, 'cora in line to barge, next');
    await anna.sees(other, 'Ended: you left.');
    await anna.sees(third, 'Ended: you left.');
    await anna.press(call, 'silent');
    await anna.is(call, 'Listening');
    await anna.sees(call, 'cora barged in');
    expect(world().commands(third)).toEqual(['start', 'stop']);

    const shown = await shownOf(anna, call);
    await anna.page.reload();
    await anna.sees(call, 'cora barged in');
    expect(await shownOf(anna, call)).toEqual(shown);
    await stopped(cora, mine);
    await anna.sees(call, 'Ended: you left.');
    await ben.link('Live');
  });
}

/** Which of the controls cannot be used. */
function disabled(supervisor: Supervisor, call: string): Promise<Record<string, boolean>> {
  return supervisor
    .card(call)
    .locator('button.action')
    .evaluateAll((buttons) =>
      Object.fromEntries(
        buttons.map((button) => [button.dataset['action'] ?? '', button.getAttribute('aria-disabled') === 'true']),
      ),
    );
}

/** Of a call, without what time changes: its card, and its row. */
async function shownOf(supervisor: Supervisor, call: string): Promise<readonly string[]> {
  const state = supervisor.card(call).locator('.state, .action, .presence');
  const row = supervisor.row(call).locator('th, .presence');
  return [...(await state.allInnerTexts()), ...(await row.allInnerTexts())];
}
