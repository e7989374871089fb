import { ApplicationFailure } from '@temporalio/common';
import type { ActivityFailureType } from '../domain/errors.js';
import { PlatformError } from '../platform/platform-error.js';
import type { PlatformFault } from '../platform/platform-error.js';

/** The first detail of every failure of {@link platformFailure}: what the workflow goes by. */
export interface PlatformFailureDetails {
  /** When it is worth trying again, ms: what the platform asked for, or what the worker knows of it. */
  readonly retryAfterMs?: number;
  /** Since when the platform does not answer, ISO 8601. */
  readonly since?: string;
  /** How long after this failure an ambiguous `start` may yet be sent by another attempt, ms. @default 0 */
  readonly mayStillSendMs?: number;
}

/**
 * The failure that an activity ends with when a call to the platform did not succeed: retryable exactly where trying
 * again can help, after the delay that its fault names. The delay is among the details too: Temporal obeys
 * `nextRetryDelay` but does not hand it to the workflow.
 */
export function platformFailure(error: PlatformError): ApplicationFailure {
  const { fault } = error;
  const type: ActivityFailureType = `platform.${fault.kind}`;
  const retryAfterMs = 'retryAfterMs' in fault ? (fault.retryAfterMs ?? undefined) : undefined;
  const since = fault.kind === 'unreachable' ? fault.since : undefined;
  return ApplicationFailure.create({
    type,
    message: error.message,
    nonRetryable: !isTransient(fault),
    details: [
      {
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
        ...(since === undefined ? {} : { since }),
      } satisfies PlatformFailureDetails,
    ],
    ...(retryAfterMs === undefined ? {} : { nextRetryDelay: retryAfterMs }),
  });
}

/** Whether the same call may succeed later. A `403` never does (`platform-api.md`). */
function isTransient(fault: PlatformFault): boolean {
  switch (fault.kind) {
    case 'throttled':
    case 'unreachable':
    case 'ambiguous':
    case 'not-ready':
    case 'unauthorized':
      return true;
    case 'forbidden':
    case 'gone':
    case 'busy':
    case 'group-unavailable':
    case 'invalid':
      return false;
  }
}

/**
 * Runs a call and hands its fault to `answer`; what `answer` does not take (`undefined`) fails the activity. So an
 * activity lists the faults that are answers to its question, and every other one is treated alike.
 */
export async function answering<Success, Answer>(
  call: () => Promise<Success>,
  answer: (fault: PlatformFault) => Answer | undefined,
): Promise<Success | Answer> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    const answered = answer(error.fault);
    if (answered !== undefined) return answered;
    throw platformFailure(error);
  }
}
