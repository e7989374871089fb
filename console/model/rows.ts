import type { SessionResource } from '../../domain/session.js';
import { inOrderOfStart, ownId } from './model.js';
import type { Call, Model } from './model.js';
import { agentName } from './words.js';

/** A line of the table. */
export interface Row {
  readonly call: Call;
  readonly sessions: readonly SessionResource[];
}

const NOBODY: readonly SessionResource[] = [];

/** The calls to be shown, each in its place. */
export function rowsOf({ calls, sessionsByCall, filter }: Model): Row[] {
  return [...calls.values()]
    .map((call): Row => ({ call, sessions: sessionsByCall.get(call.id) ?? NOBODY }))
    .filter((row) => isShown(row, filter));
}

function isShown({ call, sessions }: Row, { text, queue, monitored }: Model['filter']): boolean {
  if (queue !== null && call.queueName !== queue) return false;
  if (monitored && sessions.length === 0) return false;
  const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const supervisors = sessions.map(({ supervisorId }) => supervisorId);
  const all = [agentName(call.agentId), call.agentId ?? '', call.queueName ?? '', call.id, ...supervisors]
    .join(' ')
    .toLowerCase();
  return words.every((word) => all.includes(word));
}

/** The queues that calls are in, by name. */
export function queuesOf({ calls }: Model): string[] {
  const names = [...calls.values()].flatMap(({ queueName }) => (queueName === null ? [] : [queueName]));
  return [...new Set(names)].toSorted((one, other) => one.localeCompare(other));
}

/** Our own sessions that run, oldest first. */
export function ownSessions(model: Model): SessionResource[] {
  const own = ownId(model);
  return inOrderOfStart([...model.sessions.values()].filter(({ supervisorId }) => supervisorId === own));
}
