/**
 * API, worker and QA pipeline as they would meet Temporal Cloud: by TLS, a certificate of their own and an API key, each told
 * of them in another of the ways that `@temporalio/envconfig` has. The same processes then with what is wrong.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import { startSimulator } from '../../simulator/simulator.js';
import type { Simulator } from '../../simulator/simulator.js';
import { certificateAuthority } from '../support/certificates.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { startTlsGateway } from '../support/tls-gateway.js';
import type { TlsGateway } from '../support/tls-gateway.js';
import { until } from '../support/until.js';

const ROOT = join(import.meta.dirname, '../..');
const SERVER_NAME = 'temporal.test';
const CLOUD_KEY = 'key-of-temporal-cloud';
const API_KEY = 'key-of-the-api-0123';

const folder = mkdtempSync(join(tmpdir(), 'earshot-tls-'));
const children = new Set<ChildProcess>();
const authority = certificateAuthority('Authority of the test');
const client = authority.issue('earshot', 'client');
let temporal: TestTemporal;
let gateway: TlsGateway;
let simulator: Simulator;

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

beforeAll(async () => {
  [temporal, simulator] = await Promise.all([startTemporal(), startSimulator({ port: 0, population: null })]);
  gateway = await startTlsGateway(temporal.address, { authority, name: SERVER_NAME, apiKey: CLOUD_KEY });
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await gateway[Symbol.asyncDispose]();
  await simulator.close();
  await temporal.teardown();
  rmSync(folder, { recursive: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
}

function run(program: string, env: Readonly<Record<string, string>>, args: readonly string[] = []): Run {
  const child = spawn(process.execPath, [join(ROOT, 'dist', program), ...args], {
    env: {
      PATH: process.env['PATH'],
      // So that a configuration of this machine is left alone.
      HOME: folder,
      EARSHOT_DATA_DIR: folder,
      PORT: '0',
      API_KEY,
      WORKER_METRICS_PORT: 'off',
      PLATFORM_BASE_URL: simulator.baseUrl,
      PLATFORM_CLIENT_ID: 'earshot',
      PLATFORM_CLIENT_SECRET: 'earshot-dev-secret',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const exit = once(child, 'close').then(() => child.exitCode);
  return { child, output: () => text, exit };
}

/** By files, as a deployment would have them. */
const byFiles = (): Record<string, string> => ({
  TEMPORAL_ADDRESS: gateway.address,
  TEMPORAL_API_KEY: CLOUD_KEY,
  TEMPORAL_TLS_SERVER_NAME: SERVER_NAME,
  TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('ca.pem', authority.cert),
  TEMPORAL_TLS_CLIENT_CERT_PATH: file('client.pem', client.cert),
  TEMPORAL_TLS_CLIENT_KEY_PATH: file('client.key', client.key),
});

/** Likewise, all in variables. */
const byVariables = (): Record<string, string> => ({
  TEMPORAL_ADDRESS: gateway.address,
  TEMPORAL_NAMESPACE: 'default',
  TEMPORAL_API_KEY: CLOUD_KEY,
  TEMPORAL_TLS_SERVER_NAME: SERVER_NAME,
  TEMPORAL_TLS_SERVER_CA_CERT_DATA: authority.cert,
  TEMPORAL_TLS_CLIENT_CERT_DATA: client.cert,
  TEMPORAL_TLS_CLIENT_KEY_DATA: client.key,
});

/** A profile of the file that the `temporal` command line reads too. */
const byProfile = (): Record<string, string> => {
  const {
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: ca,
    TEMPORAL_TLS_CLIENT_CERT_PATH: cert,
    TEMPORAL_TLS_CLIENT_KEY_PATH: key,
  } = byFiles();
  const lines = [
    '[profile.cloud]',
    ...[`address = "${gateway.address}"`, 'namespace = "default"', `api_key = "${CLOUD_KEY}"`],
    '[profile.cloud.tls]',
    ...[`server_name = "${SERVER_NAME}"`, `server_ca_cert_path = "${ca}"`],
    ...[`client_cert_path = "${cert}"`, `client_key_path = "${key}"`],
  ];
  return { TEMPORAL_CONFIG_FILE: file('temporal.toml', lines.join('\n')), TEMPORAL_PROFILE: 'cloud' };
};

async function urlOf(api: Run): Promise<string> {
  return until('the API is ready', () => /"url":"([^"]+)"/.exec(api.output())?.[1]);
}

test('worker by files, API by a profile, QA pipeline by variables: a session over TLS with a key', async () => {
  const worker = run('worker/main.js', byFiles());
  const api = run('api/main.js', byProfile());
  const url = await urlOf(api);
  await until('the worker is ready', () => worker.output().includes('worker.ready'));
  const { interactionId } = simulator.controls.addInteraction();
  const made = await fetch(`${url}/v1/sessions`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${API_KEY}`, 'Content-Type': 'application/json', Prefer: 'wait=30' },
    body: JSON.stringify({ interactionId, supervisorId: 'anna' }),
  });
  expect(await made.json()).toMatchObject({ state: 'SILENT' });

  const pipeline = run('examples/qa-pipeline.js', byVariables(), ['--api', url, '--share', '1', '--listen', '1']);
  expect(await pipeline.exit).toBe(0);
  const [line = ''] = pipeline.output().split('\n');
  expect(z.looseObject({ outcome: z.string() }).parse(JSON.parse(line))).toMatchObject({ outcome: 'listened' });
  expect(gateway.passed.get(`Bearer ${CLOUD_KEY}`)).toBeGreaterThan(20);
  for (const { output } of [worker, api, pipeline]) expect(output()).not.toContain(CLOUD_KEY);
  simulator.controls.endInteraction({ interactionId });
  for (const { child } of [api, worker]) child.kill('SIGTERM');
  expect(await Promise.all([api.exit, worker.exit])).toEqual([0, 0]);
}, 180_000);

interface Said {
  readonly worker: RegExp;
  readonly pipeline: RegExp;
  readonly api: RegExp;
}

/** What is wrong, and what each has to say of it. */
const WRONG: readonly [string, () => Record<string, string>, Said][] = [
  [
    'another authority',
    () => ({ ...byFiles(), TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('other.pem', certificateAuthority('Another').cert) }),
    // gRPC tells the pipeline only that it could not connect, as below.
    { worker: /InvalidCertificate/, pipeline: /TEMPORAL_TLS_\*/, api: /certificate/ },
  ],
  [
    'no API key',
    () => ({ ...byFiles(), TEMPORAL_API_KEY: '' }),
    { worker: /Request unauthorized/, pipeline: /TEMPORAL_API_KEY/, api: /check its TEMPORAL_API_KEY/ },
  ],
];

test.each(WRONG)(
  'with %s each of them says so in one line, and the API waits',
  async (_what, env, reason) => {
    const worker = run('worker/main.js', env());
    const api = run('api/main.js', env());
    const url = await urlOf(api);
    const pipeline = run('examples/qa-pipeline.js', env(), ['--api', url]);
    expect(await worker.exit).toBe(1);
    expect(await pipeline.exit).toBe(1);
    await until('the API has noticed', () => api.output().includes('temporal.away'));
    const said: Record<keyof Said, string[]> = {
      worker: worker.output().trim().split('\n'),
      pipeline: pipeline.output().trim().split('\n'),
      api: api
        .output()
        .split('\n')
        .filter((line) => line.includes('temporal.away')),
    };
    expect(said).toEqual({
      worker: [expect.stringMatching(reason.worker)],
      pipeline: [expect.stringMatching(reason.pipeline)],
      api: [expect.stringMatching(reason.api)],
    });
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    api.child.kill('SIGTERM');
    expect(await api.exit).toBe(0);
  },
  180_000,
);

test.each(['worker/main.js', 'api/main.js'])('%s does not start with half of a client certificate', async (program) => {
  const { TEMPORAL_TLS_CLIENT_KEY_PATH: _key, ...half } = byFiles();
  const process = run(program, half);
  expect(await process.exit).toBe(78);
  expect(process.output().trim().split('\n').at(-1)).toMatch(/has no TEMPORAL_TLS_CLIENT_KEY_PATH$/);
});
