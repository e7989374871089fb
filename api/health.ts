import { literal, runningTokenKeepers } from '../directory/list-filter.js';
import { TOKEN_MEMO, tokenHealth, workerOfKeeper } from '../domain/token-keeper.js';
import type { TokenHealth } from '../domain/token-keeper.js';
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
  /** Whether Temporal answers, and has what sessions need. */
  readonly temporal: boolean;
  /** Why not, for people. */
  readonly reasons: readonly string[];
  /** Workers that have polled the task queue in the last minute; `null` if unknown. None is no reason against readiness. */
  readonly workers: number | null;
  /** How the workers' tokens of the platform are; `null` if unknown. A bad one is no reason against readiness. */
  readonly tokens: readonly WorkerToken[] | null;
}

const STOPPING = 'This process is about to end.';

interface WorkerToken extends TokenHealth {
  readonly worker: string;
}

/** Of so many workers the tokens are shown. */
const TOKENS_SHOWN = 100;

/** A worker polls once a minute at least; one that has not for longer, ms, is gone. */
const POLLED_WITHIN_MS = 75_000;

/** Whether this process can do its work; shared by everyone who asks within a second. */
export class ReadinessProbe {
  readonly #cache = new ShortCache<Readiness>(CACHE_MS);

  constructor(private readonly temporal: Temporal) {}

  current(): Promise<Readiness> {
    return this.#cache.get('', () => this.#probe());
  }

  async #probe(): Promise<Readiness> {
    try {
      const [workers, tokens] = await Promise.all([this.#countWorkers(), this.#tokens(), this.#searchAttributes()]);
      return { ready: true, temporal: true, reasons: [], workers, tokens };
    } catch (error) {
      return {
        ready: false,
        temporal: false,
        reasons: [isTimeout(error) ? 'Temporal does not answer.' : toProblem(error).message],
        workers: null,
        tokens: null,
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
    const sinceMs = Date.now() - POLLED_WITHIN_MS;
    const alive = pollers.filter(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1_000 >= sinceMs);
    return new Set(alive.map(({ identity }) => identity)).size;
  }

  /** As their keepers show them; one that shows none has just been started, or is not ours. */
  async #tokens(): Promise<WorkerToken[]> {
    const { client, taskQueue } = this.temporal;
    const executions = client.workflow.list({ query: runningTokenKeepers(taskQueue), pageSize: TOKENS_SHOWN });
    const found: WorkerToken[] = [];
    await this.temporal.call(
      async () => {
        for await (const { workflowId, memo } of executions) {
          const health = tokenHealth.safeParse(memo?.[TOKEN_MEMO]);
          if (health.success) found.push({ worker: workerOfKeeper(workflowId), ...health.data });
          if (found.length >= TOKENS_SHOWN) break;
        }
      },
      { limitMs: PROBE_LIMIT_MS },
    );
    return found;
  }
}

/** `GET /livez`: the process answers. */
export const getLiveness: Handler = (_request, response) => {
  response.json({ status: 'alive' });
  return Promise.resolve();
};

/** `GET /readyz`: a process that drains says so at once, whatever else there is. */
export function getReadiness(probe: ReadinessProbe, draining: AbortSignal): Handler {
  return async (_request, response) => {
    const { ready, reasons, workers, tokens } = draining.aborted
      ? { ready: false, reasons: [STOPPING], workers: null, tokens: null }
      : await probe.current();
    response.status(ready ? 200 : 503);
    if (!ready) response.set('Retry-After', '2');
    response.json({ status: ready ? 'ready' : 'unready', reasons, workers, tokens });
  };
}
