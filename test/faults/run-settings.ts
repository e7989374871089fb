import { z } from 'zod';

/**
 * How the fault test runs. `EARSHOT_FAULT_RUNS`: how many scenarios; `EARSHOT_FAULT_SEED` and `EARSHOT_FAULT_PATH`, as a
 * failure prints them: play those again; `EARSHOT_FAULT_TIMELINE=on`: tell all that happened on the call that failed.
 */
const settings = z.object({
  EARSHOT_FAULT_RUNS: z.coerce.number().int().positive().default(6),
  EARSHOT_FAULT_AT_ONCE: z.coerce.number().int().positive().default(6),
  EARSHOT_FAULT_SEED: z.coerce.number().int().optional(),
  EARSHOT_FAULT_PATH: z.string().optional(),
  EARSHOT_FAULT_TIMELINE: z.enum(['on', 'off']).default('off'),
});

export interface RunSettings {
  readonly runs: number;
  /** Scenarios that are played at the same time. */
  readonly atOnce: number;
  readonly seed: number | undefined;
  readonly path: string | undefined;
  readonly timeline: boolean;
}

export function readRunSettings(): RunSettings {
  const env = settings.parse(process.env);
  return {
    runs: env.EARSHOT_FAULT_RUNS,
    atOnce: Math.min(env.EARSHOT_FAULT_AT_ONCE, env.EARSHOT_FAULT_RUNS),
    seed: env.EARSHOT_FAULT_SEED,
    path: env.EARSHOT_FAULT_PATH,
    timeline: env.EARSHOT_FAULT_TIMELINE === 'on',
  };
}
