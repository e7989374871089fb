import { parseArgs } from 'node:util';

/** How often a thing is measured; the warm-up before it is not counted. */
export interface Rounds {
  readonly warmUp: number;
  readonly samples: number;
}

export interface BenchOptions {
  /** Hand-overs before anything is measured. */
  readonly warmUp: { readonly waiting: number; readonly rounds: Rounds };
  /** An interaction of its own for each sample. */
  readonly first: Rounds;
  /** One session, again and again. */
  readonly again: Rounds;
  readonly handOver: Rounds;
  /** Sizes of the queue, smallest first. */
  readonly waiting: readonly number[];
  /** Where to write the result as JSON. */
  readonly json: string | undefined;
}

export const USAGE = 'npm run bench -- [--quick] [--json FILE]';

const FULL = {
  warmUp: { waiting: 10, rounds: { warmUp: 0, samples: 25 } },
  first: { warmUp: 3, samples: 20 },
  again: { warmUp: 5, samples: 40 },
  handOver: { warmUp: 3, samples: 20 },
} as const;

const QUICK = {
  warmUp: { waiting: 10, rounds: { warmUp: 0, samples: 15 } },
  first: { warmUp: 1, samples: 5 },
  again: { warmUp: 2, samples: 8 },
  handOver: { warmUp: 1, samples: 5 },
} as const;

/** @throws TypeError with a line for the user. */
export function benchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: { quick: { type: 'boolean', default: false }, json: { type: 'string' } },
  });
  return { ...(values.quick ? QUICK : FULL), waiting: [1, 10, 100], json: values.json };
}
