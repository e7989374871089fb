import type { RequestHandler } from 'express';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { runningSessionsInState } from '../directory/list-filter.js';
import { isFinal } from '../domain/commands.js';
import { sessionState } from '../domain/session.js';
import type { SessionState } from '../domain/session.js';
import { ANSWER_SECONDS } from '../telemetry/process-metrics.js';
import type { Readiness, ReadinessProbe } from './health.js';
import { contextOf } from './request-context.js';
import type { RequestContext } from './request-context.js';
import type { Handler } from './routes.js';
import { ShortCache } from './short-cache.js';
import type { Temporal } from './temporal-client.js';

/** How old what Temporal is asked for the page may be, ms. */
const CACHE_MS = 5_000;

/** The page waits so long for it, ms, and does without then. */
const PATIENCE_MS = 1_000;

/** A sample that came too late for its page is shown on the next, if that comes within, ms. */
const LATE_SAMPLE_MS = 60_000;

/** Methods that something here answers; whatever else a caller makes up is `other`. */
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'OPTIONS', 'PUT', 'PATCH', 'DELETE'];

const RUNNING = sessionState.options.filter((state) => state !== 'TERMINATED');

/** What the page asks Temporal for. */
interface Sample {
  readonly readiness: Readiness;
  /** `undefined`: Temporal does not say. */
  readonly sessions: ReadonlyMap<SessionState, number> | undefined;
}

/** What an API process counts and measures: docs/operations.md says what each of it means. No label ever holds an id. */
export class ApiMetrics {
  readonly registry = new Registry();
  readonly #requests = requestMetrics(this.registry);
  readonly #temporal = temporalMetrics(this.registry);
  readonly #samples = new ShortCache<Sample>(CACHE_MS);
  #last: { readonly sample: Sample; readonly atMs: number } | undefined;

  /** Counts each request as it ends, by what its context says then. Comes after `requestLog`. */
  readonly countRequests: RequestHandler = (request, response, next) => {
    const startedAtMs = performance.now();
    this.#requests.inFlight.inc();
    response.once('close', () => {
      this.#requests.inFlight.dec();
      const context = contextOf(request);
      const method = METHODS.includes(request.method) ? request.method : 'other';
      const status = response.writableFinished ? `${Math.floor(response.statusCode / 100)}xx` : 'abandoned';
      const route = context.route ?? 'none';
      const seconds = (performance.now() - startedAtMs) / 1_000;
      this.#requests.seconds.observe({ method, route, status }, seconds);
      this.#count(context, seconds);
    });
    next();
  };

  /** `GET /metrics` */
  page(temporal: Temporal, probe: ReadinessProbe): Handler {
    return async (_request, response) => {
      this.#show(await this.#sampleInTime(temporal, probe));
      response.type(this.registry.contentType).send(await this.registry.metrics());
    };
  }

  #count({ problem, command, isForOperator, event }: RequestContext, seconds: number): void {
    if (problem !== undefined) this.#requests.problems.inc({ code: problem });
    if (command !== undefined) {
      this.#requests.commands.inc(command);
      if (isFinal(command.status)) this.#requests.outcomeSeconds.observe(command, seconds);
    }
    if (isForOperator === true) this.#requests.events.inc({ topic: event ?? 'none', outcome: problem ?? 'accepted' });
  }

  /** Temporal that is away must not make the page slow: what it says later is there for the next one. */
  async #sampleInTime(temporal: Temporal, probe: ReadinessProbe): Promise<Sample | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
    });
    try {
      const taken = this.#samples
        .get('', () => takeSample(temporal, probe))
        .then((sample) => {
          this.#last = { sample, atMs: performance.now() };
          return sample;
        });
      const sample = await Promise.race([taken, late]);
      const { sample: last, atMs = -Infinity } = this.#last ?? {};
      return sample ?? (performance.now() - atMs < LATE_SAMPLE_MS ? last : undefined);
    } finally {
      clearTimeout(timer);
    }
  }

  #show(sample: Sample | undefined): void {
    const { up, workers, sessions } = this.#temporal;
    up.set(sample?.readiness.temporal === true ? 1 : 0);
    workers.remove();
    if (typeof sample?.readiness.workers === 'number') workers.set(sample.readiness.workers);
    sessions.reset();
    for (const [state, count] of sample?.sessions ?? []) sessions.set({ state }, count);
  }
}

async function takeSample(temporal: Temporal, probe: ReadinessProbe): Promise<Sample> {
  const readiness = await probe.current();
  if (!readiness.temporal) return { readiness, sessions: undefined };
  try {
    // Temporal groups by the status of workflows and by nothing else: one count for each state.
    const counts = await Promise.all(RUNNING.map((state) => countSessions(temporal, state)));
    return { readiness, sessions: new Map(counts) };
  } catch {
    return { readiness, sessions: undefined };
  }
}

async function countSessions(temporal: Temporal, state: SessionState): Promise<[SessionState, number]> {
  const { count } = await temporal.call(() => temporal.client.workflow.count(runningSessionsInState(state)), {
    limitMs: PATIENCE_MS,
  });
  return [state, count];
}

function requestMetrics(registry: Registry) {
  const registers = [registry];
  return {
    seconds: new Histogram({
      name: 'earshot_http_request_duration_seconds',
      help: 'Requests that have been answered, by method, route (its pattern) and class of status',
      labelNames: ['method', 'route', 'status'],
      buckets: ANSWER_SECONDS,
      registers,
    }),
    inFlight: new Gauge({
      name: 'earshot_http_requests_in_flight',
      help: 'Requests that wait for their answer',
      registers,
    }),
    problems: new Counter({
      name: 'earshot_http_problems_total',
      help: 'Problems that were answered, by code',
      labelNames: ['code'],
      registers,
    }),
    commands: new Counter({
      name: 'earshot_http_commands_total',
      help: 'Commands that were accepted by REST, by action and the status that was answered',
      labelNames: ['action', 'status'],
      registers,
    }),
    outcomeSeconds: new Histogram({
      name: 'earshot_http_command_outcome_duration_seconds',
      help: 'From the request to the outcome of a command, where its caller waited for it, by action and status',
      labelNames: ['action', 'status'],
      buckets: ANSWER_SECONDS,
      registers,
    }),
    events: new Counter({
      name: 'earshot_webhook_events_total',
      help: 'Events that the platform posted, by topic and outcome (accepted, or the code of the problem)',
      labelNames: ['topic', 'outcome'],
      registers,
    }),
  } as const;
}

function temporalMetrics(registry: Registry) {
  const registers = [registry];
  return {
    up: new Gauge({ name: 'earshot_temporal_up', help: '1 while Temporal answers the API', registers }),
    workers: new Gauge({
      name: 'earshot_workers',
      help: 'Workers that have polled in the last minute; absent while Temporal is away',
      registers,
    }),
    sessions: new Gauge({
      name: 'earshot_sessions',
      help: 'Sessions that run, by state, up to 7 s old; absent while Temporal is away',
      labelNames: ['state'],
      registers,
    }),
  } as const;
}
