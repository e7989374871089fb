import { executionInfoFromRaw } from '@temporalio/client/lib/helpers.js';
import type { SessionSnapshot } from '../domain/session.js';
import { badCursor, decodeCursor, encodeCursor } from './cursor.js';
import { sessionListQuery, sessionRunQuery } from './operations.js';
import { contextOf } from './request-context.js';
import { parseQuery, pathPart } from './request-input.js';
import type { Handler } from './routes.js';
import type { SessionReader } from './session-reader.js';
import { sessionOf, toResource } from './session-view.js';
import type { Temporal } from './temporal-client.js';
import { GRPC, grpcFailure } from './temporal-problem.js';
import { sessionQuery } from './visibility-query.js';

/** `GET /v1/sessions`: one round trip, which lags up to 2 s behind. */
export function listSessions(temporal: Temporal): Handler {
  return async (request, response) => {
    const { limit, cursor, ...filter } = parseQuery(sessionListQuery, request);
    if (filter.interactionId !== undefined) contextOf(request).interactionId = filter.interactionId;
    const query = sessionQuery(filter);
    const token = cursor === undefined ? undefined : decodeCursor(query, cursor);
    const { sessions, nextToken } = await sessionPage(temporal, query, limit, token);
    response.json({
      items: sessions.map(({ session }) => toResource(session)),
      nextCursor: nextToken === undefined ? null : encodeCursor(query, nextToken),
    });
  };
}

/** `GET /v1/sessions/{sessionId}`: one round trip; more only for a session that another has superseded. */
export function getSession(reader: SessionReader): Handler {
  return async (request, response) => {
    const { runId } = parseQuery(sessionRunQuery, request);
    const sessionId = pathPart(request, 'sessionId');
    const context = contextOf(request);
    context.sessionId = sessionId;
    const { session, lastRunId } = await reader.read(sessionId, runId);
    context.interactionId = session.interactionId;
    const etag = etagOf(session, lastRunId);
    response.set('ETag', etag);
    if (isKnown(etag, request.get('if-none-match'))) response.status(304).end();
    else response.json(toResource(session));
  };
}

/**
 * Weak: `serverNow` differs each time. By the run that carries the session now: one that is reset in Temporal counts its versions
 * from there again, in another run.
 */
function etagOf({ version }: SessionSnapshot, lastRunId: string): string {
  return `W/"${lastRunId}.${version}"`;
}

/**
 * Whether `If-None-Match` names the tag (RFC 9110, 13.1.2). Not Express's own: with that a `fetch` is never answered 304,
 * because it adds `Cache-Control: no-cache`, which is meant for caches.
 */
function isKnown(etag: string, ifNoneMatch = ''): boolean {
  const weak = ifNoneMatch.split(',').map((known) => known.trim().replace(/^W\//, ''));
  return weak.includes('*') || weak.includes(etag.replace(/^W\//, ''));
}

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
