import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { sessionWorkflowId } from '../../domain/identifiers.js';
import { sessionResource } from '../../domain/session.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';
import { startApi, startWorker } from './api-world.js';
import type { Answer, RunningApi } from './api-world.js';

let temporal: TestTemporal;
let api: RunningApi;
/** On a task queue that nobody polls. */
let workerless: RunningApi;
let worker: AsyncDisposable;
beforeAll(async () => {
  temporal = await startTemporal();
  api = await startApi(temporal.client);
  workerless = await startApi(temporal.client);
  worker = await startWorker(temporal, api.taskQueue);
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await workerless[Symbol.asyncDispose]();
  await worker[Symbol.asyncDispose]();
  await temporal.teardown();
});

function pair(change: { readonly reason?: string } = {}) {
  return { interactionId: `i-${randomUUID()}`, supervisorId: 'sup', ...change };
}

function idOf({ interactionId, supervisorId }: { interactionId: string; supervisorId: string }): string {
  return sessionWorkflowId(interactionId, supervisorId);
}

function pathOf(session: { interactionId: string; supervisorId: string }): string {
  return `/v1/sessions/${encodeURIComponent(idOf(session))}`;
}

async function reaches(path: string, state: string): Promise<Answer> {
  return until(`${path} is ${state}`, async () => {
    const answer = await api.get(path);
    return answer.body['state'] === state && answer;
  });
}

const listAnswer = z.object({ items: z.array(sessionResource), nextCursor: z.string().nullable() });

async function list(query: Readonly<Record<string, string>>) {
  const answer = await api.get(`/v1/sessions?${new URLSearchParams(query).toString()}`);
  expect(answer.status).toBe(200);
  return listAnswer.parse(answer.body);
}

test('a new session is answered 202 with its place, and is there at once', async () => {
  const input = pair({ reason: 'hold' });
  const created = await api.post('/v1/sessions', input);
  expect(created.status).toBe(202);
  expect(created.headers.get('location')).toBe(pathOf(input));
  expect(created.body).toMatchObject({ sessionId: idOf(input), state: 'PENDING', version: 1, endedAt: null });

  const read = await api.get(created.headers.get('location') ?? '');
  expect(read.status).toBe(200);
  const { serverNow, ...session } = sessionResource.parse(created.body);
  expect(Date.now() - Date.parse(serverNow)).toBeLessThan(60_000);
  expect(sessionResource.parse(read.body)).toMatchObject(session);
});

test('a session shows in Temporal what it is about', async () => {
  const input = { ...pair({ reason: '`hold`\n# on' }), mode: 'whisper', supervisorId: 'é'.repeat(80) };
  await api.post('/v1/sessions', input);
  const description = await temporal.client.workflow.getHandle(idOf(input)).describe();
  const summary = await description.staticSummary();
  expect(Buffer.byteLength(summary ?? '')).toBeLessThanOrEqual(180);
  expect(summary).toMatch(/^é{80} monitors i-.*…$/);
  expect(await description.staticDetails()).toContain("- Reason: `'hold' # on`");
  expect(description.memo).toMatchObject({ session: { version: expect.any(Number) } });
});

test('of twenty simultaneous starts one creates and nineteen find it', async () => {
  const input = pair({ reason: 'hold' });
  const answers = await Promise.all(Array.from({ length: 20 }, () => api.post('/v1/sessions', input)));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([...Array.from({ length: 19 }, () => 200), 202]);
  expect(new Set(answers.map(({ body }) => body['runId'])).size).toBe(1);
});

test('where a session runs the rest of the body is ignored, but not a bad one', async () => {
  const input = pair({ reason: 'hold' });
  const { body } = await api.post('/v1/sessions', input);
  const again = await api.post('/v1/sessions', { ...input, mode: 'barge', reason: 'other' });
  expect(again).toMatchObject({ status: 200, body: { runId: body['runId'] } });
  expect(await api.post('/v1/sessions', { ...input, mode: 'shout' })).toMatchObject({ status: 400 });
});

test('while the previous session ends another is refused with 409, after it there is a new one', async () => {
  const input = pair({ reason: 'slow-end' });
  const first = await api.post('/v1/sessions', input, { Prefer: 'wait=10' });
  const handle = temporal.client.workflow.getHandle(idOf(input));
  await handle.signal('stop', {});
  await until('it is ending', async () => (await api.get(pathOf(input))).body['ending'] !== null);
  const refused = await api.post('/v1/sessions', input);
  expect(refused).toMatchObject({ status: 409, body: { code: 'session.ending' } });
  expect(refused.headers.get('retry-after')).toBe('2');

  await handle.signal('go');
  await reaches(pathOf(input), 'TERMINATED');
  const second = await until('a new session', async () => {
    const answer = await api.post('/v1/sessions', input);
    return answer.status === 202 && answer;
  });
  expect(second.body['runId']).not.toBe(first.body['runId']);

  const old = await api.get(`${pathOf(input)}?runId=${String(first.body['runId'])}`);
  expect(old).toMatchObject({
    status: 200,
    body: { runId: first.body['runId'], state: 'TERMINATED', endReason: 'stopped' },
  });
});

test('Prefer: wait holds the answer until the first state after PENDING', async () => {
  const created = await api.post('/v1/sessions', pair(), { Prefer: 'wait=10' });
  expect(created).toMatchObject({ status: 200, body: { state: 'SILENT', monitorSessionId: 'ms-1' } });
  expect(created.headers.get('preference-applied')).toBe('wait=10');
});

test('past the wait the answer is 202, and 200 for one that found a session', async () => {
  const input = pair({ reason: 'hold' });
  const answers = await Promise.all([
    api.post('/v1/sessions', input, { Prefer: 'wait=1' }),
    api.post('/v1/sessions', input, { Prefer: 'wait=1' }),
  ]);
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 202]);
  for (const { headers, body } of answers) {
    expect(headers.has('preference-applied')).toBe(false);
    expect(body['state']).toBe('PENDING');
  }
});

test('a session that ends while its start is waited for is answered 200 as ended', async () => {
  const input = pair({ reason: 'hold' });
  const waiting = api.post('/v1/sessions', input, { Prefer: 'wait=20' });
  await until('it runs', async () => (await api.get(pathOf(input))).status === 200);
  await temporal.client.workflow.getHandle(idOf(input)).signal('stop', {});
  expect(await waiting).toMatchObject({ status: 200, body: { state: 'TERMINATED', endReason: 'stopped' } });
});

test('without a worker a session is accepted all the same, and lives once there is one', async () => {
  const input = pair();
  const startedAt = performance.now();
  const created = await workerless.post('/v1/sessions', input, { Prefer: 'wait=1' });
  expect(created).toMatchObject({ status: 202, body: { state: 'PENDING' } });
  expect(performance.now() - startedAt).toBeLessThan(4_000);
  expect(await workerless.get(pathOf(input))).toMatchObject({ status: 200, body: { state: 'PENDING' } });

  await using late = await startWorker(temporal, workerless.taskQueue);
  expect(late).toBeDefined();
  await reaches(pathOf(input), 'SILENT');
});

test('a stop of the API answers waiting callers at once', async () => {
  const other = await startApi(temporal.client, { taskQueue: api.taskQueue });
  const input = pair({ reason: 'hold' });
  const waiting = other.post('/v1/sessions', input, { Prefer: 'wait=30' });
  await until('it runs', async () => (await api.get(pathOf(input))).status === 200);
  const startedAt = performance.now();
  await other.stop();
  expect(await waiting).toMatchObject({ status: 202 });
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});

test('a session that has not changed is answered 304 to who has it already', async () => {
  const input = pair();
  await api.post('/v1/sessions', input, { Prefer: 'wait=10' });
  const known = await api.get(pathOf(input));
  const etag = known.headers.get('etag') ?? '';
  expect(etag).toBe(`W/"${String(known.body['runId'])}.${String(known.body['version'])}"`);
  const again = await api.request(pathOf(input), { headers: { 'If-None-Match': `"other", ${etag.slice(2)}` } });
  expect(again).toMatchObject({ status: 304, body: {} });
  expect(again.headers.get('etag')).toBe(etag);

  await api.post(`${pathOf(input)}/commands`, { action: 'barge' }, { Prefer: 'wait=10' });
  const changed = await api.request(pathOf(input), { headers: { 'If-None-Match': etag } });
  expect(changed).toMatchObject({ status: 200, body: { state: 'BARGE' } });
  expect(changed.headers.get('etag')).not.toBe(etag);
});

describe('a start with an Idempotency-Key', () => {
  const withKey = (key: string) => ({ 'Idempotency-Key': key });

  test('that is repeated, at the same time or later, is the same session', async () => {
    const input = pair({ reason: 'hold' });
    const headers = withKey(randomUUID());
    const answers = await Promise.all(Array.from({ length: 10 }, () => api.post('/v1/sessions', input, headers)));
    const later = await api.post('/v1/sessions', { reason: 'hold', ...input }, headers);
    expect([...answers, later].filter(({ status }) => status === 202)).toHaveLength(1);
    expect([...answers, later].filter(({ status }) => status === 200)).toHaveLength(10);
    expect(new Set([...answers, later].map(({ body }) => body['runId'])).size).toBe(1);
  });

  test('that asks for something else under the same key is refused', async () => {
    const headers = withKey(randomUUID());
    const input = pair({ reason: 'hold' });
    await api.post('/v1/sessions', input, headers);
    for (const other of [
      { ...input, reason: 'other' },
      { ...input, mode: 'barge' },
    ]) {
      const answer = await api.post('/v1/sessions', other, headers);
      expect(answer).toMatchObject({ status: 422, body: { code: 'idempotency.key.reused' } });
      expect(answer.headers.has('location')).toBe(false);
    }
    // What runs is answered to whoever asks under another key, or none.
    expect(await api.post('/v1/sessions', { ...input, reason: 'other' }, withKey(randomUUID()))).toMatchObject({
      status: 200,
    });
  });

  test('that is repeated after the session has ended answers that one, also once there is another', async () => {
    const input = pair();
    const headers = withKey(randomUUID());
    const { body: first } = await api.post('/v1/sessions', input, { ...headers, Prefer: 'wait=10' });
    await api.post(`${pathOf(input)}/commands`, { action: 'stop' }, { Prefer: 'wait=10' });
    await reaches(pathOf(input), 'TERMINATED');
    const ended = { runId: first['runId'], state: 'TERMINATED' };
    expect(await api.post('/v1/sessions', input, headers)).toMatchObject({ status: 200, body: ended });

    const second = await api.post('/v1/sessions', input, withKey(randomUUID()));
    expect(second.status).toBe(202);
    // Lists lag behind.
    await until('the older one is found', async () => {
      const { body } = await api.post('/v1/sessions', input, headers);
      return body['runId'] === first['runId'];
    });
    expect(await api.post('/v1/sessions', input, headers)).toMatchObject({ status: 200, body: ended });
    expect(await api.post('/v1/sessions', { ...input, reason: 'x' }, headers)).toMatchObject({ status: 422 });
  });

  test('makes a session also where something else has failed under its id', async () => {
    const input = pair();
    const handle = await temporal.client.workflow.start('monitoringSession', {
      workflowId: idOf(input),
      taskQueue: api.taskQueue,
      args: [{ ...input, interactionId: 'another' }],
    });
    await expect(handle.result()).rejects.toThrow();
    expect((await api.post('/v1/sessions', input, withKey(randomUUID()))).status).toBe(202);
  });

  test('that is no key is refused', async () => {
    expect(await api.post('/v1/sessions', pair(), withKey('not one'))).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'Idempotency-Key' }] },
    });
  });
});

test('a session that was never there is 404, and so is a run that is not the first of one', async () => {
  expect(await api.get(pathOf(pair()))).toMatchObject({ status: 404, body: { code: 'session.not.found' } });
  const input = pair();
  await api.post('/v1/sessions', input, { Prefer: 'wait=10' });
  for (const runId of [randomUUID(), 'nonsense']) {
    expect(await api.get(`${pathOf(input)}?runId=${runId}`)).toMatchObject({ status: 404 });
  }
});

test('a session that continued as new keeps its runId, also once another has superseded it', async () => {
  const input = pair();
  const { body } = await api.post('/v1/sessions', input, { Prefer: 'wait=10' });
  const handle = temporal.client.workflow.getHandle(idOf(input));
  const { runId } = await handle.describe();
  expect(runId).toBe(body['runId']);
  await handle.signal('continue');
  const successor = await until('its next run', async () => {
    const description = await handle.describe();
    return description.runId !== runId && description.runId;
  });
  expect(await api.get(`${pathOf(input)}?runId=${runId}`)).toMatchObject({
    status: 200,
    body: { runId, state: 'SILENT' },
  });
  expect(await api.get(`${pathOf(input)}?runId=${successor}`)).toMatchObject({ status: 404 });

  await handle.signal('stop', {});
  await reaches(pathOf(input), 'TERMINATED');
  await until('another session', async () => (await api.post('/v1/sessions', input)).status === 202);
  const old = await api.get(`${pathOf(input)}?runId=${runId}`);
  expect(old).toMatchObject({ status: 200, body: { runId, state: 'TERMINATED', endReason: 'stopped' } });
});

test('lists show every session by interaction, supervisor and state, and page through them', async () => {
  // Characters that quoting, Temporal's parser or its SQL could stumble over.
  const supervisorId = `o'hara %_! ${randomUUID()}`;
  const inputs = ['"q"', "it's", 'back\\slash', 'per%cent', 'x'].map((name) => ({
    interactionId: `${name} ${randomUUID()}`,
    supervisorId,
    reason: 'hold',
  }));
  for (const input of inputs) await api.post('/v1/sessions', input);
  const [terminated, ...running] = inputs;
  await temporal.client.workflow.getHandle(idOf(terminated!)).terminate();
  await until('all are listed', async () => {
    const { items } = await list({ supervisorId });
    return items.length === 5 && items.some(({ state }) => state === 'TERMINATED');
  });

  for (const input of inputs) {
    expect((await list({ interactionId: input.interactionId })).items).toMatchObject([{ sessionId: idOf(input) }]);
    const { interactionId } = input;
    expect((await list({ interactionId, supervisorId })).items).toMatchObject([{ sessionId: idOf(input) }]);
    expect((await list({ interactionId, supervisorId: 'nobody' })).items).toEqual([]);
  }
  const newestFirst = running.map(idOf).toReversed();
  const pending = await list({ supervisorId, state: 'PENDING' });
  expect(pending.items.map(({ sessionId }) => sessionId)).toEqual(newestFirst);
  expect((await list({ supervisorId, state: 'BARGE' })).items).toEqual([]);
  expect((await list({ supervisorId, state: 'TERMINATED' })).items).toMatchObject([
    { sessionId: idOf(terminated!), state: 'TERMINATED', endReason: 'terminated', endedAt: expect.any(String) },
  ]);

  const pages: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await list({ supervisorId, limit: '2', ...(cursor === null ? {} : { cursor }) });
    expect(page.items.length).toBeLessThanOrEqual(2);
    pages.push(...page.items.map(({ sessionId }) => sessionId));
    cursor = page.nextCursor;
  } while (cursor !== null);
  expect(pages).toEqual([...newestFirst, idOf(terminated!)]);

  const { nextCursor } = await list({ supervisorId, limit: '2' });
  const foreign = await api.get(`/v1/sessions?limit=2&cursor=${String(nextCursor)}`);
  expect(foreign).toMatchObject({ status: 400, body: { errors: [{ field: 'cursor' }] } });
});

test('a hostile filter finds what it names and nothing else', async () => {
  for (const supervisorId of ["' OR '1'='1", "' OR ExecutionStatus='Running' --", "\\' OR 1=1", '") OR ("" = "']) {
    expect((await list({ supervisorId })).items).toEqual([]);
    expect((await list({ interactionId: supervisorId })).items).toEqual([]);
  }
});

test('a direct start is shown before a worker has taken it up; one with bad input never', async () => {
  const supervisorId = `direct-${randomUUID()}`;
  const interactionId = `i-${randomUUID()}`;
  const workflowId = sessionWorkflowId(interactionId, supervisorId);
  await temporal.client.workflow.start('monitoringSession', {
    workflowId,
    taskQueue: workerless.taskQueue,
    args: [{ interactionId, supervisorId }],
  });
  expect(await api.get(`/v1/sessions/${workflowId}`)).toMatchObject({
    status: 200,
    body: { state: 'PENDING', version: 1 },
  });
  await until('it is listed', async () => (await list({ interactionId, state: 'PENDING' })).items.length === 1);

  const refused = sessionWorkflowId(interactionId, 'other');
  const handle = await temporal.client.workflow.start('monitoringSession', {
    workflowId: refused,
    taskQueue: api.taskQueue,
    args: [{ interactionId: 'another', supervisorId }],
  });
  await expect(handle.result()).rejects.toThrow();
  expect(await api.get(`/v1/sessions/${refused}`)).toMatchObject({ status: 404 });
  expect(await api.get(`/v1/sessions/${refused}/history`)).toMatchObject({ status: 404 });
  expect((await list({ interactionId })).items).toMatchObject([{ sessionId: workflowId }]);
});

test('with Temporal and its search attributes there the API is ready, and says how many workers are', async () => {
  const ready = await until('the worker is seen', async () => {
    const answer = await api.get('/readyz');
    return answer.body['workers'] === 1 && answer;
  });
  expect(ready).toMatchObject({ status: 200, body: { status: 'ready', reasons: [] } });
  expect(await startedElsewhere()).toMatchObject({ status: 200, body: { status: 'ready', workers: 0 } });
  const running = "WorkflowType = 'monitoringSession' AND ExecutionStatus = 'Running'";
  // Lists lag, and the page keeps what it knows for some seconds.
  const page = await until('every running session is counted by its state', async () => {
    const text = await api.metrics();
    const shown = [...text.matchAll(/^earshot_sessions\{state="\w+"\} (\d+)$/gm)].map(([, count]) => Number(count));
    const { count } = await temporal.client.workflow.count(running);
    return shown.length === 4 && count > 0 && shown.reduce((sum, one) => sum + one, 0) === count && text;
  });
  expect(page).toContain('earshot_temporal_up 1\n');
  expect(page).toContain('earshot_workers 1\n');
});

/** No worker is no reason against readiness: what is accepted now is done later. */
async function startedElsewhere(): Promise<Answer> {
  await using lonely = await startApi(temporal.client);
  return await lonely.get('/readyz');
}
