import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning, type ProcessIdentity } from './process-identity.js';

const LOOK_EVERY_MS = 50;

/**
 * Ends a process that isn't our child: SIGTERM, and SIGKILL for its whole group once `graceMs` have passed.
 *
 * @returns how it ended; `still-running` only for one that even SIGKILL doesn't end (in the kernel, or not ours).
 */
export async function endProcess(
  identity: ProcessIdentity,
  graceMs: number,
): Promise<'ended' | 'killed' | 'still-running'> {
  signalProcess(identity.pid, 'SIGTERM');
  if (await gone(identity, graceMs)) return 'ended';
  signalGroup(identity.pid, 'SIGKILL');
  return (await gone(identity, 2_000)) ? 'killed' : 'still-running';
}

/** Signals a process and everything in the group it leads; one that is gone already is fine. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  if (!trySignal(-pid, signal)) trySignal(pid, signal);
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  trySignal(pid, signal);
}

function trySignal(target: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(target, signal);
  } catch {
    return false;
  }
}

async function gone(identity: ProcessIdentity, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (isRunning(identity)) {
    if (performance.now() >= deadline) return false;
    await sleep(LOOK_EVERY_MS);
  }
  return true;
}
