import { afterEach, expect, test } from '@jest/globals';
import { adapterFor, closeAll, faultOf, LEG, ScriptedServer } from './scripted-server.js';

afterEach(closeAll);

const METRICS = { ...LEG, packetLoss: 0.01, jitterMs: 4, roundTripMs: 40, sampledAt: '2026-11-01T00:00:00.000Z' };

test('groups are asked for by the call; what is odd about one does not hide the others', async () => {
  const server = await ScriptedServer.start();
  server.answers({
    status: 200,
    body: {
      entities: [
        { id: 'a', name: 'A', region: 'us', state: 'available', primary: true, novelty: 1 },
        { id: 'b', region: null, state: 'resting' },
        { id: 'c', region: 7, state: null, primary: 'yes' },
        { name: 'nameless' },
        null,
        'd',
      ],
    },
  });
  expect(await adapterFor(server).mediaServerGroups('call 1/2')).toEqual([
    { id: 'a', region: 'us', state: 'available', primary: true },
    { id: 'b', region: null, state: 'available', primary: false },
    { id: 'c', region: null, state: 'available', primary: false },
  ]);
  expect(server.calls[0]?.url).toBe('/api/v2/telephony/providers/media-server-groups?interactionId=call+1%2F2');
});

test('metrics are of the leg that was asked about, and of no other', async () => {
  const server = await ScriptedServer.start();
  const platform = adapterFor(server);
  server.answers({ status: 200, body: METRICS });
  expect(await platform.mediaMetrics(LEG)).toMatchObject({ monitorSessionId: LEG.monitorSessionId, packetLoss: 0.01 });
  expect(server.calls[0]?.url).toBe(
    `/api/v2/interactions/${LEG.interactionId}/telephony/media-metrics?monitorSessionId=${LEG.monitorSessionId}`,
  );
  for (const body of [
    { ...METRICS, monitorSessionId: 'ms-other' },
    { ...METRICS, packetLoss: 3 },
    { ...METRICS, jitterMs: null },
    { ...METRICS, sampledAt: `2026-11-01T00:00:00.${'0'.repeat(100_000)}Z` },
  ]) {
    server.answers({ status: 200, body });
    expect(await faultOf(platform.mediaMetrics(LEG))).toMatchObject({ kind: 'ambiguous' });
  }
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
