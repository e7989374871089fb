import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { endProcess } from './end-process.js';
import { claimPidFile, removePidFile, runningOwner } from './pid-file.js';

/** The pid file of the supervisor itself, beside those of the parts. */
export const SUPERVISOR_PID_FILE = 'supervisor.json';

/** A leftover has this long to end by itself, in milliseconds. */
const LEFTOVER_GRACE_MS = 10_000;

/**
 * Makes this process the one supervisor of a folder, and ends what a killed one has left running, because its ports and
 * files are needed. Only the very processes that were recorded are touched.
 *
 * @throws if another supervisor runs there, or a leftover can't be ended.
 */
export async function takeOver(runDir: string, tell: (line: string) => void): Promise<void> {
  const holder = claimPidFile(join(runDir, SUPERVISOR_PID_FILE), 'npm start');
  if (holder !== undefined) {
    throw new Error(
      `Earshot already runs here (process ${holder.pid}, ${dirname(runDir)}): stop that one first, or set EARSHOT_DATA_DIR to another folder`,
    );
  }
  const files = readdirSync(runDir).filter((file) => file.endsWith('.json') && file !== SUPERVISOR_PID_FILE);
  await Promise.all(files.map((file) => endLeftover(join(runDir, file), file.replace('.json', ''), tell)));
}

async function endLeftover(path: string, name: string, tell: (line: string) => void): Promise<void> {
  const leftover = runningOwner(path);
  if (leftover !== undefined) {
    tell(`Ending ${name} (process ${leftover.pid}), left by an earlier start`);
    const how = await endProcess(leftover, LEFTOVER_GRACE_MS);
    if (how === 'still-running') throw new Error(`Process ${leftover.pid} (${name}) can't be ended: end it by hand`);
  }
  removePidFile(path);
}
