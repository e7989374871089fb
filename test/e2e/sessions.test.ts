import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client, Connection, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { EventClient } from '../support/event-client.js';
import { ProductClient } from '../support/product-client.js';
import { Product, START_LIMIT_MS } from '../support/product.js';
import { until } from '../support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'earshot-sessions-'));
// Nobody waits here for anybody else; a slow machine must not look like a queue.
const env = { SIMULATOR_CONTROL: 'on', BARGE_WAIT_SECONDS: '120' };
let product: Product;
let client: ProductClient;

beforeAll(async () => {
  product = new Product(folder, env);
  client = new ProductClient(product);
  await product.ready();
  // The rate budget is another matter: here nothing is to be refused.
  await client.control('set-rate-limit', { limit: 100_000, windowSeconds: 10, headers: true });
}, START_LIMIT_MS);

afterAll(() => {
  product.killAll();
  rmSync(folder, { recursive: true, force: true });
});

/** At once: some 12 operations each, of all parts. */
const SESSIONS = 20;

test('sessions at once go through every mode: as many legs made, as many stopped, none twice', async () => {
  const interactions = await Promise.all(Array.from({ length: SESSIONS }, () => client.connected()));
  await Promise.all(
    interactions.map(async (interactionId, index) => {
      const { sessionId, state } = await client.create(interactionId, `supervisor-${index}`);
      expect(['PENDING', 'SILENT']).toContain(state);
      for (const action of ['barge', 'whisper', 'silent', 'stop'] as const) {
        expect(`${action} ${await client.command(sessionId, action)}`).toBe(`${action} applied`);
      }
      await until('the end', async () => (await client.sessionOf(sessionId)).endReason === 'stopped');
    }),
  );
  for (const interactionId of interactions) {
    const { requests, legs, violations } = await client.ledger(interactionId);
    expect(legs).toHaveLength(1);
    expect(legs[0]).toMatchObject({ endedBy: 'stop' });
    expect(legs[0]?.modes.map(({ mode }) => mode)).toEqual(['silent', 'barge', 'whisper', 'silent']);
    expect(requests.filter(({ action }) => action === 'start')).toHaveLength(1);
    expect(violations).toEqual([]);
  }
}, 240_000);

test('20 starts at once for the same interaction and supervisor make one leg, by REST and by Temporal alike', async () => {
  const interactionId = await client.connected();
  const sessionId = `session~${interactionId}~anna`;
  const connection = await Connection.connect({ address: product.address('Temporal') });
  const temporal = new Client({ connection });
  const direct = async (): Promise<string> => {
    try {
      await temporal.workflow.start('monitoringSession', {
        workflowId: sessionId,
        taskQueue: 'monitoring',
        args: [{ interactionId, supervisorId: 'anna' }],
      });
      return 'started';
    } catch (error) {
      expect(error).toBeInstanceOf(WorkflowExecutionAlreadyStartedError);
      return 'running';
    }
  };
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, async (_, index) =>
      index % 2 === 0
        ? direct()
        : (await client.rest('POST', '/v1/sessions', { interactionId, supervisorId: 'anna' })).status === 202
          ? 'started'
          : 'running',
    ),
  );
  expect(outcomes.filter((outcome) => outcome === 'started')).toHaveLength(1);
  await until('active', async () => (await client.sessionOf(sessionId)).state === 'SILENT');
  const { requests, legs } = await client.ledger(interactionId);
  expect(legs).toHaveLength(1);
  expect(requests.filter(({ action }) => action === 'start')).toHaveLength(1);
  expect(await client.command(sessionId, 'stop')).toBe('applied');
  await connection.close();
});

test('what happens is told at once to whoever listens, and again after the API was killed', async () => {
  await using listening = new EventClient(product.address('API'), {}, { Authorization: `Bearer ${product.apiKey}` });
  await listening.snapshot();
  const example = spawn(process.execPath, ['examples/follow-events.mjs', product.address('API')], {
    env: { ...process.env, NODE_OPTIONS: '', API_KEY: product.apiKey },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  example.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  try {
    await until('it listens', () => /sessions run/.test(printed));
    const { sessionId } = await client.create(await client.connected(), 'ellen');
    // Lists know no details: a worker told this, and the supervisor handed it on.
    expect(await listening.change('session.active', sessionId)).toMatchObject({ mode: 'silent' });
    await until('it is printed', () => printed.includes(`session.active ${sessionId} SILENT`));
    await product.kill('api');
    await until('it answers again', async () => (await client.rest('GET', '/livez')).status === 200);
    expect(await client.command(sessionId, 'whisper')).toBe('applied');
    await until('it has come back', () => /sessions run[^]*sessions run/.test(printed));
    expect(await client.command(sessionId, 'stop')).toBe('applied');
    await until('the end is printed', () => printed.includes(`session.ended ${sessionId} TERMINATED`));
  } finally {
    example.kill();
  }
}, 240_000);

test('kill -9 of worker and API loses no command that was accepted', async () => {
  const interactionId = await client.connected();
  const { sessionId } = await client.create(interactionId, 'ben');
  await until('active', async () => (await client.sessionOf(sessionId)).state === 'SILENT');
  const accepted: string[] = [];
  for (const [action, victim] of [
    ['barge', 'worker'],
    ['silent', 'api'],
    ['whisper', 'worker'],
  ] as const) {
    const key = randomUUID();
    // Repeated under one key until it is answered, as a careful client does.
    await client.send(sessionId, action, key);
    accepted.push(key);
    await product.kill(victim);
  }
  for (const key of accepted) expect(await client.outcome(sessionId, key)).toMatchObject({ status: 'applied' });
  expect((await client.sessionOf(sessionId)).state).toBe('WHISPER');
  expect(await client.command(sessionId, 'stop')).toBe('applied');
  const { legs, violations } = await client.ledger(interactionId);
  expect(legs).toHaveLength(1);
  expect(legs[0]?.modes.map(({ mode }) => mode)).toEqual(['silent', 'barge', 'silent', 'whisper']);
  expect(violations).toEqual([]);
}, 180_000);

test(
  'sessions and their legs survive Ctrl-C and the next start, and no log holds a secret',
  async () => {
    const interactionId = await client.connected();
    const { sessionId } = await client.create(interactionId, 'cora');
    expect(await client.command(sessionId, 'whisper')).toBe('applied');
    const before = await client.sessionOf(sessionId);
    const { apiKey } = product;
    expect(await product.stop()).toBe(0);

    product = new Product(folder, env);
    client = new ProductClient(product);
    await product.ready();
    expect(product.apiKey).toBe(apiKey);
    const after = await client.sessionOf(sessionId);
    expect({ ...after, serverNow: '' }).toEqual({ ...before, serverNow: '' });
    expect(await client.command(sessionId, 'silent')).toBe('applied');
    expect(await client.command(sessionId, 'stop')).toBe('applied');
    const { legs } = await client.ledger(interactionId);
    expect(legs.map(({ endedBy }) => endedBy)).toEqual(['stop']);
    expect(legs[0]?.monitorSessionId).toBe(before.monitorSessionId);

    const logs = readdirSync(join(folder, 'logs')).map((name) => readFileSync(join(folder, 'logs', name), 'utf8'));
    expect(logs.length).toBeGreaterThanOrEqual(4);
    for (const secret of [apiKey, 'earshot-local-secret']) {
      expect(logs.filter((log) => log.includes(secret))).toEqual([]);
    }
  },
  START_LIMIT_MS,
);
