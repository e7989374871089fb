import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { until } from '../support/until.js';
import { HAS_CHROMIUM, startChromium } from './chromium.js';
import { json, ScriptedApi, sessionOf } from './scripted-api.js';

/** What the supervisors' page does when something goes wrong between it and the API, or under somebody's hands. */

let browser: Browser | undefined;
let context: BrowserContext;
let page: Page;
let api: ScriptedApi;

beforeAll(async () => {
  if (HAS_CHROMIUM) browser = await startChromium();
});

afterAll(async () => {
  await browser?.close();
});

beforeEach(async () => {
  if (browser === undefined) return;
  api = await ScriptedApi.start();
  context = await browser.newContext();
  page = await context.newPage();
});

afterEach(async () => {
  if (browser === undefined) return;
  await context.close();
  await api[Symbol.asyncDispose]();
});

const withChromium = HAS_CHROMIUM ? test : test.skip;
const NEEDED = '(needs chromium: apt-get install chromium, or its path in CHROMIUM_PATH)';

/** Opens the page, and waits until it is told of everything. */
async function opened(): Promise<void> {
  await page.goto(api.url);
  await page.waitForSelector('[data-link=live]');
  await page.waitForSelector('[data-call=c2]');
  expect(await page.textContent('#page')).not.toContain('If this stays');
}

function focused(): Promise<string> {
  return page.evaluate(() => document.activeElement?.getAttribute('name') ?? document.activeElement?.tagName ?? '');
}

withChromium(`a question that nobody answers leaves whoever types elsewhere alone ${NEEDED}`, async () => {
  await page.clock.install();
  await opened();
  await page.click('[data-action=barge]');
  await page.waitForSelector('.question');
  await page.focus('[name=search]');
  await page.clock.runFor(11_000);
  await page.waitForSelector('.question', { state: 'detached' });
  expect(await focused()).toBe('search');
});

withChromium(`a question that cannot be answered any more does not come back ${NEEDED}`, async () => {
  await opened();
  await page.click('[data-action=barge]');
  await page.waitForSelector('.question');
  api.answering = ({ what }, response) => {
    if (what !== 'POST /v1/events/tickets') return false;
    json(response, 503, { code: 'temporal.unreachable', detail: 'Later.' });
    return true;
  };
  api.cut();
  await page.waitForSelector('.question', { state: 'detached' });
  await page.focus('[name=search]');
  api.answering = () => false;
  await page.waitForSelector('[data-link=live]');
  await page.waitForSelector('[data-action=barge][aria-disabled=false]');
  expect(await page.$('.question')).toBeNull();
  expect(await focused()).toBe('search');
});

withChromium(`a socket that has told nothing yet is no connection ${NEEDED}`, async () => {
  await opened();
  api.tells = false;
  api.cut();
  await page.waitForSelector('[data-link=lost]');
  await until('another socket', () => api.listening === 1);
  await page.waitForSelector('[data-link=lost]');
  expect(await page.getAttribute('[data-action=barge]', 'aria-disabled')).toBe('true');
  api.tells = true;
  api.cut();
  await page.waitForSelector('[data-link=live]');
});

withChromium(`a computer that wakes up trusts no socket of before ${NEEDED}`, async () => {
  await page.clock.install();
  await opened();
  const before = api.times('POST /v1/events/tickets');
  // As in sleep: the clock goes on, timers do not.
  await page.clock.setSystemTime(Date.now() + 3_600_000);
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await page.clock.runFor(1_000);
  await until('another ticket', () => api.times('POST /v1/events/tickets') > before);
});

withChromium(`half an answer is none: leaving is asked for again, under the same key ${NEEDED}`, async () => {
  await opened();
  const keys = new Set<string>();
  api.answering = ({ what }, response) => {
    if (!what.endsWith('/commands')) return false;
    keys.add(String(response.req.headers['idempotency-key']));
    if (api.times(what) > 1) json(response, 202, { commandId: [...keys][0], action: 'stop', status: 'applied' });
    else {
      response.writeHead(202, { 'Content-Length': 100 }).write('{"commandId":');
      setTimeout(() => response.destroy(), 20);
    }
    return true;
  };
  await page.click('[data-action=stop]');
  await until('a second try', () => api.asked.filter(({ what }) => what.endsWith('/commands')).length === 2);
  expect(keys.size).toBe(1);
  await page.waitForSelector('[data-command]', { state: 'detached' });
});

withChromium(`whoever is at a row with the keyboard stays there when its call is over ${NEEDED}`, async () => {
  await page.clock.install();
  await opened();
  await page.hover('[data-call=c2]');
  await page.focus('[data-call=c2] button');
  await page.mouse.move(1, 1);
  api.calls = api.calls.slice(0, 1);
  await page.clock.runFor(3_000);
  await page.waitForSelector('[data-call=c2].gone');
  await page.clock.runFor(12_000);
  expect(await page.evaluate(() => document.activeElement?.closest('tr')?.dataset['call'])).toBe('c2');
  await page.clock.runFor(60_000);
  await page.waitForSelector('[data-call=c2]', { state: 'detached' });
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('calls');
});

withChromium(`a clock that is ahead ends no sign-in ${NEEDED}`, async () => {
  await page.clock.install({ time: Date.now() + 24 * 3_600_000 });
  await opened();
  await page.waitForSelector('[data-link=live]');
  await page.clock.runFor(30_000);
  expect(await page.$('.sign-in')).toBeNull();
  // The server says by itself what time it is.
  expect(api.times('GET /v1/sign-in')).toBe(1);
});

withChromium(`who signs in, in whichever tab, is who all tabs show and act for ${NEEDED}`, async () => {
  await opened();
  const other = await context.newPage();
  await other.goto(api.url);
  await other.waitForSelector('.top-bar');
  api.answering = ({ what }, response) => {
    if (what !== 'POST /v1/sign-out') return false;
    api.me = null;
    response.writeHead(204).end();
    return true;
  };
  await other.click('.top-bar button');
  await other.click('text=Only sign out');
  await page.waitForSelector('.sign-in');
  expect(await page.textContent('[role=alert]')).toContain('still on a call');
  await other.waitForSelector('.sign-in');
  api.me = { id: 'ben', kind: 'person', roles: ['supervisor'], expiresAt: null, temporalUi: null };
  await other.fill('[name=supervisor]', 'ben');
  await other.fill('[name=secret]', 'key');
  await other.keyboard.press('Enter');
  await page.waitForSelector('.who:has-text("ben")');
  await page.click('[data-call=c2] [data-action=listen]');
  await until('a start', () => api.times('POST /v1/sessions', '"supervisorId":"ben"') > 0);
});

withChromium(`what is refused late, of a sign-in before, does not end the next one ${NEEDED}`, async () => {
  await opened();
  const { me } = api;
  let refuse: (() => void) | undefined;
  api.answering = ({ what }, response) => {
    if (!what.endsWith('/history')) return false;
    refuse = () => json(response, 401, { code: 'authentication.required', detail: 'Sign in.' });
    return true;
  };
  await page.click('summary');
  await until('a question', () => refuse !== undefined);
  api.me = null;
  await page.waitForSelector('.sign-in');
  api.me = me;
  await page.fill('[name=supervisor]', 'ana');
  await page.fill('[name=secret]', 'key');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-link=live]');
  const answered = page.waitForResponse((response) => response.url().includes('/history'));
  refuse?.();
  await answered;
  const listed = api.times('GET /v1/interactions');
  await until('the page goes on', () => api.times('GET /v1/interactions') > listed);
  expect(await page.$('.sign-in')).toBeNull();
});

withChromium(`how a session ended while nobody listened is asked for until it is known ${NEEDED}`, async () => {
  await opened();
  const [session] = api.sessions;
  let asked = 0;
  api.answering = ({ what }, response) => {
    if (!what.startsWith('GET /v1/sessions/')) return false;
    asked += 1;
    if (asked === 1) json(response, 503, { code: 'temporal.unreachable', detail: 'Later.' });
    else json(response, 200, { ...session, state: 'TERMINATED', endReason: 'leg-lost' });
    return true;
  };
  api.sessions = [];
  api.cut();
  await page.waitForSelector('.ended:has-text("cut your connection")');
  expect(asked).toBe(2);
});

withChromium(`at 320 pixels, as at 400 %, nothing has to be scrolled sideways (WCAG 1.4.10) ${NEEDED}`, async () => {
  await page.setViewportSize({ width: 320, height: 640 });
  const [session] = api.sessions;
  const expiresAt = new Date(Date.now() + 30_000).toISOString();
  if (session !== undefined) api.sessions = [{ ...session, waiting: { mode: 'whisper', position: 2, expiresAt } }];
  await opened();
  await page.waitForSelector('.in-line');
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
});

withChromium(`what a newer API tells is passed over, and the page says that it is too old ${NEEDED}`, async () => {
  const unknown = { ...sessionOf('c2', 'bea'), state: 'SINGING' };
  api.sessions = [...api.sessions, unknown];
  await opened();
  await page.waitForSelector('.outdated');
  await page.waitForSelector('.card[data-state=SILENT]');
  expect(await page.$('[data-supervisor=bea]')).toBeNull();
});

withChromium(`leaving that nobody takes is tried on, and says that it is not sent ${NEEDED}`, async () => {
  await page.clock.install();
  await opened();
  api.answering = ({ what }, response) => {
    if (!what.startsWith('POST')) return false;
    response.destroy();
    return true;
  };
  api.cut();
  await page.waitForSelector('[data-link=lost]');
  expect(await page.title()).toContain('No connection');
  await page.click('[data-action=stop]');
  await page.getByText('Leave: not sent yet, there is no connection').waitFor();
  const keys = new Set<string>();
  const tries = (): number => api.asked.filter(({ what }) => what.endsWith('/commands')).length;
  // For much longer than anything else is.
  for (let minutes = 0; minutes < 3; minutes += 1) {
    const before = tries();
    await page.clock.runFor(60_000);
    await until('it is tried again', () => tries() > before);
  }
  api.answering = ({ what, key }, response) => {
    if (!what.endsWith('/commands')) return false;
    keys.add(key);
    json(response, 202, { commandId: key, action: 'stop', status: 'applied' });
    return true;
  };
  await page.clock.runFor(10_000);
  await until('it is taken', () => keys.size === 1);
  await page.waitForSelector('[data-command]', { state: 'detached' });
});

withChromium(
  `who signs out on a call may leave it first, and is gone only once that is accepted ${NEEDED}`,
  async () => {
    await opened();
    const asked: string[] = [];
    api.answering = ({ what }, response) => {
      if (what.endsWith('/commands')) {
        asked.push('leave');
        json(response, 202, { commandId: 'c', action: 'stop', status: 'accepted' });
      } else if (what === 'POST /v1/sign-out') {
        asked.push('sign out');
        api.me = null;
        response.writeHead(204).end();
      } else return false;
      return true;
    };
    await page.click('.top-bar button');
    await page.getByText('You are on a call').waitFor();
    await page.click('text=Stay');
    expect(asked).toEqual([]);
    await page.click('.top-bar button');
    await page.click('text=Leave and sign out');
    await page.waitForSelector('.sign-in');
    expect(asked).toEqual(['leave', 'sign out']);
  },
);
