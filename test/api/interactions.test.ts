import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import { InteractionSource } from '../../api/interaction-source.js';
import { Temporal } from '../../api/temporal-client.js';
import type { Interaction } from '../../domain/platform-wire.js';
import { sessionWorkflowId } from '../../domain/identifiers.js';
import type { ListInteractionsInput } from '../../domain/interaction-list.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';
import { startApi, startWorker } from './api-world.js';
import type { ListInteractions, RunningApi } from './api-world.js';

let temporal: TestTemporal;
let api: RunningApi;
let worker: AsyncDisposable;
/** What the platform was asked. */
const asked: ListInteractionsInput[] = [];
let platform: ListInteractions;
beforeAll(async () => {
  temporal = await startTemporal();
  api = await startApi(temporal.client);
  worker = await startWorker(temporal, api.taskQueue, (input) => {
    asked.push(input);
    return platform(input);
  });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await worker[Symbol.asyncDispose]();
  await temporal.teardown();
});

afterEach(() => {
  jest.restoreAllMocks();
});

const first = interaction();
beforeEach(() => {
  asked.length = 0;
  platform = ({ cursor }) =>
    Promise.resolve({
      entities: [cursor === undefined ? first : interaction()],
      nextCursor: cursor === undefined ? 'p 2/ü' : null,
    });
});

function interaction(): Interaction {
  return {
    id: `i-${randomUUID()}`,
    status: 'connected',
    agentId: 'a-1',
    queueName: 'q',
    customer: null,
    startedAt: '2026-11-01T10:00:00.000Z',
    endedAt: null,
  };
}

test('interactions come with their running sessions, page by page', async () => {
  for (const supervisorId of ['s1', 's2']) {
    await api.post('/v1/sessions', { interactionId: first.id, supervisorId, reason: 'hold' });
  }
  await temporal.client.workflow.getHandle(sessionWorkflowId(first.id, 's2')).terminate();
  const running = [{ sessionId: sessionWorkflowId(first.id, 's1'), supervisorId: 's1', state: 'PENDING' }];
  const page = await until('the sessions are listed', async () => {
    const answer = await api.get('/v1/interactions?limit=7');
    return JSON.stringify(answer.body['items']).includes(JSON.stringify(running)) && answer;
  });
  expect(page).toMatchObject({ status: 200, body: { items: [{ ...first, sessions: running }] } });
  expect(asked[0]).toEqual({ status: 'connected', pageSize: 7 });

  const cursor = String(page.body['nextCursor']);
  const next = await api.get(`/v1/interactions?limit=7&cursor=${cursor}`);
  expect(next).toMatchObject({ status: 200, body: { items: [{ sessions: [] }], nextCursor: null } });
  expect(asked.at(-1)).toEqual({ status: 'connected', pageSize: 7, cursor: 'p 2/ü' });
  const foreign = await api.get(`/v1/interactions?status=ended&cursor=${cursor}`);
  expect(foreign).toMatchObject({ status: 400, body: { errors: [{ field: 'cursor' }] } });
});

test('however many ask at once, the platform is asked once', async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => api.get('/v1/interactions?limit=11')));
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
  expect(asked).toHaveLength(1);
});

test('a platform that fails is 503 with its reason; a cursor that it refuses is 400', async () => {
  platform = () =>
    Promise.reject(ApplicationFailure.nonRetryable('the platform refuses the client', 'platform.forbidden'));
  expect(await api.get('/v1/interactions?limit=12')).toMatchObject({
    status: 503,
    body: { code: 'platform.unavailable', detail: expect.stringMatching(/refuses the client/) },
  });
  platform = ({ cursor }) =>
    cursor === undefined
      ? Promise.resolve({ entities: [], nextCursor: 'old' })
      : Promise.reject(ApplicationFailure.nonRetryable('unknown cursor', 'platform.invalid'));
  const { body } = await api.get('/v1/interactions?limit=13');
  const stale = await api.get(`/v1/interactions?limit=13&cursor=${String(body['nextCursor'])}`);
  expect(stale).toMatchObject({ status: 400, body: { errors: [{ field: 'cursor' }] } });
});

test('a failure of the platform that passes is not seen', async () => {
  let attempts = 0;
  platform = () => {
    attempts += 1;
    return attempts === 1
      ? Promise.reject(ApplicationFailure.create({ message: 'reset', type: 'platform.unreachable' }))
      : Promise.resolve({ entities: [], nextCursor: null });
  };
  expect(await api.get('/v1/interactions?limit=14')).toMatchObject({ status: 200 });
});

test('without a worker it is 503 within seconds', async () => {
  await using lonely = await startApi(temporal.client);
  const startedAt = performance.now();
  expect(await lonely.get('/v1/interactions')).toMatchObject({ status: 503, body: { code: 'workers.unavailable' } });
  expect(performance.now() - startedAt).toBeLessThan(8_000);
});

test('on a server without standalone activities a short workflow does the same', async () => {
  const { client } = temporal;
  const execute = jest.spyOn(client.activity, 'execute').mockRejectedValue(unimplemented());
  const source = new InteractionSource(new Temporal(client, api.taskQueue));
  expect(await source.list({ status: 'ended', pageSize: 3 })).toMatchObject({ entities: [first] });
  platform = () => Promise.reject(ApplicationFailure.nonRetryable('no', 'platform.forbidden'));
  await expect(source.list({ status: 'ended', pageSize: 3 })).rejects.toMatchObject({ code: 'platform.unavailable' });
  // What the server lacks is found out once.
  expect(execute).toHaveBeenCalledTimes(1);
});

function unimplemented(): Error {
  const cause = Object.assign(new Error('unknown method'), { code: 12, details: 'unknown method', metadata: {} });
  return new Error('Failed to start activity', { cause });
}
