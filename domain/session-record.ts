import type { LegAtEnd, SessionEvent } from './audit-entry.js';
import { INITIAL_MODE_COMMAND_ID, isFinal, START_COMMAND_ID } from './commands.js';
import type { CommandAction, CommandResource, FinalCommandStatus, StartSessionInput } from './commands.js';
import type { CommandReason } from './errors.js';
import { newSessionMedia, profileOf, stepOf } from './media.js';
import type { MediaFallback, SessionMedia } from './media.js';
import { canTransition, stateOfMode } from './session.js';
import type { EndReason, MonitorMode, SessionSnapshot } from './session.js';

/**
 * A session as a fold over what happened to it. Everything that changes a session is a {@link SessionEvent}; the events
 * kept are its audit trail, and {@link applySessionEvent} is the only way to a new state.
 */

/** All that a session is; it is carried across continue-as-new. */
export interface SessionRecord {
  readonly session: SessionSnapshot;
  /** In order of acceptance. */
  readonly commands: readonly CommandResource[];
  readonly history: readonly SessionEvent[];
}

/**
 * How many commands a session keeps; the oldest go first. A `commandId` older than that is new again, which matters to
 * nobody: the platform's mode changes are idempotent.
 */
export const COMMANDS_KEPT = 500;

/** How many of them the memo mirrors: about 1 KB, with each change of the session. */
export const COMMANDS_SHOWN = 10;

/**
 * How much of the audit trail is kept, the newest, in bytes as reckoned by {@link weightOf}: with the commands it has to
 * fit into one payload of Temporal (2 MB), as an answer to a query and as the input of a successor.
 */
export const HISTORY_KEPT_BYTES = 1_000_000;

/** Thrown when an event cannot happen to a session in its state: a fault in the caller, never an answer to a user. */
export class ImpossibleEvent extends Error {
  override readonly name = 'ImpossibleEvent';
}

/** A session that has just been asked for. */
export function newSessionRecord(
  input: StartSessionInput,
  ids: { readonly sessionId: string; readonly runId: string },
  at: string,
): SessionRecord {
  const commands: CommandResource[] = [{ commandId: START_COMMAND_ID, action: 'start', status: 'accepted' }];
  if (input.mode !== undefined && input.mode !== 'silent') {
    commands.push({ commandId: INITIAL_MODE_COMMAND_ID, action: input.mode, status: 'accepted' });
  }
  return {
    session: {
      ...ids,
      version: 1,
      interactionId: input.interactionId,
      supervisorId: input.supervisorId,
      state: 'PENDING',
      monitorSessionId: null,
      bargeStatus: 'inactive',
      waiting: null,
      ending: null,
      media: null,
      unansweredSince: null,
      startedAt: at,
      endedAt: null,
      endReason: null,
    },
    commands,
    history: [
      {
        type: 'session.created',
        at,
        commandId: START_COMMAND_ID,
        ...(input.actor === undefined ? {} : { actor: input.actor }),
        ...(input.reason === undefined ? {} : { reason: input.reason }),
      },
    ],
  };
}

/**
 * The record after an event. A repeat that changes nothing (a command id already known, a second reason to end) gives
 * the same record back.
 * @throws ImpossibleEvent for an event that the state does not allow, such as a second leg.
 */
export function applySessionEvent(record: SessionRecord, event: SessionEvent): SessionRecord {
  if (record.session.state === 'TERMINATED' && !isAboutCommands(event)) throw impossible(record, event);
  return showingWait(record, applied(record, event));
}

function applied(record: SessionRecord, event: SessionEvent): SessionRecord {
  switch (event.type) {
    case 'session.created':
      throw impossible(record, event);
    case 'leg.made':
      // Rule 1: a session has one leg in its life.
      if (record.session.monitorSessionId !== null) throw impossible(record, event);
      return changed(record, event, { monitorSessionId: event.monitorSessionId, media: mediaAtFirst(event) });
    case 'session.active':
      if (record.session.monitorSessionId === null || record.session.state !== 'PENDING') {
        throw impossible(record, event);
      }
      return settleAll(
        changed(record, event, {
          state: stateOfMode(event.mode),
          bargeStatus: event.bargeStatus,
          media: newSessionMedia({
            mediaServerGroupId: event.mediaServerGroupId,
            affinity: event.affinity,
            fallback: fallbackIn(event) ?? record.session.media?.fallback ?? null,
          }),
        }),
        (command) => (command.action === 'start' ? { status: 'applied' } : undefined),
      );
    case 'session.mode': {
      // Rule 3: no mode before the leg is confirmed.
      const state = stateOfMode(event.mode);
      const { session } = record;
      if (session.state === 'PENDING') throw impossible(record, event);
      if (session.state === state && session.bargeStatus === event.bargeStatus) return record;
      if (session.state !== state && !canTransition(session.state, state)) throw impossible(record, event);
      return changed(record, event, { state, bargeStatus: event.bargeStatus });
    }
    case 'session.observed':
      if (record.session.bargeStatus === event.bargeStatus) return record;
      return changed(record, event, { bargeStatus: event.bargeStatus });
    case 'session.media': {
      const { media, ending } = record.session;
      // Of a leg that is on its way out, or not heard yet, nobody wants to know.
      if (media === null || ending !== null || record.session.state === 'PENDING') return record;
      const next = mediaAfter(media, event);
      return JSON.stringify(next) === JSON.stringify(media) ? record : changed(record, event, { media: next });
    }
    case 'session.ending':
      if (record.session.ending !== null) return record;
      return settleAll(changed(record, event, { ending: { reason: event.endReason, since: event.at } }), (command) =>
        isModeChange(command) ? { status: 'cancelled', reason: event.endReason } : undefined,
      );
    case 'session.ended': {
      const { ending, state, bargeStatus } = record.session;
      if (ending === null) throw impossible(record, event);
      const held = state === 'BARGE' || state === 'WHISPER';
      return settleAll(
        changed(record, event, {
          state: 'TERMINATED',
          ending: null,
          endedAt: event.at,
          endReason: ending.reason,
          ...(event.leg === 'unreachable' ? {} : { unansweredSince: null }),
          bargeStatus: held && event.leg === 'gone' ? 'inactive' : bargeStatus,
        }),
        (command) => outcomeAtEnd(command, ending.reason, event.leg),
      );
    }
    case 'session.queued': {
      const { position, expiresAt, conflictingMonitorSessionId } = event;
      const conflict = conflictingMonitorSessionId === undefined ? {} : { conflictingMonitorSessionId };
      return updated(record, event, (command) =>
        command.status === 'queued' &&
        command.position === position &&
        command.expiresAt === expiresAt &&
        command.conflictingMonitorSessionId === conflictingMonitorSessionId
          ? command
          : {
              commandId: command.commandId,
              action: command.action,
              status: 'queued',
              position,
              expiresAt,
              ...conflict,
            },
      );
    }
    case 'session.moved':
      return updated(record, event, (command) =>
        command.status === 'queued' && command.position !== event.position
          ? { ...command, position: event.position }
          : command,
      );
    case 'session.granted':
      return updated(record, event, ({ commandId, action }) => ({ commandId, action, status: 'accepted' }));
    case 'session.expired': {
      // Whoever was kept off by another program's leg wants to know by which.
      const { conflictingMonitorSessionId } = findCommand(record, event.commandId) ?? {};
      return settled(record, event, {
        status: 'expired',
        ...(conflictingMonitorSessionId === undefined ? {} : { conflictingMonitorSessionId }),
      });
    }
    case 'session.superseded':
      return settled(record, event, { status: 'superseded' });
    case 'command.accepted': {
      if (findCommand(record, event.commandId) !== undefined) return record;
      const command = { commandId: event.commandId, action: event.action };
      return {
        ...logged(record, event),
        commands: trimmed([...record.commands, { ...command, ...statusAtAcceptance(record.session, event.action) }]),
      };
    }
    case 'command.settled': {
      const { status, reason, conflictingMonitorSessionId } = event;
      return settled(record, event, {
        status,
        ...(reason === undefined ? {} : { reason }),
        ...(conflictingMonitorSessionId === undefined ? {} : { conflictingMonitorSessionId }),
      });
    }
    case 'platform.unanswering':
      if (record.session.unansweredSince !== null) return record;
      return changed(record, event, { unansweredSince: event.since });
    case 'platform.answering':
      if (record.session.unansweredSince === null) return record;
      return changed(record, event, { unansweredSince: null });
    case 'signal.refused':
      return logged(record, event);
  }
}

/** The command with that id, if the session still knows it. */
export function findCommand(record: SessionRecord, commandId: string): CommandResource | undefined {
  return record.commands.find((command) => command.commandId === commandId);
}

export type ModeChange = CommandResource & { readonly action: MonitorMode };

/** The mode change whose turn it is: the oldest without an outcome. */
export function nextModeChange(record: SessionRecord): ModeChange | undefined {
  return openModeChanges(record)[0];
}

/** The one that comes after another that has no outcome yet either. */
export function laterModeChange(record: SessionRecord, commandId: string): ModeChange | undefined {
  const open = openModeChanges(record);
  return open[open.findIndex((command) => command.commandId === commandId) + 1];
}

function openModeChanges(record: SessionRecord): ModeChange[] {
  return record.commands.filter(isModeChange).filter((command) => !isFinal(command.status));
}

/** Whether a session may still change: neither over nor on its way out. */
export function isLive(session: SessionSnapshot): boolean {
  return session.state !== 'TERMINATED' && session.ending === null;
}

function mediaAtFirst(event: Extract<SessionEvent, { type: 'leg.made' }>): SessionMedia {
  const { mediaServerGroupId = null, affinity = 'none' } = event;
  return newSessionMedia({ mediaServerGroupId, affinity, fallback: fallbackIn(event) ?? null });
}

function fallbackIn(event: Extract<SessionEvent, { type: 'leg.made' | 'session.active' }>): MediaFallback | undefined {
  const { wantedGroupId, fallbackReason: reason } = event;
  return reason === undefined ? undefined : { wanted: wantedGroupId ?? null, reason };
}

function mediaAfter(media: SessionMedia, event: Extract<SessionEvent, { type: 'session.media' }>): SessionMedia {
  const { packetLoss, jitterMs, roundTripMs, sampledAt, quality, affinity, bitrateBps } = event;
  const profile = profileOf(affinity, stepOf(bitrateBps));
  return { ...media, ...profile, affinity, packetLoss, jitterMs, roundTripMs, sampledAt, quality };
}

function changed(record: SessionRecord, event: SessionEvent, change: Partial<SessionSnapshot>): SessionRecord {
  const { session } = record;
  return { ...logged(record, event), session: { ...session, ...change, version: session.version + 1 } };
}

function logged(record: SessionRecord, event: SessionEvent): SessionRecord {
  const history = event.type === 'session.media' ? withMedia(record.history, event) : [...record.history, event];
  let bytes = history.reduce((sum, entry) => sum + weightOf(entry), 0);
  while (bytes > HISTORY_KEPT_BYTES) bytes -= weightOf(history.shift() ?? event);
  return { ...record, history };
}

/** Who spoke and why is told for longer than how it sounded: of that the newest are kept, in a trail of their own length. */
const MEDIA_CHANGES_KEPT = 200;

function withMedia(history: readonly SessionEvent[], event: SessionEvent): SessionEvent[] {
  const isMedia = ({ type }: SessionEvent): boolean => type === 'session.media';
  const oldest = history.filter(isMedia).length < MEDIA_CHANGES_KEPT ? -1 : history.findIndex(isMedia);
  return [...(oldest === -1 ? history : history.toSpliced(oldest, 1)), event];
}

/** At least as many bytes as an entry takes as JSON: three a character of free text, and room for all the rest. */
export function weightOf({ actor = '', reason = '' }: SessionEvent): number {
  return 500 + 3 * (actor.length + reason.length);
}

interface Outcome {
  readonly status: FinalCommandStatus;
  readonly reason?: string;
  readonly conflictingMonitorSessionId?: string;
}

/** Gives an outcome to every command that has none and for which `outcomeOf` names one; an outcome is never changed. */
function settleAll(record: SessionRecord, outcomeOf: (command: CommandResource) => Outcome | undefined): SessionRecord {
  const commands = record.commands.map((command) => {
    const outcome = isFinal(command.status) ? undefined : outcomeOf(command);
    // Its place in the queue is a thing of the past.
    return outcome === undefined ? command : { commandId: command.commandId, action: command.action, ...outcome };
  });
  return { ...record, commands };
}

type CommandEvent = Extract<SessionEvent, { commandId: string }>;

/** Gives one command its outcome, if it has none yet. */
function settled(record: SessionRecord, event: CommandEvent, outcome: Outcome): SessionRecord {
  const known = findCommand(record, event.commandId);
  if (known === undefined || isFinal(known.status)) return record;
  return settleAll(logged(record, event), ({ commandId }) => (commandId === event.commandId ? outcome : undefined));
}

/** Changes one open mode change; what changes nothing leaves no trace. */
function updated(
  record: SessionRecord,
  event: CommandEvent,
  update: (command: CommandResource) => CommandResource,
): SessionRecord {
  const known = findCommand(record, event.commandId);
  if (known === undefined || isFinal(known.status) || !isModeChange(known)) return record;
  const now = update(known);
  if (now === known) return record;
  return { ...logged(record, event), commands: record.commands.map((command) => (command === known ? now : command)) };
}

/** `waiting` shows the place of the one command that is queued; like everything shown, it moves the version. */
function showingWait(before: SessionRecord, after: SessionRecord): SessionRecord {
  const { session } = after;
  const waiting = waitOf(after.commands);
  if (
    waiting?.mode === session.waiting?.mode &&
    waiting?.position === session.waiting?.position &&
    waiting?.expiresAt === session.waiting?.expiresAt
  ) {
    return after;
  }
  return { ...after, session: { ...session, waiting, version: before.session.version + 1 } };
}

function waitOf(commands: readonly CommandResource[]): SessionSnapshot['waiting'] {
  const queued = commands.find(({ status }) => status === 'queued');
  const { action, position, expiresAt } = queued ?? {};
  if ((action !== 'barge' && action !== 'whisper') || position === undefined || expiresAt === undefined) return null;
  return { mode: action, position, expiresAt };
}

const REASON_OF_LEG = {
  forbidden: 'forbidden',
  invalid: 'invalid',
  unreachable: 'platform-unreachable',
  unknown: 'leg-unknown',
} as const satisfies Partial<Record<LegAtEnd, CommandReason>>;

/** What becomes of commands that are still open when the session is over. */
function outcomeAtEnd(command: CommandResource, reason: EndReason, leg: LegAtEnd): Outcome {
  if (command.action === 'stop') {
    if (leg === 'none' || leg === 'gone') return { status: 'applied' };
    return { status: 'failed', reason: REASON_OF_LEG[leg] };
  }
  // A start that somebody called off did not fail.
  const calledOff = reason === 'stopped' || reason === 'cancelled';
  return { status: command.action === 'start' && !calledOff ? 'failed' : 'cancelled', reason };
}

/** A mode change for a session on its way out has its outcome at once; a `stop` shares the fate of the one under way. */
function statusAtAcceptance(session: SessionSnapshot, action: CommandAction): Outcome | { status: 'accepted' } {
  if (isLive(session)) return { status: 'accepted' };
  if (action !== 'stop')
    return { status: 'cancelled', reason: session.endReason ?? session.ending?.reason ?? 'stopped' };
  return { status: session.state === 'TERMINATED' ? 'applied' : 'accepted' };
}

/** The latest commands that are in line or have their outcome: what a memo has room for. */
export function latestCommands({ commands }: SessionRecord): CommandResource[] {
  return commands.filter(({ status }) => status !== 'accepted').slice(-COMMANDS_SHOWN);
}

/** Drops the oldest commands that have their outcome until {@link COMMANDS_KEPT} are left; an open one is never lost. */
function trimmed(commands: readonly CommandResource[]): readonly CommandResource[] {
  const oldest = commands.length > COMMANDS_KEPT ? commands.findIndex((command) => isFinal(command.status)) : -1;
  return oldest < 0 ? commands : commands.toSpliced(oldest, 1);
}

function isModeChange(command: CommandResource): command is ModeChange {
  return command.action !== 'start' && command.action !== 'stop';
}

function isAboutCommands(event: SessionEvent): boolean {
  return event.type === 'command.accepted' || event.type === 'command.settled' || event.type === 'signal.refused';
}

function impossible(record: SessionRecord, event: SessionEvent): ImpossibleEvent {
  const { sessionId, state } = record.session;
  return new ImpossibleEvent(`${event.type} cannot happen to ${sessionId}, which is ${state}`);
}
