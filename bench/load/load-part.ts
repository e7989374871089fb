import { memoryMib } from '../stage/bench-process.js';
import type { CleanUp } from '../clean-up.js';
import { Crew, PATTERNS } from '../stage/crew.js';
import { byRest, bySignal, floor } from '../stage/contestants.js';
import type { Contestant } from '../stage/contestants.js';
import { effortOf } from '../stage/effort.js';
import type { Effort } from '../stage/effort.js';
import type { BenchOptions } from '../options.js';
import type { Section } from '../section.js';
import { openStage } from '../stage/stage.js';
import type { Stage } from '../stage/stage.js';
import { median } from '../statistics.js';

/** As many commands and starts as two cores bear. */
export async function measureLoad(options: BenchOptions, cleanUp: CleanUp): Promise<Section> {
  const stage = await openStage(cleanUp);
  const worker = await stage.startWorker({ SWEEP_INTERVAL_SECONDS: '3600' });
  const least = await floor(stage, cleanUp);
  const pids = {
    Temporal: stage.temporal.pid,
    worker: worker.pid,
    floor: least.pid,
    API: stage.api.process.pid,
    simulator: stage.simulator.pid,
  };
  const rows: Load[] = [];
  const contestants = [least, bySignal(stage), byRest(stage)];
  for (const [title, pattern] of Object.entries(PATTERNS)) {
    options.tell(`as many as possible: ${title}`);
    const crews = new Map<Contestant, Crew>();
    for (const contestant of contestants) crews.set(contestant, await Crew.open(stage, contestant, options.crew));
    for (const crew of crews.values()) await crew.work(pattern, 2);
    const rounds = new Map<Contestant, Round[]>();
    for (let round = 0; round < options.rounds; round += 1) {
      for (const [contestant, crew] of crews) {
        const times = options.loadEach;
        const effort = await effortOf(pids, () => crew.work(pattern, times));
        rounds.set(contestant, [...(rounds.get(contestant) ?? []), { done: options.crew * times, effort }]);
      }
    }
    for (const crew of crews.values()) await crew.close();
    for (const [{ name }, of] of rounds) rows.push({ title, contestant: name, rounds: of });
  }
  options.tell('as many as possible: sessions from start to stop');
  rows.push({ title: 'session, start to stop', contestant: 'REST', rounds: await lives(stage, pids, options) });
  const [violation] = await stage.violations();
  if (violation !== undefined) throw new Error(`The platform saw ${violation}: nothing counts`);
  return sectionOf(rows, options, { worker: memoryMib(worker.pid), Temporal: memoryMib(stage.temporal.pid) });
}

interface Round {
  readonly done: number;
  readonly effort: Effort;
}

interface Load {
  readonly title: string;
  readonly contestant: string;
  readonly rounds: readonly Round[];
}

async function lives(stage: Stage, pids: Readonly<Record<string, number>>, options: BenchOptions): Promise<Round[]> {
  const rest = byRest(stage);
  const rounds: Round[] = [];
  for (let round = 0; round < options.rounds; round += 1) {
    const sessions = options.lives;
    const effort = await effortOf(pids, async () => {
      let left = sessions;
      await Promise.all(
        Array.from({ length: LIVES_AT_ONCE }, async () => {
          while (left > 0) {
            left -= 1;
            await (await rest.open()).close();
          }
        }),
      );
    });
    rounds.push({ done: sessions, effort });
  }
  return rounds;
}

const LIVES_AT_ONCE = 32;

function sectionOf(
  rows: readonly Load[],
  { crew }: BenchOptions,
  memory: Readonly<Record<string, number | undefined>>,
): Section {
  const of = (rounds: readonly Round[], figure: (round: Round) => number): number => median(rounds.map(figure));
  const names = ['Temporal', 'worker', 'floor', 'API', 'simulator', 'driver'];
  return {
    title: 'As many as two cores bear',
    head: ['', 'a second', 'CPU each', ...names],
    rows: rows.map(({ title, contestant, rounds }) => {
      const total = (round: Round): number => Object.values(round.effort.cores).reduce((sum, cores) => sum + cores, 0);
      return [
        `${title}, ${contestant}`,
        of(rounds, ({ done, effort }) => done / effort.seconds).toFixed(0),
        `${of(rounds, (round) => (total(round) * round.effort.seconds * 1_000) / round.done).toFixed(1)} ms`,
        ...names.map((name) => of(rounds, ({ effort }) => effort.cores[name] ?? Number.NaN).toFixed(2)),
      ];
    }),
    notes: [
      `${crew} legs are commanded, each again as soon as its last command is carried out; ${LIVES_AT_ONCE} sessions live at a time.`,
      'By process: the cores that it kept busy. Where they add up to all that the machine has, the processor is what saturates.',
      `Memory at the end: worker ${memory['worker']?.toFixed(0)} MiB, Temporal ${memory['Temporal']?.toFixed(0)} MiB.`,
    ],
    goals: [],
    data: rows,
  };
}
