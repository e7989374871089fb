import { afterEach, expect, test } from '@jest/globals';
import type { CallObserver } from '../../platform/call-observer.js';
import {
  adapterFor,
  closeAll,
  deadBaseUrl,
  errorOf,
  LEG,
  nthToken,
  ScriptedServer,
  startRawServer,
} from './scripted-server.js';

afterEach(closeAll);

function noting(): CallObserver & { readonly seen: string[] } {
  const seen: string[] = [];
  return {
    seen,
    sent: (operation, result, seconds) => {
      expect(seconds).toBeGreaterThanOrEqual(0);
      seen.push(`${operation} ${result}`);
    },
    notSent: (operation, why) => seen.push(`${operation} not sent: ${why}`),
    tokenRequested: (result) => seen.push(`token ${result}`),
  };
}

test('every request is told with what came of it, the replay after a 401 too', async () => {
  const server = await ScriptedServer.start();
  const observer = noting();
  const platform = adapterFor(server, { observer });
  const statuses = [401, 200, 409, 429, 404, 503, 302];
  server.onCall = () => ({ status: statuses.shift() ?? 500, body: { mode: 'barge' } });
  await platform.changeMode(LEG, 'barge');
  for (let call = 1; call <= 5; call += 1)
    await errorOf(platform.stopMonitor(LEG).then(() => Promise.reject(new Error())));
  expect(observer.seen).toEqual([
    ...['token issued', 'barge 401', 'token issued', 'barge 2xx'],
    ...['stop 409', 'stop 429', 'stop 4xx', 'stop 5xx', 'stop 3xx'],
  ]);
  expect(platform.status().token).toMatchObject({ failures: 0, refreshedAt: expect.any(String) });
  expect(JSON.stringify(platform.status())).not.toContain(nthToken(2));
});

test('no status is a timeout or the network', async () => {
  const observer = noting();
  const silent = await startRawServer(() => undefined);
  await errorOf(adapterFor(silent, { observer, timeouts: { commandMs: 50 } }).changeMode(LEG, 'silent'));
  const rude = await startRawServer((socket) => socket.destroy());
  await errorOf(adapterFor(rude, { observer }).monitorState('int-1'));
  const gone = new AbortController();
  const given = adapterFor(silent, { observer }).listInteractions(
    { status: 'connected', pageSize: 1 },
    { signal: gone.signal },
  );
  const sent = silent.requests.length;
  while (silent.requests.length === sent) await new Promise((resolve) => setImmediate(resolve));
  gone.abort(new Error('given up'));
  await errorOf(given);
  const nobody = adapterFor({ baseUrl: await deadBaseUrl() }, { observer });
  await errorOf(nobody.stopMonitor(LEG));
  expect(observer.seen.filter((line) => line !== 'token issued')).toEqual([
    ...['silent timeout', 'state network', 'list abandoned'],
    'token unreachable',
  ]);
});

test('what the rate limit holds back is told, and how things stand is shown', async () => {
  const server = await ScriptedServer.start();
  const observer = noting();
  const platform = adapterFor(server, { observer, isGated: true });
  server.answers({ status: 429, headers: { 'retry-after': '30' } });
  await errorOf(platform.startMonitor({ interactionId: 'int-1' }));
  await errorOf(platform.startMonitor({ interactionId: 'int-1' }));
  expect(observer.seen).toEqual(['token issued', 'start 429', 'start not sent: throttled']);
  const { pausedForMs, ...status } = platform.status();
  expect(pausedForMs).toBeGreaterThan(20_000);
  expect(status).toMatchObject({ limit: null, inFlight: 0, awaySince: null, waiting: { start: 0, release: 0 } });
  const headers = { 'x-ratelimit-limit': '10', 'x-ratelimit-remaining': '7', 'x-ratelimit-reset': '60' };
  const other = await ScriptedServer.start();
  other.answers({ status: 200, headers, body: { entities: [], nextCursor: null } });
  const informed = adapterFor(other, { isGated: true });
  await informed.listInteractions({ status: 'connected', pageSize: 1 });
  expect(informed.status().limit).toEqual({ calls: 10, remaining: 7 });
});
