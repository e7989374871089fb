import { afterEach, describe, expect, test } from '@jest/globals';
import { parsePlatformEvent } from '../../domain/platform-events.js';
import { adapterFor, closeAll, faultOf, LEG, ScriptedServer } from './scripted-server.js';

afterEach(closeAll);

const METRICS = {
  monitorSessionId: LEG.monitorSessionId,
  packetLoss: 0.01,
  jitterMs: 3,
  roundTripMs: 40,
  sampledAt: '2026-11-01T00:00:00.000Z',
};

describe('media server groups', () => {
  test('are asked for by interaction; one that is not as documented does not hide the others', async () => {
    const server = await ScriptedServer.start();
    const broken = [null, 7, { region: 'us' }];
    const odd = { id: 'g-2', region: '', state: 'resting', primary: 'yes' };
    server.answers({
      status: 200,
      body: { entities: [...broken, { id: 'g-1', region: 'us', state: 'draining', primary: true, name: 'n' }, odd] },
    });
    expect(await adapterFor(server).mediaServerGroups('a&b')).toEqual([
      { id: 'g-1', region: 'us', state: 'draining', primary: true },
      { id: 'g-2', region: null, state: 'available', primary: false },
    ]);
    expect(server.calls[0]?.url).toBe('/api/v2/telephony/providers/media-server-groups?interactionId=a%26b');
  });

  test('may be many', async () => {
    const server = await ScriptedServer.start();
    const entities = Array.from({ length: 1_000 }, (_, n) => ({ id: `g-${n}`, name: 'x'.repeat(100) }));
    server.answers({ status: 200, body: { entities } });
    expect(await adapterFor(server).mediaServerGroups('int-1')).toHaveLength(1_000);
  });

  test('are waited for no longer than the caller wants', async () => {
    const server = await ScriptedServer.start();
    server.onCall = () => undefined;
    const signal = AbortSignal.timeout(100);
    const startedAt = performance.now();
    await expect(adapterFor(server).mediaServerGroups('int-1', { signal })).rejects.toThrow();
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});

describe('media metrics', () => {
  test('are asked for by interaction and leg', async () => {
    const server = await ScriptedServer.start();
    server.answers({ status: 200, body: { ...METRICS, monitorSessionId: 'l/1', more: 1 } });
    const leg = { interactionId: 'a/b', monitorSessionId: 'l/1' };
    expect(await adapterFor(server).mediaMetrics(leg)).toEqual({ ...METRICS, monitorSessionId: 'l/1' });
    expect(server.calls[0]?.url).toBe('/api/v2/interactions/a%2Fb/telephony/media-metrics?monitorSessionId=l%2F1');
  });

  test.each([
    { monitorSessionId: 'another’s' },
    { packetLoss: 1.5 },
    { jitterMs: -1 },
    { sampledAt: 'now' },
    { sampledAt: `2026-11-01T00:00:00.${'0'.repeat(1_000)}Z` },
  ])('with %j are no answer', async (over) => {
    const server = await ScriptedServer.start();
    server.answers({ status: 200, body: { ...METRICS, ...over } });
    expect(await faultOf(adapterFor(server).mediaMetrics(LEG))).toMatchObject({ kind: 'ambiguous' });
  });

  test('of a leg that is not known are gone', async () => {
    const server = await ScriptedServer.start();
    server.answers({ status: 404, body: {} });
    expect(await faultOf(adapterFor(server).mediaMetrics(LEG))).toMatchObject({ kind: 'gone', what: 'leg' });
  });
});

test('too many of them hold up nothing else, whatever the platform asks for', async () => {
  const server = await ScriptedServer.start();
  server.onCall = ({ method }) =>
    method === 'GET'
      ? { status: 429, headers: { 'retry-after': '60' } }
      : { status: 202, body: { monitorSessionId: 'ms-1', interactionId: LEG.interactionId } };
  const platform = adapterFor(server, { isGated: true });
  const tooMany = { kind: 'throttled', retryAfterMs: 60_000 };
  expect(await faultOf(platform.mediaServerGroups(LEG.interactionId))).toEqual(tooMany);
  expect(await faultOf(platform.mediaMetrics(LEG))).toEqual(tooMany);
  expect(await platform.startMonitor({ interactionId: LEG.interactionId })).toEqual({ monitorSessionId: 'ms-1' });
});

test('an event tells how a leg is heard, with ids that may go into a list filter', () => {
  const topic = 'interaction.telephony.media-metrics';
  const data = { ...METRICS, interactionId: 'int-1' };
  expect(parsePlatformEvent({ topic, data: { ...data, more: 1 } })).toEqual({ topic, data });
  for (const wrong of [{ monitorSessionId: "x' OR 1=1" }, { packetLoss: 2 }, { sampledAt: 'now' }]) {
    expect(() => parsePlatformEvent({ topic, data: { ...data, ...wrong } })).toThrow();
  }
});
