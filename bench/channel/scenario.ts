import type { Client } from '@temporalio/client';
import { EventCounter } from './event-count.js';
import type { EventCount } from './event-count.js';
import { PATTERNS } from './exclusive-channel.js';
import type { Channel, OfEach, Pattern } from './exclusive-channel.js';
import type { Rounds } from '../options.js';
import { summarise } from '../statistics.js';
import type { Summary } from '../statistics.js';

/** A thing to measure, set up for one pattern. */
export interface Scenario {
  /** Measures once, ms, and leaves everything as it was, and quiet. */
  readonly round: () => Promise<number>;
  /** Where it happens, if that is the same in each round. */
  readonly channel: Channel | undefined;
  readonly close: () => Promise<void>;
}

export interface Measured {
  readonly time: Summary;
  /** Per round; `undefined` where each round has histories of its own. */
  readonly events: EventCount | undefined;
}

/**
 * Measures both patterns, which take turns from sample to sample: a slow moment of the machine then hits both alike. Only
 * one of them has anything to do at a time.
 */
export async function takeTurns(
  client: Client,
  patterns: OfEach<Pattern>,
  open: (pattern: Pattern) => Promise<Scenario>,
  { warmUp, samples }: Rounds,
): Promise<OfEach<Measured>> {
  const scenarios = { earshot: await open(patterns.earshot), sample: await open(patterns.sample) };
  const times: OfEach<number[]> = { earshot: [], sample: [] };

  for (let round = 0; round < warmUp; round += 1) {
    for (const name of PATTERNS) await scenarios[name].round();
  }
  const counters = { earshot: await startCounter(scenarios.earshot), sample: await startCounter(scenarios.sample) };
  for (let round = 0; round < samples; round += 1) {
    for (const name of PATTERNS) times[name].push(await scenarios[name].round());
  }
  const measured = async (name: (typeof PATTERNS)[number]): Promise<Measured> => ({
    time: summarise(times[name]),
    events: await counters[name]?.perCycle(samples),
  });
  const result = { earshot: await measured('earshot'), sample: await measured('sample') };
  for (const name of PATTERNS) await scenarios[name].close();
  return result;

  async function startCounter({ channel }: Scenario): Promise<EventCounter | undefined> {
    return channel && EventCounter.start(client, channel);
  }
}
