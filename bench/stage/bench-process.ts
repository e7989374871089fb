import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { CleanUp } from '../clean-up.js';
import { until } from '../until.js';

const READY_EVERY_MS = 50;
/** Of `/proc/PID/stat`, on every Linux that Node runs on. */
const TICKS_A_SECOND = 100;
const KIB_A_MIB = 1_024;

const logLine = z.object({ msg: z.string(), url: z.string().optional() });

/** One of the product's processes, or the floor's, as they run in production: alone, its log going to a file. */
export class BenchProcess {
  private constructor(
    readonly name: string,
    readonly pid: number,
    /** Where it answers, if it said so. */
    readonly url: string | undefined,
    readonly stop: () => Promise<void>,
  ) {}

  /**
   * Starts one and waits until it says that it is ready.
   * @param entry its main module, below the compiled bench's root: `worker/main.js`
   * @param readyMessage of its log
   */
  static async start({ name, entry, env, readyMessage }: ProcessToStart, cleanUp: CleanUp): Promise<BenchProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'earshot-bench-'));
    const logFile = join(folder, `${name}.log`);
    const log = openSync(logFile, 'a');
    const child = spawn(
      process.execPath,
      ['--enable-source-maps', fileURLToPath(new URL(`../../${entry}`, import.meta.url))],
      {
        env: { PATH: process.env['PATH'], EARSHOT_DATA_DIR: folder, ...env },
        stdio: ['ignore', log, log],
      },
    );
    closeSync(log);
    const stop = onceOnly(() => end(child, folder));
    cleanUp.add(stop);
    const ready = await until(`${name} is ready`, READY_EVERY_MS, () => {
      const text = readFileSync(logFile, 'utf8');
      if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}:\n${text}`);
      return linesOf(text).find(({ msg }) => msg === readyMessage);
    });
    if (child.pid === undefined) throw new Error(`${name} has no process id`);
    return new BenchProcess(name, child.pid, ready.url, stop);
  }
}

export interface ProcessToStart {
  readonly name: string;
  readonly entry: string;
  readonly env: Readonly<Record<string, string>>;
  readonly readyMessage: string;
}

/** Processor time that a process has used since its start, ms; `undefined` where the system does not tell. */
export function processorMs(pid: number): number | undefined {
  const stat = readOf(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the program's name, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_A_SECOND;
}

/** Memory that a process has in use, MiB; `undefined` where the system does not tell. */
export function memoryMib(pid: number): number | undefined {
  const status = readOf(`/proc/${pid}/status`);
  const kib = /VmRSS:\s+(\d+) kB/.exec(status ?? '')?.[1];
  return kib === undefined ? undefined : Number(kib) / KIB_A_MIB;
}

function readOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function linesOf(text: string): z.infer<typeof logLine>[] {
  return text.split('\n').flatMap((line) => {
    try {
      return [logLine.parse(JSON.parse(line))];
    } catch {
      return [];
    }
  });
}

function onceOnly(step: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= step());
}

async function end(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }
  rmSync(folder, { recursive: true, force: true });
}
