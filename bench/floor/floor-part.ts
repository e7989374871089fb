import { aFewAtATime } from '../a-few-at-a-time.js';
import type { CleanUp } from '../clean-up.js';
import { Crew, PATTERNS } from '../stage/crew.js';
import { byRest, bySignal, floor } from '../stage/contestants.js';
import type { Contestant } from '../stage/contestants.js';
import type { BenchOptions } from '../options.js';
import { atMost } from '../section.js';
import type { Goal, Section } from '../section.js';
import { openStage } from '../stage/stage.js';
import type { Stage } from '../stage/stage.js';
import { median, percentile } from '../statistics.js';

const COMMAND_GOAL = 1.3;
const START_GOAL = 1.5;

/** Of one contestant, at one concurrency: the times of each round, ms. */
interface Times {
  readonly contestant: string;
  readonly rounds: readonly (readonly number[])[];
}

interface Measured {
  readonly title: string;
  readonly concurrency: number;
  readonly times: readonly Times[];
}

/** Commands and starts beside the least that Temporal asks for them. */
export async function measureFloor(options: BenchOptions, cleanUp: CleanUp): Promise<Section> {
  const stage = await openStage(cleanUp);
  // The floor's legs belong to no session: the sweep is not to end them.
  await stage.startWorker({ SWEEP_INTERVAL_SECONDS: '3600' });
  const least = await floor(stage, cleanUp);
  const contestants = [least, bySignal(stage), byRest(stage)];

  const measured: Measured[] = [];
  for (const [title, pattern] of Object.entries(PATTERNS)) {
    for (const concurrency of options.concurrencies) {
      options.tell(`${title}, ${concurrency} at a time`);
      const crews = new Map<Contestant, Crew>();
      for (const contestant of contestants) crews.set(contestant, await Crew.open(stage, contestant, concurrency));
      const times = options.commandsEach(concurrency);
      for (const crew of crews.values()) await crew.work(pattern, WARM_UP, THINK_MS);
      // By turns: a slow moment of the machine hits all alike.
      for (let round = 0; round < options.rounds; round += 1)
        for (const crew of crews.values()) await crew.work(pattern, times, THINK_MS);
      const all: Times[] = [];
      for (const [{ name }, crew] of crews) {
        const rounds = Array.from({ length: options.rounds }, (_, n) => WARM_UP + n * times).map((from) => ({
          from,
          to: from + times,
        }));
        all.push({ contestant: name, rounds: await crew.times(pattern, rounds) });
        await crew.close();
      }
      measured.push({ title, concurrency, times: all });
    }
  }
  for (const concurrency of options.concurrencies) {
    options.tell(`start, ${concurrency} at a time`);
    measured.push(await measureStarts(stage, [least, byRest(stage)], concurrency, options));
  }
  return sectionOf(measured, await stage.violations());
}

/**
 * Between two commands of a leg, ms: nobody sends the next one while the last is still being written down, which for the floor’s update is
 * part of its answer.
 */
const THINK_MS = 100;

/** Commands of each leg before any is counted; even, so that a pattern begins anew after them. */
const WARM_UP = 2;

async function measureStarts(
  stage: Stage,
  contestants: readonly Contestant[],
  concurrency: number,
  options: BenchOptions,
): Promise<Measured> {
  const rounds = new Map<string, number[][]>();
  const each = options.startsEach(concurrency);
  for (let round = -1; round < options.rounds; round += 1) {
    for (const { name, start } of contestants) {
      if (start === undefined) continue;
      const calls = await aFewAtATime(Array.from({ length: concurrency * each }), () => stage.simulator.call());
      const queue = [...calls];
      const sent = new Map<string, number>();
      await Promise.all(
        Array.from({ length: concurrency }, async () => {
          for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
            const active = stage.legs.activeOn(next);
            active.catch(() => undefined);
            sent.set(next, Date.now());
            await start(next);
            await active;
          }
        }),
      );
      const times = await aFewAtATime([...sent], async ([interactionId, sentAtMs]) => {
        const { requests } = await stage.simulator.ledger({ interactionId });
        const received = requests.find(({ action }) => action === 'start')?.at;
        if (received === undefined) throw new Error(`${interactionId}: the platform received no start`);
        return Date.parse(received) - sentAtMs;
      });
      // The first round warms up.
      if (round >= 0) rounds.set(name, [...(rounds.get(name) ?? []), times]);
      await aFewAtATime(calls, (interactionId) => stage.simulator.control('end-interaction', { interactionId }));
    }
  }
  return {
    title: 'start → received',
    concurrency,
    times: [...rounds].map(([contestant, times]) => ({ contestant, rounds: times })),
  };
}

function sectionOf(measured: readonly Measured[], violations: readonly string[]): Section {
  const [violation] = violations;
  if (violation !== undefined) throw new Error(`The platform saw ${violation}: nothing counts`);
  const goals: Goal[] = [];
  const rows = measured.flatMap(({ title, concurrency, times }) => {
    const least = times.find(({ contestant }) => contestant === 'floor');
    if (least === undefined) throw new Error('Expected the floor, got none');
    return times.map(({ contestant, rounds }) => {
      // Of each pair of neighbouring rounds, so that both had the same machine.
      const ratio = median(rounds.map((round, n) => percentile(round, 50) / percentile(least.rounds[n] ?? round, 50)));
      if (title === 'change of mode' && contestant === 'signal')
        goals.push(atMost(`p50 of a change of mode over the floor’s, ${concurrency} at a time`, ratio, COMMAND_GOAL));
      if (title === 'start → received' && contestant === 'REST')
        goals.push(atMost(`p50 of a start over the floor’s, ${concurrency} at a time`, ratio, START_GOAL));
      const cells = [50, 95, 99].map((percent) => median(rounds.map((round) => percentile(round, percent))).toFixed(0));
      return [`${title}, ${concurrency} at a time, ${contestant}`, ...cells, ratio.toFixed(2)];
    });
  });
  return {
    title: 'Commands and starts beside the floor',
    head: ['ms', 'p50', 'p95', 'p99', 'p50 / floor'],
    rows,
    notes: [
      'From just before it is sent until the platform has carried it out (commands) or received it (starts), by the platform’s own clock and ledger.',
      'floor: a bare workflow whose update runs one local activity with the same calls to the platform; for starts, an update-with-start that runs one activity.',
      'signal: a session, commanded as the API does it. REST: the whole way. change of mode: of a leg that speaks. silent → barge: the channel is asked for, alone.',
      'Medians of the rounds; contestants take turns from round to round.',
    ],
    goals,
    data: measured,
  };
}
