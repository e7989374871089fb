import { executionInfoFromRaw } from '@temporalio/client/lib/helpers.js';
import type { SessionSnapshot } from '../domain/session.js';
import { badCursor } from './cursor.js';
import { sessionOf } from './session-view.js';
import type { Temporal } from './temporal-client.js';
import { GRPC, grpcFailure } from './temporal-problem.js';

/** A session, and the workflow run that carries it. */
export interface ListedSession {
  readonly session: SessionSnapshot;
  readonly run: string;
}

interface SessionPage {
  readonly sessions: readonly ListedSession[];
  readonly nextToken: Uint8Array | undefined;
}

/**
 * One page of a list filter's sessions, in Temporal's order: those that run, the newest first, then those that ended,
 * the last to end first. What never was a session is left out, so a page may be short.
 */
export async function sessionPage(
  temporal: Temporal,
  query: string,
  pageSize: number,
  token?: Uint8Array,
): Promise<SessionPage> {
  const { client, namespace } = temporal;
  try {
    const page = await temporal.call(() =>
      client.connection.workflowService.listWorkflowExecutions({
        namespace,
        query,
        pageSize,
        ...(token === undefined ? {} : { nextPageToken: token }),
      }),
    );
    const sessions = new Map<string, ListedSession>();
    for (const raw of page.executions) {
      const execution = await executionInfoFromRaw(raw, client.options.loadedDataConverter, undefined, namespace);
      const session = sessionOf(execution);
      if (session === undefined) continue;
      // A reset leaves the run that it replaces behind as terminated; those that run come first.
      const key = `${session.sessionId} ${session.runId}`;
      if (!sessions.has(key)) sessions.set(key, { session, run: execution.runId });
    }
    return {
      sessions: [...sessions.values()],
      nextToken: page.nextPageToken.length === 0 ? undefined : page.nextPageToken,
    };
  } catch (error) {
    const code = grpcFailure(error)?.code;
    if (token !== undefined && (code === GRPC.invalidArgument || code === GRPC.unknown)) throw badCursor();
    throw error;
  }
}
