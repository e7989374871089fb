import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client, Connection, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { z } from 'zod';
import { commandResource } from '../../domain/commands.js';
import { sessionResource } from '../../domain/session.js';
import type { SessionResource } from '../../domain/session.js';
import { Product, START_LIMIT_MS } from '../support/product.js';
import { until } from '../support/until.js';

const leg = z.object({
  monitorSessionId: z.string(),
  interactionId: z.string(),
  endedBy: z.string().nullable(),
  modes: z.array(z.object({ mode: z.string() })),
});
const ledgerAnswer = z.object({
  requests: z.array(z.object({ action: z.string(), interactionId: z.string().nullable() })),
  legs: z.array(leg),
  violations: z.array(z.unknown()),
});

const folder = mkdtempSync(join(tmpdir(), 'earshot-sessions-'));
const env = { SIMULATOR_CONTROL: 'on' };
let product: Product;

beforeAll(async () => {
  product = new Product(folder, env);
  await product.ready();
  // The rate budget is another matter: here nothing is to be refused.
  await control('set-rate-limit', { limit: 100_000, windowSeconds: 10, headers: true });
}, START_LIMIT_MS);

afterAll(() => {
  product.killAll();
  rmSync(folder, { recursive: true, force: true });
});

async function rest(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const answer = await fetch(`${product.address('API')}${path}`, {
    method,
    headers: { authorization: `Bearer ${product.apiKey}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, headers: answer.headers, body: z.unknown().parse(await answer.json()) };
}

async function control(name: string, body: unknown = {}): Promise<unknown> {
  const answer = await fetch(`${product.address('Platform')}/_control/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(answer.ok).toBe(true);
  return answer.status === 204 ? undefined : answer.json();
}

async function connected(): Promise<string> {
  return z.object({ interactionId: z.string() }).parse(await control('add-interaction')).interactionId;
}

async function ledger(interactionId: string) {
  const answer = await fetch(`${product.address('Platform')}/_control/ledger?interactionId=${interactionId}`);
  return ledgerAnswer.parse(await answer.json());
}

async function create(interactionId: string, supervisorId: string, wait = 30): Promise<SessionResource> {
  const { status, body } = await rest(
    'POST',
    '/v1/sessions',
    { interactionId, supervisorId },
    { prefer: `wait=${wait}` },
  );
  expect([200, 202]).toContain(status);
  return sessionResource.parse(body);
}

async function command(sessionId: string, action: string): Promise<string> {
  const path = `/v1/sessions/${encodeURIComponent(sessionId)}/commands`;
  const { status, body } = await rest('POST', path, { action }, { prefer: 'wait=30' });
  expect([200, 202]).toContain(status);
  const { commandId } = z.object({ commandId: z.string() }).parse(body);
  return until(
    `${action} of ${sessionId}`,
    async () => {
      const read = await rest('GET', `${path}/${commandId}`);
      const known = commandResource.safeParse(read.body);
      return known.success && known.data.status !== 'accepted' && known.data.status;
    },
    60_000,
  );
}

async function sessionOf(sessionId: string): Promise<SessionResource> {
  return sessionResource.parse((await rest('GET', `/v1/sessions/${encodeURIComponent(sessionId)}`)).body);
}

test('100 sessions at once go through every mode: 100 legs made, 100 stopped, none twice', async () => {
  const interactions = await Promise.all(Array.from({ length: 100 }, () => connected()));
  await Promise.all(
    interactions.map(async (interactionId, index) => {
      const { sessionId, state } = await create(interactionId, `supervisor-${index}`);
      expect(['PENDING', 'SILENT']).toContain(state);
      for (const action of ['barge', 'whisper', 'silent', 'stop']) {
        expect(`${action} ${await command(sessionId, action)}`).toBe(`${action} applied`);
      }
      await until('the end', async () => (await sessionOf(sessionId)).endReason === 'stopped');
    }),
  );
  for (const interactionId of interactions) {
    const { requests, legs, violations } = await ledger(interactionId);
    expect(legs).toHaveLength(1);
    expect(legs[0]).toMatchObject({ endedBy: 'stop' });
    expect(legs[0]?.modes.map(({ mode }) => mode)).toEqual(['silent', 'barge', 'whisper', 'silent']);
    expect(requests.filter(({ action }) => action === 'start')).toHaveLength(1);
    expect(violations).toEqual([]);
  }
}, 240_000);

test('20 starts at once for the same interaction and supervisor make one leg, by REST and by Temporal alike', async () => {
  const interactionId = await connected();
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
        : (await rest('POST', '/v1/sessions', { interactionId, supervisorId: 'anna' })).status === 202
          ? 'started'
          : 'running',
    ),
  );
  expect(outcomes.filter((outcome) => outcome === 'started')).toHaveLength(1);
  await until('active', async () => (await sessionOf(sessionId)).state === 'SILENT');
  const { requests, legs } = await ledger(interactionId);
  expect(legs).toHaveLength(1);
  expect(requests.filter(({ action }) => action === 'start')).toHaveLength(1);
  expect(await command(sessionId, 'stop')).toBe('applied');
  await connection.close();
});

test('kill -9 of worker and API loses no command that was accepted', async () => {
  const interactionId = await connected();
  const { sessionId } = await create(interactionId, 'ben');
  const path = `/v1/sessions/${encodeURIComponent(sessionId)}/commands`;
  await until('active', async () => (await sessionOf(sessionId)).state === 'SILENT');
  const accepted: string[] = [];
  for (const [action, victim] of [
    ['barge', 'worker'],
    ['silent', 'api'],
    ['whisper', 'worker'],
  ] as const) {
    const key = randomUUID();
    // Repeated under one key until it is answered, as a careful client does.
    await until(
      `${action} accepted`,
      async () => (await rest('POST', path, { action }, { 'idempotency-key': key })).status === 202,
      30_000,
    );
    accepted.push(key);
    await product.kill(victim);
  }
  for (const key of accepted) {
    await until(
      `${key} applied`,
      async () => commandResource.parse((await rest('GET', `${path}/${key}`)).body).status === 'applied',
      60_000,
    );
  }
  expect((await sessionOf(sessionId)).state).toBe('WHISPER');
  expect(await command(sessionId, 'stop')).toBe('applied');
  const { legs, violations } = await ledger(interactionId);
  expect(legs).toHaveLength(1);
  expect(legs[0]?.modes.map(({ mode }) => mode)).toEqual(['silent', 'barge', 'silent', 'whisper']);
  expect(violations).toEqual([]);
}, 180_000);

test(
  'sessions and their legs survive Ctrl-C and the next start, and no log holds a secret',
  async () => {
    const interactionId = await connected();
    const { sessionId } = await create(interactionId, 'cora');
    expect(await command(sessionId, 'whisper')).toBe('applied');
    const before = await sessionOf(sessionId);
    const { apiKey } = product;
    expect(await product.stop()).toBe(0);

    product = new Product(folder, env);
    await product.ready();
    expect(product.apiKey).toBe(apiKey);
    const after = await sessionOf(sessionId);
    expect({ ...after, serverNow: '' }).toEqual({ ...before, serverNow: '' });
    expect(await command(sessionId, 'silent')).toBe('applied');
    expect(await command(sessionId, 'stop')).toBe('applied');
    const { legs } = await ledger(interactionId);
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
