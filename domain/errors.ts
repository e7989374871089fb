/**
 * Every code that Earshot itself answers or fails with: REST problems, workflow and activity failures, command outcomes
 * and logs use the same ones, and they never change their meaning.
 */

/** `code` of a REST problem (RFC 9457). */
export const PROBLEM_CODES = [
  'invalid.request',
  'authentication.required',
  'authentication.unavailable',
  'access.denied',
  'rate.limited',
  'upgrade.required',
  'too.many.connections',
  'webhook.signature.invalid',
  'not.found',
  'method.not.allowed',
  'not.acceptable',
  'session.not.found',
  'command.not.found',
  'session.ended',
  'session.ending',
  'session.superseded',
  'payload.too.large',
  'idempotency.key.reused',
  'unsupported.media.type',
  'temporal.unreachable',
  'workers.unavailable',
  'platform.unavailable',
  'internal.error',
] as const;
export type ProblemCode = (typeof PROBLEM_CODES)[number];

/**
 * `type` of a failed workflow, or of an update it refuses.
 * - `invalid.request`: the input is not what the workflow takes; the message lists every fault.
 * - `session.id.mismatch`: started under another id than `sessionWorkflowId` gives; the message names the right one.
 * - `mutex.id.mismatch`: likewise for `mutexWorkflowId`.
 * - `singleton.id.mismatch`: likewise for `interactionSweep` and `platformEvents`, of which there is one each, and
 *   `tokenKeeper`, of which there is one for each worker.
 * - `command.not.found`: `awaitCommand` for a command that the session does not know.
 */
export const WORKFLOW_FAILURE_TYPES = [
  'invalid.request',
  'session.id.mismatch',
  'mutex.id.mismatch',
  'singleton.id.mismatch',
  'command.not.found',
] as const;
export type WorkflowFailureType = (typeof WORKFLOW_FAILURE_TYPES)[number];

/**
 * `type` of an activity that failed before it began, because its worker lacks the key of its input: the name of `codec/`'s
 * error, which the SDK makes the type. Nothing was sent.
 */
export const PAYLOAD_UNREADABLE = 'PayloadUnreadable';

/**
 * `type` of a failed activity: the kinds of `PlatformFault`, `leg.pending` while a confirmation is waited for,
 * `channel.busy` while the platform's exclusive channel is, and `worker.stopping` where the worker ends that an
 * activity was to last as long as.
 */
export type ActivityFailureType =
  | typeof PAYLOAD_UNREADABLE
  | 'leg.pending'
  | 'channel.busy'
  | 'worker.stopping'
  | 'platform.forbidden'
  | 'platform.gone'
  | 'platform.not-ready'
  | 'platform.busy'
  | 'platform.group-unavailable'
  | 'platform.throttled'
  | 'platform.unreachable'
  | 'platform.ambiguous'
  | 'platform.unauthorized'
  | 'platform.invalid';

/** `reason` of a command that was not applied, besides the end reasons of its session. `silent`: by a newer `silent`. */
export type CommandReason =
  | 'silent'
  | 'leg-unknown'
  | 'forbidden'
  | 'unauthorized'
  | 'invalid'
  | 'not-ready'
  | 'throttled'
  | 'platform-unreachable';
