import { randomUUID } from 'node:crypto';
import { ActivityExecutionFailedError, ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/client';
import type { ActivityFailureType } from '../domain/errors.js';
import { interactionPage } from '../domain/platform-wire.js';
import type { InteractionPage } from '../domain/platform-wire.js';
import { LIST_INTERACTIONS_ACTIVITY } from '../domain/interaction-list.js';
import type { ListInteractionsInput } from '../domain/interaction-list.js';
import { badCursor } from './cursor.js';
import { Problem } from './problem.js';
import type { Temporal } from './temporal-client.js';
import { causesOf, GRPC, grpcFailure } from './temporal-problem.js';

/** The workflow that runs {@link LIST_INTERACTIONS_ACTIVITY} where the server has no standalone activities. */
export const LIST_INTERACTIONS_WORKFLOW = 'listInteractions';

/** How long a worker may take to pick the work up; then there is none. */
const PICK_UP_LIMIT_MS = 3_000;
/** How long the platform may take, its adapter's own retries included. */
const ANSWER_LIMIT_MS = 5_000;
const WHOLE_LIMIT_MS = 7_000;
/** How much later Temporal may say that it is over; cut off before, it would seem as if Temporal did not answer. */
const TOLD_WITHIN_MS = 3_000;

/**
 * Lists the platform's interactions through a worker, because the API has no credentials of the platform: as a
 * standalone activity (Temporal 1.32 and later), else in a short workflow.
 */
export class InteractionSource {
  #standalone = true;

  constructor(private readonly temporal: Temporal) {}

  /** @throws {Problem} `workers.unavailable`, `platform.unavailable`, `invalid.request` for a cursor it doesn't know */
  async list(input: ListInteractionsInput): Promise<InteractionPage> {
    let answer: unknown;
    try {
      answer = this.#standalone ? await this.#byActivity(input) : await this.#byWorkflow(input);
    } catch (error) {
      if (this.#standalone && grpcFailure(error)?.code === GRPC.unimplemented) {
        // A server doesn't learn it while this process runs, so every later list spares the question.
        this.#standalone = false;
        return this.list(input);
      }
      throw listProblem(error, input.cursor !== undefined) ?? error;
    }
    return interactionPage.parse(answer);
  }

  #byActivity(input: ListInteractionsInput): Promise<unknown> {
    const { client, taskQueue } = this.temporal;
    return this.temporal.call(
      () =>
        client.activity.execute<unknown>(LIST_INTERACTIONS_ACTIVITY, {
          id: `list-interactions~${randomUUID()}`,
          taskQueue,
          args: [input],
          scheduleToStartTimeout: PICK_UP_LIMIT_MS,
          startToCloseTimeout: ANSWER_LIMIT_MS,
          scheduleToCloseTimeout: WHOLE_LIMIT_MS,
          retry: { maximumAttempts: 2, initialInterval: 300 },
          summary: `${input.status} interactions for the API`,
        }),
      { limitMs: WHOLE_LIMIT_MS + TOLD_WITHIN_MS },
    );
  }

  #byWorkflow(input: ListInteractionsInput): Promise<unknown> {
    const { client, taskQueue } = this.temporal;
    return this.temporal.call(
      () =>
        client.workflow.execute(LIST_INTERACTIONS_WORKFLOW, {
          workflowId: `list-interactions~${randomUUID()}`,
          taskQueue,
          args: [input],
          workflowExecutionTimeout: WHOLE_LIMIT_MS,
          staticSummary: `${input.status} interactions for the API`,
        }),
      { limitMs: WHOLE_LIMIT_MS + TOLD_WITHIN_MS },
    );
  }
}

/** What a failed list is to the caller; `undefined` where no worker and no platform had a part in it. */
function listProblem(error: unknown, hasCursor: boolean): Problem | undefined {
  const causes = causesOf(error);
  const failure = causes.find((cause) => cause instanceof ApplicationFailure);
  if (failure !== undefined) return answered(failure, hasCursor);
  const timeout = causes.find((cause) => cause instanceof TimeoutFailure);
  if (timeout === undefined) return undefined;
  // A workflow that timed out without a word from its activity never came to a worker.
  const reachedActivity = causes.some(
    (cause) => cause instanceof ActivityFailure || cause instanceof ActivityExecutionFailedError,
  );
  const pickedUp = reachedActivity && timeout.timeoutType !== 'SCHEDULE_TO_START';
  return pickedUp ? platformUnavailable('The telephony platform did not answer in time.', error) : noWorker(error);
}

function answered(failure: ApplicationFailure, hasCursor: boolean): Problem {
  if (hasCursor && failure.type === ('platform.invalid' satisfies ActivityFailureType)) return badCursor();
  return failure.type?.startsWith('platform.') === true
    ? platformUnavailable(`The telephony platform could not list its interactions: ${failure.message}`, failure)
    : noWorker(failure);
}

function platformUnavailable(detail: string, cause: unknown): Problem {
  return new Problem('platform.unavailable', detail, { cause });
}

function noWorker(cause: unknown): Problem {
  return new Problem(
    'workers.unavailable',
    'No worker could list the interactions. Is one of this version running on the task queue (npm run worker)?',
    { cause },
  );
}
