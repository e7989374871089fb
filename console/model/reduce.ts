import type { CommandResource } from '../../domain/commands.js';
import type { InteractionResource } from '../../domain/interaction-resource.js';
import type { MediaSample } from '../../domain/notifications.js';
import type { SessionResource } from '../../domain/session.js';
import { announcementOf } from './announcements.js';
import { observeClock } from './clock.js';
import { EMPTY_MODEL, ownId } from './model.js';
import type { Call, Command, Model, PageEvent } from './model.js';

/** How long the row of a call that is over stays where it is, ms. */
const ROW_STAYS_MS = 8_000;
/** The same while somebody points at the rows, or is among them with the keyboard. */
const HELD_ROW_STAYS_MS = 60_000;

/** Runs that are remembered as over. */
const ENDED_RUNS = 500;

/** Own sessions that are over and still shown. */
const ENDED_SHOWN = 5;

/** Samples of a session: five minutes, one every 5 s. */
const SAMPLES_KEPT = 60;

/** What the page knows after something has happened. Pure: the same events give the same page. */
export function reduce(model: Model, event: PageEvent): Model {
  switch (event.type) {
    case 'signed-in':
      return { ...EMPTY_MODEL, filter: model.filter, access: { kind: 'signed-in', me: event.me } };
    case 'signed-out': {
      const { ways, trouble } = event;
      return { ...EMPTY_MODEL, access: { kind: 'signed-out', ways, trouble, isBusy: false } };
    }
    case 'signing-in': {
      const { access } = model;
      return access.kind === 'signed-out' ? { ...model, access: { ...access, trouble: null, isBusy: true } } : model;
    }
    case 'unreachable':
      return model.access.kind === 'unknown'
        ? { ...model, access: { kind: 'unknown', trouble: event.trouble } }
        : model;
    case 'link-live':
      return { ...model, link: { kind: 'live' } };
    case 'link-lost': {
      const sinceMs = model.link.kind === 'lost' ? model.link.sinceMs : event.nowMs;
      return { ...model, link: { kind: 'lost', sinceMs, retryAtMs: event.retryAtMs } };
    }
    case 'snapshot':
      return withSnapshot(model, event.sessions, event.nowMs);
    case 'changed':
      return withSession(timed(model, event.session.serverNow, event.nowMs), event.session);
    case 'heard':
      return timed(model, event.at, event.nowMs);
    case 'session-read':
      return withRead(timed(model, event.session.serverNow, event.nowMs), event.session);
    case 'session-missing':
      return { ...model, vanished: model.vanished.filter(({ sessionId }) => sessionId !== event.sessionId) };
    case 'sampled':
      return withSamples(model, event.samples);
    case 'calls-listed':
      return withCalls(model, event.items, event.nowMs);
    case 'calls-failed':
      return { ...model, listing: { kind: 'failed', trouble: event.trouble } };
    case 'settle':
      return settled(model, event.nowMs - (event.isHeld ? HELD_ROW_STAYS_MS : ROW_STAYS_MS));
    case 'asked': {
      const command: Command = { ...event.command, status: 'sending', reason: null, trouble: null };
      return { ...model, commands: set(model.commands, event.interactionId, command) };
    }
    case 'answered':
      return withAnswer(model, event.interactionId, event.command);
    case 'unsent': {
      const { interactionId, commandId, trouble } = event;
      return withCommand(model, interactionId, commandId, { status: 'unsent', trouble });
    }
    case 'trail-read':
      return { ...model, trails: set(model.trails, event.sessionId, event.trail) };
    case 'trail-closed':
      return { ...model, trails: without(model.trails, event.sessionId) };
    case 'put-away':
      return { ...model, ended: model.ended.filter(({ runId }) => runId !== event.runId) };
    case 'filtered':
      return { ...model, filter: { ...model.filter, ...event.filter } };
  }
}

function timed(model: Model, at: string, nowMs: number): Model {
  return { ...model, clock: observeClock(model.clock, Date.parse(at), nowMs) };
}

/** All that runs; own sessions that are no longer among it have ended while nobody listened. */
function withSnapshot(model: Model, sessions: readonly SessionResource[], nowMs: number): Model {
  const own = ownId(model);
  const running = new Map(sessions.map((session) => [session.sessionId, session]));
  const vanished = [...model.sessions.values(), ...model.vanished].filter(
    ({ sessionId, supervisorId, runId }) => supervisorId === own && running.get(sessionId)?.runId !== runId,
  );
  const [first] = sessions;
  const known = first === undefined ? model : timed(model, first.serverNow, nowMs);
  const shown = new Map([...running].map(([sessionId, session]) => [sessionId, unchanged(model, session)]));
  return { ...known, sessions: shown, sessionsByCall: byCall(shown.values(), model.sessionsByCall), vanished };
}

/** What has not changed stays the same object, so that its row is not drawn again. */
function byCall(
  sessions: Iterable<SessionResource>,
  before: Model['sessionsByCall'],
): Map<string, readonly SessionResource[]> {
  const found = new Map<string, SessionResource[]>();
  for (const session of sessions) {
    const list = found.get(session.interactionId);
    if (list === undefined) found.set(session.interactionId, [session]);
    else list.push(session);
  }
  const lists = new Map<string, readonly SessionResource[]>();
  for (const [interactionId, list] of found) {
    const inOrder = inOrderOfStart(list);
    const known = before.get(interactionId) ?? [];
    const isSame = known.length === inOrder.length && known.every((session, index) => session === inOrder[index]);
    lists.set(interactionId, isSame ? known : inOrder);
  }
  return lists;
}

function inOrderOfStart(sessions: readonly SessionResource[]): SessionResource[] {
  return sessions.toSorted(
    (one, other) => compare(one.startedAt, other.startedAt) || compare(one.sessionId, other.sessionId),
  );
}

function unchanged(model: Model, session: SessionResource): SessionResource {
  const known = model.sessions.get(session.sessionId);
  return known?.runId === session.runId && known.version === session.version ? known : session;
}

/** What the connection tells is in order, and as it is now. */
function withSession(model: Model, session: SessionResource): Model {
  const before = model.sessions.get(session.sessionId);
  const told = announced(model, before, session);
  if (session.state !== 'TERMINATED') return placed(told, session);
  return ended(told, session);
}

/** What an answer shows may be older than what the connection has told meanwhile. */
function withRead(model: Model, session: SessionResource): Model {
  const { sessionId, runId, version, state } = session;
  const vanished = model.vanished.filter((one) => one.runId !== runId);
  const known = model.sessions.get(sessionId);
  if (model.endedRuns.includes(runId)) return { ...model, vanished };
  if (known !== undefined && known.runId === runId && known.version >= version && state !== 'TERMINATED')
    return { ...model, vanished };
  // One of before this one: its end is news, itself it is none.
  if (known !== undefined && known.runId !== runId && state !== 'TERMINATED' && known.startedAt >= session.startedAt)
    return { ...model, vanished };
  return withSession({ ...model, vanished }, session);
}

function placed(model: Model, session: SessionResource): Model {
  const { sessionId, interactionId } = session;
  const others = (model.sessionsByCall.get(interactionId) ?? []).filter((one) => one.sessionId !== sessionId);
  return {
    ...model,
    sessions: set(model.sessions, sessionId, session),
    sessionsByCall: set(model.sessionsByCall, interactionId, inOrderOfStart([...others, session])),
  };
}

function ended(model: Model, session: SessionResource): Model {
  const { sessionId, interactionId, runId, supervisorId } = session;
  const endedRuns = [...model.endedRuns.filter((one) => one !== runId), runId].slice(-ENDED_RUNS);
  const isNews = supervisorId === ownId(model) && !model.endedRuns.includes(runId);
  const shown = isNews ? [...model.ended, session].slice(-ENDED_SHOWN) : model.ended;
  const known = model.sessions.get(sessionId);
  // Another one runs under this id by now.
  if (known !== undefined && known.runId !== runId) return { ...model, endedRuns, ended: shown };
  const left = (model.sessionsByCall.get(interactionId) ?? []).filter((one) => one.sessionId !== sessionId);
  return {
    ...model,
    endedRuns,
    ended: shown,
    sessions: without(model.sessions, sessionId),
    sessionsByCall:
      left.length === 0 ? without(model.sessionsByCall, interactionId) : set(model.sessionsByCall, interactionId, left),
    samples: without(model.samples, sessionId),
  };
}

function announced(model: Model, before: SessionResource | undefined, session: SessionResource): Model {
  if (session.supervisorId !== ownId(model) || model.endedRuns.includes(session.runId)) return model;
  const text = announcementOf(before?.runId === session.runId ? before : undefined, session);
  if (text === undefined) return model;
  return { ...model, announcement: { number: model.announcement.number + 1, text } };
}

function withSamples(model: Model, samples: readonly MediaSample[]): Model {
  let all = model.samples;
  for (const sample of samples) {
    if (model.sessions.get(sample.sessionId)?.supervisorId !== ownId(model)) continue;
    const before = all.get(sample.sessionId) ?? [];
    if (before.some(({ sampledAt }) => sampledAt === sample.sampledAt)) continue;
    const kept = [...before, sample].toSorted((one, other) => Date.parse(one.sampledAt) - Date.parse(other.sampledAt));
    all = set(all, sample.sessionId, kept.slice(-SAMPLES_KEPT));
  }
  return all === model.samples ? model : { ...model, samples: all };
}

/** New calls come last: no row moves because another one came. */
function withCalls(model: Model, items: readonly InteractionResource[], nowMs: number): Model {
  const listed = new Map(items.map((item) => [item.id, item]));
  const calls = new Map<string, Call>();
  for (const [id, call] of model.calls) {
    const item = listed.get(id);
    calls.set(id, item === undefined ? gone(call, nowMs) : sameCall(call, item));
  }
  for (const item of items) if (!calls.has(item.id)) calls.set(item.id, callOf(item));
  return { ...model, calls, listing: { kind: 'ready' } };
}

function callOf({ id, agentId, queueName, customer, startedAt }: InteractionResource): Call {
  return { id, agentId, queueName, customer, startedAt, goneAtMs: null };
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
    call.goneAtMs === null;
  return isSame ? call : now;
}

/** @param untilMs rows of calls that were over by then may go */
function settled(model: Model, untilMs: number): Model {
  const isOver = ({ id, goneAtMs }: Call): boolean =>
    goneAtMs !== null && goneAtMs <= untilMs && !model.sessionsByCall.has(id);
  const calls = [...model.calls].filter(([, call]) => !isOver(call));
  if (calls.length === model.calls.size) return model;
  const left = new Map(calls);
  const commands = [...model.commands].filter(([id]) => left.has(id) || model.sessionsByCall.has(id));
  return { ...model, calls: left, commands: new Map(commands) };
}

function withAnswer(model: Model, interactionId: string, { commandId, status, reason }: CommandResource): Model {
  return withCommand(model, interactionId, commandId, { status, reason: reason ?? null });
}

/** A newer command has taken its place: what becomes of the older one is no longer shown. */
function withCommand(model: Model, interactionId: string, commandId: string, news: Partial<Command>): Model {
  const command = model.commands.get(interactionId);
  if (command?.commandId !== commandId) return model;
  return { ...model, commands: set(model.commands, interactionId, { ...command, ...news }) };
}

function set<Key, Value>(map: ReadonlyMap<Key, Value>, key: Key, value: Value): ReadonlyMap<Key, Value> {
  return new Map(map).set(key, value);
}

function without<Key, Value>(map: ReadonlyMap<Key, Value>, key: Key): ReadonlyMap<Key, Value> {
  if (!map.has(key)) return map;
  const left = new Map(map);
  left.delete(key);
  return left;
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
