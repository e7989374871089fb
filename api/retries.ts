import { setTimeout as sleep } from 'node:timers/promises';
import { isRetryableError } from '@temporalio/client';
import type { GrpcRetryOptions } from '@temporalio/client';

/** Longest pause between two attempts at a call, ms. The SDK's own is 5 s, which is all that a call may take here. */
const RETRY_PAUSE_MS = 500;

/** When calls that fail for a reason that passes are made again, until they run out of time; for the SDK's interceptor. */
export class Retries implements GrpcRetryOptions {
  /** The details of the last status that was no answer. */
  lastFailure: string | undefined;
  #ended = false;
  readonly #planned = new Set<Promise<void>>();

  readonly retryableDecider: GrpcRetryOptions['retryableDecider'] = (_attempt, status) => {
    if (isRetryableError(status)) this.lastFailure = causeIn(status.details);
    return !this.#ended && isRetryableError(status);
  };

  readonly delayFunction = (attempt: number): number => {
    const delayMs = Math.min(RETRY_PAUSE_MS, 50 * 2 ** attempt) * (0.8 + Math.random() * 0.4);
    // A microtask comes once the SDK has set its timer, so that this one is set later, for longer, and comes after it, however
    // busy the process is.
    const made = Promise.resolve()
      .then(() => sleep(delayMs + 1))
      .then(() => void this.#planned.delete(made));
    this.#planned.add(made);
    return delayMs;
  };

  /** Lets no other retry begin, and resolves once those that are planned are made. */
  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#planned);
  }
}

/** Of what gRPC says where no connection could be made, the part that says why: `connect ECONNREFUSED 127.0.0.1:7233`. */
function causeIn(details: string): string {
  return /Last error: (?:Error: )?(.*?)\.? Resolution note:/s.exec(details)?.[1] ?? details;
}
