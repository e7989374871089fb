import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { RoundResult } from '../activities/reconcile-activities.js';
import type { SweptPages } from '../activities/sweep-activities.js';
import type { SessionAnnouncement } from '../domain/announcements.js';
import type { MediaWatch } from '../directory/media-watch.js';
import type { CommandNews } from '../domain/command-outcomes.js';
import { mediaQuality } from '../domain/media.js';
import type { CallObserver, PlatformStatus } from '../platform/call-observer.js';
import { IMPORTANCES } from '../platform/importance.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { ANSWER_SECONDS, PATIENCE_SECONDS } from '../telemetry/process-metrics.js';

/** What can be looked up only when somebody asks. */
export interface WorkerSources {
  readonly platform: () => PlatformStatus;
  /** How many workers share the platform's rate limit, as last counted. */
  readonly workers: () => number;
}

/**
 * What a worker process counts and measures: docs/operations.md says what each of it means. No label ever holds an id.
 *
 * What comes from workflows (commands, waits, sessions) is approximate: their sinks run even where the workflow task fails
 * and is done again, and a reset does things anew.
 */
export class WorkerMetrics {
  readonly registry = new Registry();
  readonly #platform = platformMetrics(this.registry);
  readonly #status = statusMetrics(this.registry);
  readonly #sessions = sessionMetrics(this.registry);
  readonly #cleaning = cleaningMetrics(this.registry);
  readonly #events = eventMetrics(this.registry);
  readonly #media = mediaMetrics(this.registry);

  #watch: Pick<MediaWatch, 'qualities'> | undefined;

  constructor() {
    // What has not been yet is not 0.
    for (const gauge of [this.#events.since, this.#cleaning.unknownLegs, this.#cleaning.roundSeconds]) gauge.remove();
  }

  /** For the platform's adapter. */
  readonly calls: CallObserver = {
    sent: (operation, result, seconds) => this.#platform.seconds.observe({ operation, result }, seconds),
    notSent: (operation, reason) => this.#platform.notSent.inc({ operation, reason }),
    tokenRequested: (result) => this.#platform.tokens.inc({ result }),
  };

  /** Of what lives elsewhere, all that the page shows. */
  sample({ platform, workers }: WorkerSources): void {
    const { limit, pausedForMs, waiting, inFlight, awaySince, token } = platform();
    const { limit: calls, remaining, paused, waitingCalls, flying, away, awaySinceAt, sharing } = this.#status;
    setOrRemove(calls, limit?.calls);
    setOrRemove(remaining, limit?.remaining);
    paused.set(pausedForMs / 1_000);
    for (const importance of IMPORTANCES) waitingCalls.set({ importance }, waiting[importance]);
    flying.set(inFlight);
    away.set(awaySince === null ? 0 : 1);
    setOrRemove(awaySinceAt, secondsOf(awaySince));
    sharing.set(workers());
    setOrRemove(this.#status.tokenExpiry, secondsOf(token.expiresAt));
    setOrRemove(this.#status.tokenRefreshed, secondsOf(token.refreshedAt));
    this.#status.tokenFailures.set(token.failures);
    for (const quality of [...mediaQuality.options, 'unknown'] as const) this.#media.legs.set({ quality }, 0);
    for (const quality of this.#watch?.qualities ?? []) this.#media.legs.inc({ quality: quality ?? 'unknown' });
  }

  /** The legs that this worker follows, while it does. */
  watchMedia(watch: Pick<MediaWatch, 'qualities'>): void {
    this.#watch = watch;
  }

  announced({ type, endReason }: SessionAnnouncement): void {
    if (type === 'session.media') this.#media.changes.inc();
    if (type === 'session.created') this.#sessions.started.inc();
    if (type === 'session.ended') this.#sessions.ended.inc({ reason: String(endReason) });
  }

  told({ outcomes, waits }: CommandNews): void {
    for (const { action, status, tookMs } of outcomes) {
      this.#sessions.commands.inc({ action, status });
      if (tookMs !== null) this.#sessions.commandSeconds.observe({ action, status }, tookMs / 1_000);
    }
    for (const { result, waitedMs } of waits) {
      this.#sessions.waits.inc({ result });
      if (waitedMs !== null) this.#sessions.waitSeconds.observe({ result }, waitedMs / 1_000);
    }
  }

  swept({ pages, interactions, sessionsTold }: SweptPages): void {
    this.#cleaning.runs.inc({ part: 'sweep', result: 'done' });
    this.#cleaning.doneAt.setToCurrentTime({ part: 'sweep' });
    this.#cleaning.pages.inc(pages);
    this.#cleaning.interactions.inc({ part: 'sweep' }, interactions);
    this.#cleaning.sessionsTold.inc({ part: 'sweep' }, sessionsTold);
  }

  /** @param tookMs from the moment at which the round was due to begin */
  compared({ interactions, sessionsTold, legsStopped, unknown, trouble }: RoundResult, tookMs: number): void {
    this.#cleaning.runs.inc({ part: 'round', result: trouble === null ? 'done' : 'partial' });
    this.#cleaning.doneAt.setToCurrentTime({ part: 'round' });
    this.#cleaning.interactions.inc({ part: 'round' }, interactions);
    this.#cleaning.sessionsTold.inc({ part: 'round' }, sessionsTold);
    this.#cleaning.orphansStopped.inc(legsStopped);
    this.#cleaning.unknownLegs.set(unknown.length);
    this.#cleaning.roundSeconds.set(tookMs / 1_000);
  }

  cleaningFailed(part: 'sweep' | 'round'): void {
    this.#cleaning.runs.inc({ part, result: 'failed' });
  }

  /** The platform, with its event stream watched. */
  watchingStream<Platform extends TelephonyPlatform>(platform: Platform): Platform {
    const { connected, since, connections, events, nonsense } = this.#events;
    return {
      ...platform,
      async followEvents(listener, options) {
        try {
          return await platform.followEvents(
            {
              onOpen: () => {
                connections.inc();
                connected.set(1);
                since.setToCurrentTime();
                listener.onOpen();
              },
              onEvent: (event) => {
                events.inc({ topic: event.topic });
                return listener.onEvent(event);
              },
              onNonsense: (problem) => {
                nonsense.inc();
                listener.onNonsense(problem);
              },
            },
            options,
          );
        } finally {
          connected.set(0);
          since.remove();
        }
      },
    };
  }
}

function platformMetrics(registry: Registry) {
  const registers = [registry];
  return {
    seconds: new Histogram({
      name: 'earshot_platform_request_duration_seconds',
      help: 'Requests to the platform, from the sending to the end of the answer, by operation and result',
      labelNames: ['operation', 'result'],
      buckets: ANSWER_SECONDS,
      registers,
    }),
    notSent: new Counter({
      name: 'earshot_platform_calls_not_sent_total',
      help: 'Calls that the worker did not send, by operation and reason (throttled, away)',
      labelNames: ['operation', 'reason'],
      registers,
    }),
    tokens: new Counter({
      name: 'earshot_token_requests_total',
      help: 'Requests for an access token, by result (issued, refused, throttled, unreachable)',
      labelNames: ['result'],
      registers,
    }),
  } as const;
}

function statusMetrics(registry: Registry) {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] });
  return {
    limit: gauge('earshot_platform_rate_limit_calls', 'Calls that the platform allows in a window, by its answers'),
    remaining: gauge('earshot_platform_rate_remaining_calls', 'Calls left in the window, by the platform’s answers'),
    paused: gauge('earshot_platform_paused_seconds', 'For how long yet a refusal of the platform holds up every call'),
    waitingCalls: new Gauge({
      name: 'earshot_platform_calls_waiting',
      help: 'Calls that wait in the worker for their turn, by importance',
      labelNames: ['importance'],
      registers: [registry],
    }),
    flying: gauge('earshot_platform_calls_in_flight', 'Calls to the platform that are under way'),
    away: gauge('earshot_platform_away', '1 while the platform counts as away and is only asked whether it is back'),
    awaySinceAt: gauge('earshot_platform_away_since_timestamp_seconds', 'Since when the platform is away, Unix time'),
    sharing: gauge('earshot_workers_sharing', 'Workers among which this one shares the platform’s rate limit'),
    tokenExpiry: gauge('earshot_token_expiry_timestamp_seconds', 'When the access token expires, Unix time'),
    tokenRefreshed: gauge('earshot_token_refreshed_timestamp_seconds', 'When the access token was got, Unix time'),
    tokenFailures: gauge('earshot_token_failures', 'Requests for an access token that have failed in a row'),
  } as const;
}

function sessionMetrics(registry: Registry) {
  const registers = [registry];
  return {
    started: new Counter({
      name: 'earshot_sessions_started_total',
      help: 'Sessions that this worker has begun',
      registers,
    }),
    ended: new Counter({
      name: 'earshot_sessions_ended_total',
      help: 'Sessions that have ended on this worker, by endReason',
      labelNames: ['reason'],
      registers,
    }),
    commands: new Counter({
      name: 'earshot_commands_total',
      help: 'Commands that have got their outcome, by action and status',
      labelNames: ['action', 'status'],
      registers,
    }),
    commandSeconds: new Histogram({
      name: 'earshot_command_duration_seconds',
      help: 'From the acceptance of a command to its outcome, by action and status',
      labelNames: ['action', 'status'],
      buckets: PATIENCE_SECONDS,
      registers,
    }),
    waits: new Counter({
      name: 'earshot_channel_waits_total',
      help: 'Waits for the exclusive channel that are over, by result',
      labelNames: ['result'],
      registers,
    }),
    waitSeconds: new Histogram({
      name: 'earshot_channel_wait_duration_seconds',
      help: 'How long was waited in line for the exclusive channel, by result',
      labelNames: ['result'],
      buckets: PATIENCE_SECONDS,
      registers,
    }),
  } as const;
}

function cleaningMetrics(registry: Registry) {
  const registers = [registry];
  return {
    runs: new Counter({
      name: 'earshot_sweeps_total',
      help: 'Sweeps for ended calls and rounds of comparison done here, by part and result (done, partial, failed)',
      labelNames: ['part', 'result'],
      registers,
    }),
    doneAt: new Gauge({
      name: 'earshot_sweep_last_timestamp_seconds',
      help: 'When the last sweep or round was done here, Unix time',
      labelNames: ['part'],
      registers,
    }),
    pages: new Counter({
      name: 'earshot_sweep_pages_total',
      help: 'Pages of ended calls that sweeps have read',
      registers,
    }),
    interactions: new Counter({
      name: 'earshot_sweep_interactions_total',
      help: 'Calls that sweeps found ended, and that rounds have looked at',
      labelNames: ['part'],
      registers,
    }),
    sessionsTold: new Counter({
      name: 'earshot_sweep_sessions_told_total',
      help: 'Sessions that no event had told, found by sweeps and rounds',
      labelNames: ['part'],
      registers,
    }),
    orphansStopped: new Counter({
      name: 'earshot_orphan_legs_stopped_total',
      help: 'Legs of our client that no session knew, stopped by rounds',
      registers,
    }),
    unknownLegs: new Gauge({
      name: 'earshot_unknown_legs',
      help: 'Legs of our client that the last round here found for the first time, and that the next one stops',
      registers,
    }),
    roundSeconds: new Gauge({
      name: 'earshot_round_duration_seconds',
      help: 'How long the last round of comparison took that was done here',
      registers,
    }),
  } as const;
}

function mediaMetrics(registry: Registry) {
  const registers = [registry];
  return {
    legs: new Gauge({
      name: 'earshot_media_legs',
      help: 'Legs whose media this worker follows, by how well they are heard (good, fair, poor, unknown)',
      labelNames: ['quality'],
      registers,
    }),
    changes: new Counter({
      name: 'earshot_media_changes_total',
      help: 'Changes of how well a leg is heard, or of its profile, that sessions here were told of',
      registers,
    }),
  } as const;
}

function eventMetrics(registry: Registry) {
  const registers = [registry];
  return {
    connected: new Gauge({
      name: 'earshot_event_stream_connected',
      help: '1 while this worker holds the connection to the platform’s event stream',
      registers,
    }),
    since: new Gauge({
      name: 'earshot_event_stream_connected_timestamp_seconds',
      help: 'Since when it does, Unix time',
      registers,
    }),
    connections: new Counter({
      name: 'earshot_event_stream_connections_total',
      help: 'Connections to the event stream that were opened',
      registers,
    }),
    events: new Counter({
      name: 'earshot_events_received_total',
      help: 'Events of the platform that came over the stream, by topic',
      labelNames: ['topic'],
      registers,
    }),
    nonsense: new Counter({
      name: 'earshot_events_not_understood_total',
      help: 'Messages of the stream that were no event as documented',
      registers,
    }),
  } as const;
}

/** A gauge of what is not known shows nothing, rather than a number that means something else. */
function setOrRemove(gauge: Gauge, value: number | undefined): void {
  if (value === undefined) gauge.remove();
  else gauge.set(value);
}

function secondsOf(at: string | null): number | undefined {
  return at === null ? undefined : Date.parse(at) / 1_000;
}
