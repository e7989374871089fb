import { isFinal } from '../../domain/commands.js';
import type { CommandResource } from '../../domain/commands.js';
import type { InteractionResource } from '../../domain/interaction-resource.js';
import type { MediaSample } from '../../domain/notifications.js';
import type { SessionResource } from '../../domain/session.js';
import { announcementOf } from './announcements.js';
import { aheadMs, observeClock } from './clock.js';
import { EMPTY_MODEL, inOrderOfStart, ownId } from './model.js';
import type { Call, Command, Model, PageEvent, Trail } from './model.js';

/** How long the row of a call that is over stays where it is, ms. */
const ROW_STAYS_MS = 8_000;
/** The same while somebody points at the rows, or is among them with the keyboard. */
const HELD_ROW_STAYS_MS = 60_000;

/** Runs that are remembered as over. */
const ENDED_RUNS = 500;

/** How long a list may still have what is over, ms: a snapshot of an API that has just begun is one. */
const LISTS_LAG_MS = 10_000;

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
      return withPlaces(withSnapshot(model, event.sessions, event.nowMs));
    case 'changed':
      return withChange(timedAtLeast(model, event.session.serverNow, event.nowMs), event.session);
    case 'heard':
      return timed(model, event.at, event.nowMs);
    case 'session-read':
      return withRead(timed(model, event.session.serverNow, event.nowMs), event.session);
    case 'session-missing':
      return accountedFor(model, ({ sessionId }) => sessionId === event.sessionId);
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
      return withTrail(model, event.sessionId, event.trail);
    case 'trail-closed':
      return { ...model, trails: without(model.trails, event.sessionId) };
    case 'put-away':
      return { ...model, ended: model.ended.filter(({ runId }) => runId !== event.runId) };
    case 'filtered':
      return { ...model, filter: { ...model.filter, ...event.filter } };
  }
}

function timed(model: Model, at: string, nowMs: number): Model {
  const clock = observeClock(model.clock, Date.parse(at), nowMs);
  return clock === model.clock ? model : { ...model, clock };
}

/** By what may have been told again after a break: it is then older than it seems, and says no more than that. */
function timedAtLeast(model: Model, at: string, nowMs: number): Model {
  const { observed } = model.clock;
  const isNews = observed.length === 0 || Date.parse(at) - nowMs > aheadMs(model.clock);
  return isNews ? timed(model, at, nowMs) : model;
}

/** All that runs; own sessions that are no longer among it have ended while nobody listened. */
function withSnapshot(model: Model, listed: readonly SessionResource[], nowMs: number): Model {
  const own = ownId(model);
  const sessions = listed.filter((session) => !isOver(model, session, LISTS_LAG_MS));
  const running = new Map(sessions.map((session) => [session.sessionId, unchanged(model, session)]));
  const vanished = [...model.sessions.values(), ...model.vanished].filter(
    ({ sessionId, supervisorId, runId }) => supervisorId === own && running.get(sessionId)?.runId !== runId,
  );
  const [first] = listed;
  const known = runningAgain(first === undefined ? model : timed(model, first.serverNow, nowMs), sessions);
  const told = announcing(
    known,
    [...running.values()].flatMap((session) => {
      const before = model.sessions.get(session.sessionId);
      // One that was not known is no change: all of them are new to a page that has just begun.
      return before?.runId === session.runId ? (announcedOf(model, before, session) ?? []) : [];
    }),
  );
  const isSameRun = ([sessionId]: readonly [string, unknown]): boolean =>
    running.get(sessionId)?.runId === model.sessions.get(sessionId)?.runId;
  return {
    ...told,
    sessions: running,
    sessionsByCall: byCall(running.values(), model.sessionsByCall),
    vanished,
    samples: new Map([...model.samples].filter(isSameRun)),
  };
}

/** Every call that sessions run on has its row, listed or not, which stays where it is when it comes to be listed. */
function withPlaces(model: Model): Model {
  const unlisted = [...model.sessionsByCall.keys()].filter((id) => !model.calls.has(id));
  if (unlisted.length === 0) return model;
  const nothing = { agentId: null, queueName: null, customer: null, startedAt: null, isListed: false, goneAtMs: null };
  return { ...model, calls: new Map([...model.calls, ...unlisted.map((id) => [id, { id, ...nothing }] as const)]) };
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

/** Not by its version alone: a reset counts anew, so that the same one may come with another state. */
function unchanged(model: Model, session: SessionResource): SessionResource {
  const known = model.sessions.get(session.sessionId);
  return known?.version === session.version && contentOf(known) === contentOf(session) ? known : session;
}

function contentOf(session: SessionResource): string {
  return JSON.stringify({ ...session, serverNow: null });
}

/**
 * Whether it shows a run as it was before it ended. Later than that it has been reset, and runs again.
 * @param lagMs how old what it shows may be
 */
function isOver({ endedRuns }: Model, { runId, state, serverNow }: SessionResource, lagMs: number): boolean {
  const endTold = endedRuns.get(runId);
  return endTold !== undefined && state !== 'TERMINATED' && Date.parse(serverNow) - Date.parse(endTold) <= lagMs;
}

/** What the connection tells is in order, and as it is now; told again after a break, it is what came before an answer meanwhile. */
function withChange(model: Model, session: SessionResource): Model {
  return isOver(model, session, 0) ? model : withSession(model, session);
}

/** Runs that were over and have been reset: their next end is another one. */
function runningAgain(model: Model, sessions: readonly SessionResource[]): Model {
  const again = new Set(sessions.map(({ runId }) => runId).filter((runId) => model.endedRuns.has(runId)));
  if (again.size === 0) return model;
  const endedRuns = new Map([...model.endedRuns].filter(([runId]) => !again.has(runId)));
  return { ...model, endedRuns, ended: model.ended.filter(({ runId }) => !again.has(runId)) };
}

/** Own sessions of which is known by now what became of them. */
function accountedFor(model: Model, isFound: (session: SessionResource) => boolean): Model {
  return model.vanished.some(isFound) ? { ...model, vanished: model.vanished.filter((one) => !isFound(one)) } : model;
}

function withSession(model: Model, session: SessionResource): Model {
  const known = accountedFor(model, ({ runId }) => runId === session.runId);
  const text = announcedOf(known, known.sessions.get(session.sessionId), session);
  const told = announcing(known, text === undefined ? [] : [text]);
  if (session.state === 'TERMINATED') return ended(told, session);
  return withPlaces(placed(runningAgain(told, [session]), unchanged(told, session)));
}

/** What an answer shows may be older than what the connection has told meanwhile. */
function withRead(model: Model, session: SessionResource): Model {
  const isNews = !model.endedRuns.has(session.runId) && isNewer(session, model.sessions.get(session.sessionId));
  return isNews ? withSession(model, session) : accountedFor(model, ({ runId }) => runId === session.runId);
}

function isNewer(read: SessionResource, known: SessionResource | undefined): boolean {
  // The end of a run is news even if another one runs by now.
  if (known === undefined || read.state === 'TERMINATED') return true;
  if (known.runId !== read.runId) return known.startedAt < read.startedAt;
  // Of before a reset, its version is higher and it is older all the same.
  return known.version < read.version && known.serverNow <= read.serverNow;
}

function placed(model: Model, session: SessionResource): Model {
  const { sessionId, interactionId, runId } = session;
  const known = model.sessions.get(sessionId);
  if (known === session) return model;
  const others = (model.sessionsByCall.get(interactionId) ?? []).filter((one) => one.sessionId !== sessionId);
  return {
    ...model,
    sessions: set(model.sessions, sessionId, session),
    sessionsByCall: set(model.sessionsByCall, interactionId, inOrderOfStart([...others, session])),
    // Another run is another leg.
    samples: known?.runId === runId ? model.samples : without(model.samples, sessionId),
  };
}

function ended(model: Model, session: SessionResource): Model {
  const { sessionId, interactionId, runId, supervisorId, serverNow } = session;
  const endedRuns = new Map([...set(model.endedRuns, runId, serverNow)].slice(-ENDED_RUNS));
  const isNews = supervisorId === ownId(model) && !model.endedRuns.has(runId);
  const shown = isNews ? [...model.ended, session].slice(-ENDED_SHOWN) : model.ended;
  const known = model.sessions.get(sessionId);
  // Nobody knew of it, or another one runs under this id by now.
  if (known?.runId !== runId) return { ...model, endedRuns, ended: shown };
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

function announcedOf(model: Model, known: SessionResource | undefined, session: SessionResource): string | undefined {
  if (session.supervisorId !== ownId(model)) return undefined;
  const isAnother = known !== undefined && known.runId !== session.runId;
  // Said once, and not while another one runs: who hears that they have left is to be believed.
  if (session.state === 'TERMINATED' && (isAnother || model.endedRuns.has(session.runId))) return undefined;
  return announcementOf(isAnother ? undefined : known, session);
}

function announcing(model: Model, texts: readonly string[]): Model {
  if (texts.length === 0) return model;
  return { ...model, announcement: { number: model.announcement.number + 1, text: texts.join(' ') } };
}

function withSamples(model: Model, samples: readonly MediaSample[]): Model {
  let all = model.samples;
  for (const sample of samples) {
    if (model.sessions.get(sample.sessionId)?.supervisorId !== ownId(model)) continue;
    const before = all.get(sample.sessionId) ?? [];
    if (before.some(({ sampledAt }) => Date.parse(sampledAt) === Date.parse(sample.sampledAt))) continue;
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

/** Answers overtake one another. A version above the session's own is of before a reset, and holds nothing up. */
function withTrail(model: Model, sessionId: string, trail: Trail): Model {
  const known = model.trails.get(sessionId);
  const reached = model.sessions.get(sessionId)?.version ?? Infinity;
  const isOld = known?.runId === trail.runId && trail.version < known.version && known.version <= reached;
  return isOld ? model : { ...model, trails: set(model.trails, sessionId, trail) };
}

function withAnswer(model: Model, interactionId: string, { commandId, status, reason }: CommandResource): Model {
  return withCommand(model, interactionId, commandId, { status, reason: reason ?? null, trouble: null });
}

/** A newer command has taken its place: what becomes of the older one is no longer shown. An outcome is never changed. */
function withCommand(model: Model, interactionId: string, commandId: string, news: Partial<Command>): Model {
  const command = model.commands.get(interactionId);
  if (command?.commandId !== commandId) return model;
  if (command.status !== 'sending' && command.status !== 'unsent' && isFinal(command.status)) return model;
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
