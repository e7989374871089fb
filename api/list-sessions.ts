import { executionInfoFromRaw } from '@temporalio/client/lib/helpers.js';
import { z } from 'zod';
import { externalId } from '../domain/identifiers.js';
import { sessionState } from '../domain/session.js';
import type { SessionSnapshot } from '../domain/session.js';
import { badCursor, decodeCursor, encodeCursor } from './cursor.js';
import { contextOf } from './request-context.js';
import { pageLimit, parseQuery, pathPart } from './request-input.js';
import type { Handler } from './routes.js';
import type { SessionReader } from './session-reader.js';
import { sessionOf, toResource } from './session-view.js';
import type { Temporal } from './temporal-client.js';
import { GRPC, grpcFailure } from './temporal-problem.js';
import { sessionQuery } from './visibility-query.js';

const listQuery = z.strictObject({
  interactionId: externalId.optional(),
  supervisorId: externalId.optional(),
  state: sessionState.optional(),
  limit: pageLimit,
  cursor: z.string().min(1).max(1_024).optional(),
});

/** `GET /v1/sessions`: one round trip, which lags up to 2 s behind. */
export function listSessions(temporal: Temporal): Handler {
  return async (request, response) => {
    const { limit, cursor, ...filter } = parseQuery(listQuery, request);
    if (filter.interactionId !== undefined) contextOf(request).interactionId = filter.interactionId;
    const query = sessionQuery(filter);
    const token = cursor === undefined ? undefined : decodeCursor(query, cursor);
    const { sessions, nextToken } = await sessionPage(temporal, query, limit, token);
    response.json({
      items: sessions.map(toResource),
      nextCursor: nextToken === undefined ? null : encodeCursor(query, nextToken),
    });
  };
}

/** `GET /v1/sessions/{sessionId}`: one round trip; more only for a session that another has superseded. */
export function getSession(reader: SessionReader): Handler {
  const getQuery = z.strictObject({ runId: z.string().min(1).max(64).optional() });
  return async (request, response) => {
    const { runId } = parseQuery(getQuery, request);
    const sessionId = pathPart(request, 'sessionId');
    const context = contextOf(request);
    context.sessionId = sessionId;
    const { session } = await reader.read(sessionId, runId);
    context.interactionId = session.interactionId;
    response.json(toResource(session));
  };
}

interface SessionPage {
  readonly sessions: readonly SessionSnapshot[];
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
    const sessions = new Map<string, SessionSnapshot>();
    for (const raw of page.executions) {
      const execution = await executionInfoFromRaw(raw, client.options.loadedDataConverter, undefined, namespace);
      const session = sessionOf(execution);
      if (session === undefined) continue;
      // A reset leaves the run that it replaces behind as terminated; those that run come first.
      const key = `${session.sessionId} ${session.runId}`;
      if (!sessions.has(key)) sessions.set(key, session);
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
