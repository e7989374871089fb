import { isFinal } from '../../domain/commands.js';
import type { CommandResource } from '../../domain/commands.js';
import type { MediaSample } from '../../domain/notifications.js';
import { settled, withCalls, withPlaces } from './call-rows.js';
import { isUnderWay } from './controls.js';
import { set, without } from './maps.js';
import { EMPTY_MODEL, ownId } from './model.js';
import type { Command, Model, PageEvent, Trail } from './model.js';
import { accountedFor, timed, timedAtLeast, withChange, withRead, withSnapshot } from './told-sessions.js';

/** Samples of a session: five minutes, one every 5 s. */
const SAMPLES_KEPT = 60;

/** What the page knows after something has happened. Pure: the same events give the same page. */
export function reduce(model: Model, event: PageEvent): Model {
  switch (event.type) {
    case 'signed-in':
      return { ...EMPTY_MODEL, clock: model.clock, filter: model.filter, access: { kind: 'signed-in', me: event.me } };
    case 'signed-out': {
      const { ways, trouble } = event;
      return { ...EMPTY_MODEL, clock: model.clock, access: { kind: 'signed-out', ways, trouble, isBusy: false } };
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
    case 'outdated':
      return model.isOutdated ? model : { ...model, isOutdated: true };
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
      return settled(model, event.nowMs, event.isHeld);
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
    case 'outcome-read':
      return isUnderWay(model.commands.get(event.interactionId))
        ? model
        : { ...model, commands: without(model.commands, event.interactionId) };
    case 'put-away':
      return { ...model, ended: model.ended.filter(({ runId }) => runId !== event.runId) };
    case 'filtered':
      return { ...model, filter: { ...model.filter, ...event.filter } };
  }
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
