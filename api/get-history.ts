import type { SessionEvent } from '../domain/audit-entry.js';
import type { SessionSnapshot } from '../domain/session.js';
import { sessionRunQuery } from './operations.js';
import { contextOf } from './request-context.js';
import { parseQuery, pathPart } from './request-input.js';
import type { Handler } from './routes.js';
import type { SessionReader } from './session-reader.js';
import { readReport } from './session-report.js';
import type { Temporal } from './temporal-client.js';

/** `GET /v1/sessions/{sessionId}/history`: two looks and a query. */
export function getHistory(temporal: Temporal, reader: SessionReader): Handler {
  return async (request, response) => {
    const { runId } = parseQuery(sessionRunQuery, request);
    const sessionId = pathPart(request, 'sessionId');
    contextOf(request).sessionId = sessionId;
    const { session, lastRunId } = await reader.read(sessionId, runId);
    const { history } = await readReport(temporal, reader, sessionId, { runId: lastRunId });
    response.json({ items: [...history, ...lastLineOf(session, history)] });
  };
}

/** What a session that was terminated in Temporal could not write down any more. */
function lastLineOf({ endedAt, endReason }: SessionSnapshot, history: readonly SessionEvent[]): SessionEvent[] {
  const isTold = history.some(({ type }) => type === 'session.ending' || type === 'session.ended');
  if (endedAt === null || endReason !== 'terminated' || isTold) return [];
  return [{ type: 'session.ending', at: endedAt, endReason }];
}
