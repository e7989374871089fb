import { spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const LOCK = join(ROOT, '.cache', 'bootstrap.lock');
const LOCK_LIMIT_MS = 600_000;

/** A line for a person; stderr, so that what a target prints stays its own. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** Runs a Node program to its end, its output shown. Throws `failure` unless it exits with 0. */
export function runNode(args, failure, options = {}) {
  const { status, error } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 2, 2], ...options });
  if (error !== undefined) throw new Error(`${failure} (${error.message})`);
  if (status !== 0) throw new Error(failure);
}

/** Keeps two starts in one folder from installing or building at the same time. */
export async function withLock(work) {
  await acquire();
  try {
    return await work();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

async function acquire() {
  const draft = `${LOCK}.${process.pid}`;
  mkdirSync(dirname(LOCK), { recursive: true });
  writeFileSync(draft, String(process.pid));
  const deadline = Date.now() + LOCK_LIMIT_MS;
  let told = false;
  try {
    while (!tryLink(draft)) {
      const holder = Number(readLock());
      if (!isAlive(holder)) {
        takeAway(holder);
        continue;
      }
      if (Date.now() > deadline)
        throw new Error(`Process ${holder} has been installing or building for too long (${LOCK})`);
      if (!told) say(`Waiting for process ${holder}, which is installing or building …`);
      told = true;
      await sleep(200);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

function tryLink(draft) {
  try {
    linkSync(draft, LOCK);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes the lock of a process that is gone, unless another start did and has it now: then that one gets it back. */
function takeAway(holder) {
  const aside = `${LOCK}.${process.pid}.old`;
  try {
    renameSync(LOCK, aside);
    if (Number(readFileSync(aside, 'utf8')) !== holder) linkSync(aside, LOCK);
  } catch {
    // Somebody was faster; the next round sees how things stand.
  }
  rmSync(aside, { force: true });
}

function readLock() {
  try {
    return readFileSync(LOCK, 'utf8');
  } catch {
    return '';
  }
}

function isAlive(pid) {
  if (!(pid > 0)) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}
