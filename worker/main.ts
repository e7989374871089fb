import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { pino } from 'pino';
import { hintOf } from '../bus/hints.js';
import type { HintSink } from '../bus/hints.js';
import { hintsToSupervisor, tellSupervisor } from '../bus/process-bus.js';
import { hintChannel, hintsToRedis, RedisConnection, toLog } from '../bus/redis-bus.js';
import { sampleBatches } from '../bus/samples.js';
import { clientCodec, encryptingKeyId, onceAMinute, payloadEncryption } from '../codec/payload-encryption.js';
import { temporalConfig } from '../directory/temporal-config.js';
import { CannotStart, CONFIGURATION_EXIT_CODE } from '../domain/cannot-start.js';
import type { Logger } from 'pino';
import type { LegSample } from '../domain/notifications.js';
import { doubtfulNames, SettingsError, workerSettings } from '../domain/settings.js';
import type { WorkerSettings } from '../domain/settings.js';
import { tracingSettings } from '../domain/tracing-settings.js';
import { observedBy } from '../platform/call-observer.js';
import { createHttpPlatform } from '../platform/http-platform.js';
import { PlatformError } from '../platform/platform-error.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { addProcessMetrics } from '../telemetry/process-metrics.js';
import type { WorkerTracing } from '../tracing/worker-tracing.js';
import { countWorkers } from './count-workers.js';
import { workerDeployment } from './deployment.js';
import type { MediaSettings } from './media-route.js';
import { startMetricsServer } from './metrics-server.js';
import type { MetricsServer } from './metrics-server.js';
import { WorkerMetrics } from './metrics.js';
import { WorkerReadiness } from './readiness.js';
import { installRuntimeLog } from './runtime-log.js';
import { SdkMetrics } from './sdk-metrics.js';
import { ensureSearchAttributes, SearchAttributesMissing } from './search-attributes.js';
import { createSessionWorker } from './session-worker.js';
import { keepStandingWorkflows } from './standing-workflows.js';

/** @returns whether nothing is left that would keep the process alive */
async function main(): Promise<boolean> {
  const settings = workerSettings(process.env, (path) => readFileSync(path, 'utf8'));
  const deployment = await workerDeployment(settings);
  const tracing = await tracingOf(() => log);
  const mixin = tracing === undefined ? {} : { mixin: tracing.logFields };
  const log = pino({ level: settings.logLevel, base: { part: 'worker' }, ...mixin });
  for (const strange of doubtfulNames(process.env)) log.warn(strange, 'setting.unknown');
  const isWatched = settings.workerMetricsPort !== 'off';
  const sdkMetrics = new SdkMetrics();
  if (isWatched) await sdkMetrics.bind((address) => installRuntimeLog(log, address));
  else installRuntimeLog(log);

  const encryption = payloadEncryption(settings);
  const onUnreadable = onceAMinute((trouble) => log.warn({ err: trouble, keyId: trouble.keyId }, 'payload.unreadable'));

  const stop = stopRequest();
  const metrics = new WorkerMetrics();
  const readiness = new WorkerReadiness();
  void stop.requested.then(() => readiness.stopping());
  const followsEvents = settings.platformEventsUrl !== 'off';
  const platform = createHttpPlatform({
    baseUrl: settings.platformBaseUrl,
    clientId: settings.platformClientId,
    clientSecret: settings.platformClientSecret,
    ...(followsEvents ? { eventsUrl: settings.platformEventsUrl } : {}),
    observer: tracing === undefined ? metrics.calls : observedBy(metrics.calls, tracing.calls),
    onOutage: (since) => {
      // As loud as its beginning: who has seen that waits for this.
      if (since === undefined) log.warn('platform.answering');
      else log.warn({ since }, 'platform.unanswering');
    },
  });
  const workerId = `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`;
  let workers = 1;
  const page = async (): Promise<{ type: string; text: string }> => {
    metrics.sample({ platform: () => platform.status(), workers: () => workers });
    const [own, sdk] = await Promise.all([metrics.registry.metrics(), sdkMetrics.page()]);
    return { type: metrics.registry.contentType, text: `${own}\n${sdk}` };
  };
  let shown: MetricsServer | undefined;
  try {
    shown = isWatched ? await showMetrics(settings, readiness, page) : undefined;
    if (isWatched) addProcessMetrics(metrics.registry);
    await checkCredentials(platform, settings, log);
    const { connection, namespace } = await connect(settings);
    try {
      await ensureSearchAttributes(connection, namespace);
      const { temporalTaskQueue: taskQueue, sweepIntervalSeconds, confirmTimeoutSeconds, bargeWaitSeconds } = settings;
      const dataConverter = { payloadCodecs: [clientCodec(encryption, onUnreadable)] };
      const client = new Client({ connection, namespace, dataConverter });
      const hints = hintSinks(settings, namespace, log);
      // Before the workers: a connection that a worker uses can't be closed, and that would be all that is told.
      const sweep = { intervalMs: sweepIntervalSeconds * 1_000 };
      const media = mediaSettings(settings, hints, log);
      const listens = followsEvents || media.pollMs > 0;
      const release = await keepStandingWorkflows({ client, workerId, taskQueue, sweep, listens }, log);
      const share = (count: number): void => {
        workers = count;
        platform.shareWith(count);
      };
      const stopCounting = countWorkers(client, taskQueue, share, log);
      try {
        const worker = await createSessionWorker({
          connection,
          namespace,
          taskQueue,
          platform,
          ...(deployment === undefined ? {} : { deployment }),
          announce: (announcement, run) => {
            const { type, ...fields } = announcement;
            // What is no news of its own would only fill the log.
            if (type === 'session.updated') log.debug(fields, type);
            else log.info(fields, type);
            for (const sink of hints) sink.publish(hintOf(announcement, run));
          },
          onCommandNews: ({ outcomes }) => {
            for (const outcome of outcomes) log.info(outcome, 'command.settled');
          },
          metrics,
          encryption,
          onUnreadable,
          tracing,
          workflowSettings: { confirmTimeoutSeconds, bargeWaitSeconds },
          cachedWorkflows: settings.workerCachedWorkflows,
          followsEvents,
          media,
          token: { workerId, keep: () => platform.keepToken() },
          onTrouble: (error) => log.warn({ err: error }, 'events.look-failed'),
        });
        void stop.requested.then(() => worker.shutdown());
        const running = worker.run();
        readiness.started((limitMs) =>
          connection.withDeadline(Date.now() + limitMs, () => connection.workflowService.getSystemInfo({})),
        );
        const encrypts = encryptingKeyId(encryption);
        log.info({ taskQueue, namespace, encrypts, metrics: shown?.url, ...deployment }, 'worker.ready');
        tellSupervisor({ type: 'ready', url: shown?.url });
        if (stop.isRequested()) worker.shutdown();
        await running;
      } finally {
        release();
        stopCounting();
        await Promise.all(hints.map((sink) => sink.close()));
      }
    } finally {
      await connection.close();
    }
  } finally {
    await platform.close();
    shown?.close();
  }
  log.info('worker.stopped');
  return (await tracing?.close()) ?? true;
}

/** OpenTelemetry is loaded where it is wanted only. */
async function tracingOf(log: () => Logger): Promise<WorkerTracing | undefined> {
  const settings = tracingSettings(process.env);
  if (settings === undefined) return undefined;
  // oxlint-disable-next-line no-restricted-imports
  const { traceWorker } = await import('../tracing/worker-tracing.js');
  return traceWorker({ settings, log });
}

async function showMetrics(
  { workerMetricsHost: host, workerMetricsPort: port, metricsKey: key }: WorkerSettings,
  readiness: WorkerReadiness,
  page: () => Promise<{ type: string; text: string }>,
): Promise<MetricsServer> {
  try {
    return await startMetricsServer({ host, port: Number(port), key, readiness, page });
  } catch (error) {
    throw new CannotStart(
      `The worker cannot show its metrics on ${host}:${port} (${describe(error)}): set WORKER_METRICS_PORT to a free port, to 0 for any, or to off.`,
    );
  }
}

function mediaSettings(settings: WorkerSettings, hints: readonly HintSink[], log: Logger): MediaSettings {
  return {
    onTrouble: (error) => log.warn({ err: error }, 'media.not-followed'),
    ...(hints.length === 0 ? {} : { onSamples: (samples) => tellSamples(samples, hints) }),
    pollMs: settings.mediaPollSeconds * 1_000,
    limits: {
      packetLoss: settings.mediaLossPercent / 100,
      jitterMs: settings.mediaJitterMs,
      badSamples: settings.mediaBadSamples,
      goodSamples: settings.mediaGoodSamples,
      changesPerMinute: settings.mediaChangesPerMinute,
    },
  };
}

function tellSamples(samples: readonly LegSample[], hints: readonly HintSink[]): void {
  for (const batch of sampleBatches(samples)) for (const sink of hints) sink.publishSamples(batch);
}

/** Who hears of what happens to sessions: APIs, by Redis and by the supervisor. */
function hintSinks({ redisUrl, temporalTaskQueue }: WorkerSettings, namespace: string, log: Logger): HintSink[] {
  const toSupervisor = hintsToSupervisor();
  const sinks = toSupervisor === undefined ? [] : [toSupervisor];
  if (redisUrl === undefined) return sinks;
  const redis = new RedisConnection({ url: redisUrl, onChange: toLog(log) });
  return [...sinks, hintsToRedis(redis, hintChannel(namespace, temporalTaskQueue))];
}

/** A wrong secret shows at once, not at the first call; a platform that is away may come back. */
async function checkCredentials(platform: TelephonyPlatform, settings: WorkerSettings, log: Logger): Promise<void> {
  try {
    await platform.listInteractions({ status: 'connected', pageSize: 1 });
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    const client = `The platform at ${settings.platformBaseUrl} refuses the client ${settings.platformClientId}`;
    switch (error.fault.kind) {
      case 'unauthorized':
        throw new CannotStart(
          `${client}: check PLATFORM_CLIENT_ID and PLATFORM_CLIENT_SECRET.`,
          CONFIGURATION_EXIT_CODE,
        );
      case 'forbidden':
        throw new CannotStart(
          `${client} (${error.fault.code}): give it the scopes interaction:monitor and interaction:view, and a licence that includes monitoring.`,
          CONFIGURATION_EXIT_CODE,
        );
      default:
        log.warn(
          { code: `platform.${error.fault.kind}` },
          `platform.not-checked: ${error.message}; sessions wait until the platform is back`,
        );
    }
  }
}

async function connect(settings: WorkerSettings): Promise<{ connection: NativeConnection; namespace: string }> {
  const { connectionOptions, namespace } = temporalConfig();
  const address = connectionOptions.address ?? `127.0.0.1:${settings.temporalPort}`;
  try {
    const connection = await NativeConnection.connect({ ...connectionOptions, address });
    return { connection, namespace: namespace ?? settings.temporalNamespace };
  } catch (error) {
    throw new CannotStart(
      `Temporal cannot be reached at ${address} (${rootOf(error)}): start it, or set TEMPORAL_ADDRESS; where it is there, check TEMPORAL_API_KEY and TEMPORAL_TLS_*.`,
    );
  }
}

/** What the operating system said, out of the many layers that the SDK's connection wraps around it. */
function rootOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /message: "([^"]+)"/.exec(text)?.[1] ?? text;
}

/** SIGTERM, SIGINT, or the supervisor that started this process is gone. */
function stopRequest(): { readonly requested: Promise<void>; readonly isRequested: () => boolean } {
  let requestedAlready = false;
  const requested = new Promise<void>((resolve) => {
    const request = (): void => {
      requestedAlready = true;
      resolve();
    };
    process.on('SIGTERM', request).on('SIGINT', request).on('disconnect', request);
  });
  return { requested, isRequested: () => requestedAlready };
}

try {
  const isOver = await main();
  // The supervisor's channel would keep the process alive.
  if (process.connected) process.disconnect();
  // So would spans whose collector does not take them.
  if (!isOver) process.exit();
} catch (error) {
  const known =
    error instanceof CannotStart || error instanceof SettingsError || error instanceof SearchAttributesMissing;
  process.stderr.write(`${known ? error.message : `The worker failed: ${describe(error)}`}\n`);
  process.exit(error instanceof CannotStart ? error.exitCode : known ? CONFIGURATION_EXIT_CODE : 1);
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
