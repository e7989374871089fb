/**
 * `npm run bench:rival`: Earshot beside the guide's own design (bench/rival/), driven by the same REST calls; with
 * `-- --faults`: what each loses when things go wrong. `--quick` with few samples; `--json FILE` writes all of it;
 * `--only earshot,rival-everysec,rival-always` leaves some out,
 * `--concurrency 1,16,64` likewise.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CleanUp } from './clean-up.js';
import type { Contender, ContenderOptions } from './contest/contender.js';
import { startEarshot } from './contest/earshot.js';
import { startRival } from './contest/rival.js';
import { describeEnvironment } from './rival-environment.js';
import { measureFaults } from './rival-faults.js';
import type { FaultOptions } from './rival-faults.js';
import { measureLatency } from './rival-latency.js';
import type { LatencyOptions } from './rival-latency.js';
import { faultReport, latencyReport } from './rival-report.js';

const FULL: LatencyOptions = {
  rounds: 5,
  concurrencies: [1, 16, 64],
  triples: (concurrency) => (concurrency === 1 ? 8 : 2),
  starts: 10,
  waiting: [1, 10, 100],
  handOvers: 4,
};
const QUICK: LatencyOptions = {
  ...FULL,
  rounds: 1,
  triples: (n) => (n === 1 ? 4 : 1),
  starts: 4,
  waiting: [1, 10],
  handOvers: 2,
};

const FULL_FAULTS: FaultOptions = {
  kills: 12,
  lines: 2,
  starts: 100,
  ends: 1_000,
  sessions: 30,
  outageSeconds: 40,
  graceSeconds: 150,
};
const QUICK_FAULTS: FaultOptions = {
  kills: 2,
  lines: 1,
  starts: 16,
  ends: 40,
  sessions: 9,
  outageSeconds: 5,
  graceSeconds: 20,
};

/** A wait that nobody's hand-over comes near. */
const NO_EXPIRY_SECONDS = 600;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    faults: { type: 'boolean', default: false },
    json: { type: 'string' },
    concurrency: { type: 'string', default: FULL.concurrencies.join() },
    only: { type: 'string', default: 'earshot,rival-everysec,rival-always' },
  },
});
const tell = (line: string): void => void process.stderr.write(`${line}\n`);
const cleanUp = new CleanUp();
const root = mkdtempSync(join(tmpdir(), 'earshot-rival-'));
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp.run().finally(() => process.exit(1)));
}

async function start(rest: Omit<ContenderOptions, 'folder'>): Promise<Contender[]> {
  const contenders: Contender[] = [];
  const begin = async (name: string, open: (options: ContenderOptions) => Promise<Contender>): Promise<void> => {
    if (!values.only.split(',').includes(name)) return;
    tell(`Starting ${name} …`);
    const contender = await open({ ...rest, folder: join(root, name) });
    cleanUp.add(() => contender.close());
    contenders.push(contender);
  };
  await begin('earshot', startEarshot);
  await begin('rival-everysec', (options) => startRival('everysec', options));
  await begin('rival-always', (options) => startRival('always', options));
  return contenders;
}

try {
  const environment = await describeEnvironment(root);
  if (values.faults) {
    const contenders = await start({ activationMs: 50, waitSeconds: 30, sweepSeconds: 5 });
    const result = await measureFaults(contenders, values.quick ? QUICK_FAULTS : FULL_FAULTS, tell);
    process.stdout.write(`${faultReport(environment, result)}\n`);
    await writeJson({ environment, faults: result });
  } else {
    const contenders = await start({ activationMs: 0, waitSeconds: NO_EXPIRY_SECONDS, sweepSeconds: 60 });
    const concurrencies = values.concurrency.split(',').map(Number);
    const result = await measureLatency(contenders, { ...(values.quick ? QUICK : FULL), concurrencies }, tell);
    process.stdout.write(`${latencyReport(environment, result)}\n`);
    await writeJson({ environment, latency: result });
  }
} catch (error) {
  tell(`The bench failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 2;
} finally {
  await cleanUp.run();
  rmSync(root, { recursive: true, force: true });
}

async function writeJson(result: object): Promise<void> {
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result, undefined, 2)}\n`);
}
