import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { OPERATIONS } from '../../api/operations.js';
import { LocalHints } from '../support/local-hints.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionWorld } from '../support/session-world.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { startApi } from './api-world.js';
import type { RunningApi } from './api-world.js';
import { IdentityProvider } from './identity-provider.js';

// Another program reads the document and tries whether what runs keeps to it.

const PYTHON_ENV = { PYTHONPATH: fileURLToPath(new URL('../../.cache/python', import.meta.url)) };
const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url));
const CONFIG = fileURLToPath(new URL('./schemathesis.toml', import.meta.url));
/** How many sequences of requests are tried, beside the cases that the schemas suggest. */
const EXAMPLES = 3;

const isInstalled =
  spawnSync('python3', ['-c', 'import schemathesis'], { env: { ...process.env, ...PYTHON_ENV } }).status === 0;

let temporal: TestTemporal;
let world: SessionWorld;
let provider: IdentityProvider;
let api: RunningApi;
if (isInstalled) {
  beforeAll(async () => {
    temporal = await startTemporal();
    world = await createSessionWorld(temporal);
    provider = await IdentityProvider.start();
    api = await startApi(temporal.client, {
      taskQueue: world.taskQueue,
      credentials: { tokens: provider.verifier() },
      hints: new LocalHints(),
    });
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
    await provider[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    await temporal.teardown();
    expect(world.simulator.ledger.violations()).toEqual([]);
  });
}

(isInstalled ? test : test.skip)(
  'schemathesis finds nothing that the document does not say (needs schemathesis: python3 -m pip install --target .cache/python -r test/api/requirements.txt)',
  async () => {
    const token = await provider.token({ sub: 'anna', roles: ['admin'], expiresInSeconds: 3_600 });
    const { code, output } = await run([
      ...['--config-file', CONFIG, 'run', `${api.url}/openapi.json`, '-H', `Authorization: Bearer ${token}`],
      ...['--phases', 'examples,coverage,stateful', '--max-examples', String(EXAMPLES), '--seed', '1', '--no-color'],
    ]);
    expect(code === 0 ? '' : output).toBe('');
    expect(output).toContain(`Tested: ${OPERATIONS.length}`);
    const cases = Number(/(\d+) generated/.exec(output)?.[1]);
    expect(cases).toBeGreaterThan(200);
  },
  300_000,
);

function run(args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  // It keeps notes of what it has tried where it runs.
  const child = spawn('python3', ['-m', 'schemathesis.cli', ...args], {
    cwd: CACHE,
    env: { ...process.env, ...PYTHON_ENV },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}
