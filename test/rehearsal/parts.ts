import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { until } from '../support/until.js';
import type { Revision } from './revisions.js';

export const API_KEY = 'rehearsal-key-0123456789';

/** Where the parts' logs go, and stay. */
export const LOGS = mkdtempSync(join(tmpdir(), 'earshot-rehearsal-logs-'));

/** A busy machine takes a while to load all of it. */
const READY_WITHIN_MS = 240_000;

/** A process of the product. */
export interface Part {
  readonly pid: number;
  /** Where it can be reached, of an API. */
  readonly url: string;
  /** Ends it as a deployment does, and waits for that. */
  readonly end: () => Promise<void>;
  /** At once, for the end of a rehearsal that has failed. */
  readonly kill: () => void;
}

const ready = z.object({ type: z.literal('ready'), url: z.string().optional() });

/** Starts the worker or the API of a revision, and waits until it is ready. */
export async function startPart(
  revision: Revision,
  name: 'worker' | 'api',
  env: Readonly<Record<string, string>>,
): Promise<Part> {
  const { PATH = '', HOME = '' } = process.env;
  const givesVersion = name === 'worker' && 'WORKER_DEPLOYMENT_NAME' in env && !revision.hasVersions;
  const preload = givesVersion ? ['--import', join(process.cwd(), 'test', 'rehearsal', 'versioned-worker.mjs')] : [];
  const child = spawn(process.execPath, [...preload, join(revision.dist, name, 'main.js')], {
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const log = createWriteStream(join(LOGS, `${name}-${child.pid ?? 0}.log`));
  child.stdout?.pipe(log);
  child.stderr?.pipe(log);
  const url = await told(child, `${name} of ${revision.title}`);
  return {
    pid: child.pid ?? 0,
    url,
    end: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
    kill: () => child.kill('SIGKILL'),
  };
}

async function told(child: ChildProcess, title: string): Promise<string> {
  let url: string | undefined;
  child.on('message', (message) => {
    const news = ready.safeParse(message);
    if (news.success) url = news.data.url ?? '';
  });
  return until(
    `${title} is ready, or has ended`,
    () => {
      if (child.exitCode !== null) throw new Error(`${title} has ended: see ${LOGS}`);
      return url;
    },
    READY_WITHIN_MS,
  );
}
