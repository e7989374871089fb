import { z } from 'zod';
import { fileSetting, secretsFromFiles } from './secret-files.js';
import type { ReadFile } from './secret-files.js';
import { isOfAService, strangeNames } from './setting-names.js';

/** What the environment gives a process: `process.env` or a test's own. An empty string counts as unset. */
export type Environment = Readonly<Record<string, string | undefined>>;

interface About {
  /** What the setting means, in one sentence, with its unit. */
  readonly meaning: string;
  /** As it would be written in the environment; absent where there is none. */
  readonly fallback?: string;
  /** True where the value must never be shown, in no message and no log. */
  readonly secret?: true;
}

const about = z.registry<About>();

function wholeNumber(from: number, to: number, fallback: number, meaning: string) {
  return z
    .string()
    .refine(
      (text) => /^\d{1,9}$/.test(text) && Number(text) >= from && Number(text) <= to,
      `must be a whole number from ${from} to ${to}`,
    )
    .transform(Number)
    .default(fallback)
    .register(about, { meaning, fallback: String(fallback) });
}

function port(fallback: number, meaning: string) {
  return wholeNumber(0, 65_535, fallback, `${meaning} (0: any free one)`);
}

function oneOf<const Choice extends string>(choices: readonly Choice[], fallback: Choice, meaning: string) {
  return z
    .enum(choices, `must be one of ${choices.join(', ')}`)
    .default(fallback)
    .register(about, { meaning, fallback });
}

function text(pattern: RegExp, expectation: string, fallback: string, meaning: string) {
  return z.string().regex(pattern, expectation).default(fallback).register(about, { meaning, fallback });
}

function secret(schema: z.ZodString, meaning: string) {
  return schema.optional().register(about, { meaning, secret: true });
}

function parsedUrl(given: string, schemes: readonly string[]): URL | undefined {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  return url && schemes.includes(url.protocol) && url.username === '' && url.password === '' ? url : undefined;
}

function isBaseUrl(given: string): boolean {
  const url = parsedUrl(given, ['http:', 'https:']);
  return url !== undefined && url.search === '' && url.hash === '';
}

const BASE_URL_EXPECTATION = 'must be an http:// or https:// URL without user name, query or fragment';

function withoutSlashesAtEnd(url: string): string {
  return url.replace(/\/+$/, '');
}

const HEADER_SAFE = /^[\x21-\x7e]+$/;
const HEADER_SAFE_EXPECTATION = 'must be printable ASCII without spaces';

const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$/;
const HOST_EXPECTATION = 'must be an IP address or a host name, without a port';

const WEBHOOK_SECRET = /^whsec_(?=(?:[A-Za-z0-9+/=]{4})+$)[A-Za-z0-9+/]{32,}={0,2}$/;

const settingsSchema = z.object({
  port: port(8080, "Port of the API's HTTP server"),
  host: text(
    HOST,
    HOST_EXPECTATION,
    '127.0.0.1',
    'Address that the API listens on; any but loopback needs `API_KEY` or `AUTH_JWKS_URL`',
  ),
  apiKey: secret(
    z.string().regex(HEADER_SAFE, HEADER_SAFE_EXPECTATION).max(512, 'must be at most 512 characters'),
    'Bearer key of the API for services; unset, and no `AUTH_JWKS_URL` either: one is generated and kept under `.earshot/`',
  ),
  authJwksUrl: z
    .string()
    .refine((given) => {
      const url = parsedUrl(given, ['http:', 'https:']);
      return url !== undefined && (url.protocol === 'https:' || isLoopback(url.hostname.replace(/^\[(.*)\]$/, '$1')));
    }, 'must be an https:// URL without user name (http:// on loopback only)')
    .optional()
    .register(about, {
      meaning:
        "Where the identity provider's public keys are (JWKS); with it people may use the API by their tokens (JWT)",
    }),
  authIssuer: z.string().optional().register(about, { meaning: '`iss` that every token must have' }),
  authAudience: z.string().optional().register(about, { meaning: '`aud` that every token must have' }),
  rateLimitPerson: wholeNumber(
    1,
    100_000,
    20,
    'Requests a second that one person may send to one API process, over 10 s',
  ),
  rateLimitService: wholeNumber(1, 100_000, 500, 'Likewise for all that use `API_KEY`'),
  corsOrigins: z
    .string()
    .transform((given) => given.split(/[\s,]+/))
    .refine(
      (origins) => origins.every((one) => parsedUrl(one, ['http:', 'https:'])?.origin === one),
      'must be origins such as https://desk.example.com, separated by spaces',
    )
    .default([])
    .register(about, { meaning: 'Origins of other pages that may use the API in a browser' }),
  apiDrainSeconds: wholeNumber(
    0,
    60,
    0,
    'Seconds that the API goes on answering after it is told to stop, with `/readyz` at 503, so that load balancers see it first',
  ),
  metricsKey: secret(
    z.string().regex(HEADER_SAFE, HEADER_SAFE_EXPECTATION).max(512, 'must be at most 512 characters'),
    'Bearer key of `/metrics`, for Prometheus alone; unset: the API takes `API_KEY`, and none on loopback',
  ),
  workerMetricsPort: z
    .string()
    .refine(
      (given) => given === 'off' || (/^\d{1,5}$/.test(given) && Number(given) <= 65_535),
      'must be a whole number from 0 to 65535, or off',
    )
    .transform((given) => (given === 'off' ? given : Number(given)))
    .default(0)
    .register(about, {
      meaning: "Port of a worker's `/metrics`, `/livez` and `/readyz` (0: any free one, which its log names), or `off`",
      fallback: '0',
    }),
  workerMetricsHost: text(
    HOST,
    HOST_EXPECTATION,
    '127.0.0.1',
    'Address that it listens on; any but loopback needs `METRICS_KEY`',
  ),
  workerCachedWorkflows: z
    .string()
    .refine((given) => /^\d{1,6}$/.test(given), 'must be a whole number from 0 to 999999')
    .transform(Number)
    .optional()
    .register(about, {
      meaning:
        'Workflows that a worker keeps in memory (some 750 KiB each); the others are replayed when something happens to them; unset: what Temporal’s SDK takes from the memory that Node may use',
    }),
  workerDeploymentName: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,100}$/, 'must be 1 to 100 of A-Z a-z 0-9 _ -')
    .optional()
    .register(about, {
      meaning:
        'Name of the Worker Deployment that a worker is of; unset: no versioning, and any worker takes any session (docs/upgrades.md)',
    }),
  workerBuildId: z
    .string()
    .regex(/^[A-Za-z0-9._+-]{1,100}$/, 'must be 1 to 100 of A-Z a-z 0-9 . _ + -')
    .optional()
    .register(about, {
      meaning: 'Its build id there; unset: the version, and a fingerprint of the workflows that the build has bundled',
    }),
  temporalAddress: z
    .string()
    .regex(/^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/, 'must be host:port, without a scheme or a path')
    .optional()
    .register(about, { meaning: 'Temporal server to use, `host:port`; unset: `npm start` runs an embedded one' }),
  temporalUiUrl: z
    .string()
    .refine(isBaseUrl, BASE_URL_EXPECTATION)
    .transform(withoutSlashesAtEnd)
    .optional()
    .register(about, {
      meaning:
        "Base URL of Temporal's UI, for the links of the page; unset: `npm start` gives that of the embedded server, else there are none",
    }),
  temporalNamespace: text(
    /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
    'must be letters, digits, dots, dashes and underscores',
    'default',
    'Temporal namespace of the workflows',
  ),
  temporalPort: port(7233, 'gRPC port of the embedded Temporal server'),
  temporalUiPort: port(8233, "Port of the embedded Temporal server's page"),
  temporalTaskQueue: text(
    /^\S{1,200}$/,
    'must be 1–200 characters without spaces',
    'monitoring',
    'Task queue of the worker',
  ),
  temporalCliPath: z
    .string()
    .optional()
    .register(about, { meaning: '`temporal` executable to use for the embedded server; unset: found or downloaded' }),
  payloadKeysFile: z.string().optional().register(about, {
    meaning:
      'File of the keys by which what Temporal keeps is encrypted ([docs/encryption.md](docs/encryption.md)); unset: it is not',
  }),
  payloadEncryption: z.enum(['on', 'off'], 'must be on or off').optional().register(about, {
    meaning:
      'Whether the first of these keys encrypts: `on`, which is so wherever there are keys, or `off`: they only decrypt, as until every process has them',
  }),
  platformBaseUrl: z
    .string()
    .refine(isBaseUrl, BASE_URL_EXPECTATION)
    .transform(withoutSlashesAtEnd)
    .optional()
    .register(about, { meaning: 'Base URL of the telephony platform; unset: `npm start` runs the simulator' }),
  platformEventsUrl: z
    .string()
    .refine(
      (given) => given === 'off' || parsedUrl(given, ['ws:', 'wss:']) !== undefined,
      'must be a ws:// or wss:// URL without user name, or off for polling only',
    )
    .optional()
    .register(about, {
      meaning: "URL of the platform's event stream, or `off` for polling only; unset: made from `PLATFORM_BASE_URL`",
    }),
  platformClientId: z.string().regex(HEADER_SAFE, HEADER_SAFE_EXPECTATION).optional().register(about, {
    meaning: "Earshot's OAuth client id on the platform; only the worker and the simulator get it",
  }),
  platformClientSecret: secret(
    z.string().regex(/^[^\p{Cc}]+$/u, 'must not contain control characters'),
    'Its secret; only the worker and the simulator get it',
  ),
  platformWebhookSecret: secret(
    z
      .string()
      .refine(
        (given) => given.split(/[\s,]+/).every((one) => WEBHOOK_SECRET.test(one)),
        'must be whsec_ followed by at least 24 bytes of base64 (make one: `echo whsec_$(openssl rand -base64 32)`); several, while one replaces the other, are separated by spaces',
      ),
    "Secret of the platform's webhook (Standard Webhooks), or several while one replaces the other; unset: the webhook answers 404",
  ),
  redisUrl: z
    .string()
    .refine(
      (given) => ['redis:', 'rediss:'].includes(URL.canParse(given) ? new URL(given).protocol : ''),
      'must be a redis:// or rediss:// URL',
    )
    .optional()
    .register(about, {
      meaning:
        'Redis by which workers tell APIs at once what happens to sessions, and APIs share tickets; unset: within one `npm start` they do so without, else APIs look every 2 s',
      secret: true,
    }),
  simulatorPort: port(8090, 'Port of the simulator'),
  simulatorControl: oneOf(['on', 'off'], 'off', "Whether the simulator's faults can be controlled over HTTP"),
  sweepIntervalSeconds: wholeNumber(1, 3600, 60, 'Seconds between two sweeps over all sessions'),
  bargeWaitSeconds: wholeNumber(1, 3600, 30, 'Seconds that a barge or whisper waits for the exclusive channel'),
  confirmTimeoutSeconds: wholeNumber(1, 3600, 60, 'Seconds until a leg that the platform never confirms is given up'),
  mediaLossPercent: wholeNumber(
    1,
    50,
    3,
    'Percent of packets lost beyond which a leg gets a lower bit rate (3: `packetLoss` 0.03)',
  ),
  mediaJitterMs: wholeNumber(1, 1000, 30, 'Jitter beyond which it does, ms'),
  mediaBadSamples: wholeNumber(1, 100, 3, 'Samples in a row that it takes'),
  mediaGoodSamples: wholeNumber(
    1,
    1000,
    12,
    'Samples in a row, within half of both, after which it gets a higher one again',
  ),
  mediaChangesPerMinute: wholeNumber(1, 60, 4, 'Changes of one leg that its session is told of in a minute at most'),
  mediaPollSeconds: wholeNumber(
    0,
    3600,
    10,
    'Seconds between two looks at how a leg is heard that the event stream does not tell of, ten legs a second at most (0: none)',
  ),
  logLevel: oneOf(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    'info',
    'Least severe level that is logged',
  ),
});

/** Every setting, as read from the environment. Times are in seconds. */
export type Settings = z.output<typeof settingsSchema>;

const apiSchema = settingsSchema.pick({
  port: true,
  host: true,
  apiKey: true,
  authJwksUrl: true,
  authIssuer: true,
  authAudience: true,
  rateLimitPerson: true,
  rateLimitService: true,
  corsOrigins: true,
  apiDrainSeconds: true,
  metricsKey: true,
  temporalAddress: true,
  temporalUiUrl: true,
  temporalNamespace: true,
  temporalPort: true,
  temporalTaskQueue: true,
  payloadKeysFile: true,
  payloadEncryption: true,
  platformWebhookSecret: true,
  redisUrl: true,
  logLevel: true,
});

const workerSchema = settingsSchema
  .pick({
    metricsKey: true,
    workerMetricsPort: true,
    workerMetricsHost: true,
    workerCachedWorkflows: true,
    workerDeploymentName: true,
    workerBuildId: true,
    temporalAddress: true,
    temporalNamespace: true,
    temporalPort: true,
    temporalTaskQueue: true,
    payloadKeysFile: true,
    payloadEncryption: true,
    platformEventsUrl: true,
    sweepIntervalSeconds: true,
    bargeWaitSeconds: true,
    confirmTimeoutSeconds: true,
    mediaLossPercent: true,
    mediaJitterMs: true,
    mediaBadSamples: true,
    mediaGoodSamples: true,
    mediaChangesPerMinute: true,
    mediaPollSeconds: true,
    redisUrl: true,
    logLevel: true,
  })
  .extend({
    platformBaseUrl: required(settingsSchema.shape.platformBaseUrl),
    platformClientId: required(settingsSchema.shape.platformClientId),
    platformClientSecret: required(settingsSchema.shape.platformClientSecret),
  });

/** What the API process may know: nothing of the platform but its webhook secret. */
export type ApiSettings = z.output<typeof apiSchema>;

/** What a worker process needs: the platform and its credentials, nothing of the API. */
export type WorkerSettings = z.output<typeof workerSchema>;

/** One thing wrong with one setting. */
export interface SettingsFault {
  /** As in the environment: `PORT`. */
  readonly name: string;
  /** What is expected, what was given (never a secret) and what to do. */
  readonly message: string;
}

/** Thrown when the environment has a bad or missing setting; the message lists every fault, one a line. */
export class SettingsError extends Error {
  readonly code = 'settings.invalid';

  constructor(readonly faults: readonly SettingsFault[]) {
    super(
      [
        faults.length === 1 ? 'A setting is wrong:' : `${faults.length} settings are wrong:`,
        ...faults.map(({ name, message }) => `  ${name} ${message}`),
      ].join('\n'),
    );
    this.name = 'SettingsError';
  }
}

/**
 * Reads every setting, as `npm start` does.
 *
 * @param readFile for secrets that stand in files (`API_KEY_FILE`)
 * @throws {SettingsError} naming every fault.
 */
export function readSettings(given: Environment, readFile: ReadFile = noFiles): Settings {
  return read(settingsSchema, given, readFile, (env) => [
    ...listenFaults(env),
    ...tokenFaults(env),
    ...metricsFaults(env),
    ...portFaults(env),
    ...credentialFaults(env),
    ...encryptionFaults(env),
  ]);
}

/**
 * Reads the settings of an API process, and looks at no others.
 *
 * @param readFile for secrets that stand in files (`API_KEY_FILE`)
 * @throws {SettingsError} naming every fault.
 */
export function apiSettings(given: Environment, readFile: ReadFile = noFiles): ApiSettings {
  return read(apiSchema, given, readFile, (env) => [
    ...listenFaults(env),
    ...tokenFaults(env),
    ...encryptionFaults(env),
  ]);
}

/**
 * Reads the settings of a worker process; the platform's URL and credentials are required.
 *
 * @param readFile for secrets that stand in files (`PLATFORM_CLIENT_SECRET_FILE`)
 * @throws {SettingsError} naming every fault.
 */
export function workerSettings(given: Environment, readFile: ReadFile = noFiles): WorkerSettings {
  return read(workerSchema, given, readFile, (env) => [...metricsFaults(env), ...encryptionFaults(env)]);
}

/** One row of the README's table of settings. */
export interface SettingRow {
  readonly name: string;
  /** Empty where there is none. */
  readonly fallback: string;
  readonly meaning: string;
  readonly secret: boolean;
}

/** Every setting with its default and meaning, in the order of the README's table. */
export function settingsTable(): readonly SettingRow[] {
  return Object.entries(settingsSchema.shape).map(([key, schema]) => {
    const { meaning = '', fallback = '', secret: hidden = false } = about.get(schema) ?? {};
    return { name: environmentName(key), fallback, meaning, secret: hidden };
  });
}

/** Whether `host` can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|::1|127(?:\.\d{1,3}){3})$/i.test(host);
}

function required<Schema extends z.ZodType>(optional: z.ZodOptional<Schema>): Schema {
  return optional.unwrap();
}

/** `temporalUiPort` → `TEMPORAL_UI_PORT`. */
function environmentName(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

function valueOf(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === '' || value === undefined || isOfAService(name, value) ? undefined : value;
}

function read<Schema extends z.ZodObject>(
  schema: Schema,
  given: Environment,
  readFile: ReadFile,
  crossFaultsOf: (env: Environment) => SettingsFault[],
) {
  const names = new Map(Object.keys(schema.shape).map((key) => [key, environmentName(key)]));
  const files = secretsFromFiles(
    given,
    [...names.values()].filter((name) => SECRETS.has(name)),
    readFile,
  );
  const { env } = files;
  const result = schema.safeParse(Object.fromEntries([...names].map(([key, name]) => [key, valueOf(env, name)])));
  const faults = (result.error?.issues ?? []).map((issue) => {
    const name = environmentName(String(issue.path[0]));
    const value = valueOf(env, name);
    return value === undefined
      ? { name, message: 'is required and not set' }
      : { name, message: `${issue.message}${shown(name, value)}` };
  });
  const lacksFile = new Set(files.faults.map(({ name }) => name));
  const own = [...files.faults, ...faults.filter(({ name }) => !lacksFile.has(fileSetting(name)))];
  // A setting that is wrong by itself isn't also reported for what follows from it.
  const known = new Set(own.map(({ name }) => name));
  const cross = lacksFile.size > 0 ? [] : crossFaultsOf(env).filter(({ name }) => !known.has(name));
  const all = [...own, ...cross, ...nameFaults(given)];
  if (!result.success || all.length > 0) throw new SettingsError(all);
  return result.data;
}

function noFiles(): never {
  throw new Error('no files are read here');
}

/** What is set would be ignored, and somebody believes that it is not. */
function nameFaults(env: Environment): SettingsFault[] {
  return namesLikeOurs(env)
    .filter(({ isMisspelt }) => isMisspelt)
    .map(({ name, nearest }) => ({ name, message: `is no setting: ${nearest} is. Rename it, or unset it` }));
}

function namesLikeOurs(env: Environment): ReturnType<typeof strangeNames> {
  const names = settingsTable().map(({ name }) => name);
  return strangeNames(env, [...names, ...[...SECRETS].map(fileSetting)]);
}

/** Variables that may have been meant as settings. Others may use them, so they stop nobody. */
export function doubtfulNames(env: Environment): readonly { readonly name: string; readonly nearest: string }[] {
  return namesLikeOurs(env).filter(({ isMisspelt }) => !isMisspelt);
}

const SECRETS = new Set(
  settingsTable()
    .filter((row) => row.secret)
    .map((row) => row.name),
);

function shown(name: string, value: string): string {
  // A URL with an `@` holds credentials in all likelihood.
  if (SECRETS.has(name) || value.includes('@')) return ' (the value given is not shown)';
  return ` (given: ${JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)})`;
}

/** Shortest key that is enough once others can reach the port, in characters. */
const EXPOSED_KEY_LENGTH = 16;

function metricsFaults(env: Environment): SettingsFault[] {
  const host = valueOf(env, 'WORKER_METRICS_HOST');
  const key = valueOf(env, 'METRICS_KEY');
  if (host === undefined || isLoopback(host) || valueOf(env, 'WORKER_METRICS_PORT') === 'off') return [];
  if (key === undefined) {
    const message = `is not a loopback address${shown('WORKER_METRICS_HOST', host)}: set METRICS_KEY too, or leave it unset`;
    return [{ name: 'WORKER_METRICS_HOST', message }];
  }
  if (key.length >= EXPOSED_KEY_LENGTH) return [];
  const message = `must have at least ${EXPOSED_KEY_LENGTH} characters when WORKER_METRICS_HOST is not loopback`;
  return [{ name: 'METRICS_KEY', message: `${message}${shown('METRICS_KEY', key)}` }];
}

function listenFaults(env: Environment): SettingsFault[] {
  const host = valueOf(env, 'HOST');
  const key = valueOf(env, 'API_KEY');
  if (host === undefined || isLoopback(host)) return [];
  const metricsKey = valueOf(env, 'METRICS_KEY');
  if (metricsKey !== undefined && metricsKey.length < EXPOSED_KEY_LENGTH) {
    const message = `must have at least ${EXPOSED_KEY_LENGTH} characters when HOST is not loopback`;
    return [{ name: 'METRICS_KEY', message: `${message}${shown('METRICS_KEY', metricsKey)}` }];
  }
  if (key === undefined) {
    if (valueOf(env, 'AUTH_JWKS_URL') !== undefined) return [];
    return [
      {
        name: 'HOST',
        message: `is not a loopback address${shown('HOST', host)}: set API_KEY or AUTH_JWKS_URL too, or leave HOST unset`,
      },
    ];
  }
  if (key.length >= EXPOSED_KEY_LENGTH) return [];
  const message = `must have at least ${EXPOSED_KEY_LENGTH} characters when HOST is not loopback`;
  return [{ name: 'API_KEY', message: `${message}${shown('API_KEY', key)}` }];
}

/** A token is worth nothing before it is known who made it, and for whom. */
function tokenFaults(env: Environment): SettingsFault[] {
  const names = ['AUTH_JWKS_URL', 'AUTH_ISSUER', 'AUTH_AUDIENCE'];
  const missing = names.filter((name) => valueOf(env, name) === undefined);
  if (missing.length === names.length) return [];
  return missing.map((name) => ({ name, message: `is required with the others of ${names.join(', ')}, and not set` }));
}

/** Whoever asks for encryption must not run without. */
function encryptionFaults(env: Environment): SettingsFault[] {
  if (valueOf(env, 'PAYLOAD_ENCRYPTION') !== 'on' || valueOf(env, 'PAYLOAD_KEYS_FILE') !== undefined) return [];
  return [{ name: 'PAYLOAD_KEYS_FILE', message: 'is required with PAYLOAD_ENCRYPTION=on and not set' }];
}

function portFaults(env: Environment): SettingsFault[] {
  const embedded = [
    'PORT',
    'WORKER_METRICS_PORT',
    ...(valueOf(env, 'TEMPORAL_ADDRESS') === undefined ? ['TEMPORAL_PORT', 'TEMPORAL_UI_PORT'] : []),
    ...(valueOf(env, 'PLATFORM_BASE_URL') === undefined ? ['SIMULATOR_PORT'] : []),
  ];
  const rows = settingsTable().filter(({ name }) => embedded.includes(name));
  const taken = new Map<number, string>();
  return rows.flatMap(({ name, fallback }) => {
    const number = Number(valueOf(env, name) ?? fallback);
    const other = taken.get(number);
    taken.set(number, other ?? name);
    // Two that are no ports at all, `off` among them, are not the same one.
    return other === undefined || number === 0 || Number.isNaN(number)
      ? []
      : [{ name, message: `must differ from ${other} (both are ${number}): set one of them to another port` }];
  });
}

/** A platform without credentials would start and then fail every call. */
function credentialFaults(env: Environment): SettingsFault[] {
  if (valueOf(env, 'PLATFORM_BASE_URL') === undefined) return [];
  return ['PLATFORM_CLIENT_ID', 'PLATFORM_CLIENT_SECRET']
    .filter((name) => valueOf(env, name) === undefined)
    .map((name) => ({ name, message: 'is required with PLATFORM_BASE_URL and not set' }));
}
