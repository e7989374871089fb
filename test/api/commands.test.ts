import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import { sessionWorkflowId } from '../../domain/identifiers.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';
import { startApi, startWorker } from './api-world.js';
import type { RunningApi } from './api-world.js';

let temporal: TestTemporal;
let api: RunningApi;
let worker: AsyncDisposable;
beforeAll(async () => {
  temporal = await startTemporal();
  api = await startApi(temporal.client);
  worker = await startWorker(temporal, api.taskQueue);
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await worker[Symbol.asyncDispose]();
  await temporal.teardown();
});

interface StartedSession {
  readonly sessionId: string;
  readonly path: string;
  readonly commands: string;
  readonly runId: string;
  readonly input: Readonly<Record<string, string>>;
}

/** An active session whose id the URL must encode. */
async function session(reason?: string): Promise<StartedSession> {
  const input = {
    interactionId: `i/${randomUUID()}`,
    supervisorId: 'süp',
    ...(reason === undefined ? {} : { reason }),
  };
  const { status, body } = await api.post('/v1/sessions', input, { Prefer: 'wait=10' });
  expect(status).toBe(200);
  const sessionId = sessionWorkflowId(input.interactionId, input.supervisorId);
  const path = `/v1/sessions/${encodeURIComponent(sessionId)}`;
  return { sessionId, path, commands: `${path}/commands`, runId: String(body['runId']), input };
}

async function ended({ path }: StartedSession): Promise<void> {
  await until('it has ended', async () => (await api.get(path)).body['state'] === 'TERMINATED');
}

test('a command is accepted with its place, has its effect, and is there to be read', async () => {
  const { commands, path } = await session();
  const accepted = await api.post(commands, { action: 'barge', reason: 'escalation' });
  expect(accepted).toMatchObject({ status: 202, body: { action: 'barge', status: 'accepted' } });
  const { commandId } = accepted.body;
  expect(accepted.headers.get('location')).toBe(`${commands}/${String(commandId)}`);

  const read = await api.get(accepted.headers.get('location') ?? '');
  expect(read).toMatchObject({ status: 200, body: { commandId, action: 'barge', status: 'applied' } });
  expect(await api.get(path)).toMatchObject({ body: { state: 'BARGE' } });
  const { body } = await api.get(`${path}/history`);
  expect(body['items']).toContainEqual(
    expect.objectContaining({ type: 'command.accepted', commandId, actor: 'service', reason: 'escalation' }),
  );
});

test('the Idempotency-Key is the command id: repeated, it is one command', async () => {
  const { commands, path } = await session();
  const repeat = () => api.post(commands, { action: 'whisper' }, { 'Idempotency-Key': 'key-1' });
  const answers = await Promise.all([repeat(), repeat(), repeat()]);
  expect(answers.map(({ body }) => body['commandId'])).toEqual(['key-1', 'key-1', 'key-1']);
  // Once it has its outcome a repeat is told, without having to wait for it.
  const last = await until('the outcome', async () => {
    const answer = await repeat();
    return answer.status === 200 && answer;
  });
  expect(last.body).toEqual({ commandId: 'key-1', action: 'whisper', status: 'applied' });
  expect(last.headers.get('location')).toBe(`${commands}/key-1`);

  const other = await api.post(commands, { action: 'barge' }, { 'Idempotency-Key': 'key-1' });
  expect(other).toMatchObject({ status: 422, body: { code: 'idempotency.key.reused' } });
  expect(other.headers.has('location')).toBe(false);
  const { body } = await api.get(`${path}/history`);
  const accepted = JSON.stringify(body['items']).match(/"command\.accepted"/g);
  expect(accepted).toHaveLength(1);
});

test('Prefer: wait answers 200 with the outcome', async () => {
  const { commands } = await session();
  const answer = await api.post(commands, { action: 'whisper' }, { Prefer: 'wait=10' });
  expect(answer).toMatchObject({ status: 200, body: { action: 'whisper', status: 'applied' } });
  expect(answer.headers.get('preference-applied')).toBe('wait=10');
});

test('past the wait the answer is 202', async () => {
  const { commands } = await session('stubborn');
  const answer = await api.post(commands, { action: 'whisper' }, { Prefer: 'wait=1' });
  expect(answer).toMatchObject({ status: 202, body: { status: 'accepted' } });
  expect(answer.headers.has('preference-applied')).toBe(false);
});

test('a stop that is waited for is answered 200 although the session ends with it', async () => {
  const stopped = await session();
  const answer = await api.post(stopped.commands, { action: 'stop' }, { Prefer: 'wait=10' });
  expect(answer).toMatchObject({ status: 200, body: { action: 'stop', status: 'applied' } });
  await ended(stopped);
});

test('on an ended session a command is 409, a stop is 200, and what was done can be read', async () => {
  const over = await session();
  await api.post(over.commands, { action: 'barge' }, { 'Idempotency-Key': 'b-1' });
  await api.post(over.commands, { action: 'stop' }, { Prefer: 'wait=10' });
  const handle = temporal.client.workflow.getHandle(over.sessionId);
  await until('it is closed', async () => (await handle.describe()).status.name === 'COMPLETED');

  expect(await api.post(over.commands, { action: 'silent' })).toMatchObject({
    status: 409,
    body: { code: 'session.ended' },
  });
  expect(await api.post(over.commands, { action: 'stop' })).toMatchObject({
    status: 200,
    body: { action: 'stop', status: 'applied', commandId: expect.any(String) },
  });
  expect(await api.get(`${over.commands}/b-1`)).toMatchObject({ status: 200, body: { status: 'applied' } });
  expect((await api.get(`${over.path}/history`)).status).toBe(200);

  // Whoever lost the first answer repeats it, and the session's end changes nothing about what was done.
  expect(await api.post(over.commands, { action: 'barge' }, { 'Idempotency-Key': 'b-1' })).toMatchObject({
    status: 200,
    body: { commandId: 'b-1', action: 'barge', status: 'applied' },
  });
  expect(await api.post(over.commands, { action: 'barge' }, { 'Idempotency-Key': 'b-2' })).toMatchObject({
    status: 409,
    body: { code: 'session.ended' },
  });
});

test('a command for one session never reaches the next under the same id', async () => {
  const first = await session();
  const keyed = () =>
    api.post(
      first.commands,
      { action: 'barge', runId: first.runId },
      { 'Idempotency-Key': 'first-1', Prefer: 'wait=10' },
    );
  expect(await keyed()).toMatchObject({ status: 200, body: { status: 'applied' } });
  await api.post(first.commands, { action: 'stop', runId: first.runId }, { Prefer: 'wait=10' });
  const second = await until('the next session', async () => {
    const answer = await api.post('/v1/sessions', first.input, { Prefer: 'wait=10' });
    return answer.status === 200 && answer.body['runId'] !== first.runId && answer;
  });
  for (const action of ['barge', 'stop']) {
    const answer = await api.post(first.commands, { action, runId: first.runId });
    expect(answer).toMatchObject({ status: 409, body: { code: 'session.superseded' } });
  }
  for (const runId of ['nonsense', randomUUID()]) {
    const stranger = await api.post(first.commands, { action: 'barge', runId }, { 'Idempotency-Key': 'first-2' });
    expect(stranger).toMatchObject({ status: 409, body: { code: 'session.superseded' } });
  }
  // What came of it can be read, and is what a repeat is answered.
  const outcome = { status: 200, body: { commandId: 'first-1', action: 'barge', status: 'applied' } };
  expect(await keyed()).toMatchObject(outcome);
  expect(await api.get(`${first.commands}/first-1?runId=${first.runId}`)).toMatchObject(outcome);
  expect(await api.get(`${first.commands}/first-1`)).toMatchObject({
    status: 404,
    body: { code: 'command.not.found' },
  });
  expect(await api.get(`${first.commands}/late?runId=${first.runId}`)).toMatchObject({ status: 404 });
  const { body } = await api.get(`${first.path}/history`);
  expect(JSON.stringify(body['items'])).not.toContain('command.accepted');
  const earlier = await api.get(`${first.path}/history?runId=${first.runId}`);
  expect(JSON.stringify(earlier.body['items'])).toContain('command.accepted');
  expect(await api.get(`${first.path}/history?runId=${randomUUID()}`)).toMatchObject({ status: 404 });
  expect(second.body['state']).toBe('SILENT');
});

test('a session that continued as new is still the one meant by its runId', async () => {
  const long = await session();
  const handle = temporal.client.workflow.getHandle(long.sessionId);
  await handle.signal('continue');
  await until('its next run', async () => (await handle.describe()).runId !== long.runId);
  const answer = await api.post(long.commands, { action: 'barge', runId: long.runId }, { Prefer: 'wait=10' });
  expect(answer).toMatchObject({ status: 200, body: { status: 'applied' } });
});

test('unknown sessions and commands are 404', async () => {
  const path = `/v1/sessions/session~${randomUUID()}~s`;
  const missing = { status: 404, body: { code: 'session.not.found' } };
  expect(await api.post(`${path}/commands`, { action: 'stop' })).toMatchObject(missing);
  expect(await api.post(`${path}/commands`, { action: 'stop', runId: randomUUID() })).toMatchObject(missing);
  expect(await api.get(`${path}/commands/c`)).toMatchObject(missing);
  expect(await api.get(`${path}/history`)).toMatchObject(missing);
  const { commands } = await session();
  expect(await api.get(`${commands}/nothing`)).toMatchObject({ status: 404, body: { code: 'command.not.found' } });
  expect(await api.get(`${commands}/~start`)).toMatchObject({
    status: 200,
    body: { action: 'start', status: 'applied' },
  });
});

test('a command of a session that was terminated in Temporal does not stay open for ever', async () => {
  const cut = await session('stubborn');
  await api.post(cut.commands, { action: 'barge' }, { 'Idempotency-Key': 'open-1' });
  expect(await api.get(`${cut.commands}/open-1`)).toMatchObject({ body: { status: 'accepted' } });
  await temporal.client.workflow.getHandle(cut.sessionId).terminate();
  expect(await api.get(`${cut.commands}/open-1`)).toMatchObject({
    body: { status: 'cancelled', reason: 'terminated' },
  });
  expect(await api.get(cut.path)).toMatchObject({ body: { state: 'TERMINATED', endReason: 'terminated' } });
  const { body } = await api.get(`${cut.path}/history`);
  const trail = z.array(z.object({ type: z.string(), endReason: z.string().optional() })).parse(body['items']);
  expect(trail.at(-1)).toEqual({ type: 'session.ending', endReason: 'terminated' });
  expect(trail.filter(({ type }) => type === 'session.ending')).toHaveLength(1);
});

test('a session that was over before a worker took it up is told with its commands, and no worker is needed', async () => {
  await using lonely = await startApi(temporal.client, { callLimitMs: 1_000 });
  const input = { interactionId: `i-${randomUUID()}`, supervisorId: 's', reason: 'training' };
  const { body: created } = await lonely.post('/v1/sessions', input);
  const path = `/v1/sessions/${sessionWorkflowId(input.interactionId, 's')}`;
  const barge = () =>
    lonely.post(`${path}/commands`, { action: 'barge', reason: 'help' }, { 'Idempotency-Key': '"early-1"' });
  for (let repeat = 0; repeat < 2; repeat += 1) {
    expect(await barge()).toMatchObject({ status: 202, body: { commandId: 'early-1', status: 'accepted' } });
  }
  await temporal.client.workflow.getHandle(sessionWorkflowId(input.interactionId, 's')).terminate();

  const cancelled = { commandId: 'early-1', action: 'barge', status: 'cancelled', reason: 'terminated' };
  expect(await lonely.get(`${path}/commands/early-1`)).toMatchObject({ status: 200, body: cancelled });
  expect(await barge()).toMatchObject({ status: 200, body: cancelled });
  expect(await lonely.get(`${path}/commands/late`)).toMatchObject({ status: 404, body: { code: 'command.not.found' } });
  const stop = await lonely.post(`${path}/commands`, { action: 'stop' }, { 'Idempotency-Key': 'early-2' });
  expect(stop).toMatchObject({ status: 200, body: { status: 'applied' } });

  // Another one under the same id changes nothing about this one.
  await lonely.post('/v1/sessions', { ...input, reason: 'again' });
  const answer = await lonely.get(`${path}/history?runId=${String(created['runId'])}`);
  expect(answer).toMatchObject({
    status: 200,
    body: {
      items: [
        { type: 'session.created', actor: 'service', reason: 'training' },
        { type: 'command.accepted', commandId: 'early-1', action: 'barge', actor: 'service', reason: 'help' },
        { type: 'session.ending', endReason: 'terminated' },
      ],
    },
  });
});

test('without a worker a command is accepted and kept; what only a worker knows is 503', async () => {
  await using lonely = await startApi(temporal.client, { callLimitMs: 1_000 });
  const input = { interactionId: `i-${randomUUID()}`, supervisorId: 's' };
  await lonely.post('/v1/sessions', input);
  const commands = `/v1/sessions/${sessionWorkflowId(input.interactionId, 's')}/commands`;
  const waited = await lonely.post(commands, { action: 'barge' }, { Prefer: 'wait=1', 'Idempotency-Key': 'kept-1' });
  expect(waited).toMatchObject({ status: 202, body: { status: 'accepted' } });

  const startedAt = performance.now();
  const unknown = await lonely.get(`${commands}/kept-1`);
  expect(unknown).toMatchObject({ status: 503, body: { code: 'workers.unavailable' } });
  expect(unknown.headers.get('retry-after')).toBe('5');
  expect(performance.now() - startedAt).toBeLessThan(4_000);

  await using late = await startWorker(temporal, lonely.taskQueue);
  expect(late).toBeDefined();
  await until('it is known', async () => (await lonely.get(`${commands}/kept-1`)).status === 200);
});
