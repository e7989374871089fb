import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { AnnouncedType } from '../../domain/announcements.js';
import { sessionWorkflowId } from '../../domain/identifiers.js';
import type { LegSample } from '../../domain/notifications.js';
import { EventClient, refusal } from '../support/event-client.js';
import { LocalHints } from '../support/local-hints.js';
import { resetToBeginning } from '../support/reset-session.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import { listener, reached, settled, stopped } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';
import { API_KEY, startApi } from './api-world.js';
import type { RunningApi } from './api-world.js';
import { IdentityProvider } from './identity-provider.js';

const BY_KEY = { Authorization: `Bearer ${API_KEY}` };
/** Long enough for a busy machine to move a line in; one test waits it out. */
const WAIT_SECONDS = 20;

const hints = new LocalHints();
let temporal: TestTemporal;
let world: SessionWorld;
let provider: IdentityProvider;
let api: RunningApi;
beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal, { bargeWaitSeconds: WAIT_SECONDS, announce: hints.announce });
  provider = await IdentityProvider.start();
  const { taskQueue } = world;
  const corsOrigins = ['https://desk.example.com'];
  api = await startApi(temporal.client, {
    taskQueue,
    hints,
    credentials: { tokens: provider.verifier() },
    corsOrigins,
  });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
  expect(world.simulator.ledger.violations()).toEqual([]);
});

let client: EventClient;
beforeEach(async () => {
  hints.isUp = true;
  client = new EventClient(api.url, {}, BY_KEY);
  await client.snapshot();
});
afterEach(() => client[Symbol.asyncDispose]());

/** Each number once, and none left out. */
function expectNoGap(listening: EventClient): void {
  const [first] = listening.messages;
  const seqs = listening.changes().map(({ seq }) => seq);
  expect(seqs).toEqual(seqs.map((_, n) => (first?.seq ?? 0) + (first?.type === 'snapshot' ? 1 : 0) + n));
}

test('a session is told from its start to its end, each state once it is confirmed', async () => {
  const session = await listener(world, world.interaction(), 'anna');
  const { workflowId } = session;
  expect(await client.change('session.active', workflowId)).toMatchObject({
    mode: 'silent',
    session: { sessionId: workflowId, state: 'SILENT', supervisorId: 'anna' },
  });
  await session.signal('whisper', { commandId: 'w' });
  expect((await client.change('session.mode', workflowId)).session).toMatchObject({ state: 'WHISPER' });
  await session.signal('stop');
  const ended = await client.change('session.ended', workflowId);
  expect(ended.session).toMatchObject({ state: 'TERMINATED', endReason: 'stopped' });
  const types = client.changes().flatMap((change) => (change.sessionId === workflowId ? [change.type] : []));
  expect(types.filter((type) => type !== 'session.updated')).toEqual([
    'session.created',
    'session.active',
    'session.mode',
    'session.ending',
    'session.ended',
  ]);
  expectNoGap(client);
});

test('a line is told as it moves: place and deadline, moved up, granted, expired', async () => {
  const interactionId = world.interaction();
  const anna = await listener(world, interactionId, 'anna');
  const ben = await listener(world, interactionId, 'ben');
  const cora = await listener(world, interactionId, 'cora');
  await anna.signal('barge', { commandId: 'a' });
  await settled(anna, 'a');
  await ben.signal('barge', { commandId: 'b' });
  const queued = await client.change('session.queued', ben.workflowId);
  expect(queued).toMatchObject({ commandId: 'b', position: 1 });
  expect(queued.session.waiting).toMatchObject({ mode: 'barge', position: 1, expiresAt: queued.expiresAt });
  await cora.signal('whisper', { commandId: 'c' });
  expect(await client.change('session.queued', cora.workflowId)).toMatchObject({ commandId: 'c', position: 2 });
  await anna.signal('silent', { commandId: 's' });
  expect(await client.change('session.granted', ben.workflowId)).toMatchObject({ commandId: 'b' });
  expect(await client.change('session.moved', cora.workflowId)).toMatchObject({ commandId: 'c', position: 1 });
  expect(await client.change('session.expired', cora.workflowId)).toMatchObject({ commandId: 'c' });
  expectNoGap(client);
  await stopped(anna, ben, cora);
});

test('whoever comes back is told what came meanwhile, and who is of another time gets a snapshot', async () => {
  const session = await listener(world, world.interaction(), 'anna');
  await client.change('session.active', session.workflowId);
  const after = client.place;
  await client[Symbol.asyncDispose]();
  await using watching = new EventClient(api.url, {}, BY_KEY);
  await watching.snapshot();
  await session.signal('stop');
  await watching.change('session.ended', session.workflowId);

  await using back = new EventClient(api.url, { after }, BY_KEY);
  await back.change('session.ended', session.workflowId);
  expect(back.messages.filter(({ type }) => type === 'snapshot')).toEqual([]);
  const missed = (one: EventClient): unknown[] =>
    one
      .changes()
      .flatMap(({ seq, type, sessionId }) =>
        sessionId === session.workflowId && seq > Number(after.split(':')[1]) ? [[seq, type]] : [],
      );
  expect(missed(back)).toEqual(expect.arrayContaining(missed(watching)));
  const epoch = after.split(':')[0] ?? '';
  for (const unknown of ['another-epoch:1', `${epoch}:999999`]) {
    await using stranger = new EventClient(api.url, { after: unknown }, BY_KEY);
    expect((await stranger.snapshot()).sessions).toEqual([]);
  }
});

test('samples of a running session are told, remembered for who comes later, and gone with its end', async () => {
  const session = await listener(world, world.interaction(), 'anna');
  const { workflowId: sessionId } = session;
  const { monitorSessionId } = (await client.change('session.active', sessionId)).session;
  const at = (second: number): string => new Date(Date.UTC(2026, 10, 1, 0, 0, second)).toISOString();
  const sample = (second: number, leg = String(monitorSessionId)): LegSample => {
    const measures = { sampledAt: at(second), packetLoss: 0.01, jitterMs: 3, roundTripMs: 30 };
    return { sessionId, monitorSessionId: leg, ...measures, quality: 'good' };
  };
  await using early = new EventClient(api.url, { samples: 'true' }, BY_KEY);
  await until('it is told that there are none', () => early.samples.length === 1);
  hints.tellSamples([
    sample(1, 'ms-of-an-earlier-session'),
    sample(2),
    { ...sample(2), sessionId: 'session~not~known' },
  ]);
  hints.tellSamples([sample(2)]);
  hints.tellSamples([sample(3)]);
  await until('it is told all', () => early.samples.length === 3);
  expect(early.samples.map((samples) => samples.map(({ sampledAt }) => sampledAt))).toEqual([[], [at(2)], [at(3)]]);

  await using late = new EventClient(api.url, { samples: 'true', sessionId }, BY_KEY);
  await until('it is told what was before', () => late.samples.length === 1);
  expect(late.samples[0]?.map(({ sampledAt }) => sampledAt)).toEqual([at(2), at(3)]);
  await using other = new EventClient(api.url, { samples: 'true', supervisorId: 'ben' }, BY_KEY);
  await until('it is told that there are none', () => other.samples.length === 1);
  await session.signal('stop');
  await late.change('session.ended', sessionId);
  hints.tellSamples([sample(4)]);
  await using after = new EventClient(api.url, { samples: 'true' }, BY_KEY);
  await until('it is told that there are none', () => after.samples.length === 1);
  expect([early.samples.length, after.samples, other.samples, client.samples]).toEqual([3, [[]], [[]], []]);
});

test('without any hint the lists tell: starts, modes, ends, and what was terminated in Temporal', async () => {
  hints.isUp = false;
  const session = await listener(world, world.interaction(), 'anna');
  expect((await client.change('session.created', session.workflowId)).session.sessionId).toBe(session.workflowId);
  await session.signal('barge', { commandId: 'b' });
  await settled(session, 'b');
  await until('it is told', () =>
    client.changes().some((one) => one.sessionId === session.workflowId && one.session.state === 'BARGE'),
  );
  await session.terminate('by hand');
  expect((await client.change('session.ended', session.workflowId)).session).toMatchObject({
    state: 'TERMINATED',
    endReason: 'terminated',
  });
  expectNoGap(client);
});

test('a session that is reset goes on being told, though its versions begin anew', async () => {
  const session = await listener(world, world.interaction(), 'carl');
  await session.signal('whisper', { commandId: 'w' });
  await client.change('session.mode', session.workflowId);
  const before = client.changes().length;
  const successor = await resetToBeginning(session);
  await reached(successor, 'WHISPER');
  await until('the successor', () =>
    client
      .changes()
      .slice(before)
      .some((one) => one.sessionId === session.workflowId && one.session.state === 'WHISPER'),
  );
  await stopped(successor);
  await until('its end', () => client.changes().at(-1)?.type === 'session.ended');
  expect(client.changes('session.ended').filter((one) => one.sessionId === session.workflowId)).toHaveLength(1);
});

test('another session under the same id comes after the end of the one before', async () => {
  const interactionId = world.interaction();
  for (let n = 0; n < 2; n += 1) await stopped(await listener(world, interactionId, 'dora'));
  const id = sessionWorkflowId(interactionId, 'dora');
  await until(
    'both ends',
    () => client.changes('session.ended').filter(({ sessionId }) => sessionId === id).length === 2,
  );
  const [one, other] = client.changes('session.created').filter(({ sessionId }) => sessionId === id);
  expect(one?.session.runId).not.toBe(other?.session.runId);
});

test('filters let through what is asked for, and own what is one’s own', async () => {
  const token = await provider.token({ sub: 'eva', roles: ['supervisor'] });
  const call = world.interaction();
  const sessions: SessionHandle[] = [await listener(world, call, 'eva'), await listener(world, call, 'finn')];
  sessions.push(await listener(world, world.interaction(), 'eva'));
  const [evas, finns, others] = sessions.map(({ workflowId }) => workflowId);
  for (const [query, headers, expected] of [
    [{ own: 'true' }, { Authorization: `Bearer ${token}` }, [evas, others]],
    [{ interactionId: call }, BY_KEY, [evas, finns]],
    [{ sessionId: finns ?? '' }, BY_KEY, [finns]],
    [{ interactionId: call, supervisorId: 'eva' }, BY_KEY, [evas]],
  ] as const) {
    await using filtered = new EventClient(api.url, query, headers);
    const snapshot = await filtered.snapshot();
    expect(snapshot.sessions.map(({ sessionId }) => sessionId).toSorted()).toEqual([...expected].toSorted());
  }
  await using finnsOnly = new EventClient(api.url, { supervisorId: 'finn' }, BY_KEY);
  await finnsOnly.snapshot();
  await stopped(...sessions);
  await finnsOnly.change('session.ended', finns ?? '');
  expect(new Set(finnsOnly.changes().map(({ sessionId }) => sessionId))).toEqual(new Set([finns]));
});

test('a ticket lets its holder in once', async () => {
  const token = await provider.token({ sub: 'gus', roles: ['qa'] });
  const { status, body } = await api.request('/v1/events/tickets', {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
  });
  expect(status).toBe(201);
  const ticket = String(body['ticket']);
  await using first = new EventClient(api.url, { ticket, own: 'true' });
  expect((await first.snapshot()).sessions).toEqual([]);
  expect(await refusal(api.url, { ticket })).toMatchObject({ status: 401, body: { code: 'authentication.required' } });
  expect(api.logged()).not.toContain(ticket);
});

test('a hint that comes twice, of another time or too early tells nothing that is not so', async () => {
  const session = await listener(world, world.interaction(), 'ida');
  const { workflowId } = session;
  const { session: shown } = await client.change('session.active', workflowId);
  const { runId } = await session.describe();
  const hint = (type: AnnouncedType, version: number): void =>
    hints.announce({ ...shown, type, version, at: shown.startedAt, media: null, waiting: null, ending: null }, runId);
  hint('session.active', shown.version);
  // Of a version that never comes.
  hint('session.granted', shown.version + 50);
  await session.signal('stop');
  const { session: ended } = await client.change('session.ended', workflowId);
  // Of what is over nothing is told any more; another session is what shows that it has been heard.
  hint('session.ended', ended.version);
  const other = await listener(world, world.interaction(), 'jack');
  await client.change('session.active', other.workflowId);
  await stopped(other);

  const told = client.changes().filter(({ sessionId }) => sessionId === workflowId);
  expect(told.filter(({ type }) => type === 'session.active')).toHaveLength(1);
  expect(told.filter(({ type }) => type === 'session.ended')).toHaveLength(1);
  expect(told.filter(({ type }) => type === 'session.granted')).toEqual([]);
  expectNoGap(client);
});

test.each([
  ['nobody', {}, {}, 401, 'authentication.required'],
  ['a wrong key', {}, { Authorization: 'Bearer nonsense' }, 401, 'authentication.required'],
  ['a page of somebody else', {}, { ...BY_KEY, Origin: 'https://evil.example.com' }, 403, 'access.denied'],
  ['an unknown filter', { sesionId: 'x' }, BY_KEY, 400, 'invalid.request'],
  ['a place that is none', { after: 'x' }, BY_KEY, 400, 'invalid.request'],
  ['software without sessions of its own', { own: 'true' }, BY_KEY, 400, 'invalid.request'],
])('%s is refused as REST would', async (_who, query, headers, status, code) => {
  expect(await refusal(api.url, { ...query }, headers)).toMatchObject({ status, body: { status, code } });
});

test('pages of this origin and of those that a setting names may listen', async () => {
  for (const Origin of [api.url, 'https://desk.example.com']) {
    await using page = new EventClient(api.url, {}, { ...BY_KEY, Origin });
    await page.snapshot();
  }
});

test('a plain request is told to speak WebSocket', async () => {
  const answer = await api.get('/v1/events');
  expect(answer).toMatchObject({ status: 426, body: { code: 'upgrade.required' } });
  expect(answer.headers.get('upgrade')).toBe('websocket');
});

test('who says anything is sent away, and so is who stays longer than the token is good for', async () => {
  client.socket.send('hello');
  await until('the end', () => client.closed?.code === 1008);
  const token = await provider.token({ sub: 'hal', expiresInSeconds: 2 });
  await using short = new EventClient(api.url, {}, { Authorization: `Bearer ${token}` });
  await short.snapshot();
  await until('the end', () => short.closed?.code === 4001);
});

test('an API that stops says so', async () => {
  await using other = await startApi(temporal.client, { taskQueue: world.taskQueue });
  await using listening = new EventClient(other.url, {}, BY_KEY);
  await listening.snapshot();
  const closed = once(listening.socket, 'close');
  await other.stop();
  await closed;
  expect(listening.closed).toMatchObject({ code: 1001 });
});
