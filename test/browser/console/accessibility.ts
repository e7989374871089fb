import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { expect, test } from '@jest/globals';
import type { AxeResults, RunOptions } from 'axe-core';
import type { Page } from 'playwright-core';
import { stopped } from '../../support/sessions.js';
import type { ConsoleWorld } from './world.js';

/** WCAG 2.2, A and AA. */
const RULES: RunOptions = {
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa'],
  resultTypes: ['violations'],
};

/** What depends on the colours alone. */
const COLOURS: RunOptions = { runOnly: { type: 'rule', values: ['color-contrast'] }, resultTypes: ['violations'] };

const DESK = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };

/** WCAG 2.5.8, and more for what is pressed in a hurry, CSS pixels. */
const SMALLEST_TARGET = 24;
const SMALLEST_ACTION = 40;

export function testAccessibility(world: () => ConsoleWorld): void {
  test('whatever is shown of calls, the page meets WCAG 2.2 AA, on a desk and on a phone, light and dark', async () => {
    const anna = await world().supervisor('anna');
    const found: string[] = [];
    const check = async (what: string): Promise<void> => void found.push(...(await faultsOf(anna.page, what)));
    const call = world().call();
    const cora = await world().listener(call, 'cora');
    await anna.listen(call);
    await anna.card(call).getByText('What has happened').click();
    await anna.sees(call, 'Connected');
    await check('listening');
    await anna.press(call, 'barge');
    await anna.question(call).waitFor();
    await check('question');
    await anna.page.keyboard.press('Escape');
    await cora.signal('whisper');
    await anna.sees(call, 'cora whispering');
    await anna.press(call, 'whisper');
    await anna.sees(call, 'In line to whisper: you are next');
    await check('waiting');
    await stopped(cora);
    await anna.is(call, 'Whispering');
    await anna.press(call, 'stop');
    await anna.sees(call, 'Ended: you left.');
    expect(found).toEqual([]);
  });
}

/** In each width and scheme; what the person was at stays as it is. */
export async function faultsOf(page: Page, what: string): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(await axe());
  const faults: string[] = [];
  for (const [viewport, colorScheme, rules] of [
    [DESK, 'dark', COLOURS],
    [PHONE, 'light', RULES],
    [DESK, 'light', RULES],
  ] as const) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    const where = `${what}, ${viewport.width} px, ${colorScheme}`;
    const { violations } = await page.evaluate((options) => window.axe.run(document, options), rules);
    faults.push(...violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${where}: ${id}: ${html}`)));
    if (rules === RULES) faults.push(...(await layoutFaults(page)).map((fault) => `${where}: ${fault}`));
  }
  return faults;
}

/** What is too small to hit, and what does not fit (WCAG 1.4.10). */
function layoutFaults(page: Page): Promise<string[]> {
  return page.evaluate(
    ([smallest, smallestAction]) => {
      const faults: string[] = [];
      const { scrollWidth, clientWidth } = document.documentElement;
      if (scrollWidth > clientWidth) faults.push(`${scrollWidth} px wide in ${clientWidth}`);
      for (const element of document.querySelectorAll('button, input, select, summary, a[href]')) {
        // A label is part of what is hit.
        const { width, height, right, bottom } = (element.closest('label') ?? element).getBoundingClientRect();
        // The skip link waits outside until it has focus.
        if (right <= 0 || bottom <= 0) continue;
        const least = element.matches('.action, .question button') ? smallestAction : smallest;
        if (width < least || height < least)
          faults.push(`${element.tagName} ${element.textContent}: ${width} × ${height} px`);
      }
      return faults;
    },
    [SMALLEST_TARGET, SMALLEST_ACTION] as const,
  );
}

declare global {
  interface Window {
    readonly axe: { readonly run: (context: Document, options: RunOptions) => Promise<AxeResults> };
  }
}

let source: Promise<string> | undefined;

function axe(): Promise<string> {
  return (source ??= readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
}
