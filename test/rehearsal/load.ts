import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { z } from 'zod';
import { commandResource, isFinal } from '../../domain/commands.js';
import type { CommandAction, CommandStatus } from '../../domain/commands.js';
import { sessionResource } from '../../domain/session.js';
import type { Simulator } from '../../simulator/simulator.js';
import { until } from '../support/until.js';
import { API_KEY } from './parts.js';
import type { Part } from './parts.js';

/** Calls at a time, and supervisors on each. */
const CALLS = 1;
const SUPERVISORS = ['anna', 'ben', 'cora'] as const;

/** Between two of a supervisor's actions, ms. */
const LEAST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 400;
/** Of those who stay on one call: whoever takes their sessions over replays all that they did. */
const LONG_PAUSE_MS = 5_000;

/** A command that was answered 2xx has to have its outcome by then, ms. */
const OUTCOME_WITHIN_MS = 240_000;
/** As long as an API holds an answer until there is an outcome, seconds: asking again and again costs everybody. */
const WAIT = { prefer: 'wait=10' } as const;

/** Supervisors on calls that come and go: they listen, barge in, whisper, wait for each other, and stop. */
export class Load {
  readonly #simulator: Simulator;
  #apis: readonly Part[] = [];
  #next = 0;
  #isOver = false;
  #longIsOver = false;
  #loops: Promise<void>[] = [];
  #long: Promise<void>[] = [];
  /** Everything that went wrong with what had been accepted. */
  readonly faults: string[] = [];
  readonly outcomes = new Map<CommandStatus, number>();
  readonly interactionIds: string[] = [];
  sessions = 0;
  accepted = 0;
  lists = 0;

  constructor(simulator: Simulator) {
    this.#simulator = simulator;
  }

  /** From now on requests go to these, in turns. */
  use(...apis: readonly Part[]): void {
    this.#apis = apis;
  }

  begin(): void {
    this.#loops = Array.from({ length: CALLS }, () => this.#calls());
    const long = this.#call();
    this.#long = ['lena', 'max'].map((name) => this.#supervise(long, name, () => this.#longIsOver, LONG_PAUSE_MS));
  }

  /** The two who have been on one call from the beginning come to their end. */
  async endLongCall(): Promise<void> {
    this.#longIsOver = true;
    await Promise.all(this.#long);
  }

  /** No more calls; waits until those that there are are over. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.endLongCall();
    await Promise.all(this.#loops);
  }

  #call(): string {
    const { interactionId } = this.#simulator.controls.addInteraction();
    this.interactionIds.push(interactionId);
    return interactionId;
  }

  async #calls(): Promise<void> {
    for (let n = 0; !this.#isOver; n += 1) {
      const interactionId = this.#call();
      let turns = 0;
      const isDone = (): boolean => (turns += 1) > 6;
      const supervisors = SUPERVISORS.map((name) => this.#supervise(interactionId, name, isDone));
      // Every other call ends while supervisors are on it; the others when the last has left.
      if (n % 2 === 0) {
        await sleep(randomInt(2_000, 5_000));
        this.#simulator.controls.endInteraction({ interactionId });
      }
      await Promise.all(supervisors);
      if (n % 2 === 1) this.#simulator.controls.endInteraction({ interactionId });
      await this.#list();
    }
  }

  async #supervise(
    interactionId: string,
    supervisorId: string,
    isDone: () => boolean,
    longestMs = LONGEST_PAUSE_MS,
  ): Promise<void> {
    const sessionId = `session~${interactionId}~${supervisorId}`;
    try {
      const key = randomUUID();
      await until(
        'a session',
        async () => {
          const answer = await this.#request('POST', '/v1/sessions', { interactionId, supervisorId }, key);
          return [200, 202].includes(answer.status);
        },
        OUTCOME_WITHIN_MS,
      );
      this.sessions += 1;
      await until(
        `${sessionId} listens or is over`,
        async () => (await this.#state(sessionId)) !== 'PENDING',
        OUTCOME_WITHIN_MS,
      );
      while (!isDone()) {
        if (!(await this.#command(sessionId, randomInt(3) === 0 ? 'whisper' : 'barge'))) break;
        await sleep(randomInt(LEAST_PAUSE_MS, longestMs));
        if (!(await this.#command(sessionId, 'silent'))) break;
        await sleep(randomInt(LEAST_PAUSE_MS, longestMs));
      }
      await this.#command(sessionId, 'stop');
      await until(
        `${sessionId} is over`,
        async () => (await this.#state(sessionId)) === 'TERMINATED',
        OUTCOME_WITHIN_MS,
      );
    } catch (error) {
      this.faults.push(`${sessionId}: ${inspect(error, { compact: true, depth: 3 })}`);
    }
  }

  /** Sends a command and waits for its outcome; false once the session is over. */
  async #command(sessionId: string, action: CommandAction): Promise<boolean> {
    const commandId = randomUUID();
    const path = `/v1/sessions/${encodeURIComponent(sessionId)}/commands`;
    const what = `${action} ${commandId} of ${sessionId}`;
    const sent = await until(
      `${what} is taken or refused`,
      async () => {
        const answer = await this.#request('POST', path, { action }, commandId);
        return [200, 202, 409].includes(answer.status) && answer;
      },
      OUTCOME_WITHIN_MS,
    );
    if (sent.status === 409) return false;
    this.accepted += 1;
    // Of a session that is over by then nothing is kept: its `stop` has the outcome in the answer alone.
    const first = commandResource.parse(sent.body).status;
    const outcome = isFinal(first) ? first : await this.#outcome(what, `${path}/${commandId}`);
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    return true;
  }

  #outcome(what: string, path: string): Promise<CommandStatus> {
    return until(
      `the outcome of ${what}`,
      async () => {
        const answer = await this.#request('GET', path);
        if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
        const { status } = commandResource.parse(answer.body);
        return isFinal(status) && status;
      },
      OUTCOME_WITHIN_MS,
    );
  }

  async #state(sessionId: string): Promise<string> {
    const answer = await this.#request('GET', `/v1/sessions/${encodeURIComponent(sessionId)}`);
    return sessionResource.parse(answer.body).state;
  }

  /** What only a worker can tell: it has to be there for APIs of both revisions. */
  async #list(): Promise<void> {
    await until(
      'a list of calls',
      async () => (await this.#request('GET', '/v1/interactions?limit=5')).status === 200,
      OUTCOME_WITHIN_MS,
    );
    this.lists += 1;
  }

  async #request(
    method: string,
    path: string,
    body?: unknown,
    key?: string,
  ): Promise<{ status: number; body: unknown }> {
    const api = this.#apis[(this.#next += 1) % this.#apis.length];
    const answer = await fetch(`${api?.url ?? ''}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${API_KEY}`,
        'content-type': 'application/json',
        ...(key === undefined ? {} : { 'idempotency-key': key, ...WAIT }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: z.unknown().parse(await answer.json()) };
  }
}
