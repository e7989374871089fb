import { z } from 'zod';
import { simulatorSettingsSchema, type SimulatorOptions } from './simulator-options.js';

/** Settings that don't hold: `faults` has one line for each. */
export class EnvironmentError extends Error {
  readonly code = 'simulator.environment.invalid';
  override readonly name = 'EnvironmentError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`Invalid settings: ${faults.join('; ')}`);
    this.faults = faults;
  }
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const switchSchema = z.enum(['on', 'off']);
const defaults = simulatorSettingsSchema.parse({});

/** Digits, not `Number('')` or `0x1f90`. */
const numberSchema = z
  .string()
  .regex(/^\d+(\.\d+)?$/, 'expected a number')
  .transform(Number);
const wholeSchema = numberSchema.pipe(z.int());

/** What the process reads; an empty variable counts as not set. */
const environmentSchema = z.object({
  SIMULATOR_PORT: wholeSchema.pipe(z.int().max(65_535)).default(defaults.port),
  SIMULATOR_HOST: z.string().default(defaults.host),
  SIMULATOR_SEED: z.string().default(defaults.seed),
  SIMULATOR_STATE_FILE: z.string().optional(),
  SIMULATOR_CONTROL: switchSchema.default('off'),
  SIMULATOR_WEBHOOK_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** How many calls go on at once; 0: none but those added by control. */
  SIMULATOR_INTERACTIONS: wholeSchema.default(12),
  SIMULATOR_CALL_SECONDS: numberSchema.pipe(z.number().positive()).default(300),
  SIMULATOR_TOKEN_SECONDS: numberSchema.pipe(z.number().positive().max(604_800)).default(defaults.tokenLifetimeSeconds),
  SIMULATOR_RATE_LIMIT: wholeSchema.pipe(z.int().positive()).default(defaults.rateLimit.limit),
  SIMULATOR_RATE_WINDOW_SECONDS: numberSchema.pipe(z.number().positive()).default(defaults.rateLimit.windowSeconds),
  SIMULATOR_RATE_HEADERS: switchSchema.default('on'),
  SIMULATOR_ACTIVATION_MIN_MS: numberSchema.default(defaults.activationDelayMs.min),
  SIMULATOR_ACTIVATION_MAX_MS: numberSchema.default(defaults.activationDelayMs.max),
  SIMULATOR_MEDIA_METRICS_SECONDS: numberSchema.default(defaults.mediaMetricsIntervalSeconds),
  PLATFORM_CLIENT_ID: z.string().default(defaults.clientId),
  PLATFORM_CLIENT_SECRET: z.string().default(defaults.clientSecret),
  PLATFORM_WEBHOOK_SECRET: z
    .string()
    .transform((given) => given.split(/[\s,]+/))
    .pipe(z.array(z.string().regex(/^whsec_[A-Za-z0-9+/]+={0,2}$/, 'expected `whsec_` and base64')))
    .optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
});

/** What the environment asks for: the simulator's options, and how much it logs. */
export interface SimulatorEnvironment {
  readonly options: SimulatorOptions;
  readonly logLevel: (typeof LOG_LEVELS)[number];
}

/** Reads the simulator's settings. Throws an `EnvironmentError` with every fault in one go. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): SimulatorEnvironment {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = environmentSchema.safeParse(given);
  const faults = (parsed.error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  if (given['SIMULATOR_WEBHOOK_URL'] !== undefined && given['PLATFORM_WEBHOOK_SECRET'] === undefined) {
    faults.push('PLATFORM_WEBHOOK_SECRET: required with SIMULATOR_WEBHOOK_URL');
  }
  if (parsed.success && parsed.data.SIMULATOR_ACTIVATION_MIN_MS > parsed.data.SIMULATOR_ACTIVATION_MAX_MS) {
    faults.push('SIMULATOR_ACTIVATION_MIN_MS: expected at most SIMULATOR_ACTIVATION_MAX_MS');
  }
  if (!parsed.success || faults.length > 0) throw new EnvironmentError(faults);
  return { options: optionsOf(parsed.data), logLevel: parsed.data.LOG_LEVEL };
}

function optionsOf(env: z.output<typeof environmentSchema>): SimulatorOptions {
  const { SIMULATOR_WEBHOOK_URL: webhookUrl, PLATFORM_WEBHOOK_SECRET: [webhookSecret, previousSecret] = [] } = env;
  return {
    port: env.SIMULATOR_PORT,
    host: env.SIMULATOR_HOST,
    seed: env.SIMULATOR_SEED,
    clientId: env.PLATFORM_CLIENT_ID,
    clientSecret: env.PLATFORM_CLIENT_SECRET,
    tokenLifetimeSeconds: env.SIMULATOR_TOKEN_SECONDS,
    rateLimit: {
      limit: env.SIMULATOR_RATE_LIMIT,
      windowSeconds: env.SIMULATOR_RATE_WINDOW_SECONDS,
      headers: env.SIMULATOR_RATE_HEADERS === 'on',
    },
    activationDelayMs: { min: env.SIMULATOR_ACTIVATION_MIN_MS, max: env.SIMULATOR_ACTIVATION_MAX_MS },
    population:
      env.SIMULATOR_INTERACTIONS === 0
        ? null
        : { connected: env.SIMULATOR_INTERACTIONS, meanDurationSeconds: env.SIMULATOR_CALL_SECONDS },
    mediaMetricsIntervalSeconds: env.SIMULATOR_MEDIA_METRICS_SECONDS,
    webhook:
      webhookUrl === undefined || webhookSecret === undefined
        ? null
        : { url: webhookUrl, secret: webhookSecret, ...(previousSecret === undefined ? {} : { previousSecret }) },
    controlSurface: env.SIMULATOR_CONTROL === 'on',
    stateFile: env.SIMULATOR_STATE_FILE ?? null,
  };
}
