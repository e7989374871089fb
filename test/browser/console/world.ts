import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { sessionWorkflowId } from '../../../domain/identifiers.js';
import type { LegLife } from '../../../simulator/ledger.js';
import { API_KEY, startApi } from '../../api/api-world.js';
import type { RunningApi } from '../../api/api-world.js';
import { LocalHints } from '../../support/local-hints.js';
import { createSessionWorld } from '../../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../../support/session-world.js';
import { listener } from '../../support/sessions.js';
import { startTemporal } from '../../support/temporal.js';
import type { TestTemporal } from '../../support/temporal.js';
import { startChromium } from '../chromium.js';
import { Supervisor } from './supervisor.js';
import type { SeatOptions } from './supervisor.js';

/** As `npm run build` leaves it. */
const PAGE = { folder: join(import.meta.dirname, '../../../dist/console') };

/** As many calls as tests take, so that none waits until the page lists one more. */
const CALLS = 20;

/** Nobody's wait is over before a busy machine has shown it. */
const WAIT_SECONDS = 60;

/** Whose computer has a clock that is wrong: all that is tested with ben is tested with that. */
const SEATS: Readonly<Record<string, SeatOptions>> = { anna: {}, ben: { aheadMs: 3_600_000 } };

/** The product in one process, but for Temporal and Chromium: the built page from the API, sessions, the platform. */
export class ConsoleWorld implements AsyncDisposable {
  readonly page = PAGE;
  readonly #supervisors = new Map<string, Supervisor>();
  readonly #seats: Supervisor[] = [];
  #calls: string[] = [];
  #api: RunningApi;
  #isApiStopped = false;

  private constructor(
    readonly temporal: TestTemporal,
    readonly sessions: SessionWorld,
    readonly browser: Browser,
    readonly hints: LocalHints,
    api: RunningApi,
  ) {
    this.#api = api;
  }

  static async start(): Promise<ConsoleWorld> {
    if (!existsSync(join(PAGE.folder, 'index.html')))
      throw new Error('The page is not built: `npm run build` does that.');
    const hints = new LocalHints();
    const [temporal, browser] = await Promise.all([startTemporal(), startChromium()]);
    const sessions = await createSessionWorld(temporal, {
      bargeWaitSeconds: WAIT_SECONDS,
      announce: hints.announce,
      cleaning: { intervalMs: 60_000, followsEvents: true },
    });
    const api = await startPageApi(temporal, sessions, hints);
    return new ConsoleWorld(temporal, sessions, browser, hints, api);
  }

  get api(): RunningApi {
    return this.#api;
  }

  /** A call that nobody is on. */
  call(): string {
    if (this.#calls.length === 0) this.#calls = Array.from({ length: CALLS }, () => this.sessions.interaction());
    const [call = '', ...others] = this.#calls;
    this.#calls = others;
    return call;
  }

  /** The API ends, with all that it knows. */
  async stopApi(): Promise<void> {
    this.#isApiStopped = true;
    await this.#api.stop();
  }

  /** Another one, at the same address. */
  async startApi(): Promise<void> {
    const port = Number(new URL(this.#api.url).port);
    this.#api = await startPageApi(this.temporal, this.sessions, this.hints, port);
    this.#isApiStopped = false;
  }

  /** Somebody who is signed in, the same each time. */
  async supervisor(name: 'anna' | 'ben'): Promise<Supervisor> {
    const known = this.#supervisors.get(name);
    if (known !== undefined) return known;
    const supervisor = await this.seat(name, SEATS[name]);
    await supervisor.signIn(API_KEY);
    this.#supervisors.set(name, supervisor);
    return supervisor;
  }

  /** Closes the page of somebody who is signed in. */
  async leaves(name: 'anna' | 'ben'): Promise<void> {
    const supervisor = this.#supervisors.get(name);
    if (supervisor === undefined) return;
    await supervisor.checkTroubles();
    this.#supervisors.delete(name);
    this.#seats.splice(this.#seats.indexOf(supervisor), 1);
    await supervisor[Symbol.asyncDispose]();
  }

  /** A browser of somebody's own, with nothing in it. */
  async seat(name: string, options: SeatOptions & { readonly url?: string } = {}): Promise<Supervisor> {
    const { url = this.#api.url, ...rest } = options;
    const supervisor = await Supervisor.sit(this.browser, name, url, rest);
    this.#seats.push(supervisor);
    return supervisor;
  }

  /** After each test: nothing went wrong that need not, in any page; those that are seated for one test leave. */
  async tidy(): Promise<void> {
    // Where a test ended before it could.
    if (this.#isApiStopped) await this.startApi();
    const lasting = [...this.#supervisors.values()];
    for (const seat of this.#seats) await seat.context.setOffline(false);
    for (const seat of this.#seats) await seat.checkTroubles();
    for (const seat of this.#seats.splice(0)) {
      if (lasting.includes(seat)) this.#seats.push(seat);
      else await seat[Symbol.asyncDispose]();
    }
    expect(this.sessions.simulator.ledger.violations()).toEqual([]);
  }

  /** Somebody without a browser who listens to a call. */
  listener(interactionId: string, supervisorId: string): Promise<SessionHandle> {
    return listener(this.sessions, interactionId, supervisorId);
  }

  session(interactionId: string, supervisorId: string): SessionHandle {
    return this.temporal.client.workflow.getHandle(sessionWorkflowId(interactionId, supervisorId));
  }

  /** The only leg that was ever made for a call. */
  leg(interactionId: string): LegLife {
    const legs = this.sessions.simulator.ledger.legs({ interactionId });
    expect(legs).toHaveLength(1);
    const [leg] = legs;
    if (leg === undefined) throw new Error('unreachable');
    return leg;
  }

  /** What the platform was asked to do on a call, in order. What was tried again, for its answer took long, counts once. */
  commands(interactionId: string): string[] {
    const requests = this.sessions.simulator.ledger
      .requests({ interactionId })
      .filter(({ method }) => method === 'POST');
    const isAgain = (index: number): boolean => {
      const [before, one] = [requests[index - 1], requests[index]];
      return (
        one?.action !== 'start' && before?.action === one?.action && before?.monitorSessionId === one?.monitorSessionId
      );
    };
    return requests.flatMap(({ action }, index) => (isAgain(index) ? [] : [action]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
    await this.#api[Symbol.asyncDispose]();
    await this.sessions[Symbol.asyncDispose]();
    await this.temporal.teardown();
  }
}

function startPageApi(
  temporal: TestTemporal,
  { taskQueue }: SessionWorld,
  hints: LocalHints,
  port = 0,
): Promise<RunningApi> {
  return startApi(temporal.client, { taskQueue, hints, port, page: PAGE });
}
