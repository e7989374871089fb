import { expect, test } from '@jest/globals';
import { breachesOf } from '../../simulator/invariants.js';
import { OUTSIDE, PlatformClient, Stage } from './platform-harness.js';

test('the ledger has every request and every leg life, and never a secret', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const monitorSessionId = await stage.leg(id);
  await stage.client.command('barge', id, { monitorSessionId });
  await stage.client.command('stop', id, { monitorSessionId });
  await stage.client.get('/api/v2/nowhere?access_token=secret-in-query');
  const { ledger } = stage.simulator;
  const common = { clientId: 'earshot', tokenNumber: 1, fault: null };
  expect(ledger.requests()).toMatchObject([
    { ...common, seq: 1, action: 'token', status: 200, body: null },
    { ...common, seq: 2, action: 'start', status: 202, interactionId: id, monitorSessionId, executed: true },
    { ...common, seq: 3, action: 'barge', status: 200, interactionId: id, monitorSessionId },
    { ...common, seq: 4, action: 'stop', status: 200, body: { action: 'stop', interactionId: id, monitorSessionId } },
    { ...common, seq: 5, action: 'unknown', status: 404, code: 'not.found', query: {}, executed: false },
  ]);
  expect(ledger.legs()).toMatchObject([
    {
      monitorSessionId,
      interactionId: id,
      clientId: 'earshot',
      requestSeq: 2,
      modes: [
        { mode: 'silent', requestSeq: 2 },
        { mode: 'barge', requestSeq: 3 },
      ],
      endedBy: 'stop',
    },
  ]);
  const [leg] = ledger.legs();
  expect(Date.parse(leg?.activeAt ?? '') - Date.parse(leg?.createdAt ?? '')).toBe(500);
  expect(ledger.violations()).toEqual([]);
  const everything = JSON.stringify(ledger.requests());
  for (const secret of [stage.client.token, 'earshot-dev-secret', 'secret-in-query']) {
    expect(everything).not.toContain(secret);
  }
});

test('requests and legs can be asked for by what they concern', async () => {
  await using stage = await Stage.open();
  const [id, other] = [stage.call(), stage.call()];
  const monitorSessionId = await stage.leg(id);
  await stage.leg(other);
  await stage.client.command('stop', id, { monitorSessionId });
  const { ledger } = stage.simulator;
  const actions = (filter: Parameters<typeof ledger.requests>[0]): string[] =>
    ledger.requests(filter).map(({ action }) => action);
  expect(actions({ interactionId: id })).toEqual(['start', 'stop']);
  expect(actions({ monitorSessionId, action: 'stop' })).toEqual(['stop']);
  expect(actions({ since: 2 })).toEqual(['start', 'stop']);
  expect(actions({ status: 202 })).toEqual(['start', 'start']);
  expect(ledger.legs({ live: true }).map(({ interactionId }) => interactionId)).toEqual([other]);
  expect(ledger.legs({ interactionId: id })).toHaveLength(1);
  expect(ledger.legs({ clientId: 'outside' })).toEqual([]);
});

test('the ledger keeps the newest requests only', async () => {
  await using stage = await Stage.open({ ledgerRequests: 3 });
  for (let count = 0; count < 5; count += 1) await stage.client.get('/api/v2/interactions');
  expect(stage.simulator.ledger.requests().map(({ seq }) => seq)).toEqual([4, 5, 6]);
});

test('two exclusive legs are a violation', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const first = stage.simulator.controls.outsideLeg({ interactionId: id }).monitorSessionId;
  expect(stage.simulator.ledger.violations()).toEqual([]);
  const second = stage.simulator.controls.outsideLeg({
    interactionId: id,
    mode: 'whisper',
    force: true,
  }).monitorSessionId;
  expect(stage.simulator.ledger.violations()).toEqual([
    { rule: 'exclusive-legs.two', at: expect.any(String), detail: [first, second].sort().join(', ') },
  ]);
});

test('a live leg on an ended interaction is a violation', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const monitorSessionId = await stage.leg(id);
  stage.simulator.controls.endInteraction({ interactionId: id, leaveLegs: true });
  expect(stage.simulator.ledger.violations()).toMatchObject([
    { rule: 'leg.live-on-ended-interaction', detail: monitorSessionId },
  ]);
});

test('a mode change before active is a violation, even if it never takes effect', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const { body } = await stage.client.command('start', id);
  const { monitorSessionId } = body;
  stage.simulator.controls.addFault({ match: { action: 'whisper' }, effect: { kind: 'lost-request' } });
  await expect(stage.client.command('whisper', id, { monitorSessionId })).rejects.toThrow();
  await stage.client.command('stop', id, { monitorSessionId });
  const detail = `${monitorSessionId ?? ''}, whisper, request 3`;
  expect(stage.simulator.ledger.violations()).toMatchObject([{ rule: 'mode-change.before-active', detail }]);
});

test('a command to the leg of another client is a violation', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  const monitorSessionId = await stage.leg(id);
  const outside = new PlatformClient(stage.simulator.baseUrl, OUTSIDE);
  await outside.signIn();
  await outside.command('stop', id, { monitorSessionId });
  expect(stage.simulator.ledger.violations()).toMatchObject([{ rule: 'leg.of-another-client' }]);
});

test('going on after a 429 is a violation once it has had time to arrive, until the window is over', async () => {
  await using stage = await Stage.open({ rateLimit: { limit: 1, windowSeconds: 10 } });
  const ask = async (): Promise<number> => (await stage.client.get('/api/v2/interactions')).status;
  expect([await ask(), await ask()]).toEqual([429, 429]);
  expect(stage.simulator.ledger.violations()).toEqual([]);
  stage.clock.advance(1_000);
  expect(await ask()).toBe(429);
  expect(stage.simulator.ledger.violations()).toMatchObject([{ rule: 'rate-limit.ignored' }]);
  stage.clock.advance(9_000);
  expect(await ask()).toBe(200);
  expect(stage.simulator.ledger.violations()).toHaveLength(1);
});

test('nothing is a breach where nothing is wrong', () => {
  expect(breachesOf(undefined, [])).toEqual([]);
});
