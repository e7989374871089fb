import { cancellationSignal } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import type { ActivityFailureType } from '../domain/errors.js';

/**
 * For activities that last as long as their worker.
 * @param nonRetryable no other worker can go on with it
 * @throws `worker.stopping` where this one is stopping; what it was cancelled with where nobody wants it any more
 */
export function stopIfTold({ nonRetryable }: { readonly nonRetryable: boolean }): void {
  const signal = cancellationSignal();
  if (!signal.aborted) return;
  const reason: unknown = signal.reason;
  if (!(reason instanceof Error) || reason.message !== 'WORKER_SHUTDOWN') throw reason;
  const type: ActivityFailureType = 'worker.stopping';
  throw ApplicationFailure.create({
    type,
    nonRetryable,
    message: nonRetryable ? 'this worker is stopping' : 'this worker is stopping; the next one goes on',
    // As it should be: nothing to warn of.
    category: ApplicationFailureCategory.BENIGN,
  });
}
