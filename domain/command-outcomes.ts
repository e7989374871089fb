import { INITIAL_MODE_COMMAND_ID, isFinal, START_COMMAND_ID } from './commands.js';
import type { CommandResource, FinalCommandStatus } from './commands.js';
import type { SessionEvent } from './audit-entry.js';
import type { SessionRecord } from './session-record.js';

/** A command that has got its outcome. A hint, like an announcement: it may come twice or never. */
export interface CommandOutcomeNews {
  readonly sessionId: string;
  readonly interactionId: string;
  readonly commandId: string;
  readonly action: CommandResource['action'];
  readonly status: FinalCommandStatus;
  readonly reason?: string;
  /** From its acceptance on, by Temporal's clock, ms; `null`: so long ago that the trail has forgotten it. */
  readonly tookMs: number | null;
}

/** A wait for the exclusive channel that is over: `granted`, or the outcome that its command has got instead. */
export interface WaitNews {
  readonly mode: CommandResource['action'];
  readonly result: 'granted' | Exclude<FinalCommandStatus, 'applied'>;
  /** From the first place in line on, by Temporal's clock, ms; `null` as above. */
  readonly waitedMs: number | null;
}

export interface CommandNews {
  readonly outcomes: readonly CommandOutcomeNews[];
  readonly waits: readonly WaitNews[];
}

/** Which commands an event has given their outcome, and which waits it has ended; `undefined`: none. */
export function commandNews(before: SessionRecord, after: SessionRecord, event: SessionEvent): CommandNews | undefined {
  if (before.commands === after.commands) return undefined;
  const { sessionId, interactionId } = after.session;
  const known = new Map(before.commands.map((command) => [command.commandId, command]));
  const outcomes: CommandOutcomeNews[] = [];
  const waits: WaitNews[] = [];
  for (const command of after.commands) {
    const { commandId, action, status, reason } = command;
    const was = known.get(commandId);
    if (was === command || was?.status === status) continue;
    if (was?.status === 'queued' && status !== 'queued') {
      // One that another program's leg kept waiting is still `queued` when it gets through.
      const result = isFinal(status) && status !== 'applied' ? status : 'granted';
      waits.push({ mode: action, result, waitedMs: msBetween(queuedAt(after, commandId), event.at) });
    }
    if (!isFinal(status) || (was !== undefined && isFinal(was.status))) continue;
    const tookMs = msBetween(acceptedAt(after, commandId), event.at);
    const why = reason === undefined ? {} : { reason };
    outcomes.push({ sessionId, interactionId, commandId, action, status, ...why, tookMs });
  }
  return outcomes.length + waits.length === 0 ? undefined : { outcomes, waits };
}

function acceptedAt({ session, history }: SessionRecord, commandId: string): string | undefined {
  if (commandId === START_COMMAND_ID || commandId === INITIAL_MODE_COMMAND_ID) return session.startedAt;
  return history.findLast((entry) => entry.type === 'command.accepted' && entry.commandId === commandId)?.at;
}

/** When the wait began that has just ended: one that was granted may have had to wait again for another program's leg. */
function queuedAt({ history }: SessionRecord, commandId: string): string | undefined {
  const own = history.filter((entry) => entry.commandId === commandId);
  const over = own.at(-1)?.type === 'session.queued' ? own : own.slice(0, -1);
  const grantedBefore = over.findLastIndex(({ type }) => type === 'session.granted');
  return over.slice(grantedBefore + 1).find(({ type }) => type === 'session.queued')?.at;
}

function msBetween(from: string | undefined, to: string): number | null {
  return from === undefined ? null : Math.max(0, Date.parse(to) - Date.parse(from));
}
