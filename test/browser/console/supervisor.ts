import { expect } from '@jest/globals';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import type { CommandAction } from '../../../domain/commands.js';
import { sessionWorkflowId } from '../../../domain/identifiers.js';
import { until } from '../../support/until.js';
import { record } from './recorder.js';
import type { Sighting } from './recorder.js';

/** As long as `until` waits. */
const LIMIT_MS = 60_000;

/** As old a list of calls may be, ms. */
const LIST_AGE_MS = 1_000;

export interface SeatOptions extends BrowserContextOptions {
  /** How far the clock of this computer is ahead, ms. */
  readonly aheadMs?: number;
}

/** Somebody at a browser of their own, with Earshot's page in it. */
export class Supervisor implements AsyncDisposable {
  readonly #troubles: string[] = [];
  #allowed: RegExp[] = [];

  private constructor(
    readonly name: string,
    readonly url: string,
    readonly context: BrowserContext,
    readonly page: Page,
  ) {
    page.on('pageerror', (error) => this.#troubles.push(error.stack ?? error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning')
        this.#troubles.push(`${message.text()} ${message.location().url}`);
    });
  }

  static async sit(
    browser: Browser,
    name: string,
    url: string,
    { aheadMs = 0, ...options }: SeatOptions = {},
  ): Promise<Supervisor> {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 },
      // What turns would be drawn all the time.
      reducedMotion: 'reduce',
      ...options,
    });
    context.setDefaultTimeout(LIMIT_MS);
    await context.addInitScript(record, aheadMs);
    return new Supervisor(name, url, context, await context.newPage());
  }

  async open(): Promise<this> {
    await this.page.goto(this.url);
    return this;
  }

  /** Opens the page and signs in by key, as a person does. */
  async signIn(apiKey: string): Promise<this> {
    await this.open();
    await this.page.getByLabel('Your supervisor name').fill(this.name);
    await this.page.getByLabel('API key').fill(apiKey);
    await this.page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await this.link('Live');
    return this;
  }

  /** Waits until the page says that of its connection. */
  link(words: 'Live' | 'No connection'): Promise<void> {
    return this.#shows('.link', words);
  }

  /** Waits for something that comes, or goes, with the next list of calls: who comes back to the page has it at once. */
  async lists(awaited: Locator, state: 'visible' | 'detached' = 'visible'): Promise<void> {
    await until(`${String(awaited)} is ${state}`, async () => {
      await this.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
      await awaited.waitFor({ state, timeout: LIST_AGE_MS });
      return true;
    });
  }

  row(interactionId: string): Locator {
    return this.page.locator(`tr[data-call="${interactionId}"]`);
  }

  /** Of our own session on a call. */
  card(interactionId: string): Locator {
    return this.page.locator(this.#cardOf(interactionId));
  }

  #cardOf(interactionId: string): string {
    return `article[data-session="${sessionWorkflowId(interactionId, this.name)}"]`;
  }

  /** Waits in the page itself, which notices at once: Playwright looks twice a second. */
  async #shows(selector: string, words: string): Promise<void> {
    const seen = await this.page.evaluate(
      ({ selector, words, limitMs }) =>
        new Promise<string | null>((resolve) => {
          const look = (): void => {
            const texts = [...document.querySelectorAll(selector)].map((one) =>
              one.textContent.replaceAll(/\s+/g, ' '),
            );
            if (texts.some((text) => text.includes(words))) end(null);
            else latest = texts.join(' | ');
          };
          const end = (outcome: string | null): void => {
            observer.disconnect();
            clearTimeout(timer);
            resolve(outcome);
          };
          let latest = '';
          const observer = new MutationObserver(look);
          const timer = setTimeout(() => end(latest), limitMs);
          observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
          look();
        }),
      { selector, words, limitMs: LIMIT_MS },
    );
    if (seen !== null) throw new Error(`Expected ${selector} of ${this.name} to say "${words}", got "${seen}"`);
  }

  button(interactionId: string, action: CommandAction): Locator {
    return this.card(interactionId).locator(`button[data-action="${action}"]`);
  }

  question(interactionId: string): Locator {
    return this.card(interactionId).getByRole('alertdialog');
  }

  /** Asks to listen, and waits until the platform has confirmed. */
  async listen(interactionId: string): Promise<void> {
    await this.lists(this.row(interactionId));
    await this.row(interactionId)
      .getByRole('button', { name: /^Listen/ })
      .click();
    await this.is(interactionId, 'Listening');
  }

  async press(interactionId: string, action: CommandAction): Promise<void> {
    await this.button(interactionId, action).click();
  }

  /** Asks to barge in, and says yes when asked again. */
  async bargeIn(interactionId: string): Promise<void> {
    await this.press(interactionId, 'barge');
    await this.sayYes(interactionId);
  }

  /** Says yes as often as it takes: what comes too soon after the question does not count. */
  async sayYes(interactionId: string): Promise<void> {
    const question = this.question(interactionId);
    await question.waitFor();
    await until('the question is answered', () =>
      question.evaluateAll((questions) => {
        for (const one of questions) one.querySelector<HTMLElement>('.danger')?.click();
        return questions.length === 0;
      }),
    );
  }

  /** Waits until our card of a call has that heading. */
  is(interactionId: string, state: 'Listening' | 'Whispering' | 'Barged in'): Promise<void> {
    return this.#shows(`${this.#cardOf(interactionId)} .state strong`, state);
  }

  /** Waits until our card of a call says that. */
  sees(interactionId: string, words: string): Promise<void> {
    return this.#shows(this.#cardOf(interactionId), words);
  }

  /** Waits until the row of a call says that of somebody on it. */
  seesInRow(interactionId: string, supervisorId: string, words: string): Promise<void> {
    const name = supervisorId === this.name ? 'You' : supervisorId;
    return this.#shows(`tr[data-call="${interactionId}"] li`, `${name} ${words}`);
  }

  /** What our card of a call has shown, in order. */
  async sightings(interactionId: string): Promise<Sighting[]> {
    const sessionId = sessionWorkflowId(interactionId, this.name);
    const all = await this.page.evaluate(() => window.earshotSightings);
    return all.filter((one) => one.sessionId === sessionId);
  }

  /** What may go wrong in the page until {@link checkTroubles}. */
  allow(...troubles: readonly RegExp[]): void {
    this.#allowed.push(...troubles);
  }

  /** Nothing has gone wrong in the page but what may. */
  async checkTroubles(): Promise<void> {
    const troubles = this.#troubles.splice(0).filter((text) => !this.#allowed.some((one) => one.test(text)));
    this.#allowed = [];
    expect(troubles).toEqual([]);
    expect(await this.page.evaluate(() => window.earshotPolicy)).toEqual([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
  }
}
