import { expect, test } from '@jest/globals';
import { Stage, StreamConsumer, until } from './platform-harness.js';

test('each change of a leg and the end of its interaction arrive in the envelope', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const consumer = await StreamConsumer.open(stage.simulator, stage.client.token);
  const monitorSessionId = await stage.leg(id);
  await stage.client.command('barge', id, { monitorSessionId });
  await stage.client.command('barge', id, { monitorSessionId });
  stage.simulator.controls.publishMediaMetrics();
  stage.simulator.controls.endInteraction({ interactionId: id, reason: 'timeout' });
  await until(() => consumer.events.length >= 6);
  const leg = { interactionId: id, monitorSessionId };
  const metrics = { packetLoss: expect.any(Number), jitterMs: expect.any(Number), roundTripMs: expect.any(Number) };
  expect(consumer.events.map(({ topic, data }) => [topic, data])).toEqual([
    ['interaction.telephony.monitor', { ...leg, status: 'pending', mode: 'silent', bargeStatus: 'inactive' }],
    ['interaction.telephony.monitor', { ...leg, status: 'active', mode: 'silent', bargeStatus: 'inactive' }],
    ['interaction.telephony.monitor', { ...leg, status: 'active', mode: 'barge', bargeStatus: 'active' }],
    ['interaction.telephony.media-metrics', { ...leg, ...metrics, sampledAt: expect.any(String) }],
    ['interaction.telephony.monitor', { ...leg, status: 'terminated', mode: 'barge', bargeStatus: 'inactive' }],
    ['interaction.telephony.ended', { interactionId: id, reason: 'timeout', endedAt: expect.any(String) }],
  ]);
  expect(new Set(consumer.events.map((event) => event.id)).size).toBe(6);
  expect(consumer.events[0]?.id).toMatch(/^evt-/);
});

test('media metrics of active legs are published at their interval', async () => {
  await using stage = await Stage.open({ mediaMetricsIntervalSeconds: 5 });
  const consumer = await StreamConsumer.open(stage.simulator, stage.client.token);
  await stage.leg(stage.call());
  stage.clock.advance(10_000);
  await until(() => consumer.events.filter(({ topic }) => topic.endsWith('media-metrics')).length === 2);
});

test.each(['', 'unknown'])('an upgrade with the token "%s" is answered 401', async (token) => {
  await using stage = await Stage.open();
  await expect(StreamConsumer.open(stage.simulator, token)).rejects.toThrow('401');
});

test('an upgrade at another address is answered 404', async () => {
  await using stage = await Stage.open();
  const elsewhere = { ...stage.simulator, eventsUrl: `${stage.simulator.eventsUrl}/other` };
  await expect(StreamConsumer.open(elsewhere, stage.client.token)).rejects.toThrow('404');
});

test('the server pings every 15 s and drops who does not answer', async () => {
  await using stage = await Stage.open();
  const consumer = await StreamConsumer.open(stage.simulator, stage.client.token);
  const mute = await StreamConsumer.open(stage.simulator, stage.client.token);
  mute.socket.pong = () => undefined;
  stage.clock.advance(15_000);
  await until(() => consumer.pings === 1 && mute.pings === 1);
  // The pong has come before the answer to a request sent after it.
  await stage.client.get('/api/v2/interactions');
  stage.clock.advance(15_000);
  await until(() => mute.closeCode === 1006);
  await until(() => consumer.pings === 2);
  expect(consumer.closeCode).toBeNull();
});

test('a connection ends when the token of its upgrade expires, though newer tokens exist', async () => {
  await using stage = await Stage.open({ tokenLifetimeSeconds: 10 });
  const consumer = await StreamConsumer.open(stage.simulator, stage.client.token);
  stage.clock.advance(5_000);
  await stage.client.signIn();
  stage.clock.advance(5_000);
  await until(() => consumer.closeCode === 1008);
});

test('revoked tokens close their connections, and disconnectStreams drops all', async () => {
  await using stage = await Stage.open();
  const revoked = await StreamConsumer.open(stage.simulator, stage.client.token);
  stage.simulator.controls.revokeTokens();
  await until(() => revoked.closeCode === 1008);
  await stage.client.signIn();
  const dropped = await StreamConsumer.open(stage.simulator, stage.client.token);
  expect(stage.simulator.controls.disconnectStreams()).toEqual({ dropped: 1 });
  await until(() => dropped.closeCode === 1006);
});

test('events can be lost, of all topics or of some', async () => {
  await using stage = await Stage.open();
  const consumer = await StreamConsumer.open(stage.simulator, stage.client.token);
  stage.simulator.controls.setEventFaults({ dropProbability: 1, topics: ['interaction.telephony.monitor'] });
  const interactionId = stage.call();
  await stage.leg(interactionId);
  stage.simulator.controls.endInteraction({ interactionId });
  await until(() => consumer.events.length > 0);
  expect(consumer.events.map(({ topic }) => topic)).toEqual(['interaction.telephony.ended']);
});

test('events can come twice under the same id', async () => {
  await using stage = await Stage.open();
  const consumer = await StreamConsumer.open(stage.simulator, stage.client.token);
  stage.simulator.controls.setEventFaults({ duplicateProbability: 1 });
  stage.simulator.controls.endInteraction({ interactionId: stage.call() });
  stage.clock.advance(600);
  await until(() => consumer.events.length === 2);
  expect(consumer.events[0]).toEqual(consumer.events[1]);
});

test('events can come late and out of order', async () => {
  await using stage = await Stage.open();
  const consumer = await StreamConsumer.open(stage.simulator, stage.client.token);
  stage.simulator.controls.setEventFaults({ reorderProbability: 0.5, delayMs: 1_000 });
  const ids = Array.from({ length: 20 }, () => stage.call());
  for (const interactionId of ids) stage.simulator.controls.endInteraction({ interactionId });
  stage.clock.advance(999);
  await stage.client.get('/api/v2/interactions');
  expect(consumer.events).toEqual([]);
  stage.clock.advance(1_000);
  await until(() => consumer.events.length === 20);
  const order = consumer.events.map(({ data }) => data['interactionId']);
  expect(order).not.toEqual(ids);
  expect([...order].sort()).toEqual([...ids].sort());
});
