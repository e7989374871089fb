import type { SessionResource } from '../../domain/session.js';
import { ownId } from './model.js';
import type { Call, Model } from './model.js';
import { agentName } from './words.js';

/** A line of the table. */
export interface Row {
  readonly call: Call;
  readonly sessions: readonly SessionResource[];
}

const NOBODY: readonly SessionResource[] = [];

/** The calls to be shown, each in its place; those that sessions run on though they are not listed come last. */
export function rowsOf(model: Model): Row[] {
  const { calls, sessionsByCall, filter } = model;
  const rows = [...calls.values()].map((call): Row => ({ call, sessions: sessionsByCall.get(call.id) ?? NOBODY }));
  const unlisted = [...sessionsByCall]
    .filter(([id]) => !calls.has(id))
    .map(([id, sessions]): Row => ({ call: unlistedCall(id), sessions }));
  return [...rows, ...unlisted].filter((row) => isShown(row, filter));
}

const unlistedCalls = new Map<string, Call>();

/** The same object each time, so that its row is not drawn again. */
function unlistedCall(id: string): Call {
  const known = unlistedCalls.get(id);
  if (known !== undefined) return known;
  const call: Call = { id, agentId: null, queueName: null, customer: null, startedAt: null, goneAtMs: null };
  unlistedCalls.set(id, call);
  return call;
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
  return [...model.sessions.values()]
    .filter(({ supervisorId }) => supervisorId === own)
    .toSorted((one, other) => (one.startedAt < other.startedAt ? -1 : 1));
}
