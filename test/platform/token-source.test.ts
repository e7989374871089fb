import { afterEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HttpExchange } from '../../platform/http-exchange.js';
import { tokenLifetimeMs } from '../../platform/token-lifetime.js';
import { TokenSource } from '../../platform/token-source.js';
import { closeAll, errorOf, faultOf, nthToken, ScriptedServer, SECRET } from './scripted-server.js';
import { until } from '../support/until.js';

const exchanges: HttpExchange[] = [];
afterEach(async () => {
  await Promise.all(exchanges.splice(0).map((exchange) => exchange.close()));
  await closeAll();
});

async function setUp(timeoutMs = 2_000) {
  const server = await ScriptedServer.start();
  const exchange = new HttpExchange({ baseUrl: server.baseUrl, connections: 2, connectMs: 1_000 });
  exchanges.push(exchange);
  const clock = { nowMs: 1_000 };
  const source = new TokenSource({
    exchange,
    clientId: 'client & 1',
    clientSecret: SECRET,
    timeoutMs,
    monotonicNow: () => clock.nowMs,
  });
  const issue = (expiresIn: unknown) => {
    server.onToken = () => ({
      status: 200,
      body: { access_token: nthToken(server.tokenRequests.length), expires_in: expiresIn },
    });
  };
  return { server, source, clock, issue };
}

test('the request is the page’s form', async () => {
  const { server, source } = await setUp();
  await source.token();
  expect(server.tokenRequests[0]).toMatchObject({
    method: 'POST',
    url: '/api/v2/auth/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  expect(server.tokenRequests[0]!.headers.authorization).toBeUndefined();
  expect(Object.fromEntries(new URLSearchParams(server.tokenRequests[0]!.body))).toEqual({
    grant_type: 'client_credentials',
    client_id: 'client & 1',
    client_secret: SECRET,
  });
});

test('callers at once share one request, later ones its token', async () => {
  const { server, source } = await setUp();
  const tokens = await Promise.all(Array.from({ length: 20 }, () => source.token()));
  expect(new Set([...tokens, await source.token()])).toEqual(new Set([nthToken(1)]));
  expect(server.tokenRequests).toHaveLength(1);
});

test.each([
  [3600, 3_570_000],
  ['3600', 3_570_000],
  [60, 30_000],
  [40, 20_000],
  [1, 500],
  [undefined, 270_000],
  [-5, 270_000],
  [0, 270_000],
  ['soon', 270_000],
  [null, 270_000],
  [1e300, 86_370_000],
])('expires_in %j: replaced after %i ms', async (expiresIn, replacedAfterMs) => {
  const { source, clock, issue } = await setUp();
  issue(expiresIn);
  expect(await source.token()).toBe(nthToken(1));
  clock.nowMs += replacedAfterMs - 1;
  expect(await source.token()).toBe(nthToken(1));
  clock.nowMs += 1;
  // Whoever asks first does not wait for it, as long as the old one is good.
  await source.token();
  await until('it is replaced', async () => (await source.token()) === nthToken(2));
});

test('a token endpoint that is slow holds up nobody while the old token is good', async () => {
  const { server, source, clock, issue } = await setUp();
  issue(100);
  await source.token();
  server.onToken = () => undefined;
  clock.nowMs += 75_000;
  expect(await source.token()).toBe(nthToken(1));
  await until('it has been asked', () => server.tokenRequests.length === 2);
  expect(await source.token()).toBe(nthToken(1));
});

test('a platform that refuses every new token costs no token request for each call', async () => {
  const { server, source, clock, issue } = await setUp();
  issue(3_600);
  let faults = 0;
  for (let call = 0; call < 50; call += 1) {
    try {
      await source.refreshAfter401(await source.token());
    } catch {
      faults += 1;
    }
  }
  expect(faults).toBeGreaterThan(45);
  expect(server.tokenRequests.length).toBeLessThanOrEqual(3);
  clock.nowMs += 30_000;
  const token = await source.token();
  source.accepted(token);
  // One that was good and is revoked is replaced at once.
  expect(await source.refreshAfter401(token)).not.toBe(token);
});

test('an endpoint that is throttled and asks for no delay is not asked all the time', async () => {
  const { server, source, clock } = await setUp();
  server.onToken = () => ({ status: 429, headers: { 'retry-after': '0' } });
  for (let ms = 0; ms < 10_000; ms += 10) {
    clock.nowMs += 10;
    await source.keep();
  }
  expect(server.tokenRequests.length).toBeLessThanOrEqual(8);
});

test('any expires_in gives a lifetime from a second to a day', () => {
  fc.assert(
    fc.property(fc.anything(), (expiresIn) => {
      const lifetimeMs = tokenLifetimeMs(expiresIn);
      expect(lifetimeMs).toBeGreaterThanOrEqual(1_000);
      expect(lifetimeMs).toBeLessThanOrEqual(86_400_000);
    }),
  );
});

test('while the replacement fails the old token is used until it expires, and not after', async () => {
  const { server, source, clock, issue } = await setUp();
  issue(100);
  await source.token();
  server.onToken = () => ({ status: 503 });
  clock.nowMs += 99_000;
  expect(await source.token()).toBe(nthToken(1));
  clock.nowMs += 1_000;
  expect(await faultOf(source.token())).toMatchObject({ kind: 'unreachable' });
});

test('any number of 401s with one token cause one request', async () => {
  const { server, source } = await setUp();
  const used = await source.token();
  const replaced = await Promise.all(Array.from({ length: 50 }, () => source.refreshAfter401(used)));
  expect(new Set(replaced)).toEqual(new Set([nthToken(2)]));
  expect(server.tokenRequests).toHaveLength(2);
});

test('a late 401 with a token replaced long ago gets the newer one without a request', async () => {
  const { server, source } = await setUp();
  const used = await source.token();
  await source.refreshAfter401(used);
  expect(await source.refreshAfter401(used)).toBe(nthToken(2));
  expect(server.tokenRequests).toHaveLength(2);
});

test('a token refused with 401 is not handed out again, not even while its replacement fails', async () => {
  const { server, source } = await setUp();
  const used = await source.token();
  server.onToken = () => ({ status: 503 });
  expect(await faultOf(source.refreshAfter401(used))).toMatchObject({ kind: 'unreachable' });
  expect(await faultOf(source.token())).toMatchObject({ kind: 'unreachable' });
});

test('a refresh that timed out and is answered late does not overwrite a newer token', async () => {
  const { server, source } = await setUp(50);
  let answerLate: (() => void) | undefined;
  server.onToken = (_seen, response) => {
    answerLate = () => response.writeHead(200).end('{"access_token":"stale","expires_in":3600}');
    return undefined;
  };
  expect(await faultOf(source.token())).toMatchObject({ kind: 'unreachable' });
  server.onToken = () => ({ status: 200, body: { access_token: 'newer', expires_in: 3600 } });
  expect(await source.token()).toBe('newer');
  answerLate?.();
  expect(await source.token()).toBe('newer');
});

test.each(['', 'two\nlines', 'späßchen', 'a b', null, 7])(
  'a token %j that no header can hold is not kept',
  async (bad) => {
    const { server, source } = await setUp();
    server.onToken = () => ({ status: 200, body: { access_token: bad, expires_in: 3600 } });
    expect(await faultOf(source.token())).toMatchObject({ kind: 'unreachable' });
    server.onToken = () => ({ status: 200, body: { access_token: 'good', expires_in: 3600 } });
    expect(await source.token()).toBe('good');
  },
);

test('one caller giving up does not cancel the others’ request', async () => {
  const { server, source } = await setUp();
  let answer: (() => void) | undefined;
  server.onToken = (_seen, response) => {
    answer = () => response.writeHead(200).end('{"access_token":"shared","expires_in":3600}');
    return undefined;
  };
  const giveUp = new AbortController();
  const impatient = errorOf(source.token({ signal: giveUp.signal }));
  const patient = source.token();
  await until('the request arrived', () => answer !== undefined);
  giveUp.abort();
  expect(await impatient).toBe(giveUp.signal.reason);
  answer?.();
  expect(await patient).toBe('shared');
  expect(server.tokenRequests).toHaveLength(1);
});

test('a request that nobody waits for any more fails without a sound', async () => {
  const { server, source } = await setUp();
  const giveUp = new AbortController();
  server.onToken = () => undefined;
  const impatient = errorOf(source.token({ signal: giveUp.signal }));
  await until('the request arrived', () => server.tokenRequests.length === 1);
  server.onToken = () => ({ status: 500 });
  giveUp.abort();
  expect(await impatient).toBe(giveUp.signal.reason);
});

test.each([400, 401, 403, 404, 302])('credentials refused with %i: what to check, never the secret', async (status) => {
  const { server, source } = await setUp();
  server.onToken = (seen) => ({ status, body: { code: 'invalid_client', message: seen.body } });
  const error = await errorOf(source.token());
  expect(error).toMatchObject({
    fault: { kind: 'unauthorized', detail: expect.stringMatching(/PLATFORM_CLIENT_ID and PLATFORM_CLIENT_SECRET/) },
  });
  expect(String(error)).not.toContain(SECRET);
});

test('refusals are remembered for 1, 2, 4, … 30 s; a success forgets them', async () => {
  const { server, source, clock } = await setUp();
  const usual = server.onToken;
  server.onToken = () => ({ status: 401 });
  let requests = 0;
  for (const pauseMs of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    expect(await faultOf(source.token())).toMatchObject({ kind: 'unauthorized' });
    requests += 1;
    clock.nowMs += pauseMs - 1;
    expect(await faultOf(source.token())).toMatchObject({ kind: 'unauthorized' });
    expect(server.tokenRequests).toHaveLength(requests);
    clock.nowMs += 1;
  }
  server.onToken = usual;
  const token = await source.token();
  server.onToken = () => ({ status: 401 });
  expect(await faultOf(source.refreshAfter401(token))).toMatchObject({ kind: 'unauthorized' });
  clock.nowMs += 1_000;
  server.onToken = usual;
  await source.token();
});

test('a throttled token endpoint is left alone for as long as it asks', async () => {
  const { server, source, clock } = await setUp();
  const usual = server.onToken;
  server.onToken = () => ({ status: 429, headers: { 'retry-after': '5' } });
  expect(await faultOf(source.token())).toEqual({ kind: 'throttled', retryAfterMs: 5_000 });
  server.onToken = usual;
  clock.nowMs += 2_000;
  expect(await faultOf(source.token())).toEqual({ kind: 'throttled', retryAfterMs: 3_000 });
  clock.nowMs += 3_000;
  expect(await source.token()).toBe(nthToken(2));
});

test('one that is kept is replaced when it is due, and says how it is', async () => {
  const { server, source, clock, issue } = await setUp();
  issue(100);
  const first = await source.keep();
  expect(first).toMatchObject({ failures: 0, trouble: null, dueInMs: 70_000 });
  expect(Date.parse(first.expiresAt ?? '') - Date.now()).toBeGreaterThan(99_000 - 5_000);
  expect(first.refreshedAt).not.toBeNull();
  expect(source.replacedInMs(nthToken(1))).toBe(70_000);
  clock.nowMs += 69_999;
  expect(await source.keep()).toMatchObject({ dueInMs: 1 });
  expect(server.tokenRequests).toHaveLength(1);
  clock.nowMs += 1;
  expect(await source.keep()).toMatchObject({ dueInMs: 70_000 });
  expect(server.tokenRequests).toHaveLength(2);
  expect(source.replacedInMs(nthToken(1))).toBe(0);
  expect(JSON.stringify(await source.keep())).not.toContain(nthToken(2));
});

test('what fails while it is kept is told, with when it is tried again; the old one lasts as long as it lasts', async () => {
  const { server, source, clock, issue } = await setUp();
  issue(100);
  await source.keep();
  clock.nowMs += 70_000;
  server.onToken = () => ({ status: 401, body: { code: 'invalid_client' } });
  const refused = await source.keep();
  expect(refused).toMatchObject({ failures: 1, dueInMs: 1_000, trouble: expect.stringMatching(/PLATFORM_CLIENT_ID/) });
  expect(refused.expiresAt).not.toBeNull();
  expect(await source.token()).toBe(nthToken(1));
  clock.nowMs += 30_000;
  expect(await source.keep()).toMatchObject({ failures: 2, expiresAt: null, dueInMs: 2_000 });
  expect(await faultOf(source.token())).toMatchObject({ kind: 'unauthorized' });
  issue(100);
  clock.nowMs += 2_000;
  expect(await source.keep()).toMatchObject({ failures: 0, trouble: null });
});

test('an endpoint that is down is not hammered, however many calls want a token', async () => {
  const { server, source, clock } = await setUp();
  server.onToken = () => ({ status: 503 });
  for (let call = 0; call < 200; call += 1)
    expect(await faultOf(source.token())).toMatchObject({ kind: 'unreachable' });
  // The first is taken for a mishap; after that one a pause.
  expect(server.tokenRequests).toHaveLength(2);
  for (let second = 0; second < 60; second += 1) {
    clock.nowMs += 1_000;
    await faultOf(source.token());
  }
  expect(server.tokenRequests.length).toBeLessThanOrEqual(2 + 16);
  expect(await faultOf(source.token())).toMatchObject({ retryAfterMs: expect.any(Number) });
});
