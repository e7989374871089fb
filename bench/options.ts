import { parseArgs } from 'node:util';

/** How often a thing is measured; the warm-up before it is not counted. */
export interface Rounds {
  readonly warmUp: number;
  readonly samples: number;
}

/** The exclusive channel beside the official sample. */
export interface ChannelOptions {
  /** Hand-overs before anything is measured. */
  readonly warmUp: { readonly waiting: number; readonly rounds: Rounds };
  /** An interaction of its own for each sample. */
  readonly first: Rounds;
  /** One session, again and again. */
  readonly again: Rounds;
  readonly handOver: Rounds;
  /** Sizes of the queue, smallest first. */
  readonly waiting: readonly number[];
}

export const PARTS = ['channel', 'floor', 'load', 'crowd'] as const;
export type Part = (typeof PARTS)[number];

export interface BenchOptions {
  readonly parts: readonly Part[];
  readonly channel: ChannelOptions;
  /** Of which the median counts. */
  readonly rounds: number;
  /** Commands or starts at the same time. */
  readonly concurrencies: readonly number[];
  /** Of each leg, in each round; even. */
  readonly commandsEach: (concurrency: number) => number;
  readonly startsEach: (concurrency: number) => number;
  /** Legs that are commanded as fast as they can be, and how often each round; even. */
  readonly crew: number;
  readonly loadEach: number;
  /** Sessions from start to stop, each round. */
  readonly lives: number;
  readonly crowd: number;
  /** Of the crowd's interactions, so many end at once. */
  readonly endings: number;
  /** How long a crowd is looked at, ms, and how long it is left alone before. */
  readonly stayMs: number;
  readonly restMs: number;
  /** Where to write the result as JSON. */
  readonly json: string | undefined;
  /** Says what is measured now. */
  readonly tell: (what: string) => void;
}

export const USAGE = `npm run bench -- [${PARTS.join('|')} …] [--quick] [--sessions N] [--json FILE]`;

const FULL = {
  channel: {
    warmUp: { waiting: 10, rounds: { warmUp: 0, samples: 25 } },
    first: { warmUp: 3, samples: 20 },
    again: { warmUp: 5, samples: 40 },
    handOver: { warmUp: 3, samples: 20 },
    waiting: [1, 10, 100],
  },
  rounds: 5,
  concurrencies: [1, 16, 64],
  commandsEach: (concurrency: number) => Math.max(2, 2 * Math.ceil(32 / concurrency)),
  startsEach: (concurrency: number) => Math.ceil(32 / concurrency),
  crew: 64,
  loadEach: 10,
  lives: 150,
  crowd: 10_000,
  endings: 2_000,
  stayMs: 20_000,
  restMs: 10_000,
} as const;

const QUICK = {
  channel: {
    warmUp: { waiting: 10, rounds: { warmUp: 0, samples: 15 } },
    first: { warmUp: 1, samples: 5 },
    again: { warmUp: 2, samples: 8 },
    handOver: { warmUp: 1, samples: 5 },
    waiting: [1, 10, 100],
  },
  rounds: 3,
  concurrencies: [1, 16, 64],
  commandsEach: (concurrency: number) => Math.max(2, 2 * Math.ceil(5 / concurrency)),
  startsEach: (concurrency: number) => Math.ceil(8 / concurrency),
  crew: 32,
  loadEach: 6,
  lives: 64,
  crowd: 300,
  endings: 60,
  stayMs: 10_000,
  restMs: 5_000,
} as const;

/** @throws TypeError with a line for the user. */
export function benchOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { quick: { type: 'boolean', default: false }, sessions: { type: 'string' }, json: { type: 'string' } },
  });
  const parts = positionals.map((name) => {
    const part = PARTS.find((known) => known === name);
    if (part === undefined) throw new TypeError(`There is no part ${name}`);
    return part;
  });
  const crowd = values.sessions === undefined ? undefined : Number(values.sessions);
  if (crowd !== undefined && !(Number.isInteger(crowd) && crowd >= 100)) {
    throw new TypeError(`--sessions must be a whole number from 100 on (given: ${JSON.stringify(values.sessions)})`);
  }
  return {
    ...(values.quick ? QUICK : FULL),
    ...(crowd === undefined ? {} : { crowd, endings: Math.round(crowd / 5) }),
    parts: parts.length === 0 ? PARTS : parts,
    json: values.json,
    tell: (what) => void process.stderr.write(`Measuring: ${what} …\n`),
  };
}
