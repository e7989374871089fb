import type { WorkflowExecutionDescription } from '@temporalio/client';
import { WorkflowContinuedAsNewError, WorkflowNotFoundError } from '@temporalio/client';
import { isOpen } from '../directory/running-sessions.js';
import type { CommandResource } from '../domain/commands.js';
import { parseSessionWorkflowId } from '../domain/identifiers.js';
import type { SessionSnapshot } from '../domain/session.js';
import type { Creation } from '../domain/workflow-contract.js';
import { Problem } from './problem.js';
import { commandsOf, creationOf, sessionOf } from './session-view.js';
import type { Temporal } from './temporal-client.js';

/** A session, and the workflow run that carries it now. */
export interface ReadSession {
  readonly session: SessionSnapshot;
  /** Its latest commands that are in line or have their outcome. */
  readonly commands: readonly CommandResource[];
  /** The request that made it, if that had an `Idempotency-Key`. */
  readonly creation: Creation | undefined;
  /** The last run of the session's chain. */
  readonly lastRunId: string;
  readonly open: boolean;
}

const RUN_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Temporal refuses any other spelling as a bad request. */
export function isRunId(text: string): boolean {
  return RUN_ID.test(text);
}

/** Longest chain of runs that an older session is followed along; a day of commands makes one or two. */
const CHAIN_LIMIT = 20;

/** Reads sessions off Temporal's own records: no worker is needed. */
export class SessionReader {
  constructor(private readonly temporal: Temporal) {}

  /** The session of a workflow id that is, or was last; `undefined` if there never was one. One round trip. */
  async current(sessionId: string, limitMs?: number): Promise<ReadSession | undefined> {
    const execution = await this.#describe(sessionId, undefined, limitMs);
    return execution && asSession(execution);
  }

  /**
   * The session of a workflow id whose first run is `runId`; without it, the current one. One round trip for the current
   * session, two or more for an older one.
   * @throws {Problem} `session.not.found`
   */
  async read(sessionId: string, runId?: string, limitMs?: number): Promise<ReadSession> {
    const found = await this.find(sessionId, runId, limitMs);
    if (found === undefined) throw sessionNotFound(sessionId, runId);
    return found;
  }

  /** As {@link read}; `undefined` if there is none. */
  async find(sessionId: string, runId?: string, limitMs?: number): Promise<ReadSession | undefined> {
    // Every session's id can be taken apart; so a typing error costs Temporal nothing.
    if (parseSessionWorkflowId(sessionId) === undefined || (runId !== undefined && !isRunId(runId))) return undefined;
    const current = await this.#describe(sessionId, undefined, limitMs);
    if (current === undefined) return undefined;
    if (runId === undefined || firstRunOf(current) === runId) return asSession(current);

    let execution = await this.#describe(sessionId, runId);
    // A run in the middle of a chain is none that a caller was ever told of.
    if (execution === undefined || firstRunOf(execution) !== runId) return undefined;
    for (let hops = 0; execution?.status.name === 'CONTINUED_AS_NEW' && hops < CHAIN_LIMIT; hops += 1) {
      const next = await this.#successorOf(sessionId, execution.runId);
      execution = next === undefined ? undefined : await this.#describe(sessionId, next);
    }
    return execution && asSession(execution);
  }

  async #describe(
    sessionId: string,
    runId?: string,
    limitMs?: number,
  ): Promise<WorkflowExecutionDescription | undefined> {
    const { client } = this.temporal;
    try {
      return await this.temporal.call(
        () => client.workflow.getHandle(sessionId, runId).describe(),
        limitMs === undefined ? {} : { limitMs },
      );
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  }

  /** The run that a run continued as; `undefined` if that is lost. */
  async #successorOf(sessionId: string, runId: string): Promise<string | undefined> {
    const handle = this.temporal.client.workflow.getHandle(sessionId, runId, { followRuns: false });
    try {
      await this.temporal.call(() => handle.result());
    } catch (error) {
      if (error instanceof WorkflowContinuedAsNewError) return error.newExecutionRunId;
      throw error;
    }
    return undefined;
  }
}

export function sessionNotFound(sessionId: string, runId?: string): Problem {
  const which = runId === undefined ? '' : ` with the runId ${runId}`;
  return new Problem('session.not.found', `There is no session ${sessionId}${which}.`);
}

function firstRunOf({ raw, runId }: WorkflowExecutionDescription): string {
  const first = raw.workflowExecutionInfo?.firstRunId;
  return typeof first === 'string' && first !== '' ? first : runId;
}

function asSession(execution: WorkflowExecutionDescription): ReadSession | undefined {
  const session = sessionOf({ ...execution, firstRunId: firstRunOf(execution) });
  return (
    session && {
      session,
      commands: commandsOf(execution),
      creation: creationOf(execution),
      lastRunId: execution.runId,
      open: isOpen(execution),
    }
  );
}
