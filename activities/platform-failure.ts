import { ApplicationFailure } from '@temporalio/common';
import type { ActivityFailureType } from '../domain/errors.js';
import { PlatformError } from '../platform/platform-error.js';
import type { PlatformFault } from '../platform/platform-error.js';

/**
 * The failure that an activity ends with when a call to the platform did not succeed: retryable exactly where trying
 * again can help, after the delay that the platform asked for.
 */
export function platformFailure(error: PlatformError, details: Record<string, unknown> = {}): ApplicationFailure {
  const { fault } = error;
  const type: ActivityFailureType = `platform.${fault.kind}`;
  return ApplicationFailure.create({
    type,
    message: error.message,
    nonRetryable: !isTransient(fault),
    details: [details],
    ...(fault.kind === 'throttled' && fault.retryAfterMs !== null ? { nextRetryDelay: fault.retryAfterMs } : {}),
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
export async function answering<T>(
  call: () => Promise<T>,
  answer: (fault: PlatformFault) => T | undefined,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    const answered = answer(error.fault);
    if (answered !== undefined) return answered;
    throw platformFailure(error);
  }
}
