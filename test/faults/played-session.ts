import { randomUUID } from 'node:crypto';
import { WorkflowNotFoundError } from '@temporalio/client';
import type { CommandAction } from '../../domain/commands.js';
import type { SessionHandle } from '../support/session-world.js';

/**
 * What a session is to become, as far as the test has had a hand in it. `ending`: it will end by itself, and stop its
 * leg. `terminated`: Temporal has ended it, and nobody has told the platform.
 */
export type Fate = 'running' | 'ending' | 'terminated';

/** One session as the test knows it: what was asked of it, and whether it was accepted. */
export class PlayedSession {
  readonly supervisorId: string;
  readonly handle: SessionHandle;
  /** The first run of its chain. */
  readonly runId: string;
  /** Those that Temporal has accepted. */
  readonly commandIds: string[] = [];
  #fate: Fate = 'running';
  #resets = 0;

  private constructor(supervisorId: string, handle: SessionHandle, runId: string) {
    this.supervisorId = supervisorId;
    this.handle = handle;
    this.runId = runId;
  }

  /** One that has just been started. */
  static async of(supervisorId: string, handle: SessionHandle): Promise<PlayedSession> {
    return new PlayedSession(supervisorId, handle, chainIdIn(await handle.describe()));
  }

  get fate(): Fate {
    return this.#fate;
  }

  get resets(): number {
    return this.#resets;
  }

  get name(): string {
    return `${this.supervisorId} (${this.runId.slice(-4)})`;
  }

  /** Whether Temporal has accepted the command; not if the session is over. */
  async send(action: CommandAction, commandId: string): Promise<boolean> {
    const isAccepted = await unlessOver(() => this.handle.signal(action, { commandId }));
    if (!isAccepted) return false;
    this.commandIds.push(commandId);
    if (action === 'stop') this.#endsItself();
    return true;
  }

  async hint(): Promise<void> {
    await unlessOver(() => this.handle.signal('monitorStatus'));
  }

  async endInteraction(): Promise<void> {
    await unlessOver(() => this.handle.signal('interactionEnded'));
    this.#endsItself();
  }

  async cancel(): Promise<void> {
    await unlessOver(() => this.handle.cancel());
    this.#endsItself();
  }

  async terminate(): Promise<void> {
    if (await unlessOver(() => this.handle.terminate())) this.#fate = 'terminated';
  }

  /**
   * As an operator does it: the session is done again from the end of an earlier workflow task on; later than its start,
   * which would be another story.
   * @param back how many workflow tasks are undone besides the last
   */
  async reset(namespace: string, back: number): Promise<boolean> {
    // A closed one would come to life again.
    if (this.#fate !== 'running' || (await this.isOver())) return false;
    const { workflowId, client } = this.handle;
    const { runId } = await this.handle.describe();
    const { events } = await client.getHandle(workflowId, runId).fetchHistory();
    const confirming = events?.find(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'confirmLeg',
    );
    const confirmed = events?.findIndex((event) =>
      event.activityTaskCompletedEventAttributes?.scheduledEventId?.eq(confirming?.eventId ?? -1),
    );
    const isSuccessor = events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId;
    if (!isSuccessor && (confirming === undefined || confirmed === -1)) return false;
    const completed = (isSuccessor ? events : events?.slice(confirmed))
      ?.filter((event) => event.workflowTaskCompletedEventAttributes)
      .at(-1 - back)?.eventId;
    if (completed === undefined || completed === null) return false;
    const done = await unlessOver(async () => {
      await client.workflowService.resetWorkflowExecution({
        namespace,
        workflowExecution: { workflowId, runId },
        workflowTaskFinishEventId: completed,
        requestId: randomUUID(),
        reason: 'a scenario of the fault test',
      });
    });
    if (done) this.#resets += 1;
    return done;
  }

  /** Whether the session, in whatever run, has closed. */
  async isOver(): Promise<boolean> {
    const description = await this.handle.describe();
    return chainIdIn(description) !== this.runId || description.status.name !== 'RUNNING';
  }

  #endsItself(): void {
    if (this.#fate === 'running') this.#fate = 'ending';
  }
}

/** Whether it could be done; not if the workflow has closed meanwhile. */
async function unlessOver(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

type Description = Awaited<ReturnType<SessionHandle['describe']>>;

function chainIdIn({ raw, runId }: Description): string {
  return raw.workflowExecutionInfo?.firstRunId ?? runId;
}
