import { z } from 'zod';
import { commandResource } from './commands.js';

/**
 * The names that any Temporal client, in any language, uses to start a session and talk to it. They are a public
 * interface: renaming one breaks callers and recorded histories.
 */

/** Where sessions and their activities run; `TEMPORAL_TASK_QUEUE` overrides it. */
export const DEFAULT_TASK_QUEUE = 'monitoring';

/** The workflow type of a session, started with one `startSessionInput` under its `sessionWorkflowId`. */
export const MONITORING_SESSION = 'monitoringSession';

/** Ends the session because its interaction is over. The command signals are named after their `commandAction`. */
export const INTERACTION_ENDED_SIGNAL = 'interactionEnded';

/** Something about the interaction's legs has changed: the session looks what, and believes nothing but what it sees. */
export const MONITOR_STATUS_SIGNAL = 'monitorStatus';

/** The leg is heard better or worse, or should be heard with another profile; see `mediaNews`. Workers send it. */
export const MEDIA_QUALITY_SIGNAL = 'mediaQuality';

/** Query: the whole session record, see {@link sessionReport}. */
export const STATE_QUERY = 'state';

/** Update: waits for a command's outcome, see `awaitCommandInput`; answers a {@link commandOutcome}. */
export const AWAIT_COMMAND_UPDATE = 'awaitCommand';

/** The memo field that mirrors the session (`sessionSnapshot`). */
export const SESSION_MEMO = 'session';

/**
 * The memo field that mirrors the session's latest commands that are in line or have their outcome, so that reading one
 * takes no worker and no query ({@link commandsMemo}).
 */
export const COMMANDS_MEMO = 'commands';
export const commandsMemo = z.array(commandResource);

/**
 * The memo field that tells how far the one `start` has come. A session that looks for its leg after a lost answer reads
 * it of its neighbours, so that no two adopt the same leg (docs/decisions/0004-lost-start.md).
 */
export const START_MEMO = 'start';
export const startProgress = z.enum(['unresolved', 'ambiguous', 'resolved']);
export type StartProgress = z.infer<typeof startProgress>;

/**
 * The memo field of a session that REST has made with an `Idempotency-Key`: the key, and a digest of the request, so that a
 * repeat finds the session and another request under the key is told. Direct starters have workflow ids for that.
 */
export const CREATION_MEMO = 'creation';
export const creation = z.object({ key: z.string(), payload: z.string() });
export type Creation = z.infer<typeof creation>;

/** Keyword search attributes, by the names they are registered under. */
export const SEARCH_ATTRIBUTE_NAMES = ['InteractionId', 'SupervisorId', 'SessionState', 'MonitorSessionId'] as const;
