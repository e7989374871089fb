import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { hintOf } from '../../bus/hints.js';
import type { HintSink } from '../../bus/hints.js';
import { hintChannel, hintsFromRedis, hintsToRedis, onceInRedis, RedisConnection } from '../../bus/redis-bus.js';
import { sampleBatches } from '../../bus/samples.js';
import { API_KEY, startApi } from '../api/api-world.js';
import type { RunningApi } from '../api/api-world.js';
import { EventClient } from '../support/event-client.js';
import { HAS_REDIS, Redis } from '../support/redis.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionWorld } from '../support/session-world.js';
import { listener, settled, stopped } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

const BY_KEY = { Authorization: `Bearer ${API_KEY}` };

const CHANNEL = hintChannel('default', 'monitoring');

/** An API process as it is beside others: all that it shares with them goes by Redis. */
interface Replica {
  readonly api: RunningApi;
  readonly close: () => Promise<void>;
}

const HEARD = { packetLoss: 0.01, jitterMs: 3, roundTripMs: 30, quality: 'good' } as const;

let redis: Redis;
let sink: HintSink;
let temporal: TestTemporal;
let world: SessionWorld;
let replicas: Replica[] = [];
const news: string[] = [];

async function replica(): Promise<Replica> {
  const onChange = (trouble: unknown): void => void news.push(trouble === undefined ? 'connected' : 'away');
  const [one, other] = [0, 1].map(() => new RedisConnection({ url: redis.url, onChange }));
  if (one === undefined || other === undefined) throw new Error('unreachable');
  const api = await startApi(temporal.client, {
    taskQueue: world.taskQueue,
    hints: hintsFromRedis(one, CHANNEL),
    sharedTickets: onceInRedis(other, 'earshot:tickets'),
  });
  return {
    api,
    close: async () => {
      await api[Symbol.asyncDispose]();
      await one.close();
      await other.close();
    },
  };
}

/** How long after its announcement a change was told, at most, ms. */
async function told(client: EventClient, sessionId: string, state: string): Promise<void> {
  await until(`${state} of ${sessionId}`, () =>
    client.changes().some((one) => one.sessionId === sessionId && one.session.state === state),
  );
}

if (HAS_REDIS) {
  beforeAll(async () => {
    redis = await Redis.start();
    temporal = await startTemporal();
    sink = hintsToRedis(new RedisConnection({ url: redis.url, onChange: () => undefined }), CHANNEL);
    world = await createSessionWorld(temporal, {
      announce: (announcement, run) => sink.publish(hintOf(announcement, run)),
    });
    replicas = [await replica(), await replica()];
  });
  afterAll(async () => {
    for (const { close } of replicas) await close();
    await sink.close();
    await world[Symbol.asyncDispose]();
    await temporal.teardown();
    await redis[Symbol.asyncDispose]();
    expect(world.simulator.ledger.violations()).toEqual([]);
  });
}

const withRedis = HAS_REDIS ? test : test.skip;
const NEEDED = '(needs redis-server: apt-get install redis-server)';

withRedis(`every API process hears of a change, without a list, and of samples ${NEEDED}`, async () => {
  const clients = replicas.map(({ api }) => new EventClient(api.url, { samples: 'true' }, BY_KEY));
  for (const client of clients) await client.snapshot();
  const session = await listener(world, world.interaction(), 'anna');
  let leg = '';
  for (const client of clients) {
    await told(client, session.workflowId, 'SILENT');
    // A list knows no details: this was told by the worker.
    const change = await client.change('session.active', session.workflowId);
    expect(change).toMatchObject({ mode: 'silent' });
    leg = String(change.session.monitorSessionId);
  }
  const sampled = { sessionId: session.workflowId, sampledAt: new Date().toISOString(), ...HEARD };
  for (const batch of sampleBatches([{ ...sampled, monitorSessionId: leg }])) sink.publishSamples(batch);
  for (const client of clients) await until('it is told samples', () => client.samples.length === 2);
  expect(clients.map(({ samples }) => samples[1])).toEqual(clients.map(() => [sampled]));
  await stopped(session);
  for (const client of clients) await client[Symbol.asyncDispose]();
});

withRedis(`a ticket of one API process lets into another, and once ${NEEDED}`, async () => {
  const [one, other] = replicas.map(({ api }) => api);
  if (one === undefined || other === undefined) throw new Error('unreachable');
  const { body } = await one.request('/v1/events/tickets', { method: 'POST' });
  const ticket = String(body['ticket']);
  await using client = new EventClient(other.url, { ticket });
  await client.snapshot();
  await using again = new EventClient(one.url, { ticket });
  await until('it is refused', () => again.closed);
  expect(again.messages).toEqual([]);
});

withRedis(
  `while Redis is gone sessions and REST go on and lists tell, and when it is back hints do ${NEEDED}`,
  async () => {
    const [one] = replicas.map(({ api }) => api);
    if (one === undefined) throw new Error('unreachable');
    await using client = new EventClient(one.url, {}, BY_KEY);
    await client.snapshot();
    await redis.kill();
    await until('it is noticed', () => news.includes('away'));
    const input = { interactionId: world.interaction(), supervisorId: 'ben' };
    const started = await one.post('/v1/sessions', input, { Prefer: 'wait=10' });
    expect(started).toMatchObject({ status: 200, body: { state: 'SILENT' } });
    const sessionId = String(started.body['sessionId']);
    await told(client, sessionId, 'SILENT');
    const session = temporal.client.workflow.getHandle(sessionId);
    await session.signal('whisper', { commandId: 'w' });
    await told(client, sessionId, 'WHISPER');
    // A ticket is good where it was made.
    const { body } = await one.request('/v1/events/tickets', { method: 'POST' });
    await using other = new EventClient(one.url, { ticket: String(body['ticket']) });
    await other.snapshot();

    await redis.start();
    await until('all are back', () => news.lastIndexOf('connected') > news.lastIndexOf('away'));
    const later = await listener(world, world.interaction(), 'cora');
    // By its details it is known that the worker told it; the first may fall into the moment of coming back.
    let n = 0;
    await until('a hint', async () => {
      n += 1;
      await later.signal(n % 2 === 0 ? 'silent' : 'whisper', { commandId: `h${n}` });
      await settled(later, `h${n}`);
      return client
        .changes('session.mode')
        .some((change) => change.sessionId === later.workflowId && change.mode !== undefined);
    });
    expect(client.closed).toBeUndefined();
    await stopped(later);
    await session.signal('stop');
    await client.change('session.ended', sessionId);
  },
);
