import { literal } from '../directory/list-filter.js';
import { SEARCH_ATTRIBUTE_NAMES } from '../domain/workflow-contract.js';
import { toProblem } from './answer-problems.js';
import type { Handler } from './routes.js';
import { ShortCache } from './short-cache.js';
import type { Temporal } from './temporal-client.js';
import { isTimeout } from './temporal-problem.js';

/** How old a probe's result may be, ms. */
const CACHE_MS = 1_000;
/** How long a probe may take, ms: those who ask for readiness are impatient. */
const PROBE_LIMIT_MS = 2_000;

export interface Readiness {
  readonly ready: boolean;
  /** Why not, for people. */
  readonly reasons: readonly string[];
  /** Workers that have polled the task queue in the last minutes; `null` if unknown. None is no reason against readiness. */
  readonly workers: number | null;
}

/** Whether this process can do its work; shared by everyone who asks within a second. */
export class ReadinessProbe {
  readonly #cache = new ShortCache<Readiness>(CACHE_MS);

  constructor(private readonly temporal: Temporal) {}

  current(): Promise<Readiness> {
    return this.#cache.get('', () => this.#probe());
  }

  async #probe(): Promise<Readiness> {
    try {
      const [workers] = await Promise.all([this.#countWorkers(), this.#searchAttributes()]);
      return { ready: true, reasons: [], workers };
    } catch (error) {
      return {
        ready: false,
        reasons: [isTimeout(error) ? 'Temporal does not answer.' : toProblem(error).message],
        workers: null,
      };
    }
  }

  /** A list filter that names them all fails where one is missing; unlike the operator's API, Temporal Cloud takes it. */
  async #searchAttributes(): Promise<void> {
    const { client, namespace } = this.temporal;
    const query = SEARCH_ATTRIBUTE_NAMES.map((name) => `${name} = ${literal('none')}`).join(' AND ');
    await this.temporal.call(() => client.connection.workflowService.countWorkflowExecutions({ namespace, query }), {
      limitMs: PROBE_LIMIT_MS,
    });
  }

  async #countWorkers(): Promise<number> {
    const { client, namespace, taskQueue } = this.temporal;
    const { pollers } = await this.temporal.call(
      () =>
        client.connection.workflowService.describeTaskQueue({
          namespace,
          taskQueue: { name: taskQueue },
        }),
      { limitMs: PROBE_LIMIT_MS },
    );
    return new Set(pollers.map(({ identity }) => identity)).size;
  }
}

/** `GET /livez`: the process answers. */
export const getLiveness: Handler = (_request, response) => {
  response.json({ status: 'alive' });
  return Promise.resolve();
};

/** `GET /readyz` */
export function getReadiness(probe: ReadinessProbe): Handler {
  return async (_request, response) => {
    const { ready, reasons, workers } = await probe.current();
    response.status(ready ? 200 : 503);
    if (!ready) response.set('Retry-After', '2');
    response.json({ status: ready ? 'ready' : 'unready', reasons, workers });
  };
}
