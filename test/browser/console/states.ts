import { expect, test } from '@jest/globals';
import type { Page, Route } from 'playwright-core';
import { API_KEY, startApi } from '../../api/api-world.js';
import { IdentityProvider } from '../../api/identity-provider.js';
import { figure } from '../../support/figures.js';
import { faultsOf } from './accessibility.js';
import type { ConsoleWorld } from './world.js';

const FIVE_MINUTES_S = 300;

/** What Chromium says of answers that are problems. */
const REFUSED = /the server responded with a status of (?:401|403|503)/;

export function testStates(world: () => ConsoleWorld): void {
  test('before there is anything to see the page says what it waits for and what is wrong, and asks to sign in again when that is over', async () => {
    const { simulator } = world().sessions;
    const fred = await world().seat('fred');
    const { page } = fred;
    fred.allow(REFUSED, /net::ERR_FAILED .*\/v1\/sign-in/);
    const shipped = shippedTo(fred.page);

    // Nobody answers who is signed in; then somebody does.
    await page.route('**/v1/sign-in', (route) => route.abort(), { times: 1 });
    await fred.open();
    await page.getByRole('alert').filter({ hasText: 'Earshot does not answer. Trying again …' }).waitFor();
    await page.getByLabel('API key').waitFor();
    expect(await faultsOf(page, 'sign-in')).toEqual([]);

    const [held, holding] = heldBack();
    await page.route('**/v1/interactions*', holding);
    await page.getByLabel('Your supervisor name').fill('fred');
    await page.getByLabel('API key').fill('a wrong one');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('alert').filter({ hasText: 'That is not the API key of this deployment.' }).waitFor();
    await page.getByLabel('API key').fill(API_KEY);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByText('Loading the live calls …').waitFor();
    await held.release();
    await page.unroute('**/v1/interactions*');
    await page.getByText('There is no live call at the moment. New ones appear here by themselves.').waitFor();
    expect(await faultsOf(page, 'nobody calls')).toEqual([]);
    const call = world().call();
    await fred.lists(fred.row(call));

    // The platform is down; then it is not.
    const down = simulator.controls.addFault({
      match: { action: 'interactions' },
      effect: { kind: 'status', status: 503 },
      probability: 1,
    });
    await fred.lists(page.getByRole('alert').filter({ hasText: 'The list of calls cannot be read' }));
    expect(await fred.row(call).count()).toBe(1);
    simulator.controls.removeFault(down);
    await fred.lists(page.getByRole('alert'), 'detached');

    // Signed out in another window.
    await fred.context.clearCookies();
    await fred.lists(page.getByRole('alert').filter({ hasText: 'Your sign-in is over' }));
    expect(await page.locator('[data-call]').count()).toBe(0);

    const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
    figure('page: first contentful paint', `${Math.round(paint ?? NaN)} ms`);
    figure('page: bytes that are sent for it, packed', await shipped());
  });

  test('by token: who has no role is told so, who may listen only can do no more, and it is over when the token is, though the clock of the computer is wrong', async () => {
    await using provider = await IdentityProvider.start();
    const { taskQueue } = world().sessions;
    await using api = await startApi(world().temporal.client, {
      taskQueue,
      hints: world().hints,
      page: world().page,
      credentials: { tokens: provider.verifier() },
    });
    const gina = await world().seat('gina', { aheadMs: 3_600_000, url: api.url });
    const { page } = gina;
    gina.allow(REFUSED);
    await gina.open();
    await page.getByRole('button', { name: 'Sign in with a token' }).click();
    const signInBy = async (token: string): Promise<void> => {
      await page.getByLabel('Token of your identity provider').fill(token);
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    };
    await signInBy(await provider.token({ sub: 'gina', roles: [] }));
    await page.getByRole('alert').filter({ hasText: 'This takes one of the roles' }).waitFor();
    await signInBy(await provider.token({ sub: 'gina', roles: ['qa'], expiresInSeconds: FIVE_MINUTES_S }));
    await gina.link('Live');

    const call = world().call();
    await gina.listen(call);
    await gina.sees(call, 'Your role may listen only.');
    expect(await gina.row(call).locator('.elapsed').innerText()).toMatch(/^\d:\d\d$/);
    await gina.button(call, 'whisper').click({ force: true });
    await gina.button(call, 'barge').click({ force: true });
    expect(await gina.question(call).count()).toBe(0);
    await gina.press(call, 'stop');
    await gina.sees(call, 'Ended: you left.');
    expect(world().commands(call)).toEqual(['start', 'stop']);

    // As a browser does at the end of its Max-Age. Time alone is no proof: the server is asked.
    await page.context().clearCookies();
    await page.evaluate((ms) => (window.earshotClock.aheadMs += ms), FIVE_MINUTES_S * 1_000);
    await page.getByRole('alert').filter({ hasText: 'Your sign-in is over' }).waitFor();
  });
}

/** Bytes that were sent for the page itself, as they were packed; to be called once it is there. */
function shippedTo(page: Page): () => Promise<string> {
  const sizes = new Map<string, Promise<number>>();
  page.on('response', (response) => {
    const { pathname } = new URL(response.url());
    if (pathname !== '/' && !pathname.startsWith('/assets/')) return;
    const size = response.headerValue('content-length').then(Number);
    sizes.set(pathname === '/' ? 'html' : pathname.replace(/^.*\./, ''), size);
  });
  return async () => {
    const parts = await Promise.all([...sizes].map(async ([what, size]) => [what, await size] as const));
    const whole = parts.reduce((sum, [, size]) => sum + size, 0);
    return `${whole} (${parts.map(([what, size]) => `${what} ${size}`).join(', ')})`;
  };
}

/** Keeps requests back until they are released. */
function heldBack(): readonly [{ readonly release: () => Promise<void> }, (route: Route) => void] {
  const routes: Route[] = [];
  let isReleased = false;
  const release = async (): Promise<void> => {
    isReleased = true;
    await Promise.all(routes.splice(0).map((route) => route.continue()));
  };
  return [{ release }, (route) => void (isReleased ? route.continue() : routes.push(route))];
}
