import { fork, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { transform } from '@swc/core';
import { z } from 'zod';
import { readEnvironment } from '../../simulator/environment.js';
import { PlatformClient } from './platform-harness.js';

const ROOT = join(import.meta.dirname, '../..');
let built = '';
const children = new Set<ChildProcess>();

// Inside the repository, so that the built files find its node_modules.
beforeAll(async () => {
  await mkdir(join(ROOT, '.cache'), { recursive: true });
  built = await mkdtemp(join(ROOT, '.cache/simulator-process-'));
  const names = await readdir(join(ROOT, 'simulator'));
  for (const name of names.filter((file) => file.endsWith('.ts'))) {
    const source = await readFile(join(ROOT, 'simulator', name), 'utf8');
    const { code } = await transform(source, {
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      module: { type: 'es6' },
    });
    await writeFile(join(built, name.replace(/\.ts$/, '.js')), code);
  }
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(built, { recursive: true, force: true });
});

interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
}

function start(env: Record<string, string>): Running {
  const child = fork(join(built, 'main.js'), {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  children.add(child);
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const exit = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      children.delete(child);
      resolve(code);
    });
  });
  return { child, output: () => text, exit };
}

async function ready(running: Running): Promise<PlatformClient> {
  const url = await new Promise<string>((resolve, reject) => {
    running.child.once('message', (message) => {
      resolve(z.object({ type: z.literal('ready'), url: z.url() }).parse(message).url);
    });
    running.child.once('close', () => reject(new Error(running.output())));
  });
  const client = new PlatformClient(url);
  await client.signIn();
  return client;
}

test('the process says when it is ready, survives kill -9 with its legs, and ends cleanly on SIGTERM', async () => {
  const env = {
    SIMULATOR_PORT: '0',
    SIMULATOR_STATE_FILE: join(built, 'state.json'),
    SIMULATOR_ACTIVATION_MAX_MS: '300',
  };
  const killed = start(env);
  const before = await ready(killed);
  const { entities = [] } = (await before.get('/api/v2/interactions?status=connected')).body;
  expect(entities).toHaveLength(12);
  const id = entities[0]?.id ?? '';
  const { body } = await before.command('start', id);
  killed.child.kill('SIGKILL');
  await killed.exit;

  const restarted = start(env);
  const after = await ready(restarted);
  after.token = before.token;
  expect((await after.state(id)).body.monitors).toMatchObject([{ monitorSessionId: body.monitorSessionId }]);
  restarted.child.kill('SIGTERM');
  expect(await restarted.exit).toBe(0);
  expect(restarted.output()).not.toContain(before.token);
});

test('the process ends when its parent is gone', async () => {
  const orphan = start({ SIMULATOR_PORT: '0' });
  await ready(orphan);
  // Not `close`: Node never emits that for a child whose channel was disconnected from this side.
  const exit = new Promise<number | null>((resolve) => orphan.child.once('exit', resolve));
  orphan.child.disconnect();
  expect(await exit).toBe(0);
  children.delete(orphan.child);
});

test('bad settings end it with 78 and one line that names all of them', async () => {
  const { exit, output } = start({ SIMULATOR_PORT: 'http', SIMULATOR_CONTROL: 'maybe', LOG_LEVEL: 'loud' });
  expect(await exit).toBe(78);
  expect(output().trim().split('\n')).toHaveLength(1);
  for (const name of ['SIMULATOR_PORT', 'SIMULATOR_CONTROL', 'LOG_LEVEL']) expect(output()).toContain(name);
});

test('a taken port ends it with 1 and one line that says so', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const { exit, output } = start({ SIMULATOR_PORT: String(port) });
  expect(await exit).toBe(1);
  expect(output().trim().split('\n')).toHaveLength(1);
  expect(output()).toContain(`Port ${port} is taken`);
  await new Promise((resolve) => server.close(resolve));
});

test('an empty environment gives the defaults; empty variables count as not set', () => {
  const { options, logLevel } = readEnvironment({ SIMULATOR_PORT: '', PATH: '/bin' });
  expect(logLevel).toBe('info');
  expect(options).toMatchObject({
    port: 8090,
    host: '127.0.0.1',
    clientId: 'earshot',
    controlSurface: false,
    webhook: null,
  });
});

test('the webhook needs its secret, and the shortest activation may not be longer than the longest', () => {
  const faults = { SIMULATOR_WEBHOOK_URL: 'http://127.0.0.1/hook', SIMULATOR_ACTIVATION_MIN_MS: '2000' };
  expect(() => readEnvironment(faults)).toThrow(
    expect.objectContaining({
      faults: [
        'PLATFORM_WEBHOOK_SECRET: required with SIMULATOR_WEBHOOK_URL',
        'SIMULATOR_ACTIVATION_MIN_MS: expected at most SIMULATOR_ACTIVATION_MAX_MS',
      ],
    }),
  );
});
