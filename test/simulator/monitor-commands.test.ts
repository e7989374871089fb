import { expect, test } from '@jest/globals';
import { Stage, OUTSIDE, PlatformClient } from './platform-harness.js';

test('a start answers 202 pending, is listed at once and becomes active later', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const started = await stage.client.command('start', id);
  expect(started.status).toBe(202);
  const monitorSessionId = started.body.monitorSessionId ?? '';
  expect(started.body).toEqual({ monitorSessionId, interactionId: id, status: 'pending' });
  expect(monitorSessionId).toMatch(/^ms-[A-Za-z0-9._:-]+$/);
  expect((await stage.client.state(id)).body.monitors).toMatchObject([{ monitorSessionId, status: 'pending' }]);
  stage.clock.advance(500);
  const { body } = await stage.client.state(id);
  expect(body).toEqual({
    interactionId: id,
    bargeStatus: 'inactive',
    bargeMonitorSessionId: null,
    monitors: [
      {
        monitorSessionId,
        status: 'active',
        mode: 'silent',
        mediaServerGroupId: expect.any(String),
        clientId: 'earshot',
        startedAt: expect.stringMatching(/Z$/),
      },
    ],
  });
});

test('a second start makes a second leg: it is not idempotent', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const [first, second] = [await stage.leg(id), await stage.leg(id)];
  expect(first).not.toBe(second);
  expect((await stage.client.state(id)).body.monitors).toHaveLength(2);
});

test.each(['barge', 'whisper', 'silent'])(
  '%s answers 200 with the mode, and the same when repeated',
  async (action) => {
    await using stage = await Stage.open();
    const id = stage.call();
    const monitorSessionId = await stage.leg(id);
    const expected = { monitorSessionId, interactionId: id, status: 'active', mode: action };
    const first = await stage.client.command(action, id, { monitorSessionId });
    const second = await stage.client.command(action, id, { monitorSessionId });
    expect([first.status, second.status]).toEqual([200, 200]);
    expect([first.body, second.body]).toEqual([expected, expected]);
    expect((await stage.client.state(id)).body.bargeStatus).toBe(action === 'silent' ? 'inactive' : 'active');
  },
);

test('a stop answers 200 terminated, and the same when repeated; other actions then find no leg', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const monitorSessionId = await stage.leg(id);
  for (const repetition of [1, 2]) {
    const { status, body } = await stage.client.command('stop', id, { monitorSessionId });
    expect({ repetition, status }).toEqual({ repetition, status: 200 });
    expect(body).toEqual({ monitorSessionId, interactionId: id, status: 'terminated' });
  }
  const barge = await stage.client.command('barge', id, { monitorSessionId });
  expect([barge.status, barge.body.code]).toEqual([404, 'monitor.not.found']);
});

test('a leg that was severed or never existed answers 404 to everything, stop included', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const severed = await stage.leg(id);
  stage.simulator.controls.sever({ monitorSessionId: severed });
  for (const monitorSessionId of [severed, 'ms-unknown']) {
    for (const action of ['stop', 'silent', 'whisper', 'barge']) {
      const { status, body } = await stage.client.command(action, id, { monitorSessionId });
      expect([action, status, body.code]).toEqual([action, 404, 'monitor.not.found']);
    }
  }
});

test('a leg is found under its own interaction only', async () => {
  await using stage = await Stage.open();
  const [id, other] = [stage.call(), stage.call()];
  const monitorSessionId = await stage.leg(id);
  expect((await stage.client.command('stop', other, { monitorSessionId })).status).toBe(404);
});

test('a mode change before active is refused, a stop is not', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const { body } = await stage.client.command('start', id);
  const { monitorSessionId } = body;
  const barge = await stage.client.command('barge', id, { monitorSessionId });
  expect([barge.status, barge.body.code]).toEqual([409, 'monitor.not.active']);
  expect((await stage.client.command('stop', id, { monitorSessionId })).status).toBe(200);
  stage.clock.advance(5_000);
  expect((await stage.client.state(id)).body.monitors).toMatchObject([{ status: 'terminated' }]);
});

test('barge and whisper share one channel: the second leg is told who holds it, until it is given back', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const [holder, waiter] = [await stage.leg(id), await stage.leg(id)];
  await stage.client.command('whisper', id, { monitorSessionId: holder });
  for (const action of ['barge', 'whisper']) {
    const { status, body } = await stage.client.command(action, id, { monitorSessionId: waiter });
    expect([status, body.code, body.conflictingMonitorSessionId]).toEqual([409, 'barge.conflict', holder]);
  }
  expect((await stage.client.command('silent', id, { monitorSessionId: waiter })).status).toBe(200);
  expect((await stage.client.command('barge', id, { monitorSessionId: holder })).status).toBe(200);
  expect((await stage.client.state(id)).body).toMatchObject({ bargeStatus: 'active', bargeMonitorSessionId: holder });
  await stage.client.command('silent', id, { monitorSessionId: holder });
  expect((await stage.client.command('barge', id, { monitorSessionId: waiter })).status).toBe(200);
});

test('the holder of the channel may be of another client', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const monitorSessionId = await stage.leg(id);
  const outside = new PlatformClient(stage.simulator.baseUrl, OUTSIDE);
  await outside.signIn();
  const theirs = await stage.leg(id, outside);
  await outside.command('barge', id, { monitorSessionId: theirs });
  const { status, body } = await stage.client.command('barge', id, { monitorSessionId });
  expect([status, body.conflictingMonitorSessionId]).toEqual([409, theirs]);
  expect((await stage.client.state(id)).body.monitors?.map(({ clientId }) => clientId)).toEqual(['earshot', 'outside']);
});

test('an ended interaction severs its legs and answers 410 while it is listed, 404 after that', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const monitorSessionId = await stage.leg(id);
  stage.simulator.controls.endInteraction({ interactionId: id });
  const answers = async (): Promise<unknown[]> => {
    const all = [
      await stage.client.command('start', id),
      await stage.client.command('barge', id, { monitorSessionId }),
      await stage.client.command('stop', id, { monitorSessionId }),
      await stage.client.state(id),
    ];
    return all.map(({ status, body }) => `${status} ${body.code ?? ''}`);
  };
  expect(await answers()).toEqual(Array(4).fill('410 interaction.ended'));
  expect(stage.simulator.ledger.legs()).toMatchObject([{ status: 'terminated', endedBy: 'interaction-ended' }]);
  stage.clock.advance(10 * 60_000);
  expect(await answers()).toEqual(Array(4).fill('410 interaction.ended'));
  stage.clock.advance(10 * 60_000);
  await stage.client.signIn();
  expect(await answers()).toEqual(Array(4).fill('404 interaction.not.found'));
});

test.each([
  [200, undefined],
  [404, 'interaction.not.found'],
  [410, 'interaction.ended'],
] as const)('the state of an ended interaction can be made to answer %i', async (endedStateAnswer, code) => {
  await using stage = await Stage.open();
  const id = stage.call();
  await stage.leg(id);
  stage.simulator.controls.endInteraction({ interactionId: id });
  stage.simulator.controls.setHabits({ endedStateAnswer });
  const { status, body } = await stage.client.state(id);
  expect([status, body.code]).toEqual([endedStateAnswer, code]);
  expect((body.monitors ?? []).filter((leg) => leg.status === 'active')).toEqual([]);
});

test('ended legs stay listed for a while', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const monitorSessionId = await stage.leg(id);
  await stage.client.command('stop', id, { monitorSessionId });
  expect((await stage.client.state(id)).body.monitors).toHaveLength(1);
  stage.clock.advance(125_000);
  expect((await stage.client.state(id)).body.monitors).toEqual([]);
  expect((await stage.client.command('stop', id, { monitorSessionId })).status).toBe(404);
});

test('an unknown, draining, down or full media server group takes no leg', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const refused = async (mediaServerGroupId?: string): Promise<void> => {
    const { status, body } = await stage.client.command('start', id, { mediaServerGroupId });
    expect([status, body.code]).toEqual([409, 'media.server.group.unavailable']);
  };
  await refused('ms-group-nowhere');
  const groups = await stage.client.get('/api/v2/telephony/providers/media-server-groups');
  const ids = (groups.body.entities ?? []).map((group) => group.id);
  stage.simulator.controls.setMediaServerGroup({ id: 'ms-group-us-east-1', state: 'draining' });
  await refused('ms-group-us-east-1');
  for (const group of ids) stage.simulator.controls.setMediaServerGroup({ id: group, state: 'down' });
  await refused();
  stage.simulator.controls.setMediaServerGroup({ id: 'ms-group-us-east-1', state: 'available', capacity: 1 });
  expect((await stage.client.command('start', id, { mediaServerGroupId: 'ms-group-us-east-1' })).status).toBe(202);
  await refused('ms-group-us-east-1');
  expect(stage.simulator.ledger.legs()).toHaveLength(1);
  stage.simulator.controls.sever({ interactionId: id });
  expect((await stage.client.command('start', id, { mediaServerGroupId: 'ms-group-us-east-1' })).status).toBe(202);
});

test.each([
  ['no JSON', 'nonsense'],
  ['no action', '{"interactionId":"int-1"}'],
  ['an unknown action', '{"interactionId":"int-1","action":"listen"}'],
  ['no leg', '{"interactionId":"int-1","action":"barge"}'],
])('a command with %s is refused with 400', async (_case, body) => {
  await using stage = await Stage.open();
  const answer = await stage.client.call('POST', '/api/v2/interactions/telephony/monitor', { body });
  expect([answer.status, answer.body.code]).toEqual([400, 'invalid.request']);
});
