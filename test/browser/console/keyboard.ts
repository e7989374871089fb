import { expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { API_KEY } from '../../api/api-world.js';
import { until } from '../../support/until.js';
import type { Supervisor } from './supervisor.js';
import type { ConsoleWorld } from './world.js';

/** More than there are places for focus on a page with as many calls as here. */
const MOST_STEPS = 100;

export function testKeyboard(world: () => ConsoleWorld): void {
  test('all of it goes by keyboard alone, from the sign-in to leaving, and focus is never lost', async () => {
    const emil = await world().seat('emil');
    const { page } = emil;
    const { keyboard } = page;
    await emil.open();
    await page.getByLabel('API key').waitFor();
    await tabTo(page, 'Tab', 'input[name="supervisor"]');
    await keyboard.type('emil');
    await keyboard.press('Tab');
    await keyboard.type(API_KEY);
    await keyboard.press('Enter');
    await emil.link('Live');

    // Past everything, to the calls.
    const call = world().call();
    await emil.lists(emil.row(call));
    await tabTo(page, 'Shift+Tab', '.skip');
    await keyboard.press('Enter');
    await focusIn(page, '#calls');
    await tabTo(page, 'Tab', `[data-call="${call}"] button`);
    await keyboard.press('Enter');
    await emil.is(call, 'Listening');
    // The same button leads to what can be done now.
    await focusIn(page, `[data-call="${call}"] button`);
    await keyboard.press('Enter');
    await focusIn(page, '[id^="title-"]');

    await tabTo(page, 'Tab', '[data-action="whisper"]');
    await keyboard.press('Space');
    await emil.is(call, 'Whispering');
    await focusIn(page, '[data-action="whisper"]');
    await keyboard.press('Tab');
    await focusIn(page, '[data-action="barge"]');
    await keyboard.press('Enter');
    await focusIn(page, '[role="alertdialog"] button');
    await keyboard.press('Escape');
    await focusIn(page, '[data-action="barge"]');
    await keyboard.press('Enter');
    await answered(emil, call);
    await emil.is(call, 'Barged in');
    await focusIn(page, '[data-action="barge"]');
    await keyboard.press('Tab');
    await focusIn(page, '[data-action="stop"]');
    await keyboard.press('Enter');
    await emil.sees(call, 'Ended: you left.');
    await focusIn(page, '#my-calls-title');
    await tabTo(page, 'Tab', 'article[data-state="TERMINATED"] button');
    await keyboard.press('Enter');
    await emil.card(call).waitFor({ state: 'detached' });
    await focusIn(page, '#my-calls-title');

    await tabTo(page, 'Shift+Tab', '.top-bar button');
    await keyboard.press('Enter');
    await page.getByLabel('API key').waitFor();
    await focusIn(page, 'main');
    expect(world().commands(call)).toEqual(['start', 'whisper', 'barge', 'stop']);
    expect(await page.evaluate(() => window.earshotFocusLost)).toEqual([]);
  });
}

/** Goes on until focus is on something. */
async function tabTo(page: Page, key: 'Tab' | 'Shift+Tab', selector: string): Promise<void> {
  for (let step = 0; step < MOST_STEPS; step += 1) {
    await page.keyboard.press(key);
    if (await isFocusIn(page, selector)) {
      expect(await isFocusSeen(page)).toBe(true);
      return;
    }
  }
  throw new Error(`${key} does not lead to ${selector}`);
}

async function focusIn(page: Page, selector: string): Promise<void> {
  await until(`focus is in ${selector}`, () => isFocusIn(page, selector));
}

function isFocusIn(page: Page, selector: string): Promise<boolean> {
  return page.evaluate((wanted) => document.activeElement?.matches(wanted) === true, selector);
}

/** Whether what has focus shows that, and nothing covers it (WCAG 2.4.7, 2.4.11). */
function isFocusSeen(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const element = document.activeElement;
    if (element === null) return false;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    const { left, top, width, height } = element.getBoundingClientRect();
    const seen = document.elementFromPoint(left + width / 2, top + height / 2);
    return (
      outlineStyle !== 'none' && outlineWidth !== '0px' && (element.contains(seen) || seen?.contains(element) === true)
    );
  });
}

/** Presses the key anew until it is not too soon any more. */
async function answered(supervisor: Supervisor, call: string): Promise<void> {
  const question = supervisor.question(call);
  await question.waitFor();
  await until('the question is answered', async () => {
    if ((await question.count()) === 0) return true;
    await supervisor.page.keyboard.press('Enter');
    return (await question.count()) === 0;
  });
}
