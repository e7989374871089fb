import type { z } from 'zod';
import { runningSessionsOf } from '../directory/list-filter.js';
import type { InteractionResource } from '../domain/interaction-resource.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import { InteractionSource } from './interaction-source.js';
import { sessionPage } from './session-page.js';
import { interactionListQuery } from './operations.js';
import type { ANSWERS } from './operations.js';
import { parseQuery } from './request-input.js';
import type { Handler } from './routes.js';
import { ShortCache } from './short-cache.js';
import type { Temporal } from './temporal-client.js';

/** How old a list may be, ms: any number of pages that poll it cost the platform one call a second. */
const CACHE_MS = 1_000;

/** Ids in one list filter, so that it stays of a size that every store takes. */
const IDS_PER_QUERY = 100;

/** Most sessions in one page of Temporal's lists. */
const SESSIONS_PER_PAGE = 1_000;

type InteractionList = z.infer<typeof ANSWERS.InteractionList>;
type InteractionSessions = InteractionResource['sessions'];

/** `GET /v1/interactions`: one activity and one list of Temporal's a second, however many ask. */
export function listInteractions(temporal: Temporal): Handler {
  const source = new InteractionSource(temporal);
  const cache = new ShortCache<InteractionList>(CACHE_MS);

  return async (request, response) => {
    const { status, limit, cursor } = parseQuery(interactionListQuery, request);
    const list = `interactions ${status}`;
    const from = cursor === undefined ? undefined : new TextDecoder().decode(decodeCursor(list, cursor));
    const load = async (): Promise<InteractionList> => {
      const page = await source.list({ status, pageSize: limit, ...(from === undefined ? {} : { cursor: from }) });
      const sessions = await runningSessions(
        temporal,
        page.entities.map(({ id }) => id),
      );
      return {
        items: page.entities.map((interaction) => ({ ...interaction, sessions: sessions.get(interaction.id) ?? [] })),
        nextCursor: page.nextCursor === null ? null : encodeCursor(list, new TextEncoder().encode(page.nextCursor)),
      };
    };
    response.json(await cache.get(JSON.stringify([status, limit, from ?? null]), load));
  };
}

/** The running sessions by interaction. Lags as lists do. */
async function runningSessions(
  temporal: Temporal,
  interactionIds: readonly string[],
): Promise<Map<string, InteractionSessions>> {
  const found = new Map<string, InteractionSessions>();
  for (let from = 0; from < interactionIds.length; from += IDS_PER_QUERY) {
    const query = runningSessionsOf(interactionIds.slice(from, from + IDS_PER_QUERY));
    let token: Uint8Array | undefined;
    do {
      const page = await sessionPage(temporal, query, SESSIONS_PER_PAGE, token);
      for (const { session } of page.sessions) {
        const { interactionId, sessionId, supervisorId, state } = session;
        const sessions = found.get(interactionId) ?? [];
        sessions.push({ sessionId, supervisorId, state });
        found.set(interactionId, sessions);
      }
      token = page.nextToken;
    } while (token !== undefined);
  }
  return found;
}
