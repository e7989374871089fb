import { expect, test } from '@jest/globals';
import type { RequestFaultInput } from '../../simulator/request-faults.js';
import { Stage, StreamConsumer, until } from './platform-harness.js';

const id = 'int-1';

/** A stage with one interaction (`id`) and one fault for its starts. */
async function stageWith(effect: RequestFaultInput['effect']): Promise<Stage> {
  const stage = await Stage.open();
  stage.simulator.controls.addFault({ match: { action: 'start' }, effect });
  stage.call(id);
  return stage;
}

test('lost-answer: the leg exists though the connection was reset', async () => {
  await using stage = await stageWith({ kind: 'lost-answer' });
  await expect(stage.client.command('start', id)).rejects.toThrow();
  const [leg] = (await stage.client.state(id)).body.monitors ?? [];
  const [entry] = stage.simulator.ledger.requests({ action: 'start' });
  expect(entry).toMatchObject({
    status: 'lost',
    executed: true,
    fault: 'lost-answer',
    monitorSessionId: leg?.monitorSessionId,
  });
  expect((await stage.client.command('start', id)).status).toBe(202);
});

test('lost-answer with executeAfterMs: the leg appears up to 9 s after the reset', async () => {
  await using stage = await stageWith({ kind: 'lost-answer', executeAfterMs: 9_000 });
  await expect(stage.client.command('start', id)).rejects.toThrow();
  stage.clock.advance(8_999);
  expect((await stage.client.state(id)).body.monitors).toEqual([]);
  stage.clock.advance(1);
  await until(async () => (await stage.client.state(id)).body.monitors?.length === 1);
  const later = { match: {}, effect: { kind: 'lost-answer', executeAfterMs: 10_001 } } as const;
  expect(() => stage.simulator.controls.addFault(later)).toThrow('executeAfterMs');
});

test('a late start finds the interaction ended and makes no leg', async () => {
  await using stage = await stageWith({ kind: 'lost-answer', executeAfterMs: 5_000 });
  await expect(stage.client.command('start', id)).rejects.toThrow();
  stage.simulator.controls.endInteraction({ interactionId: id });
  stage.clock.advance(5_000);
  await stage.client.get('/api/v2/interactions');
  expect(stage.simulator.ledger.legs()).toEqual([]);
});

test('lost-request: reset, and no leg', async () => {
  await using stage = await stageWith({ kind: 'lost-request' });
  await expect(stage.client.command('start', id)).rejects.toThrow();
  expect((await stage.client.state(id)).body.monitors).toEqual([]);
  expect(stage.simulator.ledger.requests({ action: 'start' })).toMatchObject([{ status: 'lost', executed: false }]);
});

test('status: answered so, and no leg', async () => {
  await using stage = await stageWith({ kind: 'status', status: 503, retryAfterSeconds: 7 });
  const { status, headers, body } = await stage.client.command('start', id);
  expect([status, headers.get('retry-after'), body.code]).toEqual([503, '7', 'internal.error']);
  expect(headers.has('x-ratelimit-remaining')).toBe(true);
  expect(stage.simulator.ledger.legs()).toEqual([]);
});

test('status-after: answered 5xx, but the leg exists', async () => {
  await using stage = await stageWith({ kind: 'status-after', status: 502 });
  expect((await stage.client.command('start', id)).status).toBe(502);
  expect(stage.simulator.ledger.legs({ live: true })).toHaveLength(1);
});

test('garbled-answer: 200 and no JSON, but the leg exists', async () => {
  await using stage = await stageWith({ kind: 'garbled-answer' });
  await expect(stage.client.command('start', id)).rejects.toThrow('JSON');
  expect(stage.simulator.ledger.legs({ live: true })).toHaveLength(1);
});

test.each([true, false])('hang (execute: %s): no answer until the time is over', async (execute) => {
  await using stage = await stageWith({ kind: 'hang', execute, forMs: 60_000 });
  const answer = stage.client.command('start', id).catch(() => 'reset');
  await until(() => stage.simulator.ledger.requests({ status: 'hung' }).length === 1);
  await stage.client.get('/api/v2/interactions');
  expect(stage.simulator.ledger.legs()).toHaveLength(execute ? 1 : 0);
  stage.clock.advance(60_000);
  expect(await answer).toBe('reset');
});

test('a hung request does not hold up the end of the simulator', async () => {
  await using stage = await stageWith({ kind: 'hang', execute: false });
  const answer = stage.client.command('start', id).catch(() => 'reset');
  await until(() => stage.simulator.ledger.requests({ status: 'hung' }).length === 1);
  await stage.simulator.close();
  expect(await answer).toBe('reset');
});

test.each(['execution', 'answer'] as const)('delay before the %s', async (before) => {
  await using stage = await stageWith({ kind: 'delay', ms: 3_000, before });
  const answer = stage.client.command('start', id);
  await until(() => stage.simulator.ledger.requests({ action: 'start' }).length === 1);
  await stage.client.get('/api/v2/interactions');
  expect(stage.simulator.ledger.legs()).toHaveLength(before === 'answer' ? 1 : 0);
  await until(() => {
    stage.clock.advance(1_000);
    return stage.simulator.ledger.requests({ status: 202 }).length === 1;
  });
  expect((await answer).status).toBe(202);
});

test('a rule hits what it matches only, as often as it says', async () => {
  await using stage = await Stage.open();
  const other = stage.call();
  stage.call(id);
  const monitorSessionId = await stage.leg(id);
  const effect = { kind: 'status', status: 500 } as const;
  const match = { action: ['barge', 'stop'], interactionId: id, clientId: 'earshot', monitorSessionId, method: 'POST' };
  const { id: faultId } = stage.simulator.controls.addFault({ match: { ...match, path: '/api' }, effect, times: 2 });
  expect((await stage.client.command('start', other)).status).toBe(202);
  expect((await stage.client.command('whisper', id, { monitorSessionId })).status).toBe(200);
  const statuses: number[] = [];
  for (let count = 0; count < 3; count += 1) {
    statuses.push((await stage.client.command('barge', id, { monitorSessionId })).status);
  }
  expect(statuses).toEqual([500, 500, 200]);
  expect(stage.simulator.controls.listFaults()).toMatchObject([{ id: faultId, hits: 2 }]);
});

test('a refused request uses no fault up', async () => {
  await using stage = await Stage.open();
  stage.simulator.controls.addFault({ effect: { kind: 'status', status: 500 } });
  const token = stage.client.token;
  stage.client.token = 'unknown';
  expect((await stage.client.get('/api/v2/interactions')).status).toBe(401);
  stage.client.token = token;
  expect((await stage.client.get('/api/v2/interactions')).status).toBe(500);
  expect((await stage.client.get('/api/v2/interactions')).status).toBe(200);
});

test('a fault can be taken away, alone or with all others', async () => {
  await using stage = await Stage.open();
  const always = { effect: { kind: 'status', status: 500 }, probability: 1 } as const;
  const { id } = stage.simulator.controls.addFault(always);
  expect((await stage.client.get('/api/v2/interactions')).status).toBe(500);
  expect((await stage.client.get('/api/v2/interactions')).status).toBe(500);
  expect(stage.simulator.controls.removeFault({ id })).toEqual({ removed: true });
  expect((await stage.client.get('/api/v2/interactions')).status).toBe(200);
  stage.simulator.controls.addFault(always);
  stage.simulator.controls.clearFaults();
  expect((await stage.client.get('/api/v2/interactions')).status).toBe(200);
});

test('faults reach the token endpoint and the event stream too', async () => {
  await using stage = await Stage.open();
  const token = stage.client.token;
  stage.simulator.controls.addFault({ match: { action: 'token' }, effect: { kind: 'status', status: 500 } });
  expect((await stage.client.signIn()).status).toBe(500);
  stage.simulator.controls.addFault({ match: { action: 'stream' }, effect: { kind: 'status', status: 503 } });
  await expect(StreamConsumer.open(stage.simulator, token)).rejects.toThrow('503');
  stage.simulator.controls.addFault({ match: { action: 'stream' }, effect: { kind: 'lost-request' } });
  await expect(StreamConsumer.open(stage.simulator, token)).rejects.toThrow();
  const consumer = await StreamConsumer.open(stage.simulator, token);
  expect(consumer.closeCode).toBeNull();
});
