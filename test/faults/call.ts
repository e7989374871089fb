import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import type { MonitorMode } from '../../domain/session.js';
import { mutexWorkflowId } from '../../domain/identifiers.js';
import { ControlError } from '../../simulator/controls.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import { memoOf } from '../support/sessions.js';
import { until } from '../support/until.js';
import { PlayedSession } from './played-session.js';
import { SPEAKER } from './scenario.js';
import type { Command, Effect, Scenario, Step } from './scenario.js';

/** How long a supervisor tries to come back to a call whose last session is still ending, ms. */
const COMES_BACK_WITHIN_MS = 3_000;

/** One call on which a scenario is played, and what the test knows of it: the model. */
export class Call {
  readonly world: SessionWorld;
  readonly interactionId: string;
  /** All that were ever started, in their order. */
  readonly sessions: PlayedSession[] = [];
  readonly #faults: { id: string }[] = [];
  #outsideLegs: string[] = [];
  #isOver = false;
  #commands = 0;
  #mutexesTerminated = 0;

  constructor(world: SessionWorld) {
    this.world = world;
    this.interactionId = world.interaction();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get mutexesTerminated(): number {
    return this.#mutexesTerminated;
  }

  /** Sessions that nobody has ended. */
  get running(): PlayedSession[] {
    return this.sessions.filter(({ fate }) => fate === 'running');
  }

  async play({ supervisors, hasty, weather, steps }: Scenario): Promise<void> {
    for (const supervisorId of supervisors) await this.start(supervisorId);
    if (!hasty) await Promise.all(this.sessions.map(({ handle }) => listens(handle)));
    for (const { actions, effect, probability } of weather) this.#addFault(actions, effect, { probability });
    for (const step of steps) await this.#take(step);
  }

  /** Whether there is now a new session of that supervisor. */
  async start(supervisorId: string, mode?: MonitorMode): Promise<PlayedSession | undefined> {
    const input = { interactionId: this.interactionId, supervisorId, ...(mode === undefined ? {} : { mode }) };
    const handle = await this.world.start(input).catch((error: unknown) => {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return undefined;
      throw error;
    });
    if (handle === undefined) return undefined;
    const session = await PlayedSession.of(supervisorId, handle);
    this.sessions.push(session);
    return session;
  }

  nextCommandId(): string {
    this.#commands += 1;
    return `c${this.#commands}`;
  }

  /** No more faults, and no more legs of other programs. */
  calmDown(): void {
    const { controls } = this.world.simulator;
    for (const fault of this.#faults) controls.removeFault(fault);
    for (const monitorSessionId of this.#outsideLegs) controls.releaseOutsideLeg({ monitorSessionId });
    this.#outsideLegs = [];
  }

  async #take(step: Step): Promise<void> {
    const { controls } = this.world.simulator;
    switch (step.type) {
      case 'commands':
        await Promise.all(step.commands.map((command) => this.#command(command)));
        return;
      case 'start':
        return this.#comeBack(step.supervisor, step.mode);
      case 'stop':
        await (await this.#lastOf(step.supervisor))?.send('stop', this.nextCommandId());
        return;
      case 'cancel':
        return (await this.#lastOf(step.supervisor))?.cancel();
      case 'terminate':
        return (await this.#lastOf(step.supervisor))?.terminate();
      case 'hint':
        return (await this.#lastOf(step.supervisor))?.hint();
      case 'reset':
        await (await this.#lastOf(step.supervisor))?.reset(this.world.temporal.namespace, step.back);
        return;
      case 'terminate-mutex':
        return this.#terminateMutex();
      case 'outside-barge':
        return this.#outsideBarge(step.mode);
      case 'outside-release': {
        const monitorSessionId = this.#outsideLegs.pop();
        if (monitorSessionId !== undefined) controls.releaseOutsideLeg({ monitorSessionId, how: step.how });
        return;
      }
      case 'fault':
        return this.#addFault([step.action], step.effect, { times: step.times });
      case 'pause':
        await sleep(step.ms);
        return;
      case 'hang-up':
        controls.endInteraction({ interactionId: this.interactionId, announce: step.announce });
        this.#isOver = true;
        this.#outsideLegs = [];
        await Promise.all(this.running.slice(0, step.told).map((session) => session.endInteraction()));
    }
  }

  async #command({ supervisor, action }: Command): Promise<void> {
    await (await this.#lastOf(supervisor))?.send(action, this.nextCommandId());
  }

  async #comeBack(supervisor: string, mode: MonitorMode | undefined): Promise<void> {
    const last = await this.#lastOf(supervisor);
    if (last?.fate === 'running' && !this.#isOver) return;
    await until('the end of the last session', () => this.start(supervisor, mode), COMES_BACK_WITHIN_MS).catch(
      () => undefined,
    );
  }

  async #lastOf(supervisor: string): Promise<PlayedSession | undefined> {
    if (supervisor !== SPEAKER) return this.sessions.findLast((session) => session.supervisorId === supervisor);
    const speaking = this.world.simulator.ledger
      .legs({ interactionId: this.interactionId, live: true })
      .find(({ modes }) => modes.at(-1)?.mode !== 'silent');
    if (speaking === undefined) return undefined;
    // By their memos, not by a query: one that meets a local activity makes a history that cannot be replayed (SDK 1.24).
    for (const session of this.running) {
      const shown = await memoOf(session.handle).catch(() => undefined);
      if (shown?.monitorSessionId === speaking.monitorSessionId) return session;
    }
    return undefined;
  }

  async #terminateMutex(): Promise<void> {
    const mutex = this.world.temporal.client.workflow.getHandle(mutexWorkflowId(this.interactionId));
    try {
      await mutex.terminate();
      this.#mutexesTerminated += 1;
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }

  #outsideBarge(mode: 'barge' | 'whisper'): void {
    if (this.#isOver) return;
    try {
      const { monitorSessionId } = this.world.simulator.controls.outsideLeg({
        interactionId: this.interactionId,
        mode,
      });
      this.#outsideLegs.push(monitorSessionId);
    } catch (error) {
      // The platform lets nobody speak while another leg does.
      if (!(error instanceof ControlError)) throw error;
    }
  }

  #addFault(
    action: string[],
    effect: Effect,
    how: { readonly times: number } | { readonly probability: number },
  ): void {
    const match = { action, interactionId: this.interactionId };
    this.#faults.push(this.world.simulator.controls.addFault({ match, effect, ...how }));
  }
}

/** Until the session's leg is confirmed. */
export async function listens(session: SessionHandle): Promise<void> {
  await until(`${session.workflowId} listens`, async () => (await memoOf(session)).state !== 'PENDING');
}
