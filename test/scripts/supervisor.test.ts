import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runningOwner } from '../../scripts/supervisor/pid-file.js';
import { identifyProcess } from '../../scripts/supervisor/process-identity.js';
import type { PartSpec } from '../../scripts/supervisor/supervised-part.js';
import { Supervisor } from '../../scripts/supervisor/supervisor.js';
import { until } from '../support/until.js';

/** A part as the product's are: ready by IPC, ends by SIGTERM, and when its supervisor is gone. */
const WELL_BEHAVED = `
  const fs = require('node:fs');
  const note = (what) => fs.appendFileSync(process.env.JOURNAL, what + ' ' + process.env.NAME + '\\n');
  note('start');
  process.on('SIGTERM', () => { note('stop'); process.exit(0); });
  process.on('disconnect', () => process.exit(0));
  process.send({ type: 'ready', url: 'http://' + process.env.NAME });`;

let folder = '';
let lines: string[] = [];
let supervisors: Supervisor[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'earshot-supervisor-'));
  lines = [];
  supervisors = [];
});
afterEach(async () => {
  for (const supervisor of supervisors) {
    supervisor.kill();
    await supervisor.stop();
  }
  rmSync(folder, { recursive: true, force: true });
});

const journal = (): string[] =>
  existsSync(join(folder, 'journal')) ? readFileSync(join(folder, 'journal'), 'utf8').trim().split('\n') : [];

function part(name: string, code: string, more: Partial<PartSpec> = {}): PartSpec {
  return {
    name,
    command: process.execPath,
    args: ['-e', code],
    env: { PATH: process.env['PATH'], NAME: name, JOURNAL: join(folder, 'journal') },
    stopMs: 5_000,
    after: [],
    ...more,
  };
}

function supervise(...parts: PartSpec[]): Supervisor {
  const supervisor = new Supervisor({
    parts,
    runDir: join(folder, 'run'),
    logDir: join(folder, 'logs'),
    tell: (line) => lines.push(line),
    backOff: { firstMs: 10, capMs: 40 },
  });
  supervisors.push(supervisor);
  return supervisor;
}

const pidOf = (name: string): number | undefined => runningOwner(join(folder, 'run', `${name}.json`))?.pid;

function kill(name: string): number {
  const pid = pidOf(name);
  if (pid === undefined) throw new Error(`Expected ${name} to run`);
  process.kill(pid, 'SIGKILL');
  return pid;
}

describe('a supervisor', () => {
  it('starts parts once what they need is ready, and stops them last one first', async () => {
    const supervisor = supervise(
      part('temporal', WELL_BEHAVED),
      part('worker', WELL_BEHAVED, { after: ['temporal'] }),
      part('api', WELL_BEHAVED, { after: ['worker'] }),
    );
    await supervisor.start();
    expect(supervisor.urlOf('api')).toBe('http://api');
    expect(journal()).toEqual(['start temporal', 'start worker', 'start api']);
    await supervisor.stop();
    expect(journal().slice(3)).toEqual(['stop api', 'stop worker', 'stop temporal']);
    expect(existsSync(join(folder, 'run', 'api.json'))).toBe(false);
    expect(lines).toEqual([]);
  });

  it('starts a part that died again, and says why it died', async () => {
    const supervisor = supervise(
      part('worker', `process.on('SIGUSR2', () => { throw new RangeError('out of luck'); }); ${WELL_BEHAVED}`),
    );
    await supervisor.start();
    process.kill(pidOf('worker') ?? 0, 'SIGUSR2');
    await until('the restart', () => lines.some((line) => line === '[worker] is running again'));
    expect(lines[0]).toMatch(
      /^\[worker\] ended with exit code 1 \(RangeError: out of luck\); starting it again in 0\.0 s$/,
    );
    expect(journal()).toEqual(['start worker', 'start worker']);
  });

  it('goes on restarting a part that was ready once, however often it dies', async () => {
    const supervisor = supervise(part('worker', WELL_BEHAVED));
    await supervisor.start();
    for (let round = 1; round <= 6; round += 1) {
      const before = kill('worker');
      await until('another process', () => ![undefined, before].includes(pidOf('worker')));
    }
    expect(lines.filter((line) => line.includes('ended by SIGKILL'))).toHaveLength(6);
  });

  it('gives up a part that is configured wrongly, and shows what it said', async () => {
    const supervisor = supervise(
      part('simulator', WELL_BEHAVED),
      part('worker', "process.stderr.write('PORT must be a number\\n'); process.exit(78)", { after: ['simulator'] }),
    );
    void supervisor.start();
    expect(await supervisor.failure).toEqual({ exitCode: 78 });
    expect(lines).toEqual([
      "[worker] ended with exit code 78 and can't be started:",
      '  PORT must be a number',
      expect.stringContaining('worker.log'),
    ]);
    await supervisor.stop();
    expect(journal()).toEqual(['start simulator', 'stop simulator']);
  });

  it('gives up a part that ends again and again without ever being ready', async () => {
    const supervisor = supervise(part('api', 'process.exit(3)'));
    void supervisor.start();
    expect(await supervisor.failure).toEqual({ exitCode: 1 });
    expect(lines.filter((line) => line.includes('starting it again'))).toHaveLength(4);
  });

  it('gives up a program that is not there', async () => {
    const supervisor = supervise({ ...part('temporal', ''), command: join(folder, 'missing') });
    void supervisor.start();
    expect(await supervisor.failure).toEqual({ exitCode: 1 });
    expect(lines[0]).toContain('ENOENT');
  });

  it('kills a part that does not end in its time', async () => {
    const deaf = `process.on('SIGTERM', () => undefined); process.send({ type: 'ready' }); setInterval(() => undefined, 1000);`;
    const supervisor = supervise(part('worker', deaf, { stopMs: 50 }));
    await supervisor.start();
    const pid = pidOf('worker') ?? 0;
    await supervisor.stop();
    expect(identifyProcess(pid)).toBeUndefined();
  });

  it('does not start a part again while it stops', async () => {
    const supervisor = supervise(part('temporal', WELL_BEHAVED), part('worker', WELL_BEHAVED));
    await supervisor.start();
    kill('worker');
    await until('its end', () => lines.some((line) => line.includes('ended by SIGKILL')));
    await supervisor.stop();
    const started = journal().filter((line) => line === 'start worker').length;
    expect(started).toBeLessThanOrEqual(2);
    expect(pidOf('worker')).toBeUndefined();
  });

  it('kills everything at once when asked to', async () => {
    const supervisor = supervise(part('a', WELL_BEHAVED), part('b', WELL_BEHAVED));
    await supervisor.start();
    supervisor.kill();
    await until('their end', () => pidOf('a') === undefined && pidOf('b') === undefined);
    expect(journal().filter((line) => line.startsWith('stop'))).toEqual([]);
  });

  it('hands a part that is slow to read what others tell it, but no more than fits of what is spare', async () => {
    const go = join(folder, 'go');
    const slow = `
      const fs = require('node:fs');
      let spare = 0, others = 0;
      process.on('message', (message) => {
        if (message.isLast) fs.writeFileSync(process.env.JOURNAL, spare + ' ' + others);
        else if (message.spare) spare += 1; else others += 1;
      });
      const pause = new Int32Array(new SharedArrayBuffer(4));
      process.send({ type: 'ready' }, () => setImmediate(() => {
        while (!fs.existsSync(${JSON.stringify(go)})) Atomics.wait(pause, 0, 0, 5);
      }));`;
    const teller = `
      process.on('message', () => require('node:fs').writeFileSync(${JSON.stringify(go)}, ''));
      const tell = (to, more) => process.send({ type: 'relay', to, ...more });
      for (let n = 0; n < 30; n += 1) tell('slow', { spare: true, text: 'x'.repeat(100_000) });
      for (let n = 0; n < 10; n += 1) tell('slow', {});
      tell('slow', { isLast: true });
      tell('teller', {});
      process.send({ type: 'ready' });`;
    const supervisor = supervise(part('slow', slow), part('teller', teller, { after: ['slow'] }));
    await supervisor.start();
    const [told = ''] = await until('all is read', () => (journal().length > 0 ? journal() : undefined));
    const [spare, others] = told.split(' ').map(Number);
    expect(others).toBe(10);
    expect(spare).toBeGreaterThan(0);
    expect(spare).toBeLessThan(15);
  });

  it('waits for the probe of a part without an IPC channel', async () => {
    let answer: () => void = () => undefined;
    const probe = (): Promise<void> => new Promise((resolve) => (answer = resolve));
    const server = part('temporal', 'setInterval(() => undefined, 1000)', { probe });
    const supervisor = supervise(server, part('worker', WELL_BEHAVED, { after: ['temporal'] }));
    const ready = supervisor.start();
    await until('temporal', () => pidOf('temporal') !== undefined);
    expect(journal()).toEqual([]);
    answer();
    await ready;
    expect(journal()).toEqual(['start worker']);
  });

  it('keeps a part’s log, shows its warnings, and shows without keeping what it prints for people', async () => {
    const supervisor = supervise(
      part(
        'api',
        `const log = (level, msg) => process.stdout.write(JSON.stringify({ level, msg }) + '\\n');
        log(30, 'all is well'); process.stdout.write('API key: 1234\\n'); log(40, 'slow'); ${WELL_BEHAVED}`,
      ),
    );
    await supervisor.start();
    await until('the warning', () => lines.length > 1);
    expect(lines).toEqual(['[api] API key: 1234', '[api] warning: slow']);
    expect(readFileSync(join(folder, 'logs', 'api.log'), 'utf8').split('\n')).toEqual([
      '{"level":30,"msg":"all is well"}',
      '{"level":40,"msg":"slow"}',
      '',
    ]);
  });
});
