import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import type { Logger } from 'pino';
import type { HintSource } from '../bus/hints.js';
import { hintsFromSupervisor, tellSupervisor } from '../bus/process-bus.js';
import { hintChannel, hintsFromRedis, onceInRedis, RedisConnection, toLog } from '../bus/redis-bus.js';
import {
  clientCodec,
  encryptingKeyId,
  payloadEncryption,
  remoteCodec,
  onceAMinute,
} from '../codec/payload-encryption.js';
import { CannotStart, CONFIGURATION_EXIT_CODE } from '../domain/cannot-start.js';
import { apiSettings, doubtfulNames, SettingsError } from '../domain/settings.js';
import type { ApiSettings } from '../domain/settings.js';
import { tracingSettings } from '../domain/tracing-settings.js';
import { addProcessMetrics } from '../telemetry/process-metrics.js';
import type { ApiTracing } from '../tracing/api-tracing.js';
import { keptApiKey } from './api-key.js';
import { ReadinessProbe } from './health.js';
import type { Credentials } from './credentials.js';
import { drain, listen, sendAway } from './http-server.js';
import { ApiMetrics } from './metrics.js';
import { createApi } from './server.js';
import type { Api } from './server.js';
import type { SharedTickets } from './tickets.js';
import { TokenVerifier } from './token-verifier.js';
import { prepareConnection, Temporal } from './temporal-client.js';

import { watchTemporal } from './watch-temporal.js';

/** How long requests under way may take after a stop was asked for, ms. The supervisor kills after 10 s. */
const DRAIN_LIMIT_MS = 8_000;

/** @returns whether nothing is left that would keep the process alive */
async function main(): Promise<boolean> {
  const settings = apiSettings(process.env, (path) => readFileSync(path, 'utf8'));
  const tracing = await tracingOf(() => log);
  const mixin = tracing === undefined ? {} : { mixin: tracing.logFields };
  const log = pino({ level: settings.logLevel, base: { part: 'api' }, ...mixin });
  for (const strange of doubtfulNames(process.env)) log.warn(strange, 'setting.unknown');
  const draining = stopRequest();
  // What waits for its outcome is answered at once when this comes, so that it is not cut off later.
  const end = new AbortController();
  const stopping = end.signal;
  const metrics = new ApiMetrics();
  addProcessMetrics(metrics.registry);
  const credentials = await credentialsOf(settings, log);
  const encryption = payloadEncryption(settings);
  const unreadable = onceAMinute((trouble) => log.warn({ err: trouble, keyId: trouble.keyId }, 'payload.unreadable'));
  const connection = prepareConnection(settings, {
    codec: clientCodec(encryption, unreadable),
    interceptor: tracing?.clientInterceptor,
  });
  const { client, address, namespace } = connection;
  const bus = connectBus(settings, namespace, log);
  try {
    const api = createApi({
      client,
      taskQueue: settings.temporalTaskQueue,
      credentials,
      rateLimits: { person: settings.rateLimitPerson, service: settings.rateLimitService },
      corsOrigins: settings.corsOrigins,
      log,
      hints: bus.hints,
      sharedTickets: bus.sharedTickets,
      metrics,
      metricsKey: settings.metricsKey,
      tracing,
      webhookSecrets: settings.platformWebhookSecret,
      page: { folder: fileURLToPath(new URL('../console', import.meta.url)) },
      temporalUiUrl: settings.temporalUiUrl,
      ...(encryption.keys.length === 0 ? {} : { codec: remoteCodec(encryption) }),
      draining,
      stopping,
    });
    const { server, url } = await bind(api, settings);
    const encrypts = encryptingKeyId(encryption);
    log.info({ url, temporal: address, namespace, encrypts }, 'api.ready');
    tellSupervisor({ type: 'ready', url });

    const probe = new ReadinessProbe(new Temporal(client, settings.temporalTaskQueue));
    const watching = watchTemporal(probe, log, address, stopping, connection.lastFailure);
    await aborted(draining);
    log.info({ seconds: settings.apiDrainSeconds }, 'api.draining');
    sendAway(server);
    if (settings.apiDrainSeconds > 0) await sleep(settings.apiDrainSeconds * 1_000);
    end.abort(draining.reason);
    await drain(server, DRAIN_LIMIT_MS);
    await watching;
    log.info('api.stopped');
  } finally {
    await bus.close();
    await connection.close();
  }
  return (await tracing?.close()) ?? true;
}

/** OpenTelemetry is loaded where it is wanted only. */
async function tracingOf(log: () => Logger): Promise<ApiTracing | undefined> {
  const settings = tracingSettings(process.env);
  if (settings === undefined) return undefined;
  // oxlint-disable-next-line no-restricted-imports
  const { traceApi } = await import('../tracing/api-tracing.js');
  return traceApi({ settings, log });
}

interface Bus {
  readonly hints: HintSource | undefined;
  readonly sharedTickets: SharedTickets | undefined;
  readonly close: () => Promise<void>;
}

/** By Redis where there is one, else by the supervisor; without either, the API looks by itself. */
function connectBus({ redisUrl, temporalTaskQueue }: ApiSettings, namespace: string, log: Logger): Bus {
  if (redisUrl === undefined) {
    return { hints: hintsFromSupervisor(), sharedTickets: undefined, close: () => Promise.resolve() };
  }
  // A connection that is subscribed does nothing else.
  const subscribed = new RedisConnection({ url: redisUrl, onChange: toLog(log) });
  const other = new RedisConnection({ url: redisUrl, onChange: () => undefined });
  const channel = hintChannel(namespace, temporalTaskQueue);
  return {
    hints: hintsFromRedis(subscribed, channel),
    sharedTickets: onceInRedis(other, `${channel}:tickets`),
    close: async () => {
      await subscribed.close();
      await other.close();
    },
  };
}

/** Where nobody could get in, a key is made. */
async function credentialsOf({ apiKey, ...settings }: ApiSettings, log: Logger): Promise<Credentials> {
  const { authJwksUrl: jwksUrl, authIssuer: issuer, authAudience: audience } = settings;
  if (jwksUrl === undefined || issuer === undefined || audience === undefined) {
    return { apiKey: apiKey ?? (await keyOfThisMachine()) };
  }
  const onTrouble = (error: unknown): void => log.warn({ err: error, url: jwksUrl }, 'authentication.keys-unavailable');
  return { apiKey, tokens: new TokenVerifier({ jwksUrl, issuer, audience }, { onTrouble }) };
}

/** The generated key is written to the terminal once, and never to the log. */
async function keyOfThisMachine(): Promise<string> {
  const folder = process.env['EARSHOT_DATA_DIR']?.trim();
  try {
    const { key, path, created } = await keptApiKey(folder === undefined || folder === '' ? '.earshot' : folder);
    const line = created
      ? `API key, made because API_KEY is not set, shown once and kept in ${path}: ${key}`
      : `API key: the one in ${path} (API_KEY is not set)`;
    process.stdout.write(`${line}\n`);
    return key;
  } catch (error) {
    throw new CannotStart(`No API key: ${describe(error)}. Or set API_KEY.`, CONFIGURATION_EXIT_CODE);
  }
}

async function bind(api: Api, settings: ApiSettings): ReturnType<typeof listen> {
  try {
    return await listen(api, settings);
  } catch (error) {
    throw new CannotStart(
      `The API cannot listen on ${settings.host}:${settings.port} (${describe(error)}): set PORT or HOST to a free one, or end what listens there.`,
    );
  }
}

/** Aborted by SIGTERM, SIGINT, or when the supervisor that started this process is gone. */
function stopRequest(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => controller.abort(new Error('the API stops'));
  process.on('SIGTERM', stop).on('SIGINT', stop).on('disconnect', stop);
  return controller.signal;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CannotStart) return error.exitCode;
  return error instanceof SettingsError ? CONFIGURATION_EXIT_CODE : 1;
}

try {
  const isOver = await main();
  // The supervisor's channel would keep the process alive.
  if (process.connected) process.disconnect();
  // So would spans whose collector does not take them.
  if (!isOver) process.exit();
} catch (error) {
  const known = error instanceof CannotStart || error instanceof SettingsError;
  process.stderr.write(`${known ? error.message : `The API failed: ${describe(error)}`}\n`);
  process.exit(exitCodeOf(error));
}
