import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { pino } from 'pino';
import { installRuntimeLog } from '../worker/runtime-log.js';
import { againOnTheCall, firstOnTheCall } from './acquire.js';
import { CleanUp } from './clean-up.js';
import { earshotPattern } from './earshot-pattern.js';
import type { OfEach, Pattern } from './exclusive-channel.js';
import { judge } from './goals.js';
import { handOver } from './hand-over.js';
import { samplePattern } from './official-sample/sample-pattern.js';
import { benchOptions, USAGE } from './options.js';
import type { BenchOptions, Rounds } from './options.js';
import type { Rest } from './quiet.js';
import { report } from './report.js';
import type { Row } from './result.js';
import { takeTurns } from './scenario.js';
import type { Scenario } from './scenario.js';
import { openWorld } from './world.js';
import type { World } from './world.js';

/** Measured, and a goal was missed. */
const GOAL_MISSED = 1;
/** Not measured. */
const FAILED = 2;

async function bench(options: BenchOptions, cleanUp: CleanUp): Promise<{ isMet: boolean }> {
  const world = await openWorld(cleanUp);
  const patterns = { earshot: await earshotPattern(world, cleanUp), sample: await samplePattern(world, cleanUp) };
  const rows = await measure(world, patterns, options);
  const violations = world.simulator.ledger.violations();
  const [first] = violations;
  if (first !== undefined) throw new Error(`The platform saw ${first.rule} (${first.detail}): nothing counts`);

  const goals = judge(rows);
  const context = contextOf(world, options);
  process.stdout.write(`${report(context, rows, goals)}\n`);
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify({ context, rows, goals }, undefined, 2)}\n`);
  }
  return { isMet: goals.every(({ isMet }) => isMet) };
}

async function measure(world: World, patterns: OfEach<Pattern>, options: BenchOptions): Promise<Row[]> {
  // Node compiles what runs often: without this, what is measured first would seem slow.
  process.stderr.write('Warming up …\n');
  await takeTurns(
    world.client,
    patterns,
    handOver(options.warmUp.waiting, world, 'back to back'),
    options.warmUp.rounds,
  );

  const rows: Row[] = [];
  const row = async (
    id: Row['id'],
    title: string,
    rest: Rest,
    open: (pattern: Pattern) => Promise<Scenario>,
    rounds: Rounds,
  ): Promise<void> => {
    process.stderr.write(`Measuring: ${title}, ${rest} (${rounds.samples} samples each) …\n`);
    rows.push({ id, title, rest, measured: await takeTurns(world.client, patterns, open, rounds) });
  };
  await row('acquire-first', 'acquired, first on the call', 'quiet', firstOnTheCall(world), options.first);
  for (const rest of ['back to back', 'quiet'] as const) {
    await row('acquire-again', 'acquired, again on the call', rest, againOnTheCall(world, rest), options.again);
    for (const waiting of options.waiting) {
      const title = `hand-over, ${waiting} waiting`;
      await row(`hand-over-${waiting}`, title, rest, handOver(waiting, world, rest), options.handOver);
    }
  }
  return rows;
}

function contextOf({ serverVersion }: World, { first, again, handOver }: BenchOptions): string {
  return [
    `${availableParallelism()} cores`,
    `Node.js ${process.version}`,
    `Temporal server ${serverVersion} in memory`,
    'everything but it in one process',
    `samples: ${first.samples} first, ${again.samples} again, ${handOver.samples} of each hand-over`,
  ].join(', ');
}

function readOptions(): BenchOptions | undefined {
  try {
    return benchOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
    return undefined;
  }
}

const options = readOptions();
if (options === undefined) process.exit(FAILED);
// So that the server is ended too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(FAILED));
installRuntimeLog(pino({ level: process.env['LOG_LEVEL'] ?? 'error' }, pino.destination(2)));
const cleanUp = new CleanUp();
try {
  const { isMet } = await bench(options, cleanUp);
  process.exitCode = isMet ? 0 : GOAL_MISSED;
} catch (error) {
  process.stderr.write(
    `The bench failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = FAILED;
} finally {
  await cleanUp.run();
}
