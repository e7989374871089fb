import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { claimPidFile, runningOwner, writePidFile } from '../../scripts/supervisor/pid-file.js';
import { identifyProcess, isRunning, startFromPs } from '../../scripts/supervisor/process-identity.js';
import { takeOver } from '../../scripts/supervisor/take-over.js';
import { until } from '../support/until.js';

const FOREVER = 'setInterval(() => undefined, 1000)';

let folder = '';
let children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'earshot-pid-'));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function startProgram(code: string): { child: ChildProcess; pid: number } {
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  if (child.pid === undefined) throw new Error('Expected the program to start');
  return { child, pid: child.pid };
}

const path = (): string => join(folder, 'part.json');

describe('a pid file', () => {
  it('finds the process that it was written for, until that ends', async () => {
    const { child, pid } = startProgram(FOREVER);
    writePidFile(path(), pid, 'node');
    expect(runningOwner(path())).toMatchObject({ pid, command: 'node' });
    child.kill('SIGKILL');
    await until('its end', () => runningOwner(path()) === undefined);
  });

  it('takes another process with the same pid for nobody', () => {
    const { pid } = startProgram(FOREVER);
    writeFileSync(path(), JSON.stringify({ pid, startedAt: 'before the last boot', command: 'temporal' }));
    expect(runningOwner(path())).toBeUndefined();
  });

  it.each(['', '{', '{"pid":-1,"startedAt":"x","command":""}', 'null'])('takes the content %p for nobody', (text) => {
    writeFileSync(path(), text);
    expect(runningOwner(path())).toBeUndefined();
  });

  it('can be claimed once', () => {
    const { pid } = startProgram(FOREVER);
    writePidFile(path(), pid, 'npm start');
    const before = readFileSync(path(), 'utf8');
    expect(claimPidFile(path(), 'mine')).toMatchObject({ pid });
    expect(readFileSync(path(), 'utf8')).toBe(before);
    expect(readdirSync(folder)).toEqual(['part.json']);
  });

  it('can be claimed where a dead process or nonsense is in the way', () => {
    writeFileSync(path(), JSON.stringify({ pid: process.pid, startedAt: 'earlier', command: '' }));
    expect(claimPidFile(path(), 'mine')).toBeUndefined();
    expect(runningOwner(path())?.pid).toBe(process.pid);
    writeFileSync(path(), '{');
    expect(claimPidFile(path(), 'mine')).toBeUndefined();
    expect(runningOwner(path())?.pid).toBe(process.pid);
  });
});

describe('the identity of a process', () => {
  it('is nothing for a pid without a process', async () => {
    const { child, pid } = startProgram('');
    await until('its end', () => child.exitCode !== null);
    expect(identifyProcess(pid)).toBeUndefined();
  });

  it('differs between two processes of different times and stays the same for one', () => {
    const { pid } = startProgram(FOREVER);
    const identity = identifyProcess(pid);
    expect(identity && isRunning(identity)).toBe(true);
    expect(identity?.startedAt).not.toBe(identifyProcess(process.pid)?.startedAt);
  });

  it('comes from ps where there is no /proc', () => {
    expect(startFromPs(process.pid)).toMatch(/\d{2}:\d{2}:\d{2}/);
    expect(startFromPs(process.pid)).toBe(startFromPs(process.pid));
    expect(startFromPs(999_999_999)).toBeUndefined();
  });
});

describe('takeOver', () => {
  it('refuses a folder where another supervisor runs, and leaves its parts alone', async () => {
    const other = startProgram(FOREVER);
    const part = startProgram(FOREVER);
    writePidFile(join(folder, 'supervisor.json'), other.pid, 'npm start');
    writePidFile(join(folder, 'worker.json'), part.pid, 'worker');
    await expect(takeOver(folder, () => undefined)).rejects.toThrow(`process ${other.pid}`);
    expect(part.child.exitCode ?? part.child.signalCode).toBeNull();
  });

  it('ends what a supervisor that was killed has left, and nothing else', async () => {
    const run = join(folder, 'run');
    mkdirSync(run);
    // A parent that starts a part in its own group, as the supervisor does, and is killed without a chance to clean up.
    const parent = startProgram(`
      const part = require('node:child_process').spawn(process.execPath, ['-e', '${FOREVER}'], { detached: true, stdio: 'ignore' });
      process.stdout.write(String(part.pid));
      ${FOREVER}`);
    let said = '';
    parent.child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until('the part', () => said !== '');
    const part = identifyProcess(z.coerce.number().parse(said));
    if (part === undefined) throw new Error('Expected the part to run');
    writePidFile(join(run, 'supervisor.json'), parent.pid, 'npm start');
    writePidFile(join(run, 'temporal.json'), part.pid, 'temporal');
    const stranger = startProgram(FOREVER);
    writeFileSync(join(run, 'api.json'), JSON.stringify({ pid: stranger.pid, startedAt: 'other', command: 'api' }));
    parent.child.kill('SIGKILL');
    await until('the end of the parent', () => parent.child.signalCode === 'SIGKILL');
    expect(isRunning(part)).toBe(true);

    const lines: string[] = [];
    await takeOver(run, (line) => lines.push(line));
    expect(lines).toEqual([`Ending temporal (process ${part.pid}), left by an earlier start`]);
    expect(isRunning(part)).toBe(false);
    expect(stranger.child.signalCode).toBeNull();
    expect(existsSync(join(run, 'temporal.json'))).toBe(false);
    expect(readdirSync(run)).toEqual(['supervisor.json']);
  });
});
