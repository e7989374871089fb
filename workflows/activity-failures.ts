import { ActivityFailure, ApplicationFailure, isCancellation, sleep, TimeoutFailure } from '@temporalio/workflow';
import { z } from 'zod';
import type { PlatformFailureDetails } from '../activities/platform-failure.js';
import type { ActivityFailureType } from '../domain/errors.js';

/** Longest that a command sits out at a stretch; a platform that is throttled for longer is asked again, ms. */
const LONGEST_DELAY_MS = 30_000;

/** Tries in the workflow task, and through the task queue with its patient retries where that was not enough. */
export async function atOnceOr<T>(atOnce: () => Promise<T>, patiently: () => Promise<T>): Promise<T> {
  try {
    return await atOnce();
  } catch (error) {
    const failure = applicationFailure(error);
    if (isCancellation(error) || failure?.nonRetryable === true) throw error;
    const { retryAfterMs } = detailsOf(failure);
    if (retryAfterMs !== undefined) {
      await sleep(Math.min(retryAfterMs, LONGEST_DELAY_MS), { summary: 'the delay that the platform asked for' });
    }
    return patiently();
  }
}

export type StartFailure =
  | { readonly kind: 'ambiguous'; readonly sentByMs: number }
  | { readonly kind: 'not-sent'; readonly message: string; readonly retryAfterMs: number | undefined };

/** What the failure of the one attempt says about the leg. When in doubt, it may have been made. */
export function startFailure(error: unknown): StartFailure {
  const failure = applicationFailure(error);
  const certainlyNot: readonly ActivityFailureType[] = ['platform.throttled', 'platform.unreachable'];
  if (failure !== undefined && certainlyNot.some((type) => type === failure.type)) {
    return { kind: 'not-sent', message: failure.message, retryAfterMs: detailsOf(failure).retryAfterMs };
  }
  if (
    error instanceof ActivityFailure &&
    error.cause instanceof TimeoutFailure &&
    error.cause.timeoutType === 'SCHEDULE_TO_START'
  ) {
    return { kind: 'not-sent', message: 'no worker took the start', retryAfterMs: undefined };
  }
  // An attempt that its worker never reported on was given up longer ago than it can have been sent.
  return { kind: 'ambiguous', sentByMs: detailsOf(failure).sentByMs ?? Date.now() };
}

/** The failure that an activity itself reported, from inside Temporal's wrapping. */
export function applicationFailure(error: unknown): ApplicationFailure | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ApplicationFailure) return cause;
  }
  return undefined;
}

const platformDetails = z.object({ retryAfterMs: z.number().optional(), sentByMs: z.number().optional() });

/** What the activity told besides its message; nothing where the failure is Temporal's own. */
function detailsOf(failure: ApplicationFailure | undefined): PlatformFailureDetails {
  const details = z.tuple([platformDetails]).rest(z.unknown()).safeParse(failure?.details);
  if (!details.success) return {};
  const [{ retryAfterMs, sentByMs }] = details.data;
  return {
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(sentByMs === undefined ? {} : { sentByMs }),
  };
}
