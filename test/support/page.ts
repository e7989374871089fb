import { EMPTY_MODEL } from '../../console/model/model.js';
import type { Model, PageEvent } from '../../console/model/model.js';
import { reduce } from '../../console/model/reduce.js';
import type { InteractionResource } from '../../domain/interaction-resource.js';
import type { SessionResource } from '../../domain/session.js';
import type { Me } from '../../domain/sign-in.js';
import { snapshot } from './snapshot.js';

/** Who sits before the page. */
export const ANNA: Me = { id: 'anna', kind: 'person', roles: ['supervisor'], expiresAt: null, temporalUi: null };

/** ISO time, seconds after the tests' beginning. */
export function at(seconds: number): string {
  return new Date(Date.UTC(2026, 10, 1) + seconds * 1_000).toISOString();
}

/** A session that listens, as REST and the WebSocket show it, but for what is said otherwise. */
export function resource(over: Partial<SessionResource> = {}): SessionResource {
  return { ...snapshot(), serverNow: at(0), ...over };
}

/** A call of the list, but for what is said otherwise. */
export function listed(id: string, over: Partial<InteractionResource> = {}): InteractionResource {
  const nobody = { agentId: null, queueName: null, customer: null, startedAt: null, endedAt: null };
  return { id, status: 'connected', ...nobody, sessions: [], ...over };
}

/** A page that Anna signed in to, after what has happened to it. */
export function page(...events: readonly PageEvent[]): Model {
  return later(reduce(EMPTY_MODEL, { type: 'signed-in', me: ANNA }), ...events);
}

export function later(model: Model, ...events: readonly PageEvent[]): Model {
  return events.reduce(reduce, model);
}

export const changed = (session: SessionResource, nowMs = 0): PageEvent => ({ type: 'changed', session, nowMs });
export const read = (session: SessionResource): PageEvent => ({ type: 'session-read', session, nowMs: 0 });
export const shown = (sessions: readonly SessionResource[]): PageEvent => ({ type: 'snapshot', sessions, nowMs: 0 });
