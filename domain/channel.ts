import { z } from 'zod';

/**
 * What a session and the `bargeMutex` of its interaction say to each other. Each message may come late or twice. All of
 * them are signals: durable, without a cap, in the order in which Temporal accepted them. Those that somebody waits for
 * (`requestChannel`, `releaseChannel`, `channelGranted`) are tried as an update of the same name first, which is faster.
 */

const requestId = z.string().min(1).max(64);
const workflowId = z.string().min(1).max(1_000);
const runId = z.string().min(1).max(64);
/** ms since the epoch; no later than a date can be. */
const timeMs = z.number().nonnegative().max(8_640_000_000_000_000);

/** Session → mutex, signal `requestChannel`: put me in line. */
export const channelRequest = z.object({
  /** Of this one turn; never used again. */
  requestId,
  sessionId: workflowId,
  /** The first run of the session's chain: another chain under the same id is another session. */
  runId,
  /** The run that asks. Once the chain goes on in another one (reset, continue-as-new), that one is told again. */
  currentRunId: runId,
  /** The leg that will speak, to be stopped should its session die. */
  monitorSessionId: z.string().min(1).max(128),
  /** When the session asked, by Temporal's clock: of two requests of one session the earlier one is a late repeat. */
  askedAtMs: timeMs,
  /** How long the wait may last, from the mutex's acceptance, ms; an hour at most, like the setting. */
  waitMs: z.int().positive().max(3_600_000),
});
export type ChannelRequest = z.infer<typeof channelRequest>;

/** What the update `requestChannel` answers; `over`: the request was taken back or has expired before. */
export const channelAnswer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('granted'), fence: z.number(), expiresAtMs: timeMs }),
  z.object({ kind: z.literal('queued'), position: z.int().positive(), expiresAtMs: timeMs }),
  z.object({ kind: z.literal('over') }),
]);
export type ChannelAnswer = z.infer<typeof channelAnswer>;

/** Session → mutex, signal `releaseChannel`: I no longer wait, and my leg does not speak. */
export const channelRelease = z.object({
  requestId,
  /** The first run of the session that says so. Another one than asked, under the same id, cannot speak for its leg. */
  runId,
  /** Of the grant that is given back; a lower one than the current grant's is stale. */
  fence: z.number().optional(),
});
export type ChannelRelease = z.infer<typeof channelRelease>;

/** Session → mutex, signal `channelBlocked`: whether the platform keeps the channel from the one it was granted to. */
export const channelBlocked = z.object({ requestId, fence: z.number(), blocked: z.boolean() });
export type ChannelBlocked = z.infer<typeof channelBlocked>;

/** Mutex → session, signal `channelGranted`: the channel is yours. */
export const channelGranted = z.object({
  requestId,
  /** Higher with each grant of the interaction. */
  fence: z.number(),
  /** By when the platform has to have let the leg speak, ms since the epoch. */
  expiresAtMs: timeMs,
});
export type ChannelGranted = z.infer<typeof channelGranted>;

/** Mutex → session, signal `channelQueued`: your place in line, at first and whenever it has changed. */
export const channelQueued = z.object({
  requestId,
  /** 1 = next. */
  position: z.int().positive(),
  /** ms since the epoch. */
  expiresAtMs: timeMs,
});
export type ChannelQueued = z.infer<typeof channelQueued>;

/** Mutex → session, signal `channelExpired`: you waited for your time. */
export const channelExpired = z.object({ requestId });
export type ChannelExpired = z.infer<typeof channelExpired>;

/** The workflow type of the one writer of an interaction's exclusive channel. */
export const BARGE_MUTEX = 'bargeMutex';

/** Anybody → mutex, signal `lookAtHolder`: its session, or its leg, may be gone. */
export const LOOK_AT_HOLDER = 'lookAtHolder';

export const REQUEST_CHANNEL = 'requestChannel';
export const RELEASE_CHANNEL = 'releaseChannel';
export const CHANNEL_BLOCKED = 'channelBlocked';
export const CHANNEL_GRANTED = 'channelGranted';
export const CHANNEL_QUEUED = 'channelQueued';
export const CHANNEL_EXPIRED = 'channelExpired';

/** What a `bargeMutex` is started with. */
export const bargeMutexInput = z.strictObject({
  interactionId: z.string().min(1),
  /** How long a free channel that nobody asks for keeps its workflow, ms; the next request starts another. */
  idleMs: z.int().nonnegative(),
});
export type BargeMutexInput = z.infer<typeof bargeMutexInput>;

const inLine = z.object({ sessionId: z.string(), requestId: z.string() });

/** What the query `state` of a `bargeMutex` answers, for people and tests. */
export const channelReport = z.object({
  /** `blocked`: the platform lets another program's leg speak. */
  holder: inLine.extend({ fence: z.number(), blocked: z.boolean() }).nullable(),
  waiting: z.array(inLine.extend({ position: z.int().positive(), expiresAt: z.iso.datetime() })),
});
export type ChannelReport = z.infer<typeof channelReport>;

/** Where the watchers of holders run: a queue of their own, so that no command ever waits behind one. */
export function watchQueue(taskQueue: string): string {
  return `${taskQueue}-watch`;
}
