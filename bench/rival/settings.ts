import { z } from 'zod';

const settings = z.object({
  PORT: z.coerce.number().int().min(0).default(0),
  API_KEY: z.string().min(1),
  REDIS_URL: z.string().min(1),
  PLATFORM_BASE_URL: z.string().min(1),
  PLATFORM_CLIENT_ID: z.string().min(1),
  PLATFORM_CLIENT_SECRET: z.string().min(1),
  /** How long a request stays in the queue, s; the guide: 30. */
  BARGE_WAIT_SECONDS: z.coerce.number().positive().default(30),
  /** Between two sweeps, s; the guide: 60. */
  SWEEP_INTERVAL_SECONDS: z.coerce.number().positive().default(60),
  LOG_LEVEL: z.string().default('info'),
});
export type RivalSettings = z.infer<typeof settings>;

/** @throws ZodError that names each bad variable */
export function readRivalSettings(): RivalSettings {
  return settings.parse(process.env);
}
