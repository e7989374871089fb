import { z } from 'zod';

/**
 * How the fault tests run. `EARSHOT_FAULT_RUNS`: how many scenarios of the exclusive channel; `_STARTS`: how many starts of
 * which some lose their answers; `_ENDS`: how many calls end at once; `_KILLS`: how many processes are killed; `_SESSIONS`,
 * `_BURST`: how many live through the platform's bad days, and how many begin at once on one; `_TOKEN_SECONDS`,
 * `_OUTAGE_SECONDS`: how long such days last.
 * `EARSHOT_FAULT_SEED` and `EARSHOT_FAULT_PATH`, as a
 * failure prints them: play those again; `EARSHOT_FAULT_TIMELINE=on`: tell all that happened on the call that failed.
 */
const settings = z.object({
  EARSHOT_FAULT_RUNS: z.coerce.number().int().positive().default(4),
  EARSHOT_FAULT_STARTS: z.coerce.number().int().positive().default(16),
  EARSHOT_FAULT_ENDS: z.coerce.number().int().positive().default(12),
  EARSHOT_FAULT_KILLS: z.coerce.number().int().positive().default(3),
  EARSHOT_FAULT_SESSIONS: z.coerce.number().int().positive().default(8),
  EARSHOT_FAULT_BURST: z.coerce.number().int().positive().default(20),
  EARSHOT_FAULT_TOKEN_SECONDS: z.coerce.number().int().positive().default(5),
  EARSHOT_FAULT_OUTAGE_SECONDS: z.coerce.number().int().positive().default(6),
  EARSHOT_FAULT_AT_ONCE: z.coerce.number().int().positive().default(6),
  EARSHOT_FAULT_SEED: z.coerce.number().int().optional(),
  EARSHOT_FAULT_PATH: z.string().optional(),
  EARSHOT_FAULT_TIMELINE: z.enum(['on', 'off']).default('off'),
});

export interface RunSettings {
  readonly runs: number;
  /** Scenarios that are played at the same time. */
  readonly atOnce: number;
  readonly starts: number;
  readonly ends: number;
  readonly kills: number;
  readonly sessions: number;
  readonly burst: number;
  readonly tokenSeconds: number;
  readonly outageSeconds: number;
  readonly seed: number | undefined;
  readonly path: string | undefined;
  readonly timeline: boolean;
}

export function readRunSettings(): RunSettings {
  const env = settings.parse(process.env);
  return {
    runs: env.EARSHOT_FAULT_RUNS,
    atOnce: Math.min(env.EARSHOT_FAULT_AT_ONCE, env.EARSHOT_FAULT_RUNS),
    starts: env.EARSHOT_FAULT_STARTS,
    ends: env.EARSHOT_FAULT_ENDS,
    kills: env.EARSHOT_FAULT_KILLS,
    sessions: env.EARSHOT_FAULT_SESSIONS,
    burst: env.EARSHOT_FAULT_BURST,
    tokenSeconds: env.EARSHOT_FAULT_TOKEN_SECONDS,
    outageSeconds: env.EARSHOT_FAULT_OUTAGE_SECONDS,
    seed: env.EARSHOT_FAULT_SEED,
    path: env.EARSHOT_FAULT_PATH,
    timeline: env.EARSHOT_FAULT_TIMELINE === 'on',
  };
}
