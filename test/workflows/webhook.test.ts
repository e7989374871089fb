import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { webhookKey, webhookSignature } from '../../simulator/webhook-signature.js';
import { startApi } from '../api/api-world.js';
import type { RunningApi } from '../api/api-world.js';
import { figure, spread } from '../support/figures.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionWorld } from '../support/session-world.js';
import { legsGone, listed, listener, memoOf, stopped } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const PREVIOUS = 'whsec_cHJldmlvdXMtc2VjcmV0LW9mLXRoaXMtdGVzdA==';

let temporal: TestTemporal;
/** Nobody sweeps here, and nobody listens to the event stream: only the webhook tells. */
let world: SessionWorld;
let api: RunningApi;

beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal);
  api = await startApi(temporal.client, { taskQueue: world.taskQueue, webhookSecrets: `${SECRET} ${PREVIOUS}` });
  world.simulator.controls.setWebhook({ url: `${api.url}/v1/webhooks/platform`, secret: SECRET });
});

afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
  expect(world.simulator.ledger.violations()).toEqual([]);
});

/** As the platform sends it. */
async function send(
  content: unknown,
  {
    secret = SECRET,
    headers = {},
    url = api.url,
  }: { secret?: string; headers?: Record<string, string>; url?: string } = {},
): Promise<{ status: number; body: string }> {
  const body = typeof content === 'string' ? content : JSON.stringify(content);
  const id = `evt-${randomUUID()}`;
  const timestampSeconds = Math.floor(Date.now() / 1_000);
  const answer = await fetch(`${url}/v1/webhooks/platform`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(timestampSeconds),
      'webhook-signature': webhookSignature([webhookKey(secret)], { id, timestampSeconds, body }),
      ...headers,
    },
    body,
  });
  return { status: answer.status, body: await answer.text() };
}

function ended(interactionId: string, more: Record<string, unknown> = {}) {
  return {
    id: `evt-${randomUUID()}`,
    topic: 'interaction.telephony.ended',
    timestamp: new Date().toISOString(),
    data: { interactionId, reason: 'hangup', endedAt: new Date().toISOString() },
    ...more,
  };
}

async function listedListener() {
  const interactionId = world.interaction();
  const session = await listener(world, interactionId);
  await listed(session);
  return { interactionId, session };
}

test('the platform’s word that a call is over ends its sessions', async () => {
  const tookMs: number[] = [];
  for (let n = 0; n < 10; n += 1) {
    const { interactionId, session } = await listedListener();
    const sinceMs = performance.now();
    world.simulator.controls.endInteraction({ interactionId });
    expect((await session.result()).session.endReason).toBe('interaction-ended');
    tookMs.push(performance.now() - sinceMs);
    expect(legsGone(world, interactionId)).toBe(1);
  }
  figure('session closed after its call ended, by the webhook', spread(tookMs));
});

test('once it is answered 2xx, the session has it, though no worker runs', async () => {
  const { interactionId, session } = await listedListener();
  await world.stopWorker();
  expect((await send(ended(interactionId))).status).toBe(204);
  const { events } = await session.fetchHistory();
  expect(events?.at(-1)?.eventType).toBeDefined();
  const signals = (events ?? []).flatMap(
    ({ workflowExecutionSignaledEventAttributes: signal }) => signal?.signalName ?? [],
  );
  expect(signals).toContain('interactionEnded');
  await world.startWorker();
  expect((await session.result()).session.endReason).toBe('interaction-ended');
  expect(legsGone(world, interactionId)).toBe(1);
});

test('told twice, or by the secret before, it is the same', async () => {
  const { interactionId, session } = await listedListener();
  const event = ended(interactionId);
  const answers = await Promise.all([send(event), send(event, { secret: PREVIOUS }), send(event)]);
  expect(answers.map(({ status }) => status)).toEqual([204, 204, 204]);
  expect((await session.result()).session.endReason).toBe('interaction-ended');
  expect((await send(event)).status).toBe(204);
});

test('calls that nobody monitors, events of another kind, and fields that nobody knows are accepted', async () => {
  expect((await send(ended('never-heard-of', { colour: 'blue' }))).status).toBe(204);
  expect((await send({ topic: 'interaction.telephony.media-metrics', data: { anything: 1 } })).status).toBe(204);
  expect((await send({ topic: 'of.next.year', data: null })).status).toBe(204);
});

test.each([
  ['an event without its call', { ...ended('x'), data: {} }, 400, 'data.interactionId'],
  ['a call that no platform would name so', ended("' OR 1=1"), 400, 'data.interactionId'],
  ['no JSON', '{"topic":', 400, 'is not JSON'],
  ['no event', '[]', 400, 'invalid.request'],
  ['a body beyond all measure', JSON.stringify(ended('x', { fill: 'x'.repeat(70_000) })), 413, 'payload.too.large'],
] as const)('%s is refused and changes nothing', async (_name, content, status, detail) => {
  const answer = await send(content);
  expect(answer.status).toBe(status);
  expect(answer.body).toContain(detail);
});

test('what is not signed by the secret is refused, whatever it says, and changes nothing', async () => {
  const { interactionId, session } = await listedListener();
  const forged = [
    await send(ended(interactionId), { secret: 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' }),
    await send(ended(interactionId), { headers: { 'webhook-timestamp': '1' } }),
    await send(ended(interactionId), { headers: { 'webhook-signature': '' } }),
    await send('not even JSON', { headers: { 'webhook-signature': 'v1,abc' } }),
  ];
  for (const { status, body } of forged) {
    expect(status).toBe(401);
    expect(body).toContain('webhook.signature.invalid');
  }
  expect((await memoOf(session)).state).toBe('SILENT');
  // The platform does not read answers; whoever runs this reads warnings.
  const warned = api
    .logged()
    .split('\n')
    .filter((line) => line.includes('"level":40'));
  expect(warned.filter((line) => line.includes('"status":401'))).toHaveLength(forged.length);
  expect(warned.some((line) => line.includes('"status":204'))).toBe(false);
  for (const cause of ['check both clocks', 'No signature fits']) {
    expect(warned.some((line) => line.includes(cause))).toBe(true);
  }
  expect(api.logged()).not.toContain(SECRET.slice(6));
  await stopped(session);
});

test('without a secret there is no webhook', async () => {
  await using bare = await startApi(temporal.client, { taskQueue: world.taskQueue });
  expect((await send(ended('x'), { url: bare.url })).status).toBe(404);
});
