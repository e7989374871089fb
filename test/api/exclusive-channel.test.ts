import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { commandResource } from '../../domain/commands.js';
import type { CommandResource, StartSessionInput } from '../../domain/commands.js';
import { sessionWorkflowId } from '../../domain/identifiers.js';
import type { SessionEvent } from '../../domain/audit-entry.js';
import { readCommand } from '../../api/read-command.js';
import { SessionReader } from '../../api/session-reader.js';
import { Temporal } from '../../api/temporal-client.js';
import { createSessionWorld } from '../support/session-world.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';
import { startApi, startWorker } from './api-world.js';
import type { RunningApi } from './api-world.js';

const EXPIRES_AT = '2026-11-24T00:00:30.000Z';

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

interface QueueingSession {
  readonly input: StartSessionInput;
  readonly sessionId: string;
  readonly path: string;
  readonly commands: string;
}

type Happening = SessionEvent extends infer Event ? (Event extends SessionEvent ? Omit<Event, 'at'> : never) : never;

/** An active session whose mode changes wait until a test says what becomes of them. */
async function session(change: Pick<StartSessionInput, 'mode'> = {}): Promise<QueueingSession> {
  const input = { interactionId: `i-${randomUUID()}`, supervisorId: 'ben', reason: 'stubborn', ...change };
  expect(await api.post('/v1/sessions', input, { Prefer: 'wait=10' })).toMatchObject({
    status: 200,
    body: { state: 'SILENT' },
  });
  const sessionId = sessionWorkflowId(input.interactionId, input.supervisorId);
  const path = `/v1/sessions/${encodeURIComponent(sessionId)}`;
  return { input, sessionId, path, commands: `${path}/commands` };
}

async function happens({ sessionId }: QueueingSession, ...happenings: readonly Happening[]): Promise<void> {
  for (const happening of happenings) {
    const event = { at: new Date().toISOString(), ...happening };
    await temporal.client.workflow.getHandle(sessionId).signal('happens', event);
  }
  // Answered after the tasks of these signals, so that the session has mirrored them.
  await temporal.client.workflow.getHandle(sessionId).query('state');
}

function queued(commandId: string, position: number, conflict: { conflictingMonitorSessionId?: string } = {}) {
  return { type: 'session.queued', commandId, position, expiresAt: EXPIRES_AT, ...conflict } as const;
}

/** A barge that is in line, at position 2. */
async function inLine(waiting: QueueingSession, commandId = 'b-1'): Promise<void> {
  await api.post(waiting.commands, { action: 'barge' }, { 'Idempotency-Key': commandId });
  await happens(waiting, queued(commandId, 2));
}

async function known({ commands }: QueueingSession, commandId: string): Promise<boolean> {
  return (await api.get(`${commands}/${commandId}`)).status === 200;
}

test('a queued command and its session show the place in line', async () => {
  const ben = await session();
  await inLine(ben);
  const command = { commandId: 'b-1', action: 'barge', status: 'queued', position: 2, expiresAt: EXPIRES_AT };
  expect(await api.get(`${ben.commands}/b-1`)).toMatchObject({ status: 200, body: command });
  const waiting = { mode: 'barge', position: 2, expiresAt: EXPIRES_AT };
  expect(await api.get(ben.path)).toMatchObject({ body: { state: 'SILENT', waiting } });
  // Who finds the session by another start sees as much.
  expect(await api.post('/v1/sessions', ben.input)).toMatchObject({ status: 200, body: { waiting } });

  await happens(ben, { type: 'session.moved', commandId: 'b-1', position: 1 });
  expect((await api.get(`${ben.commands}/b-1`)).body).toEqual({ ...command, position: 1 });
  expect(await api.get(ben.path)).toMatchObject({ body: { waiting: { ...waiting, position: 1 } } });

  const conflictingMonitorSessionId = 'ms-of-another-program';
  await happens(ben, queued('b-1', 1, { conflictingMonitorSessionId }));
  expect((await api.get(`${ben.commands}/b-1`)).body).toEqual({ ...command, position: 1, conflictingMonitorSessionId });

  await happens(ben, { type: 'session.granted', commandId: 'b-1', fence: 1 });
  expect((await api.get(`${ben.commands}/b-1`)).body).toEqual({
    commandId: 'b-1',
    action: 'barge',
    status: 'accepted',
  });
  expect(await api.get(ben.path)).toMatchObject({ body: { waiting: null } });
});

test('past the wait a queued command is answered 202 with its place by then, and so is a repeat', async () => {
  const ben = await session();
  const headers = { 'Idempotency-Key': 'b-1', Prefer: 'wait=1' };
  const answers = [1, 2].map(() => api.post(ben.commands, { action: 'barge' }, headers));
  await until('it is there', () => known(ben, 'b-1'));
  await happens(ben, queued('b-1', 3), { type: 'session.moved', commandId: 'b-1', position: 2 });
  for (const answer of await Promise.all(answers)) {
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({
      commandId: 'b-1',
      action: 'barge',
      status: 'queued',
      position: 2,
      expiresAt: EXPIRES_AT,
    });
    expect(answer.headers.get('location')).toBe(`${ben.commands}/b-1`);
    expect(answer.headers.has('preference-applied')).toBe(false);
  }

  // Who does not wait is told its place too, as the session mirrors it.
  const repeat = await api.post(ben.commands, { action: 'barge' }, { 'Idempotency-Key': 'b-1' });
  expect(repeat).toMatchObject({ status: 202 });
  expect(repeat.body).toEqual({
    commandId: 'b-1',
    action: 'barge',
    status: 'queued',
    position: 2,
    expiresAt: EXPIRES_AT,
  });
  const { body } = await api.get(`${ben.path}/history`);
  expect(JSON.stringify(body['items']).match(/"command\.accepted"/g)).toHaveLength(1);
});

const OUTCOMES: readonly { readonly outcome: Omit<CommandResource, 'commandId' | 'action'>; readonly by: Happening }[] =
  [
    { outcome: { status: 'applied' }, by: { type: 'command.settled', commandId: 'b-1', status: 'applied' } },
    { outcome: { status: 'expired' }, by: { type: 'session.expired', commandId: 'b-1' } },
    { outcome: { status: 'superseded' }, by: { type: 'session.superseded', commandId: 'b-1', supersededBy: 'w-1' } },
    {
      outcome: { status: 'cancelled', reason: 'silent' },
      by: { type: 'command.settled', commandId: 'b-1', status: 'cancelled', reason: 'silent' },
    },
  ];

test.each(OUTCOMES)('a queued command that is waited for is answered with its outcome $outcome', async (example) => {
  const ben = await session();
  const answer = api.post(ben.commands, { action: 'barge' }, { 'Idempotency-Key': 'b-1', Prefer: 'wait=20' });
  await until('it is there', () => known(ben, 'b-1'));
  await happens(ben, queued('b-1', 1), example.by);

  const outcome = { commandId: 'b-1', action: 'barge', ...example.outcome };
  const { status, headers, body } = await answer;
  expect({ status, body }).toEqual({ status: 200, body: outcome });
  expect(headers.get('preference-applied')).toBe('wait=20');
  expect((await api.get(`${ben.commands}/b-1`)).body).toEqual(outcome);
  expect(await api.get(ben.path)).toMatchObject({ body: { waiting: null } });
});

test('a stop takes a waiting session out of the line', async () => {
  const ben = await session();
  await inLine(ben);
  expect(await api.post(ben.commands, { action: 'stop' }, { Prefer: 'wait=10' })).toMatchObject({
    status: 200,
    body: { status: 'applied' },
  });
  expect((await api.get(`${ben.commands}/b-1`)).body).toEqual({
    commandId: 'b-1',
    action: 'barge',
    status: 'cancelled',
    reason: 'stopped',
  });
  expect(await api.get(ben.path)).toMatchObject({ body: { state: 'TERMINATED', waiting: null } });
});

test('a session that was terminated in Temporal while it waited shows no place in line', async () => {
  const ben = await session();
  await inLine(ben);
  const awaited = api.post(ben.commands, { action: 'barge' }, { 'Idempotency-Key': 'b-1', Prefer: 'wait=20' });
  await until('it waits', async () => (await api.get(ben.path)).body['waiting'] !== null);
  await temporal.client.workflow.getHandle(ben.sessionId).terminate();

  const cutShort = { commandId: 'b-1', action: 'barge', status: 'cancelled', reason: 'terminated' };
  expect(await awaited).toMatchObject({ status: 200 });
  expect((await awaited).body).toEqual(cutShort);
  expect((await api.get(`${ben.commands}/b-1`)).body).toEqual(cutShort);
  expect(await api.get(ben.path)).toMatchObject({
    body: { state: 'TERMINATED', endReason: 'terminated', waiting: null },
  });
});

test('a command whose session ends between two looks has the outcome that the session gave it', async () => {
  const ben = await session();
  // Accepted and no more, so that the session has to be asked.
  await api.post(ben.commands, { action: 'barge' }, { 'Idempotency-Key': 'b-1' });
  class LateReader extends SessionReader {
    override async current(...args: Parameters<SessionReader['current']>) {
      const handle = temporal.client.workflow.getHandle(ben.sessionId);
      await handle.signal('stop', {});
      await handle.result();
      return super.current(...args);
    }
  }
  const connection = new Temporal(temporal.client, api.taskQueue);
  const { sessionId } = ben;
  const read = await readCommand(connection, new LateReader(connection), { sessionId, commandId: 'b-1' });
  expect(read).toEqual({ commandId: 'b-1', action: 'barge', status: 'cancelled', reason: 'stopped' });
});

test('a command of a session that another follows between two looks is not mistaken for one of the other’s', async () => {
  const ben = await session({ mode: 'barge' });
  class LaterReader extends SessionReader {
    override async current(...args: Parameters<SessionReader['current']>) {
      const handle = temporal.client.workflow.getHandle(ben.sessionId);
      await handle.signal('stop', {});
      await handle.result();
      await api.post('/v1/sessions', { ...ben.input, mode: 'whisper' }, { Prefer: 'wait=10' });
      return super.current(...args);
    }
  }
  const connection = new Temporal(temporal.client, api.taskQueue);
  const { sessionId } = ben;
  const read = await readCommand(connection, new LaterReader(connection), { sessionId, commandId: '~mode' });
  expect(read).toEqual({ commandId: '~mode', action: 'whisper', status: 'accepted' });
});

test('a new session whose first mode has to wait is answered as it is, and its mode is there to be read', async () => {
  const ben = await session({ mode: 'whisper' });
  await happens(ben, queued('~mode', 1));
  expect((await api.get(`${ben.commands}/~mode`)).body).toEqual({
    commandId: '~mode',
    action: 'whisper',
    status: 'queued',
    position: 1,
    expiresAt: EXPIRES_AT,
  });
  expect(await api.get(ben.path)).toMatchObject({
    body: { state: 'SILENT', waiting: { mode: 'whisper', position: 1, expiresAt: EXPIRES_AT } },
  });
});

test('two supervisors take turns over REST', async () => {
  await using world = await createSessionWorld(temporal);
  await using rest = await startApi(temporal.client, { taskQueue: world.taskQueue });
  const interactionId = world.interaction();
  const start = async (supervisorId: string, mode: string) => {
    const answer = await rest.post('/v1/sessions', { interactionId, supervisorId, mode }, { Prefer: 'wait=10' });
    expect(answer).toMatchObject({ status: 200, body: { state: 'SILENT' } });
    return `/v1/sessions/${sessionWorkflowId(interactionId, supervisorId)}`;
  };
  const send = (path: string, action: string, seconds: number, key: string = randomUUID()) =>
    rest.post(`${path}/commands`, { action }, { Prefer: `wait=${seconds}`, 'Idempotency-Key': key });

  const anna = await start('anna', 'silent');
  expect(await send(anna, 'barge', 10)).toMatchObject({ status: 200, body: { status: 'applied' } });

  const ben = await start('ben', 'barge');
  const first = await until('ben waits', async () => {
    const { body } = await rest.get(`${ben}/commands/~mode`);
    return body['status'] === 'queued' && commandResource.parse(body);
  });
  expect(first).toMatchObject({ action: 'barge', position: 1 });
  expect(await rest.get(ben)).toMatchObject({ body: { state: 'SILENT', waiting: { mode: 'barge', position: 1 } } });

  // Another wish keeps the place and the time.
  expect(await send(ben, 'whisper', 0, 'w-1')).toMatchObject({ status: 202, body: { status: 'accepted' } });
  const second = await until('the whisper waits', async () => {
    const { body } = await rest.get(`${ben}/commands/w-1`);
    return body['status'] === 'queued' && commandResource.parse(body);
  });
  expect(second).toEqual({ ...first, commandId: 'w-1', action: 'whisper' });
  expect(await rest.get(`${ben}/commands/~mode`)).toMatchObject({ body: { status: 'superseded' } });

  const outcome = send(ben, 'whisper', 20, 'w-1');
  expect(await send(anna, 'silent', 10)).toMatchObject({ status: 200, body: { status: 'applied' } });
  expect(await outcome).toMatchObject({ status: 200, body: { commandId: 'w-1', status: 'applied' } });
  expect(await rest.get(ben)).toMatchObject({ body: { state: 'WHISPER', waiting: null } });

  const back = send(anna, 'barge', 20, 'b-2');
  await until('anna waits', async () => (await rest.get(anna)).body['waiting'] !== null);
  expect(await send(anna, 'silent', 10)).toMatchObject({ status: 200, body: { status: 'applied' } });
  expect((await back).body).toEqual({ commandId: 'b-2', action: 'barge', status: 'cancelled', reason: 'silent' });
  for (const path of [anna, ben]) await send(path, 'stop', 10);
});

test('what came of a command is answered without the session, and so while no worker runs', async () => {
  await using world = await createSessionWorld(temporal, { simulator: { seed: 'mirrored' } });
  await using own = await startApi(temporal.client, { taskQueue: world.taskQueue, callLimitMs: 1_000 });
  const input = { interactionId: world.interaction(), supervisorId: 'dora' };
  await own.post('/v1/sessions', input, { Prefer: 'wait=30' });
  const path = `/v1/sessions/${encodeURIComponent(sessionWorkflowId(input.interactionId, 'dora'))}/commands`;
  for (let n = 1; n <= 11; n += 1) {
    await own.post(path, { action: n % 2 === 0 ? 'silent' : 'barge' }, { 'Idempotency-Key': `c${n}` });
    await until(`c${n} is applied`, async () => (await own.get(`${path}/c${n}`)).body['status'] === 'applied');
  }
  await world.stopWorker();
  expect(await own.get(`${path}/c11`)).toMatchObject({ status: 200, body: { action: 'barge', status: 'applied' } });
  // Ten are mirrored; of an older one the session alone knows.
  expect(await own.get(`${path}/c2`)).toMatchObject({ status: 200, body: { action: 'silent', status: 'applied' } });
  expect(await own.get(`${path}/c1`)).toMatchObject({ status: 503, body: { code: 'workers.unavailable' } });
  await world.startWorker();
  await until('the session itself', async () => (await own.get(`${path}/c1`)).status === 200);
  await own.post(path, { action: 'stop' }, { Prefer: 'wait=30' });
});
