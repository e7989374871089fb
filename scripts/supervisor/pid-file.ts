import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { systemErrorCode } from '../system-error.js';
import { identifyProcess, isRunning } from './process-identity.js';

const pidRecord = z.object({
  pid: z.int().positive(),
  startedAt: z.string().min(1),
  /** For people who read the file; recognition goes by pid and start time, which `exec` doesn't change. */
  command: z.string(),
});

/** Who wrote a pid file. */
export type PidRecord = z.infer<typeof pidRecord>;

/** Records a process that was just started. Nothing is written for one that has already ended. */
export function writePidFile(path: string, pid: number, command: string): void {
  const identity = identifyProcess(pid);
  if (identity === undefined) return;
  const draft = writeDraft(path, { ...identity, command });
  renameSync(draft, path);
}

/** The recorded process if that very process still runs: a pid that now belongs to another program is nobody. */
export function runningOwner(path: string): PidRecord | undefined {
  const record = parse(readText(path));
  return record && isRunning(record) ? record : undefined;
}

/** Removes a pid file. */
export function removePidFile(path: string): void {
  rmSync(path, { force: true });
}

/**
 * Claims `path` for this process, unless a running process has it.
 *
 * @returns the running holder, or `undefined` when the claim holds.
 */
export function claimPidFile(path: string, command: string): PidRecord | undefined {
  const identity = identifyProcess(process.pid);
  if (identity === undefined) throw new Error(`Expected to find this process (${process.pid}) in the process table`);
  const draft = writeDraft(path, { ...identity, command });
  try {
    for (;;) {
      // A link, unlike a write, makes the file appear with its content, or fails because someone else has it.
      if (tryLink(draft, path)) return undefined;
      const text = readText(path);
      const holder = parse(text);
      if (holder && isRunning(holder)) return holder.pid === process.pid ? undefined : holder;
      takeAway(path, text);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes a leftover, unless a competitor did that and claimed the path in between: then its claim is put back. */
function takeAway(path: string, leftover: string | undefined): void {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (readText(aside) !== leftover) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function writeDraft(path: string, record: PidRecord): string {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${randomUUID()}`;
  writeFileSync(draft, `${JSON.stringify(record)}\n`);
  return draft;
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function parse(text: string | undefined): PidRecord | undefined {
  if (text === undefined) return undefined;
  try {
    return pidRecord.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
