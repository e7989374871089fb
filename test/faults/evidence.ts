import type { WorkflowHandle } from '@temporalio/client';
import { mutexWorkflowId } from '../../domain/identifiers.js';
import { sessionReport } from '../../domain/session-report.js';
import type { SessionReport } from '../../domain/session-report.js';
import type { LegLife, RequestEntry, Violation } from '../../simulator/ledger.js';
import type { SessionWorld } from '../support/session-world.js';
import { chainsOf } from './chains.js';
import type { Chain } from './chains.js';
import type { PlayedSession } from './played-session.js';
import { turnsOf } from './turns.js';
import type { Turn } from './turns.js';

/** All that was written down of one interaction, by the platform and by Temporal. */
export interface Evidence {
  readonly legs: readonly LegLife[];
  readonly requests: readonly RequestEntry[];
  readonly violations: readonly Violation[];
  readonly mutexes: readonly Chain[];
  readonly sessions: readonly SessionEvidence[];
  readonly turns: readonly Turn[];
}

export interface SessionEvidence {
  readonly played: PlayedSession;
  readonly chain: Chain;
  /** What the session said of itself at its end; of one that was terminated before it, unless it never got to say anything. */
  readonly report: SessionReport | undefined;
  /** In the order of their acceptance. */
  readonly turns: readonly Turn[];
}

/** Once every session of the interaction has closed. */
export async function evidenceOf(
  world: SessionWorld,
  interactionId: string,
  played: readonly PlayedSession[],
): Promise<Evidence> {
  const { client } = world.temporal;
  const { ledger } = world.simulator;
  const ids = [...new Set(played.map(({ handle }) => handle.workflowId))];
  const [mutexes, ...chains] = await Promise.all(
    [mutexWorkflowId(interactionId), ...ids].map((workflowId) => chainsOf(client, workflowId)),
  );
  const all = chains.flat();
  const turns = turnsOf(mutexes ?? [], all);
  const legs = ledger.legs({ interactionId });
  const sessions = await Promise.all(
    played.map(async (one): Promise<SessionEvidence> => {
      const chain = all.find(({ firstRunId }) => firstRunId === one.runId);
      if (chain === undefined) throw new Error(`no history of ${one.name}`);
      const { workflowId, lastRunId, result } = chain;
      const told = result ?? (await lastWords(client.workflow.getHandle(workflowId, lastRunId)));
      const itsTurns = turns.filter(({ runId }) => runId === one.runId);
      return { played: one, chain, report: sessionReport.optional().parse(told), turns: itsTurns };
    }),
  );
  return {
    legs,
    requests: ledger.requests({ interactionId }),
    violations: ledger
      .violations()
      .filter(({ detail }) => legs.some(({ monitorSessionId }) => detail.includes(monitorSessionId))),
    mutexes: mutexes ?? [],
    sessions,
    turns,
  };
}

/** What a closed session would still answer. */
async function lastWords(session: WorkflowHandle): Promise<unknown> {
  try {
    return await session.query('state');
  } catch (error) {
    // Terminated before a worker came to it.
    const { message = '' } = error instanceof Error && error.cause instanceof Error ? error.cause : {};
    if (message.includes('closed before WorkflowTaskStarted')) return undefined;
    throw error;
  }
}
