import { decodeCursor, encodeCursor } from './cursor.js';
import { sessionListQuery } from './operations.js';
import { contextOf } from './request-context.js';
import { parseQuery } from './request-input.js';
import type { Handler } from './routes.js';
import { sessionPage } from './session-page.js';
import { toResource } from './session-view.js';
import type { Temporal } from './temporal-client.js';
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
