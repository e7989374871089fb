import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { z } from 'zod';
import { TOKEN_KEEPER, tokenHealth, tokenKeeperId } from '../../domain/token-keeper.js';
import { startApi } from '../api/api-world.js';
import { replayEveryHistory } from '../support/replay.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionWorld } from '../support/session-world.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

/** Tokens are replaced after half of it. */
const LIFETIME_SECONDS = 4;

let temporal: TestTemporal;
let world: SessionWorld;
/** Its worker never takes up what it is asked. */
let keeperOfTheKilled: WorkflowHandle;

beforeAll(async () => {
  temporal = await startTemporal({ 'limit.historyCount.suggestContinueAsNew': 60 });
  world = await createSessionWorld(temporal, {
    simulator: { tokenLifetimeSeconds: LIFETIME_SECONDS },
    cleaning: { intervalMs: 3_600_000, followsEvents: false },
    keepsTokens: true,
  });
  const workerId = 'killed';
  keeperOfTheKilled = await temporal.client.workflow.start(TOKEN_KEEPER, {
    workflowId: tokenKeeperId(workerId),
    taskQueue: world.taskQueue,
    args: [{ workerId }],
  });
});

afterEach(() => world.simulator.controls.clearFaults());

afterAll(async () => {
  await replayEveryHistory(temporal);
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
});

function keeper(nth = 1) {
  return temporal.client.workflow.getHandle(tokenKeeperId(`${world.taskQueue}:${nth}`));
}

async function health() {
  return tokenHealth.parse(await keeper().query('state'));
}

const tokenRequests = () => world.simulator.ledger.requests({ action: 'token' }).length;

const readiness = z.object({ tokens: z.array(tokenHealth.extend({ worker: z.string() })) });

test('a token is replaced before it expires, for as long as its worker lives, and nobody calls with an old one', async () => {
  const seen = new Set<string | null>();
  const before = tokenRequests();
  const sinceMs = performance.now();
  await until('some have come and gone', async () => {
    const { expiresAt, refreshedAt, failures, trouble } = await health();
    expect({ failures, trouble }).toEqual({ failures: 0, trouble: null });
    expect(Date.parse(expiresAt ?? '') - Date.now()).toBeGreaterThan(-LIFETIME_SECONDS * 1_000);
    seen.add(refreshedAt);
    return seen.size >= 3;
  });
  const lifetimes = (performance.now() - sinceMs) / (LIFETIME_SECONDS * 1_000);
  const asked = tokenRequests() - before;
  expect(asked).toBeGreaterThanOrEqual(2);
  expect(asked).toBeLessThanOrEqual(2 * lifetimes + 2);
  expect(world.simulator.ledger.requests().filter(({ status }) => status === 401)).toEqual([]);
});

test('how it is, is shown in Temporal and by the API, also that it could not be had', async () => {
  await using api = await startApi(temporal.client, { taskQueue: world.taskQueue });
  const shown = async () => readiness.parse((await api.get('/readyz')).body).tokens;
  expect(await until('it is shown', async () => (await shown())[0])).toMatchObject({
    worker: `${world.taskQueue}:1`,
    failures: 0,
    trouble: null,
  });
  world.simulator.controls.addFault({
    match: { action: 'token' },
    effect: { kind: 'status', status: 503 },
    times: 1_000,
  });
  const trouble = await until('the trouble is shown', async () => {
    const [token] = await shown();
    return token?.failures !== 0 && token;
  });
  expect(trouble.trouble).toMatch(/token endpoint: it answered 503/);
  const { memo } = await keeper().describe();
  expect(memo?.['token']).toMatchObject({ trouble: trouble.trouble });
  const before = tokenRequests();
  await until('the old one is over', async () => (await health()).expiresAt === null);
  // Not a storm.
  expect(tokenRequests() - before).toBeLessThan(15);
  world.simulator.controls.clearFaults();
  await until('all is well again', async () => (await shown())[0]?.failures === 0);
});

test('a keeper ends with its worker, however that ended, and another worker has its own', async () => {
  await world.stopWorker();
  await world.startWorker();
  expect(await keeper(1).result()).toBeUndefined();
  expect((await keeper(2).describe()).status.name).toBe('RUNNING');
  expect(await keeperOfTheKilled.result()).toBeUndefined();
});

test('a keeper under another id than its worker’s, or of none, is refused', async () => {
  const start = (workflowId: string, input: unknown) =>
    temporal.client.workflow.execute(TOKEN_KEEPER, { workflowId, taskQueue: world.taskQueue, args: [input] });
  await expect(start('token-keeper~a', { workerId: 'b' })).rejects.toMatchObject({
    cause: { type: 'singleton.id.mismatch', message: expect.stringContaining('token-keeper~b') },
  });
  await expect(start('token-keeper~c', { worker: 'c' })).rejects.toMatchObject({ cause: { type: 'invalid.request' } });
});
