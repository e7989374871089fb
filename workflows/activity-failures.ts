import {
  ActivityFailure,
  ApplicationFailure,
  isCancellation,
  sleep,
  TemporalFailure,
  TimeoutFailure,
} from '@temporalio/workflow';
import { z } from 'zod';
import type { PlatformFailureDetails } from '../activities/platform-failure.js';
import { PAYLOAD_UNREADABLE } from '../domain/errors.js';
import type { ActivityFailureType } from '../domain/errors.js';

/** Longest that a command sits out at a stretch; a platform that is throttled for longer is asked again, ms. */
const LONGEST_DELAY_MS = 30_000;

/**
 * Tries in the workflow task, and through the task queue with its patient retries where that was not enough; these are
 * told how the first try failed.
 * @param giveUpAtMs not to be waited for longer, where the platform asks for a delay; ms since the epoch
 */
export async function atOnceOr<T>(
  atOnce: () => Promise<T>,
  patiently: (first: unknown) => Promise<T>,
  giveUpAtMs = Number.POSITIVE_INFINITY,
): Promise<T> {
  try {
    return await atOnce();
  } catch (error) {
    const failure = applicationFailure(error);
    if (isCancellation(error) || failure?.nonRetryable === true) throw error;
    const { retryAfterMs, since } = detailsOf(failure);
    // Of a platform that is away the worker knows, and sends the first attempt away with the delay.
    if (retryAfterMs !== undefined && since === undefined) {
      const delayMs = Math.min(retryAfterMs, LONGEST_DELAY_MS);
      if (Date.now() + delayMs > giveUpAtMs) throw error;
      await sleep(delayMs, { summary: 'the delay that the platform asked for' });
    }
    return patiently(error);
  }
}

export type StartFailure =
  /** `sentByMs`: a time by which it has been sent, if it ever was; by Temporal's clock, ms since the epoch. */
  | {
      readonly kind: 'ambiguous';
      readonly sentByMs: number;
      /** It is an earlier run's start that is in doubt; none was sent. */
      readonly isEarlier: boolean;
    }
  | {
      readonly kind: 'not-sent';
      readonly message: string;
      readonly retryAfterMs: number | undefined;
      /** The platform is known to be away. */
      readonly isAway: boolean;
    };

/** What the failure of the one attempt says about the leg. When in doubt, it may have been made. */
export function startFailure(error: unknown): StartFailure {
  const failure = applicationFailure(error);
  if (failure !== undefined && hasType(failure, ['platform.throttled', 'platform.unreachable', PAYLOAD_UNREADABLE])) {
    const { retryAfterMs, since } = detailsOf(failure);
    return { kind: 'not-sent', message: failure.message, retryAfterMs, isAway: since !== undefined };
  }
  if (timeoutOf(error) === 'SCHEDULE_TO_START') {
    return { kind: 'not-sent', message: 'no worker took the start', retryAfterMs: undefined, isAway: false };
  }
  // One clock for the window and its measure: by this session's time the failure is never earlier than the sending.
  const { mayStillSendMs } = detailsOf(failure);
  return {
    kind: 'ambiguous',
    sentByMs: Date.now() + (mayStillSendMs ?? 0),
    isEarlier: mayStillSendMs !== undefined,
  };
}

/** Whether a call that failed may have been sent, so that it may still take effect. When in doubt, it may. */
export function mayTakeEffect(error: unknown): boolean {
  const failure = applicationFailure(error);
  return !hasType(failure, [
    'platform.throttled',
    'platform.unreachable',
    'platform.not-ready',
    'platform.unauthorized',
    PAYLOAD_UNREADABLE,
  ]);
}

/** Since when the platform has not answered, ISO 8601, where that is what a call failed of. */
export function unansweredSince(error: unknown): string | undefined {
  const failure = applicationFailure(error);
  const isSilent =
    failure === undefined
      ? // Cut off by its limit: a platform that hangs.
        timeoutOf(error) === 'START_TO_CLOSE'
      : hasType(failure, ['platform.unreachable', 'platform.ambiguous']);
  return isSilent ? (detailsOf(failure).since ?? new Date().toISOString()) : undefined;
}

/** Whether a call failed of what the platform answered, and not on the way to it. */
export function isAnswer(error: unknown): boolean {
  return hasType(applicationFailure(error), [
    'leg.pending',
    'channel.busy',
    'platform.forbidden',
    'platform.gone',
    'platform.not-ready',
    'platform.busy',
    'platform.group-unavailable',
    'platform.invalid',
  ]);
}

function hasType(failure: ApplicationFailure | undefined, types: readonly ActivityFailureType[]): boolean {
  return types.some((type) => type === failure?.type);
}

/** Which of its limits an activity has run into, if that is why it failed. */
export function timeoutOf(error: unknown): TimeoutFailure['timeoutType'] | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof TimeoutFailure ? cause.timeoutType : undefined;
}

/** Whether an activity failed. A local one fails with what it reported itself, which Temporal doesn't wrap. */
export function isActivityFailure(error: unknown): boolean {
  return error instanceof TemporalFailure && !isCancellation(error);
}

/** The failure that an activity itself reported, from inside Temporal's wrapping. */
export function applicationFailure(error: unknown): ApplicationFailure | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ApplicationFailure) return cause;
  }
  return undefined;
}

const platformDetails = z.object({
  retryAfterMs: z.number().optional(),
  since: z.string().optional(),
  mayStillSendMs: z.number().optional(),
});

/** What the activity told besides its message; nothing where the failure is Temporal's own. */
function detailsOf(failure: ApplicationFailure | undefined): PlatformFailureDetails {
  const details = z.tuple([platformDetails]).rest(z.unknown()).safeParse(failure?.details);
  if (!details.success) return {};
  const [{ retryAfterMs, since, mayStillSendMs }] = details.data;
  return {
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(since === undefined ? {} : { since }),
    ...(mayStillSendMs === undefined ? {} : { mayStillSendMs }),
  };
}
