import { ApiServer } from './api-server.js';
import type { PlatformHabits } from './api-queries.js';
import { Timers } from './clock.js';
import { ControlSurface } from './control-surface.js';
import { Controls } from './controls.js';
import { EventPublisher } from './event-publisher.js';
import { EventStream } from './event-stream.js';
import { HttpServer } from './http-server.js';
import { LedgerBook, type Ledger } from './ledger.js';
import { PlatformCore } from './platform-core.js';
import { Population } from './population.js';
import { randomStreams } from './random.js';
import { RateLimiter } from './rate-limiter.js';
import { RequestFaults } from './request-faults.js';
import { resolveOptions, type SimulatorOptions } from './simulator-options.js';
import { readStateFile, StateFile, type SavedState } from './state-file.js';
import { TokenStore } from './token-store.js';
import { WebhookSender } from './webhook-sender.js';

/** A running platform. */
export interface Simulator extends AsyncDisposable {
  /** `PLATFORM_BASE_URL` for it. */
  readonly baseUrl: string;
  /** `PLATFORM_EVENTS_URL` for it. */
  readonly eventsUrl: string;
  /** What was asked of it and what became of it. */
  readonly ledger: Ledger;
  /** Its faults and levers, whether or not the HTTP control surface is on. */
  readonly controls: Controls;
  /** Ends all connections and timers and saves the state; safe to call twice. */
  close(): Promise<void>;
}

/**
 * Starts the telephony platform of `platform-api.md` on a real port. Rejects with a `ZodError` (bad options), a
 * `StateFileError`, or Node's error for the port (`EADDRINUSE`, …).
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { settings, clock, log } = resolveOptions(options);
  const saved = settings.stateFile === null ? null : await readStateFile(settings.stateFile);
  const boot = saved === null ? 0 : saved.boot + 1;

  const timers = new Timers(clock);
  const random = randomStreams(settings.seed, boot);
  const ledger = new LedgerBook(clock, settings.ledgerRequests);
  const stream = new EventStream(clock, timers);
  const webhook = new WebhookSender(clock, timers, log);
  const publisher = new EventPublisher({ clock, timers, ids: random.eventIds, faultChances: random.eventFaults });
  publisher.addSink((event) => stream.send(event));
  publisher.addSink((event) => webhook.send(event));

  const clients = [{ clientId: settings.clientId, clientSecret: settings.clientSecret }, ...settings.otherClients];
  const tokens = new TokenStore({
    clock,
    clients,
    lifetimeSeconds: settings.tokenLifetimeSeconds,
    onChange: () => stateFile?.changed(true),
  });
  let habits: PlatformHabits = settings.habits;
  const core = new PlatformCore({
    clock,
    timers,
    random,
    ledger,
    publisher,
    activationDelayMs: settings.activationDelayMs,
    movesLegs: () => habits.movesLegs,
    endedInteractionsListedSeconds: settings.endedInteractionsListedSeconds,
    endedLegsListedSeconds: settings.endedLegsListedSeconds,
    onChange: (legChanged) => stateFile?.changed(legChanged),
  });
  const snapshot = (): SavedState => ({
    version: 1,
    boot,
    interactions: core.interactions.snapshot(),
    legs: core.legs.snapshot(),
    tokens: tokens.snapshot(),
    mediaServerGroups: core.mediaServers.all(),
  });
  const stateFile =
    settings.stateFile === null
      ? null
      : new StateFile(settings.stateFile, timers, snapshot, (error) => log.error({ err: error }, 'state not saved'));

  const rateLimiter = new RateLimiter(clock, settings.rateLimit);
  const faults = new RequestFaults(random.requestFaults);
  const population = settings.population === null ? null : new Population(core, random.population, settings.population);
  const api = new ApiServer({
    clock,
    timers,
    core,
    tokens,
    rateLimiter,
    faults,
    ledger,
    habits: () => habits,
    durable: async () => {
      await stateFile?.written();
    },
  });
  const controls = new Controls({
    core,
    door: api.door,
    faults,
    publisher,
    stream,
    webhook,
    tokens,
    addedInteractions: random.addedInteractions,
    setRateLimit: (rateLimit) => rateLimiter.set(rateLimit),
    setHabits: (changed) => {
      habits = changed;
    },
    restoreDefaults: () => {
      rateLimiter.set(settings.rateLimit);
      habits = settings.habits;
      core.activationDelayMs = settings.activationDelayMs;
      tokens.lifetimeSeconds = settings.tokenLifetimeSeconds;
      webhook.configure(settings.webhook);
      api.door.allowAll();
      core.mediaServers.reset();
    },
    startOver: () => {
      core.interactions.clear();
      core.legs.clear();
      ledger.clear();
      population?.start();
    },
    onChange: () => stateFile?.changed(false),
  });
  const controlSurface = settings.controlSurface ? new ControlSurface(controls, ledger) : null;
  const server = new HttpServer({ api, stream, timers, log, controlSurface });

  // Before anything is changed or saved: a second simulator on a taken port must not touch the first one's file.
  const port = await server.listen(settings.port, settings.host).catch((error: unknown) => {
    timers.cancelAll();
    throw error;
  });
  webhook.configure(settings.webhook);
  if (saved !== null) {
    tokens.restore(saved.tokens);
    core.mediaServers.restore(saved.mediaServerGroups);
    core.restore(saved);
  }
  population?.start();
  if (settings.mediaMetricsIntervalSeconds > 0) {
    timers.every(settings.mediaMetricsIntervalSeconds * 1000, () => core.publishMediaMetrics());
  }
  stateFile?.changed(true);
  await stateFile?.written();

  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      population?.stop();
      timers.cancelAll();
      webhook.close();
      stream.close();
      await server.close();
      stateFile?.changed(true);
      await stateFile?.written();
    })();
    return closing;
  };
  const authority = `${reachableHost(settings.host)}:${port}`;
  return {
    baseUrl: `http://${authority}`,
    eventsUrl: `ws://${authority}/api/v2/notifications/stream`,
    ledger,
    controls,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A host that a client can connect to, for a host to listen on. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
