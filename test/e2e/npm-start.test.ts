import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runningOwner } from '../../scripts/supervisor/pid-file.js';
import { isRunning } from '../../scripts/supervisor/process-identity.js';
import { Product, START_LIMIT_MS } from '../support/product.js';
import { until } from '../support/until.js';

let folder = '';
let started: Product[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'earshot-start-'));
  started = [];
});
afterEach(() => {
  for (const product of started) product.killAll();
  rmSync(folder, { recursive: true, force: true });
});

function start(env: Record<string, string> = {}, command?: string[]): Product {
  const product = new Product(folder, env, command);
  started.push(product);
  return product;
}

describe('npm start', () => {
  it(
    'runs everything, refuses a second start, and stops everything on Ctrl-C with exit code 0',
    async () => {
      const first = start();
      await first.ready();
      const url = first.address('API');
      expect(first.address('Page')).toBe(`${url}/`);
      const running = first.parts();
      expect(running).toHaveLength(4);
      expect((await fetch(`${url}/livez`)).status).toBe(200);
      const key = first.apiKey;
      for (const log of readdirSync(join(folder, 'logs'))) {
        expect(readFileSync(join(folder, 'logs', log), 'utf8')).not.toContain(key);
      }

      const second = start();
      expect(await second.exit()).toBe(1);
      expect(second.output).toMatch(/^Earshot already runs here \(process \d+, .*\n$/);

      // Twice at once, as when a terminal and npm both pass it on.
      first.child.kill('SIGINT');
      first.child.kill('SIGINT');
      expect(await first.exit()).toBe(0);
      expect(first.output).toContain('Stopped.');
      expect(running.filter(isRunning)).toEqual([]);
    },
    START_LIMIT_MS,
  );

  it(
    'starts again after it was killed, with nothing left of the killed one',
    async () => {
      const first = start();
      await first.ready();
      const before = first.parts();
      first.child.kill('SIGKILL');
      await first.exit();
      const again = start();
      await again.ready();
      expect(before.filter(isRunning)).toEqual([]);
      expect(again.parts()).toHaveLength(4);
    },
    START_LIMIT_MS,
  );

  it(
    'stops when npm, which passes no signal on, is ended',
    async () => {
      const npm = start({}, ['npm', 'start']);
      await npm.ready();
      npm.child.kill('SIGTERM');
      await until('the end of every part', () => npm.parts().length === 0, 40_000);
      await until('the supervisor’s end', () => runningOwner(join(folder, 'run', 'supervisor.json')) === undefined);
    },
    START_LIMIT_MS,
  );

  it('lists every wrong setting and exits with 78, without a stack trace', async () => {
    const refused = start({ PORT: 'x', SWEEP_INTERVAL_SECONDS: '-1' });
    expect(await refused.exit()).toBe(78);
    expect(refused.output.trim().split('\n').slice(-3)).toEqual([
      '2 settings are wrong:',
      '  PORT must be a whole number from 0 to 65535 (given: "x")',
      '  SWEEP_INTERVAL_SECONDS must be a whole number from 1 to 3600 (given: "-1")',
    ]);
  });

  it('says in one line that a configured Temporal can’t be reached', async () => {
    const refused = start({ TEMPORAL_ADDRESS: '127.0.0.1:1' });
    expect(await refused.exit()).toBe(1);
    expect(refused.output).toMatch(/^Temporal at 127\.0\.0\.1:1 can't be reached .*\n$/m);
    expect(refused.output).not.toMatch(/^\s+at /m);
  });
});
