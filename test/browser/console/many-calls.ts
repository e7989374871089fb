import { expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { figure } from '../../support/figures.js';
import { stopped } from '../../support/sessions.js';
import { until } from '../../support/until.js';
import type { Supervisor } from './supervisor.js';
import type { ConsoleWorld } from './world.js';

const CALLS = 500;

/** Calls that end and begin while somebody looks. */
const CHANGES = 5;

/** Sessions of others, which whisper and cease to, in turns. */
const OTHERS = 5;
const TURNS = 2;

/** How long the row of a call that is over stays, and more, ms. */
const ROW_STAYS_MS = 10_000;

/** A frame that takes longer is seen to stutter, ms. */
const LONG_FRAME_MS = 50;

export function testManyCalls(world: () => ConsoleWorld): void {
  test('500 calls: all are there and are found, rows keep their places while calls end and begin, and only what has changed is drawn again', async () => {
    const { controls } = world().sessions.simulator;
    const anna = await world().supervisor('anna');
    const { page } = anna;
    // Ben's page would draw them all as well.
    await world().leaves('ben');
    await page.mouse.move(5, 5);
    await until('rows of calls that are over have gone', async () => (await page.locator('tr.gone').count()) === 0);
    const before = await rowIds(page);
    const add = (agentId: string, queueName: string): string =>
      controls.addInteraction({ agentId, queueName }).interactionId;
    const added = Array.from({ length: CALLS - before.length - 1 }, (_, n) => add(`agent.number${n}`, 'Many'));
    const needle = add('nadia.needle', 'Few');
    await anna.lists(anna.row(needle));
    const all = await rowIds(page);
    expect(all).toHaveLength(CALLS);
    expect(new Set(all)).toEqual(new Set([...before, ...added, needle]));
    expect(all.slice(0, before.length)).toEqual(before);

    // What is searched for is found, and what is not is not shown.
    await page.getByLabel('Search').fill('needle few');
    await shows(page, [needle], `1 of ${CALLS} calls`);
    await page.getByLabel('Search').fill('');
    await page.getByLabel('Queue').selectOption('Few');
    await shows(page, [needle], `1 of ${CALLS} calls`);
    await page.getByLabel('Queue').selectOption('Many');
    await shows(page, added, `${added.length} of ${CALLS} calls`);
    await page.getByLabel('Queue').selectOption('');
    await shows(page, all, `${CALLS} calls`);

    // Others are on some, change and leave; calls end and begin; nothing that stays moves, nor what is pointed at.
    const watched = added.slice(0, OTHERS);
    const others = await Promise.all(watched.map((call) => world().listener(call, 'otto')));
    for (const call of watched) await anna.seesInRow(call, 'otto', 'listening');
    const pointed = added[OTHERS + CHANGES] ?? '';
    await anna.row(pointed).hover();
    const heldAt = await placeOf(anna, pointed);
    const ended = added.slice(OTHERS, OTHERS + CHANGES);
    await watch(page);
    for (const interactionId of ended) controls.endInteraction({ interactionId });
    const begun = Array.from({ length: CHANGES }, (_, n) => add(`agent.new${n}`, 'New'));
    for (let turn = 0; turn < TURNS; turn += 1) {
      const [action, words] =
        turn % 2 === 0 ? (['whisper', 'whispering'] as const) : (['silent', 'listening'] as const);
      for (const other of others) await other.signal(action);
      for (const call of watched) await anna.seesInRow(call, 'otto', words);
    }
    await anna.lists(anna.row(begun.at(-1) ?? ''));
    await page
      .locator('tr.gone')
      .nth(CHANGES - 1)
      .waitFor();
    await until('all durations have changed twice', async () => (await noted(page)).ticks > 2 * CALLS);
    const { drawn, frames } = await noted(page);
    expect(await rowIds(page)).toEqual([...all, ...begun]);
    expect(await placeOf(anna, pointed)).toEqual(heldAt);
    expect(new Set(drawn)).toEqual(new Set([...watched, ...ended, ...begun]));
    figure(
      `page: frames over ${LONG_FRAME_MS} ms with ${CALLS} calls that tick and ${OTHERS * TURNS} changes`,
      `${frames.filter((ms) => ms > LONG_FRAME_MS).length} of ${frames.length}, longest ${Math.round(Math.max(...frames))} ms`,
    );

    // Once nobody is among them, rows of calls that are over go, and the others close up in the order that they had.
    await page.mouse.move(5, 5);
    await page.evaluate((ms) => (window.earshotClock.aheadMs += ms), ROW_STAYS_MS);
    await until('what is over has gone', async () => (await rowIds(page)).length === CALLS);
    expect(await rowIds(page)).toEqual([...all.filter((id) => !ended.includes(id)), ...begun]);
    await page.evaluate((ms) => (window.earshotClock.aheadMs -= ms), ROW_STAYS_MS);
    await stopped(...others);
  });
}

/** Of the calls that are shown, in order. */
function rowIds(page: Page): Promise<string[]> {
  return page.locator('tr[data-call]').evaluateAll((rows) => rows.map(({ dataset }) => dataset['call'] ?? ''));
}

async function shows(page: Page, calls: readonly string[], count: string): Promise<void> {
  await page
    .locator('output')
    .filter({ hasText: new RegExp(`^${count}$`) })
    .waitFor();
  expect(await rowIds(page)).toEqual(calls);
}

async function placeOf(supervisor: Supervisor, call: string): Promise<object | null> {
  return supervisor.row(call).boundingBox();
}

interface Watch {
  /** Calls whose rows were drawn again, but for their durations. */
  readonly drawn: Set<string>;
  /** Durations that were. */
  ticks: number;
  /** How long each frame took, ms. */
  readonly frames: number[];
}

declare global {
  interface Window {
    earshotWatch: Watch;
  }
}

/** From now on all that is drawn anew is noted down. */
function watch(page: Page): Promise<void> {
  return page.evaluate(() => {
    const noted: Watch = { drawn: new Set(), ticks: 0, frames: [] };
    window.earshotWatch = noted;
    new MutationObserver((mutations) => {
      for (const { target, addedNodes } of mutations) {
        const element = target instanceof Element ? target : target.parentElement;
        if (element?.closest('.elapsed') !== null) noted.ticks += 1;
        else {
          const rows = [element, ...addedNodes].map((node) =>
            node instanceof Element ? node.closest<HTMLElement>('tr[data-call]') : null,
          );
          for (const row of rows) if (row !== null) noted.drawn.add(row.dataset['call'] ?? '');
        }
      }
    }).observe(document.querySelector('#calls') ?? document, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
    });
    let lastMs = performance.now();
    const frame = (nowMs: number): void => {
      noted.frames.push(nowMs - lastMs);
      lastMs = nowMs;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
}

function noted(page: Page): Promise<{ readonly drawn: string[]; readonly ticks: number; readonly frames: number[] }> {
  return page.evaluate(() => {
    const { drawn, ticks, frames } = window.earshotWatch;
    return { drawn: [...drawn], ticks, frames };
  });
}
