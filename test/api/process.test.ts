import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { transform } from '@swc/core';
import { z } from 'zod';
import { until } from '../support/until.js';

const ROOT = join(import.meta.dirname, '../..');
let folder = '';
const children = new Set<ChildProcess>();

// Inside the repository, so that the built files find its node_modules.
beforeAll(async () => {
  await mkdir(join(ROOT, '.cache'), { recursive: true });
  folder = await mkdtemp(join(ROOT, '.cache/api-process-'));
  for (const layer of ['api', 'codec', 'directory', 'domain', 'bus', 'http', 'telemetry', 'tracing']) {
    await mkdir(join(folder, layer));
    for (const name of await readdir(join(ROOT, layer))) {
      const source = await readFile(join(ROOT, layer, name), 'utf8');
      const { code } = await transform(source, {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
      });
      await writeFile(join(folder, layer, name.replace(/\.ts$/, '.js')), code);
    }
  }
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

interface ApiProcess {
  readonly child: ChildProcess;
  /** Resolves with the address once it is ready. */
  readonly url: Promise<string>;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
}

const readyMessage = z.object({ type: z.literal('ready'), url: z.url() });

/** Over a Temporal that is not there: nothing listens on port 1. */
function start(env: Readonly<Record<string, string>> = {}): ApiProcess {
  const child = fork(join(folder, 'api/main.js'), {
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      // As `npm start` sets it, so that a configuration of this machine is left alone.
      TEMPORAL_CONFIG_FILE: join(folder, 'no-temporal-config.toml'),
      EARSHOT_DATA_DIR: join(folder, 'data'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  children.add(child);
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  // Node never emits `close` for a child whose channel was disconnected from here.
  const exit = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code));
  });
  const streams = [child.stdout, child.stderr].map((stream) => (stream === null ? undefined : finished(stream)));
  const url = new Promise<string>((resolve) => {
    child.once('message', (message) => resolve(readyMessage.parse(message).url));
  });
  return { child, url, output: () => text, exit: Promise.all([exit, ...streams]).then(([code]) => code) };
}

test('without Temporal it starts all the same, says so in one line, answers 503 and ends cleanly', async () => {
  const api = start({ API_KEY: 'a-key-of-the-test' });
  const url = await api.url;
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  expect((await fetch(`${url}/readyz`)).status).toBe(503);
  await until('the warning', () => api.output().includes('127.0.0.1:1 cannot be used'));
  const warnings = api
    .output()
    .split('\n')
    .filter((line) => line.includes('cannot be used'));
  expect(warnings).toHaveLength(1);

  // A call to Temporal that nobody waits for any more, between two of its attempts.
  const caller = new AbortController();
  const headers = { Authorization: 'Bearer a-key-of-the-test' };
  const answer = fetch(`${url}/v1/sessions`, { headers, signal: caller.signal });
  await fetch(`${url}/livez`);
  caller.abort();
  await expect(answer).rejects.toThrow();
  api.child.kill('SIGTERM');
  expect(await api.exit).toBe(0);
  expect(api.output()).not.toContain('a-key-of-the-test');
  expect(api.output()).not.toMatch(/Error:/);
});

test('without API_KEY a key is made, shown once, kept for its owner, and never logged', async () => {
  const first = start();
  const url = await first.url;
  const path = join(folder, 'data/api-key');
  const key = (await readFile(path, 'utf8')).trim();
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const shown = first
    .output()
    .split('\n')
    .filter((line) => line.includes(key));
  expect(shown).toEqual([`API key, made because API_KEY is not set, shown once and kept in ${path}: ${key}`]);
  expect((await fetch(`${url}/v1/nothing`, { headers: { Authorization: `Bearer ${key}` } })).status).toBe(404);
  expect((await fetch(`${url}/v1/nothing`)).status).toBe(401);

  const second = start();
  const other = await second.url;
  expect((await fetch(`${other}/v1/nothing`, { headers: { Authorization: `Bearer ${key}` } })).status).toBe(404);
  expect(second.output()).toContain(`API key: the one in ${path} (API_KEY is not set)\n`);
  expect(second.output()).not.toContain(key);

  // The supervisor's death ends it as a signal does.
  first.child.disconnect();
  second.child.kill('SIGINT');
  expect(await Promise.all([first.exit, second.exit])).toEqual([0, 0]);
});

test('a port that is taken is one clear line and exit code 1', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const address = z.object({ port: z.number() }).parse(taken.address());
  const api = start({ API_KEY: 'k', PORT: String(address.port) });
  expect(await api.exit).toBe(1);
  expect(api.output()).toMatch(
    new RegExp(`^The API cannot listen on 127\\.0\\.0\\.1:${address.port} .*: set PORT .*\\n$`),
  );
  taken.close();
});

test('settings that are wrong are named, with exit code 78', async () => {
  const wrong = start({ PORT: 'eighty', LOG_LEVEL: 'loud' });
  const open = start({ HOST: '0.0.0.0' });
  const config = join(folder, 'broken.toml');
  await writeFile(config, '[profile.default]\napi_key = "a-key-of-the-cloud\n');
  const broken = start({ API_KEY: 'k', TEMPORAL_CONFIG_FILE: config });
  expect(await Promise.all([wrong.exit, open.exit, broken.exit])).toEqual([78, 78, 78]);
  expect(broken.output()).not.toContain('a-key-of-the-cloud');
  expect(wrong.output()).toMatch(/PORT .*\n.*LOG_LEVEL /);
  expect(open.output()).toMatch(/HOST .*set API_KEY or AUTH_JWKS_URL too/);
  expect(broken.output()).toMatch(/^The Temporal connection is configured wrongly/);
});

/** Takes connections, and never says anything. */
async function silentServer(): Promise<{ url: string; connected: () => boolean; close: () => void }> {
  const streams = new Set<Socket>();
  const server = createServer((stream) => streams.add(stream.on('error', () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const close = (): void => {
    for (const stream of streams) stream.destroy();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}`, connected: () => streams.size > 0, close };
}

test('a collector that is not there, or says nothing, costs one line and a second of the end', async () => {
  const silent = await silentServer();
  const key = 'a-key-of-the-test';
  const tracing = { API_KEY: key, OTEL_BSP_SCHEDULE_DELAY: '10', OTEL_EXPORTER_OTLP_HEADERS: 'api-key=collector-key' };
  // Nothing listens on port 1.
  const gone = { ...tracing, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_EXPORTER_OTLP_TIMEOUT: '100' };
  const alone = start(gone);
  // Longer than anybody would wait for the exit of this one.
  const patient = { OTEL_EXPORTER_OTLP_TIMEOUT: '600000', OTEL_BSP_EXPORT_TIMEOUT: '600000' };
  const hung = start({ ...tracing, ...patient, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${silent.url}/v1/traces` });
  const lost = (): string[] =>
    alone
      .output()
      .split('\n')
      .filter((line) => line.includes('traces.lost'));
  const ask = async (api: ApiProcess): Promise<number> =>
    (await fetch(`${await api.url}/v1/nothing`, { headers: { Authorization: `Bearer ${key}` } })).status;
  await until('spans that are lost', async () => {
    await ask(alone);
    return lost().length > 0;
  });
  // More that are lost with the same news, and one batch that is under way for as long as the collector likes.
  for (let n = 0; n < 10; n += 1) expect(await ask(alone)).toBe(404);
  await until('a batch under way', async () => (await ask(hung)) === 404 && silent.connected());
  alone.child.kill('SIGTERM');
  hung.child.kill('SIGTERM');
  expect(await Promise.all([alone.exit, hung.exit])).toEqual([0, 0]);
  expect(lost()).toHaveLength(1);
  expect(JSON.parse(lost()[0] ?? '')).toMatchObject({ level: 40, cause: expect.stringContaining('ECONNREFUSED') });
  const text = alone.output() + hung.output();
  expect(text).toContain('"trace_id"');
  expect(text).toContain('api.stopped');
  expect(text).not.toMatch(/UnhandledPromise|Error:|collector-key/);
  silent.close();
});

test('what is wrong with the settings of traces is named as well, with exit code 78', async () => {
  const wrong = start({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' });
  expect(await wrong.exit).toBe(78);
  expect(wrong.output()).toMatch(/OTEL_EXPORTER_OTLP_PROTOCOL must be one of http\/protobuf, http\/json/);
});
