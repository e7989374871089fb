import { createSecretKey, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import { z } from 'zod';
import { prepareConnection } from '../../api/temporal-client.js';
import type { LazyConnection } from '../../api/temporal-client.js';
import { clientCodec, NO_ENCRYPTION, remoteCodec } from '../../codec/payload-encryption.js';
import type { PayloadEncryption } from '../../codec/payload-encryption.js';
import type { PayloadUnreadable } from '../../codec/payload-unreadable.js';
import { API_KEY, startApi } from '../api/api-world.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import { listener, memoOf, reached, reportOf, settled, stopped } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

const key = (id: string): PayloadEncryption['keys'][number] => ({ id, secret: createSecretKey(randomBytes(32)) });
const [k1, k2, foreign] = [key('k1'), key('k2'), key('k-of-others')];

let temporal: TestTemporal;
const connections: LazyConnection[] = [];
beforeAll(async () => {
  temporal = await startTemporal();
});
afterAll(async () => {
  for (const connection of connections) await connection.close();
  await temporal.teardown();
});

/** The same server, by a client that encrypts. */
function withKeys(
  encryption: PayloadEncryption,
  onUnreadable: (trouble: PayloadUnreadable) => void = () => undefined,
): TestTemporal & { readonly client: Client } {
  const { address, namespace } = temporal;
  const connection = prepareConnection(
    { temporalAddress: address, temporalPort: 0, temporalNamespace: namespace },
    { codec: clientCodec(encryption, onUnreadable) },
  );
  connections.push(connection);
  return { ...temporal, client: connection.client };
}

/** All that Temporal keeps of a workflow. */
async function keptOf(workflowId: string): Promise<{ readonly bytes: string; readonly inClear: readonly string[] }> {
  const history = await temporal.client.workflow.getHandle(workflowId).fetchHistory();
  const described = await temporal.client.workflowService.describeWorkflowExecution({
    namespace: temporal.namespace,
    execution: { workflowId },
  });
  const { api } = proto.temporal;
  const bytes = Buffer.concat([
    api.history.v1.History.encode(history).finish(),
    api.workflowservice.v1.DescribeWorkflowExecutionResponse.encode(described).finish(),
  ]);
  return { bytes: bytes.toString('latin1'), inClear: payloadsInClear([history, described]) };
}

/** Search attributes, and what the SDK notes of a local activity: its name, attempt and times. */
const CLEAR_BY_NATURE = /searchAttributes\.indexedFields|markerRecordedEventAttributes\.details\.data\.payloads$/;

const payloadLike = z.object({ metadata: z.record(z.string(), z.instanceof(Uint8Array)) });

/** Where there are payloads that nobody has encrypted, by the names of the fields that lead there. */
function payloadsInClear(value: unknown, path: readonly string[] = []): string[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [];
  const { metadata } = payloadLike.safeParse(value).data ?? {};
  const encoding = metadata?.['encoding'];
  if (encoding !== undefined) {
    return Buffer.from(encoding).toString() === 'binary/encrypted' ? [] : [path.join('.')];
  }
  return Object.entries(value).flatMap(([name, part]) =>
    payloadsInClear(part, /^\d+$/.test(name) ? path : [...path, name]),
  );
}

/** Each test has a simulator of its own, and they share the server. */
function interaction({ simulator }: SessionWorld): string {
  return simulator.controls.addInteraction({ id: `call-${randomBytes(6).toString('hex')}` }).interactionId;
}

const problemFree = z.looseObject({ code: z.undefined().optional() });

test('REST works as ever, and Temporal keeps nothing of what was said in clear', async () => {
  const encryption = { keys: [k1], encrypts: true };
  const encrypting = withKeys(encryption);
  await using world = await createSessionWorld(encrypting, { encryption: () => encryption });
  const temporalUiUrl = 'http://127.0.0.1:8233';
  await using api = await startApi(encrypting.client, {
    taskQueue: world.taskQueue,
    codec: remoteCodec(encryption),
    temporalUiUrl,
  });
  const marker = `m${randomBytes(8).toString('hex')}`;
  const interactionId = interaction(world);
  const wait = { Prefer: 'wait=20' };
  const ask = async (path: string, body: unknown, headers: Record<string, string> = {}): Promise<unknown> => {
    const answer = await api.post(path, body, { ...wait, ...headers });
    expect(answer.status).toBeLessThan(300);
    return problemFree.parse(answer.body);
  };

  const made = { interactionId, supervisorId: 'anna', reason: marker };
  expect(await ask('/v1/sessions', made, { 'Idempotency-Key': 'once' })).toMatchObject({ state: 'SILENT' });
  // By the memo that tells what the key has made.
  expect((await api.post('/v1/sessions', made, { 'Idempotency-Key': 'once' })).status).toBe(200);
  await ask('/v1/sessions', { interactionId, supervisorId: 'ben', reason: marker });
  const [anna, ben] = ['anna', 'ben'].map((id) => `session~${interactionId}~${id}`);
  const command = (session: string | undefined, action: string): Promise<unknown> =>
    ask(`/v1/sessions/${session}/commands`, { action, reason: marker });
  expect(await command(anna, 'barge')).toMatchObject({ status: 'applied' });
  const queued = await api.post(`/v1/sessions/${ben}/commands`, { action: 'barge', reason: marker });
  await until('ben waits', async () => {
    const { body } = await api.get(`/v1/sessions/${ben}`);
    return z.object({ waiting: z.object({ position: z.literal(1) }) }).safeParse(body).success;
  });
  expect(await command(anna, 'silent')).toMatchObject({ status: 'applied' });
  const { commandId } = z.object({ commandId: z.string() }).parse(queued.body);
  await until('ben speaks', async () => {
    const { body } = await api.get(`/v1/sessions/${ben}/commands/${commandId}`);
    return body['status'] === 'applied';
  });
  const listed = await api.get(`/v1/sessions?interactionId=${interactionId}`);
  expect(listed.body).toMatchObject({ items: [{ supervisorId: 'ben' }, { supervisorId: 'anna' }] });
  const { body: history } = await api.get(`/v1/sessions/${anna}/history`);
  expect(JSON.stringify(history).split(marker).length - 1).toBeGreaterThanOrEqual(3);

  // What Temporal's UI shows of a session that runs: a query, whose answer is encrypted like any other.
  const shown = await encrypting.client.workflow.getHandle(anna ?? '').query('__temporal_workflow_metadata');
  expect(JSON.stringify(shown)).toMatch(/currentDetails/);
  await expect(temporal.client.workflow.getHandle(anna ?? '').query('__temporal_workflow_metadata')).rejects.toThrow(
    /Unknown encoding: binary\/encrypted/,
  );

  for (const workflowId of [anna, ben, `barge-mutex~${interactionId}`]) {
    const { bytes, inClear } = await keptOf(workflowId ?? '');
    // The search attributes stand in clear, or nothing is searched here.
    expect(bytes).toContain(interactionId);
    expect(bytes).toContain('binary/encrypted');
    expect(bytes).not.toContain(marker);
    expect(inClear.filter((path) => !CLEAR_BY_NATURE.test(path))).toEqual([]);
  }

  // As Temporal's UI does it, for whoever has signed in to the page, and nobody else.
  const [event] = (await temporal.client.workflow.getHandle(anna ?? '').fetchHistory()).events ?? [];
  const [input] = event?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  const inBase64 = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString('base64');
  const metadata = Object.fromEntries(
    Object.entries(input?.metadata ?? {}).map(([name, value]) => [name, inBase64(value)]),
  );
  const body = { payloads: [{ metadata, data: inBase64(input?.data) }] };
  const signIn = await api.request('/v1/sign-in', {
    method: 'POST',
    body: { apiKey: API_KEY, supervisorId: 'anna' },
    headers: { 'Sec-Fetch-Site': 'same-origin' },
  });
  const cookie = signIn.headers.get('set-cookie')?.split(';', 1)[0] ?? '';
  const decode = async (headers: Record<string, string>): Promise<Response> =>
    fetch(`${api.url}/v1/codec/decode`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Namespace': 'default', ...headers },
      body: JSON.stringify(body),
    });
  const browser = { Cookie: cookie, Origin: temporalUiUrl, 'Sec-Fetch-Site': 'same-site' };
  const decoded = await decode(browser);
  expect(decoded.headers.get('access-control-allow-origin')).toBe(temporalUiUrl);
  expect(decoded.headers.get('access-control-allow-credentials')).toBe('true');
  const { payloads } = z
    .object({ payloads: z.array(z.object({ metadata: z.record(z.string(), z.string()), data: z.string() })) })
    .parse(await decoded.json());
  expect(payloads.map(({ data }) => Buffer.from(data, 'base64').toString())).toEqual([
    JSON.stringify({ interactionId, supervisorId: 'anna', reason: marker, actor: 'service' }),
  ]);
  expect(payloads[0]?.metadata['encoding']).toBe(Buffer.from('json/plain').toString('base64'));
  expect((await decode({ ...browser, Origin: 'http://127.0.0.1:8234' })).status).toBe(403);
  expect((await decode({ Origin: temporalUiUrl })).status).toBe(401);
  expect((await decode({ Authorization: `Bearer ${API_KEY}` })).status).toBe(200);
  expect(api.logged()).not.toContain(marker);
  expect(api.logged()).not.toContain(inBase64(input?.data).slice(0, 40));

  for (const session of [anna, ben]) expect(await command(session, 'stop')).toMatchObject({ status: 'applied' });
});

test('what the platform said in a failure is encrypted too; what our workflows say of a mistake is not', async () => {
  const encryption = { keys: [k1], encrypts: true };
  const encrypting = withKeys(encryption);
  await using world = await createSessionWorld(encrypting, { encryption: () => encryption });
  const session = await listener(world, interaction(world));
  world.simulator.controls.addFault({ match: { action: 'barge' }, effect: { kind: 'status', status: 503 } });
  await session.signal('barge', { commandId: 'b' });
  // A local activity's first, which leaves a marker.
  const { message, stackTrace, encodedAttributes } = await until('a barge has failed', async () => {
    const { events } = await session.fetchHistory();
    const failures = (events ?? []).map(
      (event) =>
        event.markerRecordedEventAttributes?.failure ?? event.activityTaskFailedEventAttributes?.failure ?? undefined,
    );
    return (
      failures.find((failure) => failure !== undefined)?.cause ?? failures.find((failure) => failure !== undefined)
    );
  });
  expect({ message, stackTrace }).toEqual({ message: 'Encoded failure', stackTrace: '' });
  const [read] = await remoteCodec(encryption).decode(encodedAttributes ? [encodedAttributes] : []);
  expect(Buffer.from(read?.data ?? []).toString()).toContain('barge: ');
  world.simulator.controls.clearFaults();
  expect(await settled(session, 'b')).toMatchObject({ status: 'applied' });
  await stopped(session);

  const misnamed = await world.start({ interactionId: interaction(world), supervisorId: 'anna' }, 'wrong');
  await expect(misnamed.result()).rejects.toMatchObject({
    cause: { type: 'session.id.mismatch', message: expect.stringContaining('session~') },
  });
});

async function tasksFailed(session: SessionHandle): Promise<number> {
  const { events } = await temporal.client.workflow.getHandle(session.workflowId).fetchHistory();
  return (events ?? []).filter((event) => (event.workflowTaskFailedEventAttributes ?? undefined) !== undefined).length;
}

test('sessions live through it: without keys, decrypting, encrypting, a worker that lacks a key, and another key', async () => {
  let encryption: PayloadEncryption = NO_ENCRYPTION;
  const everything = withKeys({ keys: [k2, k1], encrypts: true });
  await using world = await createSessionWorld(everything, {
    encryption: () => encryption,
    cleaning: { intervalMs: 1_000, followsEvents: false },
  });
  const restart = async (next: PayloadEncryption): Promise<void> => {
    await world.stopWorker();
    encryption = next;
    await world.startWorker();
  };
  const by = (using: TestTemporal, { workflowId }: SessionHandle): SessionHandle =>
    using.client.workflow.getHandle(workflowId);
  const plain = { ...world, temporal };

  // Step one: before anything is encrypted, everybody learns to decrypt.
  const interactionId = interaction(world);
  const anna = by(everything, await startedBy(plain, interactionId, 'anna'));
  await reached(anna, 'SILENT');
  await restart({ keys: [k1], encrypts: false });
  const first = withKeys({ keys: [k1], encrypts: true });
  await by(first, anna).signal('barge', { commandId: 'encrypted', reason: 'of a client that encrypts already' });
  expect(await settled(anna, 'encrypted')).toMatchObject({ status: 'applied' });
  expect((await keptOf(anna.workflowId)).inClear.join(' ')).toContain('activityTaskScheduledEventAttributes.input');

  // Step two; others still send in clear.
  await restart({ keys: [k1], encrypts: true });
  await by(temporal, anna).signal('silent', { commandId: 'plain' });
  expect(await settled(anna, 'plain')).toMatchObject({ status: 'applied' });
  await expect(memoOf(by(temporal, anna))).rejects.toThrow(/Unknown encoding: binary\/encrypted/);

  // A worker that has been given another key alone, by mistake: nothing is lost, and nothing decided.
  await restart({ keys: [k2], encrypts: true });
  await by(first, anna).signal('whisper', { commandId: 'unreadable' });
  await until('a task has failed', async () => (await tasksFailed(anna)) > 0);
  const told: (string | undefined)[] = [];
  const second = withKeys({ keys: [k2], encrypts: true }, ({ keyId }) => told.push(keyId));
  await using api = await startApi(second.client, { taskQueue: world.taskQueue });
  expect((await api.get(`/v1/sessions?interactionId=${interactionId}`)).body).toMatchObject({
    items: [{ sessionId: anna.workflowId, state: 'PENDING' }],
  });
  expect(told).toContain('k1');

  // Both keys: it goes on where it was.
  await restart({ keys: [k2, k1], encrypts: true });
  expect(await settled(anna, 'unreadable')).toMatchObject({ status: 'applied' });

  // Nor does a memo that nobody can read keep the sweep from the others on that call.
  const other = withKeys({ keys: [foreign], encrypts: true });
  const cora = await startedBy({ ...world, temporal: other }, interactionId, 'cora', { session: 'of another key' });
  await until('a task of cora has failed', async () => (await tasksFailed(cora)) > 0);
  world.simulator.controls.endInteraction({ interactionId, announce: false });
  expect(await anna.result()).toMatchObject({ session: { endReason: 'interaction-ended' } });
  await by(temporal, cora).terminate('nobody has its key');

  const { history } = await reportOf(anna);
  expect(history.filter(({ type }) => type === 'command.accepted').map(({ commandId }) => commandId)).toEqual(
    expect.arrayContaining(['encrypted', 'plain', 'unreadable']),
  );
});

/** Starts a session by the world's client, with a memo. */
function startedBy(
  { temporal: { client }, taskQueue }: Pick<SessionWorld, 'temporal' | 'taskQueue'>,
  interactionId: string,
  supervisorId: string,
  memo: Readonly<Record<string, unknown>> = {},
): Promise<SessionHandle> {
  return client.workflow.start('monitoringSession', {
    workflowId: `session~${interactionId}~${supervisorId}`,
    taskQueue,
    args: [{ interactionId, supervisorId }],
    memo,
  });
}
