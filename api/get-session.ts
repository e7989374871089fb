import type { SessionSnapshot } from '../domain/session.js';
import { isKnown } from './etag.js';
import { sessionRunQuery } from './operations.js';
import { contextOf } from './request-context.js';
import { parseQuery, pathPart } from './request-input.js';
import type { Handler } from './routes.js';
import type { SessionReader } from './session-reader.js';
import { toResource } from './session-view.js';

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
