import { pino, type Logger } from 'pino';
import { z } from 'zod';
import { systemClock, type Clock } from './clock.js';
import { activationDelaySchema } from './leg-faults.js';
import { populationSchema } from './population.js';
import { platformHabitsSchema } from './api-queries.js';
import { rateLimitSchema } from './rate-limiter.js';
import { webhookSchema } from './webhook-sender.js';

const DAY_SECONDS = 86_400;

/** Everything about a simulator but its clock and its log. */
export const simulatorSettingsSchema = z.strictObject({
  /** 0: any free port. */
  port: z.int().min(0).max(65_535).default(8090),
  host: z.string().min(1).default('127.0.0.1'),
  /** The same seed and the same requests in the same order give the same ids, people and delays. */
  seed: z.string().default('earshot'),
  clientId: z.string().min(1).default('earshot'),
  clientSecret: z.string().min(1).default('earshot-dev-secret'),
  /** Other OAuth clients of the same platform. */
  otherClients: z.array(z.strictObject({ clientId: z.string().min(1), clientSecret: z.string().min(1) })).default([]),
  tokenLifetimeSeconds: z
    .number()
    .positive()
    .max(7 * DAY_SECONDS)
    .default(3600),
  /** Per client. */
  rateLimit: rateLimitSchema.default({ limit: 1000, windowSeconds: 10, headers: true }),
  activationDelayMs: activationDelaySchema.default({ min: 300, max: 1500 }),
  /** `null`: no interactions but those added by control. */
  population: populationSchema.nullable().default({ connected: 12, meanDurationSeconds: 300 }),
  /** How often the media quality of active legs is published, in seconds; 0: never. */
  mediaMetricsIntervalSeconds: z.number().nonnegative().default(5),
  /** At least the 10 minutes of `platform-api.md`, unless a test is in a hurry. */
  endedInteractionsListedSeconds: z.number().positive().default(900),
  endedLegsListedSeconds: z.number().positive().default(120),
  habits: platformHabitsSchema.default({ endedStateAnswer: 410, ignoresEndedAfter: false, movesLegs: false }),
  webhook: webhookSchema.nullable().default(null),
  /** Whether `/_control/` answers; the in-process controls always work. */
  controlSurface: z.boolean().default(false),
  /** Where interactions, legs, tokens and media servers survive a restart; `null`: nowhere. */
  stateFile: z.string().min(1).nullable().default(null),
  /** How many requests the ledger keeps. */
  ledgerRequests: z.int().positive().default(50_000),
});
export type SimulatorSettings = z.output<typeof simulatorSettingsSchema>;

/** How to start a simulator; everything has a default. */
export type SimulatorOptions = z.input<typeof simulatorSettingsSchema> & {
  readonly clock?: Clock;
  /** @default silent */
  readonly log?: Logger;
};

/** The options with all defaults filled in. Throws a `ZodError` naming every fault. */
export function resolveOptions({
  clock = systemClock,
  log = pino({ enabled: false }),
  ...settings
}: SimulatorOptions): {
  settings: SimulatorSettings;
  clock: Clock;
  log: Logger;
} {
  return { settings: simulatorSettingsSchema.parse(settings), clock, log };
}
