import type { InteractionResource } from '../../domain/interaction-resource.js';
import type { Call, Model } from './model.js';

/** How long the row of a call that is over stays where it is, ms. */
const ROW_STAYS_MS = 8_000;
/** The same while somebody points at the rows, or is among them with the keyboard. */
const HELD_ROW_STAYS_MS = 60_000;

/** Every call that sessions run on has its row, listed or not, which stays where it is when it comes to be listed. */
export function withPlaces(model: Model): Model {
  const unlisted = [...model.sessionsByCall.keys()].filter((id) => !model.calls.has(id));
  if (unlisted.length === 0) return model;
  const nothing = { agentId: null, queueName: null, customer: null, startedAt: null, isListed: false, goneAtMs: null };
  return { ...model, calls: new Map([...model.calls, ...unlisted.map((id) => [id, { id, ...nothing }] as const)]) };
}

/** New calls come last: no row moves because another one came. */
export function withCalls(model: Model, items: readonly InteractionResource[], nowMs: number): Model {
  const listed = new Map(items.map((item) => [item.id, item]));
  const calls = new Map<string, Call>();
  for (const [id, call] of model.calls) {
    const item = listed.get(id);
    // Not listed yet, and not over either: somebody is on it.
    const isNew = !call.isListed && model.sessionsByCall.has(id);
    if (item !== undefined) calls.set(id, sameCall(call, item));
    else calls.set(id, isNew ? call : gone(call, nowMs));
  }
  for (const item of items) if (!calls.has(item.id)) calls.set(item.id, callOf(item));
  return { ...model, calls, listing: { kind: 'ready' } };
}

function callOf({ id, agentId, queueName, customer, startedAt }: InteractionResource): Call {
  return { id, agentId, queueName, customer, startedAt, isListed: true, goneAtMs: null };
}

function gone(call: Call, nowMs: number): Call {
  return call.goneAtMs === null ? { ...call, goneAtMs: nowMs } : call;
}

/** The same object while nothing has changed, so that its row is not drawn again. */
function sameCall(call: Call, item: InteractionResource): Call {
  const now = callOf(item);
  const isSame =
    call.agentId === now.agentId &&
    call.queueName === now.queueName &&
    call.customer === now.customer &&
    call.startedAt === now.startedAt &&
    call.isListed &&
    call.goneAtMs === null;
  return isSame ? call : now;
}

/** The rows of calls that are over go in their time. @param isHeld as of `settle` */
export function settled(model: Model, nowMs: number, isHeld: boolean): Model {
  const untilMs = nowMs - (isHeld ? HELD_ROW_STAYS_MS : ROW_STAYS_MS);
  const isOver = ({ id, goneAtMs }: Call): boolean =>
    goneAtMs !== null && goneAtMs <= untilMs && !model.sessionsByCall.has(id);
  const calls = [...model.calls].filter(([, call]) => !isOver(call));
  if (calls.length === model.calls.size) return model;
  const left = new Map(calls);
  const commands = [...model.commands].filter(([id]) => left.has(id) || model.sessionsByCall.has(id));
  return { ...model, calls: left, commands: new Map(commands) };
}
