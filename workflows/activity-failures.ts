import { ActivityFailure, ApplicationFailure, isCancellation, sleep, TimeoutFailure } from '@temporalio/workflow';
import { z } from 'zod';
import type { ActivityFailureType } from '../domain/errors.js';

/** Tries in the workflow task, and through the task queue with its patient retries where that was not enough. */
export async function atOnceOr<T>(atOnce: () => Promise<T>, patiently: () => Promise<T>): Promise<T> {
  try {
    return await atOnce();
  } catch (error) {
    const failure = applicationFailure(error);
    if (isCancellation(error) || failure?.nonRetryable === true) throw error;
    const delayMs = requestedDelayMs(failure);
    if (delayMs !== undefined) await sleep(delayMs, { summary: failure?.message.slice(0, 100) ?? 'throttled' });
    return patiently();
  }
}

export type StartFailure =
  | { readonly kind: 'ambiguous'; readonly sentByMs: number }
  | { readonly kind: 'not-sent'; readonly message: string; readonly retryAfterMs: number | undefined };

const ambiguousStart = z.tuple([z.object({ sentByMs: z.number() })]).rest(z.unknown());

/** What the failure of the one attempt says about the leg. When in doubt, it may have been made. */
export function startFailure(error: unknown): StartFailure {
  const failure = applicationFailure(error);
  const certainlyNot: readonly ActivityFailureType[] = ['platform.throttled', 'platform.unreachable'];
  if (failure !== undefined && certainlyNot.some((type) => type === failure.type)) {
    return { kind: 'not-sent', message: failure.message, retryAfterMs: requestedDelayMs(failure) };
  }
  if (
    error instanceof ActivityFailure &&
    error.cause instanceof TimeoutFailure &&
    error.cause.timeoutType === 'SCHEDULE_TO_START'
  ) {
    return { kind: 'not-sent', message: 'no worker took the start', retryAfterMs: undefined };
  }
  const details = ambiguousStart.safeParse(failure?.details);
  // An attempt that its worker never reported on was given up longer ago than it can have been sent.
  return { kind: 'ambiguous', sentByMs: details.success ? details.data[0].sentByMs : Date.now() };
}

/** The failure that an activity itself reported, from inside Temporal's wrapping. */
export function applicationFailure(error: unknown): ApplicationFailure | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ApplicationFailure) return cause;
  }
  return undefined;
}

/** The delay that the platform asked for (`Retry-After`), ms. */
function requestedDelayMs(failure: ApplicationFailure | undefined): number | undefined {
  const delay: unknown = failure?.nextRetryDelay;
  return typeof delay === 'number' ? delay : undefined;
}
