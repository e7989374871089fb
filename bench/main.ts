import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { pino } from 'pino';
import { installRuntimeLog } from '../worker/runtime-log.js';
import { measureChannel } from './channel/channel-part.js';
import { CleanUp } from './clean-up.js';
import { measureCrowd } from './crowd/crowd-part.js';
import { measureFloor } from './floor/floor-part.js';
import { measureLoad } from './load/load-part.js';
import { benchOptions, USAGE } from './options.js';
import type { BenchOptions, Part } from './options.js';
import { asText } from './section.js';
import type { Section } from './section.js';

/** Measured, and a goal was missed. */
const GOAL_MISSED = 1;
/** Not measured. */
const FAILED = 2;

const MEASURE: Readonly<Record<Part, (options: BenchOptions, cleanUp: CleanUp) => Promise<Section | Section[]>>> = {
  channel: measureChannel,
  floor: measureFloor,
  load: measureLoad,
  crowd: measureCrowd,
};

async function bench(options: BenchOptions): Promise<{ isMet: boolean }> {
  const environment = environmentOf();
  process.stdout.write(`${environment}\n\n`);
  const sections: Section[] = [];
  for (const part of options.parts) {
    const cleanUp = new CleanUp();
    try {
      const measured = [await MEASURE[part](options, cleanUp)].flat();
      // As soon as it is there: the next part may take long, or fail.
      for (const section of measured) process.stdout.write(`${asText(section)}\n`);
      sections.push(...measured);
    } finally {
      await cleanUp.run();
    }
  }
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify({ environment, sections }, undefined, 2)}\n`);
  }
  return { isMet: sections.every(({ goals }) => goals.every(({ isMet }) => isMet)) };
}

function environmentOf(): string {
  return [
    `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`,
    `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    `${process.platform} ${process.arch}`,
    `Node.js ${process.version}`,
    'Temporal’s dev server in memory, as `npm start` configures it',
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
// So that everything that was started is ended too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(FAILED));
installRuntimeLog(pino({ level: process.env['LOG_LEVEL'] ?? 'error' }, pino.destination(2)));
try {
  const { isMet } = await bench(options);
  process.exitCode = isMet ? 0 : GOAL_MISSED;
} catch (error) {
  process.stderr.write(
    `The bench failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = FAILED;
}
