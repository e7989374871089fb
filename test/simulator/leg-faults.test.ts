import { expect, test } from '@jest/globals';
import { Stage, StreamConsumer, until } from './platform-harness.js';

test('a leg can stay pending for ever, once', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  stage.simulator.controls.addLegFault({ interactionId: id, effect: 'never-active' });
  const monitorSessionId = await stage.leg(id);
  stage.clock.advance(3_000_000);
  expect((await stage.client.state(id)).body.monitors).toMatchObject([{ monitorSessionId, status: 'pending' }]);
  await stage.leg(id);
  expect(stage.simulator.ledger.legs().map(({ status }) => status)).toEqual(['pending', 'active']);
});

test('a leg can fail: an event tells, and it answers 404', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const consumer = await StreamConsumer.open(stage.simulator, stage.client.token);
  stage.simulator.controls.addLegFault({ effect: 'fail', afterMs: 200 });
  const monitorSessionId = await stage.leg(id);
  expect((await stage.client.state(id)).body.monitors).toMatchObject([{ status: 'failed' }]);
  expect((await stage.client.command('stop', id, { monitorSessionId })).status).toBe(404);
  expect(stage.simulator.ledger.legs()).toMatchObject([{ endedBy: 'failed', activeAt: null }]);
  await until(() => consumer.statuses().length === 2);
  expect(consumer.statuses()).toEqual(['pending', 'failed']);
});

test('activation can be made slow, for one leg or for all', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  stage.simulator.controls.addLegFault({ effect: 'activate', afterMs: 8_000, clientId: 'earshot' });
  stage.simulator.controls.setActivationDelay({ min: 2_000, max: 2_000 });
  await stage.leg(id);
  await stage.leg(id);
  const statuses = (): string[] => stage.simulator.ledger.legs().map(({ status }) => status);
  expect(statuses()).toEqual(['pending', 'pending']);
  stage.clock.advance(1_600);
  expect(statuses()).toEqual(['pending', 'active']);
  stage.clock.advance(6_000);
  expect(statuses()).toEqual(['active', 'active']);
});

test('a transfer severs legs without an ended event, and without any if told so', async () => {
  await using stage = await Stage.open();
  const [id, quiet] = [stage.call(), stage.call()];
  const consumer = await StreamConsumer.open(stage.simulator, stage.client.token);
  await stage.leg(id);
  await stage.leg(id);
  await stage.leg(quiet);
  expect(stage.simulator.controls.sever({ interactionId: quiet, announce: false })).toEqual({ severed: 1 });
  expect(stage.simulator.controls.sever({ interactionId: id })).toEqual({ severed: 2 });
  expect(stage.simulator.ledger.legs().map(({ endedBy }) => endedBy)).toEqual(['severed', 'severed', 'severed']);
  await until(() => consumer.events.length === 8);
  expect(consumer.events.filter(({ topic }) => topic.endsWith('ended'))).toEqual([]);
  const terminated = consumer.events.filter(({ data }) => data['status'] === 'terminated');
  expect(terminated.map(({ data }) => data['interactionId'])).toEqual([id, id]);
  expect((await stage.client.get('/api/v2/interactions?status=connected')).body.entities).toHaveLength(2);
});

test('an outside leg holds the channel until it is released', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const mine = { monitorSessionId: await stage.leg(id) };
  const theirs = stage.simulator.controls.outsideLeg({ interactionId: id, mode: 'whisper' });
  const conflict = await stage.client.command('barge', id, mine);
  expect([conflict.status, conflict.body.conflictingMonitorSessionId]).toEqual([409, theirs.monitorSessionId]);
  expect(() => stage.simulator.controls.outsideLeg({ interactionId: id })).toThrow('holds the channel');
  stage.simulator.controls.releaseOutsideLeg({ ...theirs, how: 'silent' });
  expect((await stage.client.command('barge', id, mine)).status).toBe(200);
  stage.simulator.controls.releaseOutsideLeg(theirs);
  expect(stage.simulator.ledger.legs({ live: true })).toHaveLength(1);
});
