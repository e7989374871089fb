import type { SessionResource } from '../../domain/session.js';
import { announcementOf } from './announcements.js';
import { withPlaces } from './call-rows.js';
import { aheadMs, observeClock } from './clock.js';
import { set, without } from './maps.js';
import { inOrderOfStart, ownId } from './model.js';
import type { Call, Model } from './model.js';

/** Runs that are remembered as over. */
const ENDED_RUNS = 500;

/** How long a list may still have what is over, ms: a snapshot of an API that has just begun is one. */
const LISTS_LAG_MS = 10_000;

/** Own sessions that are over and still shown. */
const ENDED_SHOWN = 5;

/** All that runs; own sessions that are no longer among it have ended while nobody listened. */
export function withSnapshot(model: Model, listed: readonly SessionResource[], nowMs: number): Model {
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

/** What the connection tells is in order, and as it is now; told again after a break, it is what came before an answer meanwhile. */
export function withChange(model: Model, session: SessionResource): Model {
  return isOver(model, session, 0) ? model : withSession(model, session);
}

/** What an answer shows may be older than what the connection has told meanwhile. */
export function withRead(model: Model, session: SessionResource): Model {
  const isNews = !model.endedRuns.has(session.runId) && isNewer(session, model.sessions.get(session.sessionId));
  return isNews ? withSession(model, session) : accountedFor(model, ({ runId }) => runId === session.runId);
}

function withSession(model: Model, session: SessionResource): Model {
  const known = accountedFor(model, ({ runId }) => runId === session.runId);
  const text = announcedOf(known, known.sessions.get(session.sessionId), session);
  const told = announcing(known, text === undefined ? [] : [text]);
  if (session.state === 'TERMINATED') return ended(told, session);
  return withPlaces(placed(runningAgain(told, [session]), unchanged(told, session)));
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
  const endedCalls = isNews ? callsOf(shown, model) : model.endedCalls;
  const known = model.sessions.get(sessionId);
  // Nobody knew of it, or another one runs under this id by now.
  if (known?.runId !== runId) return { ...model, endedRuns, endedCalls, ended: shown };
  const left = (model.sessionsByCall.get(interactionId) ?? []).filter((one) => one.sessionId !== sessionId);
  return {
    ...model,
    endedRuns,
    endedCalls,
    ended: shown,
    sessions: without(model.sessions, sessionId),
    sessionsByCall:
      left.length === 0 ? without(model.sessionsByCall, interactionId) : set(model.sessionsByCall, interactionId, left),
    samples: without(model.samples, sessionId),
  };
}

function callsOf(ended: readonly SessionResource[], { calls, endedCalls }: Model): ReadonlyMap<string, Call> {
  const found = ended.flatMap(({ interactionId: id }) => {
    const call = calls.get(id) ?? endedCalls.get(id);
    return call === undefined ? [] : [[id, call] as const];
  });
  return new Map(found);
}

/**
 * Whether it shows a run as it was before it ended. Later than that it has been reset, and runs again.
 * @param lagMs how old what it shows may be
 */
function isOver({ endedRuns }: Model, { runId, state, serverNow }: SessionResource, lagMs: number): boolean {
  const endTold = endedRuns.get(runId);
  return endTold !== undefined && state !== 'TERMINATED' && Date.parse(serverNow) - Date.parse(endTold) <= lagMs;
}

/** Not by its version alone: a reset counts anew, so that the same one may come with another state. */
function unchanged(model: Model, session: SessionResource): SessionResource {
  const known = model.sessions.get(session.sessionId);
  return known?.version === session.version && contentOf(known) === contentOf(session) ? known : session;
}

function contentOf(session: SessionResource): string {
  return JSON.stringify({ ...session, serverNow: null });
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

/** Runs that were over and have been reset: their next end is another one. */
function runningAgain(model: Model, sessions: readonly SessionResource[]): Model {
  const again = new Set(sessions.map(({ runId }) => runId).filter((runId) => model.endedRuns.has(runId)));
  if (again.size === 0) return model;
  const endedRuns = new Map([...model.endedRuns].filter(([runId]) => !again.has(runId)));
  return { ...model, endedRuns, ended: model.ended.filter(({ runId }) => !again.has(runId)) };
}

/** Own sessions of which is known by now what became of them. */
export function accountedFor(model: Model, isFound: (session: SessionResource) => boolean): Model {
  return model.vanished.some(isFound) ? { ...model, vanished: model.vanished.filter((one) => !isFound(one)) } : model;
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

export function timed(model: Model, at: string, nowMs: number): Model {
  const clock = observeClock(model.clock, Date.parse(at), nowMs);
  return clock === model.clock ? model : { ...model, clock };
}

/** By what may have been told again after a break: it is then older than it seems, and says no more than that. */
export function timedAtLeast(model: Model, at: string, nowMs: number): Model {
  const { observed } = model.clock;
  const isNews = observed.length === 0 || Date.parse(at) - nowMs > aheadMs(model.clock);
  return isNews ? timed(model, at, nowMs) : model;
}
