import { againOnTheCall, firstOnTheCall } from './acquire.js';
import type { CleanUp } from '../clean-up.js';
import { earshotPattern } from './earshot-pattern.js';
import type { EventCount } from './event-count.js';
import type { OfEach, Pattern } from './exclusive-channel.js';
import { handOver } from './hand-over.js';
import { samplePattern } from './official-sample/sample-pattern.js';
import type { BenchOptions, Rounds } from '../options.js';
import type { Rest } from './quiet.js';
import { takeTurns } from './scenario.js';
import type { Measured, Scenario } from './scenario.js';
import { atMost } from '../section.js';
import type { Goal, Section } from '../section.js';
import { openWorld } from './world.js';
import type { World } from './world.js';

/** How much longer a hand-over may take in the longest line than in the shortest. */
const LONG_LINE = 1.5;
/** Earshot does more than the sample, for which it may not take longer. */
const AS_SAMPLE = 1;

/** One line of the tables, both patterns side by side. */
interface Row {
  readonly id: 'acquire-first' | 'acquire-again' | `hand-over-${number}`;
  readonly title: string;
  readonly rest: Rest;
  readonly measured: OfEach<Measured>;
}

/** The exclusive channel beside the pattern of Temporal's official sample. */
export async function measureChannel(options: BenchOptions, cleanUp: CleanUp): Promise<Section[]> {
  const world = await openWorld(cleanUp);
  const patterns = { earshot: await earshotPattern(world, cleanUp), sample: await samplePattern(world, cleanUp) };
  const rows = await measure(world, patterns, options);
  const [violation] = world.simulator.ledger.violations();
  if (violation !== undefined)
    throw new Error(`The platform saw ${violation.rule} (${violation.detail}): nothing counts`);
  return [timesOf(rows), eventsOf(rows)];
}

async function measure(
  world: World,
  patterns: OfEach<Pattern>,
  { channel: { warmUp, first, again, handOver: handOvers, waiting }, tell }: BenchOptions,
): Promise<Row[]> {
  // Node compiles what runs often: without this, what is measured first would seem slow.
  await takeTurns(world.client, patterns, handOver(warmUp.waiting, world, 'back to back'), warmUp.rounds);

  const rows: Row[] = [];
  const row = async (
    id: Row['id'],
    title: string,
    rest: Rest,
    open: (pattern: Pattern) => Promise<Scenario>,
    rounds: Rounds,
  ): Promise<void> => {
    tell(`${title}, ${rest} (${rounds.samples} samples each)`);
    rows.push({ id, title, rest, measured: await takeTurns(world.client, patterns, open, rounds) });
  };
  await row('acquire-first', 'acquired, first on the call', 'quiet', firstOnTheCall(world), first);
  for (const rest of ['back to back', 'quiet'] as const) {
    await row('acquire-again', 'acquired, again on the call', rest, againOnTheCall(world, rest), again);
    for (const size of waiting) {
      await row(`hand-over-${size}`, `hand-over, ${size} waiting`, rest, handOver(size, world, rest), handOvers);
    }
  }
  return rows;
}

function timesOf(rows: readonly Row[]): Section {
  return {
    title: 'The channel beside the official sample',
    head: ['ms', 'Earshot p50', 'p95', 'sample p50', 'p95', 'Earshot / sample'],
    rows: rows.map((row) => {
      const { earshot, sample } = row.measured;
      const cells = [earshot.time.p50, earshot.time.p95, sample.time.p50, sample.time.p95].map((ms) => ms.toFixed(0));
      return [`${row.title}, ${row.rest}`, ...cells, ratioOf(row).toFixed(2)];
    }),
    notes: [
      'acquired: from just before a client sends `barge` until the platform has applied it.',
      'hand-over: from just after the holder’s `silent` was accepted until the platform has applied the next one’s barge.',
      'back to back: one sample follows the other. quiet: nothing is left to do before each; Earshot tells those who have moved up in that pause.',
    ],
    goals: judge(rows),
    data: rows,
  };
}

/** Earshot's median over the sample's. */
function ratioOf({ measured: { earshot, sample } }: Row): number {
  return earshot.time.p50 / sample.time.p50;
}

/** All goals are about medians. */
function judge(rows: readonly Row[]): Goal[] {
  const speed = rows
    .filter(({ rest }) => rest === 'back to back')
    .map((row) => atMost(`${row.title}, ${row.rest}, over the sample’s`, ratioOf(row), AS_SAMPLE));
  const growth = (['back to back', 'quiet'] as const).flatMap((rest): Goal[] => {
    const handOvers = rows.filter((row) => row.rest === rest && row.id.startsWith('hand-over-'));
    const [shortest, longest] = [handOvers.at(0), handOvers.at(-1)];
    if (shortest === undefined || longest === undefined) return [];
    const measured = longest.measured.earshot.time.p50 / shortest.measured.earshot.time.p50;
    return [atMost(`Earshot, ${longest.title}, ${rest}, over ${shortest.title}`, measured, LONG_LINE)];
  });
  return [...speed, ...growth];
}

function eventsOf(rows: readonly Row[]): Section {
  return {
    title: 'History events of one acquire and release',
    head: ['', 'Earshot', 'total', 'sample', 'total', 'Earshot / sample'],
    rows: rows.flatMap(({ rest, title, measured: { earshot, sample } }) => {
      if (rest !== 'quiet' || earshot.events === undefined || sample.events === undefined) return [];
      const ratio = totalOf(earshot.events) / totalOf(sample.events);
      return [[title, ...cellsOf(earshot.events), ...cellsOf(sample.events), ratio.toFixed(2)]];
    }),
    notes: ['In all supervisors’ workflows + in the mutex’s (the lock’s).'],
    goals: [],
    data: undefined,
  };
}

function cellsOf(events: EventCount): [string, string] {
  return [`${events.speakers.toFixed(1)} + ${events.lock.toFixed(1)}`, totalOf(events).toFixed(1)];
}

function totalOf({ speakers, lock }: EventCount): number {
  return speakers + lock;
}
