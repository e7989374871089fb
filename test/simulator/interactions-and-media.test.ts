import { expect, test } from '@jest/globals';
import { Stage, type PlatformClient } from './platform-harness.js';

async function pagesOf(client: PlatformClient, query: string): Promise<string[][]> {
  const pages: string[][] = [];
  let cursor = '';
  do {
    const { body } = await client.get(`/api/v2/interactions?${query}${cursor}`);
    pages.push((body.entities ?? []).map(({ id }) => id));
    cursor = typeof body.nextCursor === 'string' ? `&cursor=${encodeURIComponent(body.nextCursor)}` : '';
  } while (cursor !== '');
  return pages;
}

test('an interaction is listed with all its fields, connected and then ended', async () => {
  await using stage = await Stage.open();
  const people = { agentId: 'agent-1', queueName: 'Billing', customer: 'Ada' };
  const { interactionId } = stage.simulator.controls.addInteraction(people);
  const at = new Date(stage.clock.nowMs()).toISOString();
  const entity = { id: interactionId, ...people, startedAt: at };
  const connected = await stage.client.get('/api/v2/interactions?status=connected');
  expect(connected.body).toEqual({ entities: [{ ...entity, status: 'connected', endedAt: null }], nextCursor: null });
  stage.simulator.controls.endInteraction({ interactionId });
  const ended = await stage.client.get('/api/v2/interactions?status=ended');
  expect(ended.body).toEqual({ entities: [{ ...entity, status: 'ended', endedAt: at }], nextCursor: null });
  expect((await stage.client.get('/api/v2/interactions?status=connected')).body.entities).toEqual([]);
});

test('pages follow each other by cursor, without gaps or repetitions though calls come and go', async () => {
  await using stage = await Stage.open();
  const ids = Array.from({ length: 7 }, () => stage.call());
  expect(await pagesOf(stage.client, 'status=connected&pageSize=3')).toEqual([
    ids.slice(0, 3),
    ids.slice(3, 6),
    ids.slice(6),
  ]);
  const first = await stage.client.get('/api/v2/interactions?status=connected&pageSize=3');
  stage.simulator.controls.endInteraction({ interactionId: ids[1] ?? '' });
  const rest = await pagesOf(stage.client, `status=connected&pageSize=3&cursor=${first.body.nextCursor ?? ''}`);
  expect(rest.flat()).toEqual(ids.slice(3));
  expect((await pagesOf(stage.client, 'pageSize=2')).flat()).toEqual(ids);
});

test('endedAfter leaves older endings out; a platform that ignores it lists them all', async () => {
  await using stage = await Stage.open();
  const [older, newer] = [stage.call(), stage.call()];
  stage.simulator.controls.endInteraction({ interactionId: older });
  stage.clock.advance(60_000);
  stage.simulator.controls.endInteraction({ interactionId: newer });
  const endedAfter = new Date(stage.clock.nowMs() - 30_000).toISOString();
  const query = `status=ended&endedAfter=${endedAfter}`;
  expect(await pagesOf(stage.client, query)).toEqual([[newer]]);
  stage.simulator.controls.setHabits({ ignoresEndedAfter: true });
  expect(await pagesOf(stage.client, query)).toEqual([[older, newer]]);
});

test.each(['status=over', 'pageSize=0', 'pageSize=501', 'endedAfter=yesterday', 'cursor=nonsense'])(
  'a list with %s is refused with 400',
  async (query) => {
    await using stage = await Stage.open();
    const { status, body } = await stage.client.get(`/api/v2/interactions?${query}`);
    expect([status, body.code]).toEqual([400, 'invalid.request']);
  },
);

test('the population keeps a steady number of calls going, each new one after one that ended', async () => {
  await using stage = await Stage.open({ population: { connected: 5, meanDurationSeconds: 60 } });
  const connected = async (): Promise<string[]> => (await pagesOf(stage.client, 'status=connected')).flat();
  const before = await connected();
  expect(before).toHaveLength(5);
  stage.clock.advance(30_000);
  const between = await connected();
  expect(between).toHaveLength(5);
  // Calls of all ages: some have gone after half a mean life, not all.
  const left = before.filter((id) => between.includes(id)).length;
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(5);
  stage.clock.advance(90_000);
  const after = await connected();
  expect(after).toHaveLength(5);
  expect(before.filter((id) => after.includes(id))).toEqual([]);
});

test('exactly one media server group is primary for an interaction, and moves in a failover', async () => {
  await using stage = await Stage.open();
  const { interactionId } = stage.simulator.controls.addInteraction({ primaryGroupId: 'ms-group-us-east-1' });
  const path = '/api/v2/telephony/providers/media-server-groups';
  const primaries = async (): Promise<string[]> => {
    const { body } = await stage.client.get(`${path}?interactionId=${interactionId}`);
    return (body.entities ?? []).filter((group) => group['primary'] === true).map(({ id }) => id);
  };
  expect(await primaries()).toEqual(['ms-group-us-east-1']);
  stage.simulator.controls.failOver({ interactionId, toGroupId: 'ms-group-eu-central-1' });
  expect(await primaries()).toEqual(['ms-group-eu-central-1']);
  const { body } = await stage.client.get(path);
  expect(body.entities?.[0]).toEqual({
    id: 'ms-group-us-east-1',
    name: expect.any(String),
    region: 'us-east',
    state: 'available',
    primary: false,
  });
  expect((await stage.client.get(`${path}?interactionId=int-unknown`)).status).toBe(404);
});

test('a leg across regions sounds worse than one on the own group', async () => {
  await using stage = await Stage.open();
  const { interactionId } = stage.simulator.controls.addInteraction({ primaryGroupId: 'ms-group-us-east-1' });
  const sample = async (mediaServerGroupId: string): Promise<{ packetLoss: number; roundTripMs: number }> => {
    const { body } = await stage.client.command('start', interactionId, { mediaServerGroupId });
    const path = `/api/v2/interactions/${interactionId}/telephony/media-metrics?monitorSessionId=${body.monitorSessionId ?? ''}`;
    const pending = await stage.client.get(path);
    expect([pending.status, pending.body.code]).toEqual([409, 'monitor.not.active']);
    stage.clock.advance(500);
    const metrics = await stage.client.get(path);
    expect(metrics.body).toEqual({
      monitorSessionId: body.monitorSessionId,
      packetLoss: expect.any(Number),
      jitterMs: expect.any(Number),
      roundTripMs: expect.any(Number),
      sampledAt: expect.stringMatching(/Z$/),
    });
    return { packetLoss: metrics.body.packetLoss ?? 0, roundTripMs: metrics.body.roundTripMs ?? 0 };
  };
  const near = await sample('ms-group-us-east-1');
  const far = await sample('ms-group-eu-central-1');
  expect(near.roundTripMs).toBeLessThan(60);
  expect(far.roundTripMs).toBeGreaterThanOrEqual(200);
  expect(far.packetLoss).toBeGreaterThan(near.packetLoss);
});

test('media metrics of nothing are refused', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const path = `/api/v2/interactions/${id}/telephony/media-metrics`;
  expect((await stage.client.get(path)).status).toBe(400);
  expect((await stage.client.get(`${path}?monitorSessionId=ms-unknown`)).body.code).toBe('monitor.not.found');
  stage.simulator.controls.endInteraction({ interactionId: id });
  expect((await stage.client.get(`${path}?monitorSessionId=ms-unknown`)).status).toBe(410);
});

test('a leg is measured by the conditions that were set, less at a lower bit rate, until they are taken back', async () => {
  await using stage = await Stage.open();
  const { controls } = stage.simulator;
  const { interactionId } = controls.addInteraction({ primaryGroupId: 'ms-group-us-east-1' });
  const { body } = await stage.client.command('start', interactionId, { mediaServerGroupId: 'ms-group-us-east-1' });
  const monitorSessionId = body.monitorSessionId ?? '';
  stage.clock.advance(500);
  const path = `/api/v2/interactions/${interactionId}/telephony/media-metrics?monitorSessionId=${monitorSessionId}`;
  const measured = async () => {
    const { packetLoss = NaN, roundTripMs = NaN, ...rest } = (await stage.client.get(path)).body;
    return { packetLoss, jitterMs: Number(rest['jitterMs']), roundTripMs };
  };
  const conditions = { packetLoss: 0.2, jitterMs: 40, roundTripMs: 100 };
  const near = (value: number, wanted: number) => expect(Math.abs(value / wanted - 1)).toBeLessThan(0.06);
  controls.setMediaConditions({ monitorSessionId, conditions });
  for (const [bitrateBps, share] of [
    [null, 1],
    [64_000, 1],
    [16_000, 0.5],
    // However low, a quarter is lost.
    [4_000, 0.25],
  ] as const) {
    controls.setLegBitrate({ monitorSessionId, bitrateBps });
    const { packetLoss, jitterMs, roundTripMs } = await measured();
    near(packetLoss, 0.2 * share);
    near(jitterMs, 40 * share);
    near(roundTripMs, 100);
  }
  controls.setLegBitrate({ monitorSessionId, bitrateBps: null });
  controls.setMediaConditions({ monitorSessionId, conditions: { ...conditions, packetLoss: 1 } });
  for (let n = 0; n < 20; n += 1) expect((await measured()).packetLoss).toBeLessThanOrEqual(1);
  controls.setMediaConditions({ monitorSessionId, conditions: null });
  expect((await measured()).packetLoss).toBeLessThan(0.01);
});

test('a group takes no leg while it drains, nor more than it can; one nearby is nearly as good', async () => {
  await using stage = await Stage.open();
  const { controls } = stage.simulator;
  const { interactionId } = controls.addInteraction({ primaryGroupId: 'ms-group-us-east-1' });
  const mediaServerGroupId = 'ms-group-us-east-2';
  const start = () => stage.client.command('start', interactionId, { mediaServerGroupId });
  controls.setMediaServerGroup({ id: mediaServerGroupId, state: 'draining' });
  expect((await start()).body.code).toBe('media.server.group.unavailable');
  controls.setMediaServerGroup({ id: mediaServerGroupId, state: 'available', capacity: 1 });
  const { body } = await start();
  expect((await start()).body.code).toBe('media.server.group.unavailable');
  stage.clock.advance(500);
  const path = `/api/v2/interactions/${interactionId}/telephony/media-metrics?monitorSessionId=${body.monitorSessionId ?? ''}`;
  expect((await stage.client.get(path)).body.roundTripMs).toBeLessThan(100);
});
