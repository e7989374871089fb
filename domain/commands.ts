import { z } from 'zod';
import { commandIdSchema, externalId } from './identifiers.js';
import { monitorMode } from './session.js';

/** What a caller may ask of a running session. */
export const commandAction = z.enum(['barge', 'whisper', 'silent', 'stop']);
export type CommandAction = z.infer<typeof commandAction>;

/**
 * Where a command stands. `accepted` and `queued` are under way; the others are final.
 * `queued`: a barge or whisper in line for the exclusive channel; once granted, it is `accepted` again.
 * `rejected`: the platform or the session's state said no. `failed`: it could not be carried out.
 * `expired`: it waited for its time. `superseded`: a newer barge or whisper took over its place in line.
 * `cancelled`: the session ended, or its supervisor went back to `silent`, first.
 */
export const commandStatus = z.enum([
  'accepted',
  'queued',
  'applied',
  'rejected',
  'expired',
  'superseded',
  'cancelled',
  'failed',
]);
export type CommandStatus = z.infer<typeof commandStatus>;
export type FinalCommandStatus = Exclude<CommandStatus, 'accepted' | 'queued'>;

export function isFinal(status: CommandStatus): status is FinalCommandStatus {
  return status !== 'accepted' && status !== 'queued';
}

/** Free text that goes to the audit trail. */
const reasonText = z.string().max(500);

/** Who asked, for the audit trail. */
const actor = z.string().min(1).max(256);

/** Longest `maxDurationSeconds`, and the default: no call lasts longer, and every wait has a limit. */
export const MAX_DURATION_SECONDS = 86_400;

/**
 * What `monitoringSession` is started with, by REST and by direct starters alike.
 * `mode` is what the session goes to once active (default silent).
 */
export const startSessionInput = z.strictObject({
  interactionId: externalId,
  supervisorId: externalId,
  mediaServerGroupId: externalId.optional(),
  /** `strict`: that group, or the one that carries the interaction, or no leg at all. */
  mediaAffinity: z.enum(['preferred', 'strict']).optional(),
  mode: monitorMode.optional(),
  maxDurationSeconds: z.int().min(1).max(MAX_DURATION_SECONDS).optional(),
  actor: actor.optional(),
  reason: reasonText.optional(),
});
export type StartSessionInput = z.infer<typeof startSessionInput>;

/** The body of `POST /v1/sessions`. Who asks is known; a person who names no supervisor is meant themselves. */
export const sessionRequest = startSessionInput.omit({ actor: true }).partial({ supervisorId: true });

/** Software that has the API key has to name one. */
export const sessionRequestOfService = sessionRequest.required({ supervisorId: true });

/** The payload of the signals `barge`, `whisper`, `silent` and `stop`. Without a `commandId` the session makes one up. */
export const commandSignal = z.strictObject({
  commandId: commandIdSchema.optional(),
  actor: actor.optional(),
  reason: reasonText.optional(),
});
export type CommandSignal = z.infer<typeof commandSignal>;

/** The payload of the signal `interactionEnded`; none of it has to be told. */
export const interactionEndedSignal = commandSignal.omit({ commandId: true });

/** The body of `POST /v1/sessions/{sessionId}/commands`. */
export const commandRequest = z.strictObject({
  action: commandAction,
  reason: reasonText.optional(),
  /** The session that is meant, if the same supervisor may have started another on this interaction since. */
  runId: z.string().min(1).max(64).optional(),
});
export type CommandRequest = z.infer<typeof commandRequest>;

/** A command as REST answers it. */
export const commandResource = z.object({
  commandId: z.string(),
  action: z.union([commandAction, z.literal('start')]),
  status: commandStatus,
  /** The outcome's code: a `CommandReason`, or the `endReason` of the session that ended first. */
  reason: z.string().optional(),
  /** While `queued`: the place in line, 1 = next. */
  position: z.int().positive().optional(),
  /** While `queued`: when the wait is over. */
  expiresAt: z.iso.datetime().optional(),
  /** While `queued` at position 1: the leg that speaks although the channel is granted. */
  conflictingMonitorSessionId: z.string().optional(),
});
export type CommandResource = z.infer<typeof commandResource>;

/**
 * The session's own first two commands, so that a start and its initial mode have an outcome like any other. The `~`
 * keeps them apart from every id that a caller can choose.
 */
export const START_COMMAND_ID = '~start';
export const INITIAL_MODE_COMMAND_ID = '~mode';

/** Longest that `awaitCommand` and `Prefer: wait` hold an answer, ms. */
export const AWAIT_LIMIT_MS = 30_000;

/** The update `awaitCommand`: answers when the command has its outcome, or after `waitMs` with what it is by then. */
export const awaitCommandInput = z.strictObject({
  commandId: z.string().min(1).max(128),
  waitMs: z.int().min(0).max(AWAIT_LIMIT_MS),
});
export type AwaitCommandInput = z.infer<typeof awaitCommandInput>;
