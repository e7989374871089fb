import type { SessionEvent } from '../../domain/audit-entry.js';
import type { CommandAction, CommandResource } from '../../domain/commands.js';
import type { InteractionResource } from '../../domain/interaction-resource.js';
import type { MediaSample } from '../../domain/notifications.js';
import type { SessionResource } from '../../domain/session.js';
import type { Me, SignInWay } from '../../domain/sign-in.js';
import { UNKNOWN_CLOCK } from './clock.js';
import type { ServerClock } from './clock.js';

/** Why something did not work, in words for the person at the page. */
export interface Trouble {
  /** The problem's code, or `network` where nobody answered. */
  readonly code: string;
  readonly text: string;
}

/** Whether anybody is signed in. */
export type Access =
  | { readonly kind: 'unknown'; readonly trouble: Trouble | null }
  | {
      readonly kind: 'signed-out';
      readonly ways: readonly SignInWay[];
      readonly trouble: Trouble | null;
      readonly isBusy: boolean;
    }
  | { readonly kind: 'signed-in'; readonly me: Me };

/** The connection that tells of changes. `lost` since a moment, ms since the epoch by our clock, and tried again by itself. */
export type Link =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'lost'; readonly sinceMs: number; readonly retryAtMs: number };

/** A call of the list. */
export interface Call {
  readonly id: string;
  readonly agentId: string | null;
  readonly queueName: string | null;
  readonly customer: string | null;
  readonly startedAt: string | null;
  /** `false`: known by the sessions on it alone, so that nothing but its id is told. */
  readonly isListed: boolean;
  /** When it was no longer listed, ms since the epoch by our clock; `null`: it goes on. Its row stays for a moment. */
  readonly goneAtMs: number | null;
}

/** What the last command to a call's session was, and what is known of it. */
export interface Command {
  readonly commandId: string;
  readonly action: CommandAction | 'start';
  /** `sending`: not accepted yet. `unsent`: it never was, for `trouble`. */
  readonly status: 'sending' | 'unsent' | CommandResource['status'];
  readonly reason: string | null;
  readonly trouble: Trouble | null;
}

/** The audit trail of a session, as it was read. */
export interface Trail {
  readonly runId: string;
  /** The session's version that it was asked for at. */
  readonly version: number;
  readonly entries: readonly SessionEvent[];
  readonly trouble: Trouble | null;
}

/** Which calls are shown. */
export interface Filter {
  readonly text: string;
  readonly queue: string | null;
  /** Only those that somebody is on. */
  readonly monitored: boolean;
}

/** Something to be read out; the number tells one from the next of the same words. */
export interface Announcement {
  readonly number: number;
  readonly text: string;
}

/** All that the page knows. What it shows of sessions is what the server told, never what was asked for. */
export interface Model {
  readonly access: Access;
  readonly link: Link;
  readonly clock: ServerClock;
  /** Those that run, by session id. */
  readonly sessions: ReadonlyMap<string, SessionResource>;
  /** The same by interaction, in the order of their start; a list stays the same object until something in it changes. */
  readonly sessionsByCall: ReadonlyMap<string, readonly SessionResource[]>;
  /** Our own that are over, newest last, until they are put away. */
  readonly ended: readonly SessionResource[];
  /** Their calls as they were last known, by interaction: the rows go. */
  readonly endedCalls: ReadonlyMap<string, Call>;
  /** Runs that are known to be over, with the server's time when it said so: what is older brings none of them back. */
  readonly endedRuns: ReadonlyMap<string, string>;
  /** Our own that were here and are not in the latest snapshot: to be read, for nobody tells how they ended. */
  readonly vanished: readonly SessionResource[];
  /** In the order in which they came to be known, all that sessions run on among them: a row keeps its place. */
  readonly calls: ReadonlyMap<string, Call>;
  readonly listing: { readonly kind: 'loading' | 'ready' } | { readonly kind: 'failed'; readonly trouble: Trouble };
  /** By interaction. */
  readonly commands: ReadonlyMap<string, Command>;
  /** By session id, of those that are shown. */
  readonly trails: ReadonlyMap<string, Trail>;
  /** By session id, our own, oldest first. */
  readonly samples: ReadonlyMap<string, readonly MediaSample[]>;
  readonly filter: Filter;
  readonly announcement: Announcement;
  /** The API told something that this page is too old for. */
  readonly isOutdated: boolean;
}

/** What happens to the page. Times are ms since the epoch by our clock. */
export type PageEvent =
  | { readonly type: 'signed-in'; readonly me: Me }
  | { readonly type: 'signed-out'; readonly ways: readonly SignInWay[]; readonly trouble: Trouble | null }
  | { readonly type: 'signing-in' }
  | { readonly type: 'unreachable'; readonly trouble: Trouble }
  | { readonly type: 'link-live' }
  | { readonly type: 'outdated' }
  | { readonly type: 'link-lost'; readonly nowMs: number; readonly retryAtMs: number }
  | { readonly type: 'snapshot'; readonly sessions: readonly SessionResource[]; readonly nowMs: number }
  | { readonly type: 'changed'; readonly session: SessionResource; readonly nowMs: number }
  | { readonly type: 'heard'; readonly at: string; readonly nowMs: number }
  /** What an answer of REST showed; it may be older than what is known. */
  | { readonly type: 'session-read'; readonly session: SessionResource; readonly nowMs: number }
  | { readonly type: 'session-missing'; readonly sessionId: string }
  | { readonly type: 'sampled'; readonly samples: readonly MediaSample[] }
  | { readonly type: 'calls-listed'; readonly items: readonly InteractionResource[]; readonly nowMs: number }
  | { readonly type: 'calls-failed'; readonly trouble: Trouble }
  /** The rows of calls that are over may go; later, while somebody is among the rows. */
  | { readonly type: 'settle'; readonly nowMs: number; readonly isHeld: boolean }
  | {
      readonly type: 'asked';
      readonly interactionId: string;
      readonly command: Omit<Command, 'status' | 'reason' | 'trouble'>;
    }
  | { readonly type: 'answered'; readonly interactionId: string; readonly command: CommandResource }
  | { readonly type: 'unsent'; readonly interactionId: string; readonly commandId: string; readonly trouble: Trouble }
  | { readonly type: 'trail-read'; readonly sessionId: string; readonly trail: Trail }
  | { readonly type: 'trail-closed'; readonly sessionId: string }
  | { readonly type: 'put-away'; readonly runId: string }
  /** What came of a command has been read. */
  | { readonly type: 'outcome-read'; readonly interactionId: string }
  | { readonly type: 'filtered'; readonly filter: Partial<Filter> };

export const EMPTY_MODEL: Model = {
  access: { kind: 'unknown', trouble: null },
  link: { kind: 'connecting' },
  clock: UNKNOWN_CLOCK,
  sessions: new Map(),
  sessionsByCall: new Map(),
  ended: [],
  endedCalls: new Map(),
  endedRuns: new Map(),
  vanished: [],
  calls: new Map(),
  listing: { kind: 'loading' },
  commands: new Map(),
  trails: new Map(),
  samples: new Map(),
  filter: { text: '', queue: null, monitored: false },
  announcement: { number: 0, text: '' },
  isOutdated: false,
};

/** Sessions in the order of their start, and of those that began together always in the same one. */
export function inOrderOfStart(sessions: readonly SessionResource[]): SessionResource[] {
  return sessions.toSorted(
    (one, other) => compare(one.startedAt, other.startedAt) || compare(one.sessionId, other.sessionId),
  );
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** Whether somebody on the call hears a session's supervisor, as the platform confirmed. */
export function isHeard({ state }: SessionResource): boolean {
  return state === 'WHISPER' || state === 'BARGE';
}

/** Who is signed in, as a supervisor; `null`: nobody. */
export function ownId({ access }: Model): string | null {
  return access.kind === 'signed-in' ? access.me.id : null;
}
