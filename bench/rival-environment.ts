import { execFileSync } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { provisionTemporalCli } from '../scripts/temporal-server/provision.js';
import { percentile } from './statistics.js';

const GIB = 1024 ** 3;
const SYNCS = 50;
const manifest = z.object({ version: z.string() });

/** What the figures depend on, a line each; the last ones say what each promises. */
export async function describeEnvironment(folder: string): Promise<readonly string[]> {
  const [cpu] = cpus();
  const temporal = await provisionTemporalCli({ tell: () => undefined });
  const redis = /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown';
  const packages = ['@temporalio/client', '@redis/client', 'express', 'undici'].map(
    (name) =>
      `${name} ${manifest.parse(JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8'))).version}`,
  );
  return [
    `${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, ${(totalmem() / GIB).toFixed(1)} GiB, Node.js ${process.version}`,
    `Temporal CLI ${temporal.version}, Redis ${redis}, ${packages.join(', ')}`,
    `4 KiB appended and synced: p50 ${syncMs(folder).toFixed(2)} ms`,
    'Earshot: SQLite, journal_mode=WAL, synchronous=FULL: what was accepted survives the loss of power',
    'rival, always: Redis, appendonly yes, appendfsync always: so it does here',
    'rival, everysec: Redis, appendonly yes, appendfsync everysec: the loss of power takes a second of it along',
  ];
}

/** What one sync costs here. */
function syncMs(folder: string): number {
  const path = join(folder, 'sync-test');
  const file = openSync(path, 'a');
  const block = Buffer.alloc(4_096);
  const times = Array.from({ length: SYNCS }, () => {
    const sinceMs = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    return performance.now() - sinceMs;
  });
  closeSync(file);
  rmSync(path);
  return percentile(times, 50);
}
