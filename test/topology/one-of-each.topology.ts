/**
 * The production topology by itself (`npm run topology`): one process of each kind is killed while supervisors of two sessions
 * on each call contend for its channel. What must hold afterwards: no command that got its `2xx` is lost, no leg is left, and
 * never did two speak at once.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Connection } from '@temporalio/client';
import { isFinal } from '../../domain/commands.js';
import { SEARCH_ATTRIBUTE_NAMES } from '../../domain/workflow-contract.js';
import { figure } from '../support/figures.js';
import { ProductClient } from '../support/product-client.js';
import { Product, START_LIMIT_MS } from '../support/product.js';
import { until } from '../support/until.js';

const CALLS_AT_ONCE = 2;
const SUPERVISORS = ['anna', 'ben'] as const;
const VICTIMS = ['worker-2', 'api-2', 'redis', 'ingress', 'temporal', 'postgres'] as const;
/** Until a step is through, ms: a start whose worker was killed takes 45 s to be missed. */
const THROUGH_WITHIN_MS = 240_000;

const folder = mkdtempSync(join(tmpdir(), 'earshot-topology-'));
let product: Product;
let client: ProductClient;

beforeAll(async () => {
  product = new Product(folder, { SIMULATOR_CONTROL: 'on', BARGE_WAIT_SECONDS: '20', SWEEP_INTERVAL_SECONDS: '5' });
  client = new ProductClient(product);
  await product.ready();
  await client.control('set-rate-limit', { limit: 100_000, windowSeconds: 10, headers: true });
  await client.control('set-activation-delay', { min: 0, max: 50 });
}, START_LIMIT_MS);

afterAll(() => {
  product.killAll();
  rmSync(folder, { recursive: true, force: true });
});

test('Temporal has the namespace and the search attributes that the set-up jobs made', async () => {
  const connection = await Connection.connect({ address: product.address('Temporal') });
  const { namespace } = product;
  expect(namespace).toBe('earshot');
  const { config } = await connection.workflowService.describeNamespace({ namespace });
  expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(7 * 24 * 3600);
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  expect(Object.keys(customAttributes)).toEqual(expect.arrayContaining([...SEARCH_ATTRIBUTE_NAMES]));
  await connection.close();
});

test('secrets come from files: no environment of the product holds one', () => {
  const secrets = ['api-key', 'metrics-key', 'platform-client-secret', 'platform-webhook-secret', 'postgres-password'];
  const values = secrets.map((name) => readFileSync(join(folder, name), 'utf8').trim());
  for (const part of ['api', 'api-2', 'worker', 'worker-2'] as const) {
    const environment = readFileSync(`/proc/${product.part(part)?.pid ?? 0}/environ`, 'utf8');
    expect(environment).toContain('_FILE=');
    expect(values.filter((value) => environment.includes(value))).toEqual([]);
  }
});

test('the image’s health check is right about both, and the ingress shows no metrics', async () => {
  const health = (environment: Record<string, string>) =>
    promisify(execFile)(process.execPath, ['deploy/healthy.mjs'], { env: environment }).then(
      () => 0,
      (error: unknown) => error,
    );
  expect(await health({ PORT: new URL(product.oneApi).port })).toBe(0);
  expect(await health({ PORT: '1' })).toMatchObject({ code: 1 });
  expect((await fetch(`${product.address('API')}/livez`)).status).toBe(200);
  expect((await fetch(`${product.address('API')}/metrics`)).status).toBe(404);
  expect((await fetch(`${product.oneApi}/metrics`)).status).toBe(401);
});

interface Life {
  readonly interactionId: string;
  readonly sessionId: string;
  readonly accepted: string[];
}

const lives: Life[] = [];
let isOver = false;
let answered = 0;

/** One supervisor's life on a call, from start to stop. */
async function live(interactionId: string, supervisorId: string): Promise<void> {
  const life: Life = { interactionId, sessionId: `session~${interactionId}~${supervisorId}`, accepted: [] };
  lives.push(life);
  await until(
    'the session is accepted',
    async () =>
      [200, 202].includes((await client.rest('POST', '/v1/sessions', { interactionId, supervisorId })).status),
    THROUGH_WITHIN_MS,
  );
  const state = await until(
    `${life.sessionId} listens or is over`,
    async () => {
      const session = await client.sessionOf(life.sessionId);
      return session.state !== 'PENDING' && session.state;
    },
    THROUGH_WITHIN_MS,
  );
  if (state === 'TERMINATED') return;
  for (const action of ['barge', 'whisper', 'silent', 'stop'] as const) {
    const commandId = randomUUID();
    await client.send(life.sessionId, action, commandId, THROUGH_WITHIN_MS);
    life.accepted.push(commandId);
    await until(
      `the outcome of ${action} of ${life.sessionId}`,
      async () => isFinal((await client.commandOf(life.sessionId, commandId)).status),
      THROUGH_WITHIN_MS,
    );
    answered += 1;
  }
}

async function callAfterCall(): Promise<void> {
  while (!isOver) {
    const interactionId = await until('a call', () => client.connected(), THROUGH_WITHIN_MS);
    await Promise.all(SUPERVISORS.map((supervisorId) => live(interactionId, supervisorId)));
  }
}

test(
  'one of each is killed under load: nothing accepted is lost, no leg is left, and one speaks at a time',
  async () => {
    const running = Promise.all(Array.from({ length: CALLS_AT_ONCE }, callAfterCall));
    // It is looked at below; until then it must not fail the process.
    running.catch(() => undefined);
    const goesOn = async (commands: number): Promise<number> => {
      const [from, sinceMs] = [answered, performance.now()];
      await until(`${commands} more outcomes`, () => answered >= from + commands, THROUGH_WITHIN_MS);
      return Math.round(performance.now() - sinceMs);
    };
    await goesOn(8);
    for (const victim of VICTIMS) {
      await product.killOne(victim);
      figure(`topology: ${victim} killed under load: the next outcome after, ms`, await goesOn(1));
      await goesOn(8);
    }
    isOver = true;
    await running;

    let accepted = 0;
    const statuses = new Map<string, number>();
    for (const { interactionId, sessionId, accepted: ids } of lives) {
      expect(['stopped', 'start-failed']).toContain((await client.sessionOf(sessionId)).endReason);
      for (const id of ids) {
        const { action, status } = await client.commandOf(sessionId, id);
        expect({ sessionId, action, isFinal: isFinal(status) }).toEqual({ sessionId, action, isFinal: true });
        if (action === 'stop') expect(status).toBe('applied');
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
      accepted += ids.length;
      const { legs, violations } = await client.ledger(interactionId);
      expect({ interactionId, violations }).toEqual({ interactionId, violations: [] });
      expect(legs.filter(({ endedBy }) => endedBy === null)).toEqual([]);
    }
    expect(accepted).toBeGreaterThanOrEqual(VICTIMS.length * 9);
    figure(
      `topology: kill -9 of one of ${VICTIMS.join(', ')}`,
      `${lives.length} sessions, ${accepted} accepted commands (${[...statuses].map(([status, n]) => `${n} ${status}`).join(', ')}), none lost, no leg left, never two at once`,
    );
  },
  THROUGH_WITHIN_MS * 4,
);
