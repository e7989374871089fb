import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { webhookKey, webhookSignature } from '../../simulator/webhook-signature.js';
import { API_KEY, startApi } from './api-world.js';
import type { RunningApi } from './api-world.js';
import { prepareConnection } from '../../api/temporal-client.js';
import type { LazyConnection } from '../../api/temporal-client.js';

// What needs no Temporal, and what is left without one: nothing listens on port 1.
let connection: LazyConnection;
let api: RunningApi;
beforeAll(async () => {
  connection = prepareConnection({ temporalAddress: '127.0.0.1:1', temporalPort: 1, temporalNamespace: 'default' });
  api = await startApi(connection.client);
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await connection.close();
});

const SESSION = { interactionId: 'i', supervisorId: 's' };

test.each([
  ['no key', {}],
  ['another key', { Authorization: 'Bearer test-key-0123456788' }],
  ['a shorter key', { Authorization: `Bearer ${API_KEY.slice(0, -1)}` }],
  ['a longer key', { Authorization: `Bearer ${API_KEY}0` }],
  ['another scheme', { Authorization: `Basic ${API_KEY}` }],
])('a request with %s is answered 401', async (_name, headers) => {
  for (const path of ['/v1/sessions', '/v1/interactions', '/v1/nothing']) {
    const answer = await fetch(`${api.url}${path}`, { headers });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer(?: error="invalid_token")?$/);
    expect(await answer.json()).toMatchObject({ code: 'authentication.required', status: 401 });
  }
});

test('liveness needs no key and no Temporal', async () => {
  expect((await fetch(`${api.url}/livez`)).status).toBe(200);
});

async function expectUnready(): Promise<void> {
  const ready = await fetch(`${api.url}/readyz`);
  expect(ready.status).toBe(503);
  expect(ready.headers.get('retry-after')).toBe('2');
  expect(await ready.json()).toEqual({
    status: 'unready',
    reasons: [expect.stringMatching(/Temporal does not answer/)],
    workers: null,
    tokens: null,
  });
}

test('a problem has its media type, its code and the id of the request', async () => {
  const answer = await api.request('/v1/nothing', { headers: { 'X-Request-Id': 'mine-1' } });
  expect(answer.status).toBe(404);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(answer.headers.get('x-request-id')).toBe('mine-1');
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.headers.has('x-powered-by')).toBe(false);
  expect(answer.body).toEqual({
    type: 'urn:earshot:problem:not.found',
    title: expect.any(String),
    status: 404,
    code: 'not.found',
    detail: 'There is nothing at /v1/nothing.',
    instance: 'urn:earshot:request:mine-1',
  });
});

test('the document and its page need no key', async () => {
  const document = await fetch(`${api.url}/openapi.json`, { headers: { Accept: 'application/json' } });
  expect(document.headers.get('content-type')).toMatch(/^application\/json/);
  expect(await document.json()).toMatchObject({ openapi: '3.1.0' });
  const page = await fetch(`${api.url}/docs`, { headers: { Accept: 'text/html,*/*;q=0.8' } });
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  const policy = page.headers.get('content-security-policy') ?? '';
  // The only style on the page is the one that its policy names by hash.
  const [, style = ''] = /<style>([^]*)<\/style>/.exec(await page.text()) ?? [];
  expect(policy).toContain(`'sha256-${createHash('sha256').update(style).digest('base64')}'`);
});

test('answers are not to be kept, guessed at or framed', async () => {
  for (const path of ['/livez', '/v1/nothing']) {
    const { headers } = await api.request(path);
    expect(Object.fromEntries(headers)).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
    });
    expect(headers.has('access-control-allow-origin')).toBe(false);
  }
});

test.each([
  ['GET', '/v1/sessions', 'text/html'],
  ['GET', '/livez', 'text/html;q=0.9, application/json;q=0'],
  ['GET', '/docs', 'application/json'],
])('%s %s for Accept: %s is answered 406', async (method, path, accept) => {
  const answer = await api.request(path, { method, headers: { Accept: accept } });
  expect(answer).toMatchObject({ status: 406, body: { code: 'not.acceptable' } });
});

test.each(['*/*', 'application/*', 'application/json; charset=utf-8', 'text/html, application/json;q=0.1'])(
  'Accept: %s is answered with JSON',
  async (accept) => {
    expect((await api.request('/livez', { headers: { Accept: accept } })).status).toBe(200);
  },
);

test('a request id that is not a sane one is replaced', async () => {
  const { headers } = await api.request('/livez', { headers: { 'X-Request-Id': 'a b' } });
  expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
});

test.each([
  ['DELETE', '/v1/sessions', 'GET, HEAD, POST'],
  ['PATCH', '/v1/sessions/session~i~s', 'GET, HEAD'],
  ['GET', '/v1/sessions/session~i~s/commands', 'POST'],
  ['POST', '/v1/interactions', 'GET, HEAD'],
  ['OPTIONS', '/livez', 'GET, HEAD'],
])('%s %s is answered 405 with what is possible', async (method, path, allow) => {
  const answer = await api.request(path, { method });
  expect(answer).toMatchObject({ status: 405, body: { code: 'method.not.allowed' } });
  expect(answer.headers.get('allow')).toBe(allow);
});

test.each([
  ['no JSON', '{"interactionId":', ['body']],
  ['a bare value', '"text"', ['body']],
  ['an array', '[]', ['body']],
  ['null', 'null', ['body']],
  ['nothing', '', ['body']],
  ['missing fields', '{}', ['interactionId', 'supervisorId']],
  ['a wrong type', '{"interactionId":1,"supervisorId":"s"}', ['interactionId']],
  ['unknown fields', '{"interactionId":"i","supervisorId":"s","x":1,"y":2}', ['x', 'y']],
  ['a field of the prototype', '{"interactionId":"i","supervisorId":"s","__proto__":{"mode":"barge"}}', ['__proto__']],
  ['a control character', '{"interactionId":"a\\u0000","supervisorId":"s"}', ['interactionId']],
  ['an unknown mode', '{"interactionId":"i","supervisorId":"s","mode":"shout"}', ['mode']],
  ['a duration of 0', '{"interactionId":"i","supervisorId":"s","maxDurationSeconds":0}', ['maxDurationSeconds']],
])('a session asked for with %s is answered 400, field by field', async (_name, body, fields) => {
  const answer = await api.request('/v1/sessions', {
    method: 'POST',
    body,
    headers: { 'Content-Type': 'application/json' },
  });
  expect(answer).toMatchObject({ status: 400, body: { code: 'invalid.request' } });
  expect(answer.body['errors']).toMatchObject(fields.map((field) => ({ field })));
});

test('text that is not UTF-8 is refused, not repaired', async () => {
  const body = Buffer.concat([
    Buffer.from('{"supervisorId":"s","interactionId":"'),
    Buffer.from([0xff]),
    Buffer.from('"}'),
  ]);
  const answer = await fetch(`${api.url}/v1/sessions`, {
    method: 'POST',
    body,
    headers: { Authorization: `Bearer ${API_KEY}`, 'Content-Type': 'application/json' },
  });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ errors: [{ field: 'body', message: 'is not UTF-8' }] });
});

test('a body of more than 16 KiB is answered 413, announced or not', async () => {
  const body = JSON.stringify({ ...SESSION, reason: 'x'.repeat(17_000) });
  expect(await api.post('/v1/sessions', body)).toMatchObject({ status: 413, body: { code: 'payload.too.large' } });
  const status = await new Promise((resolve, reject) => {
    const chunked = httpRequest(`${api.url}/v1/sessions`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${API_KEY}`,
        'Content-Type': 'application/json',
        'Transfer-Encoding': 'chunked',
      },
    });
    chunked.on('response', (answer) => resolve(answer.resume().statusCode)).on('error', reject);
    chunked.end(body);
  });
  expect(status).toBe(413);
});

test('a body of another type is answered 415, none at all 400', async () => {
  const wrong = await api.post('/v1/sessions', JSON.stringify(SESSION), { 'Content-Type': 'text/plain' });
  expect(wrong).toMatchObject({ status: 415, body: { code: 'unsupported.media.type' } });
  const zipped = await api.post('/v1/sessions', 'x', { 'Content-Encoding': 'gzip' });
  expect(zipped).toMatchObject({ status: 415, body: { code: 'unsupported.media.type' } });
  const none = await api.request('/v1/sessions', { method: 'POST' });
  expect(none).toMatchObject({ status: 400 });
});

test.each([
  ['/v1/sessions?limit=0', ['limit']],
  ['/v1/sessions?limit=201', ['limit']],
  ['/v1/sessions?limit=1e1', ['limit']],
  ['/v1/sessions?state=ACTIVE', ['state']],
  ['/v1/sessions?interactionId=', ['interactionId']],
  ['/v1/sessions?state=BARGE&state=SILENT', ['state']],
  ['/v1/sessions?colour=red&size=1', ['colour', 'size']],
  ['/v1/sessions?cursor=abc', ['cursor']],
  ['/v1/sessions/session~i~s?x=1', ['x']],
  ['/v1/sessions/session~i~s/history?x=1', ['x']],
  ['/v1/interactions?status=ringing', ['status']],
  ['/v1/interactions?cursor=abc', ['cursor']],
  ['/v1/sessions/%', ['path']],
])('%s is answered 400, parameter by parameter', async (path, fields) => {
  const answer = await api.get(path);
  expect(answer).toMatchObject({ status: 400, body: { code: 'invalid.request' } });
  expect(answer.body['errors']).toMatchObject(fields.map((field) => ({ field })));
});

test('a command with a bad body or a bad Idempotency-Key is answered 400', async () => {
  const path = '/v1/sessions/session~i~s/commands';
  expect(await api.post(path, { action: 'shout', extra: 1 })).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'action' }, { field: 'extra' }] },
  });
  expect(await api.post(path, { action: 'stop' }, { 'Idempotency-Key': '~start' })).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'Idempotency-Key' }] },
  });
});

test.each(['nothing', 'session~i', 'session~i~s~x', 'session~i%2fx~s', 'barge-mutex~i'])(
  'the id %s, which no session can have, is answered 404 without asking Temporal',
  async (id) => {
    const path = `/v1/sessions/${encodeURIComponent(id)}`;
    const notFound = { status: 404, body: { code: 'session.not.found' } };
    expect(await api.get(path)).toMatchObject(notFound);
    expect(await api.get(`${path}/history`)).toMatchObject(notFound);
    expect(await api.get(`${path}/commands/c`)).toMatchObject(notFound);
    expect(await api.post(`${path}/commands`, { action: 'stop' })).toMatchObject(notFound);
  },
);

test('while Temporal is down every request is answered 503 within seconds', async () => {
  const startedAt = performance.now();
  const unready = expectUnready();
  const answers = await Promise.all([
    api.post('/v1/sessions', SESSION, { Prefer: 'wait=30' }),
    api.get('/v1/sessions'),
    api.get('/v1/sessions/session~i~s'),
    api.get('/v1/sessions/session~i~s?runId=01a20aae-2f90-70a1-b804-1aa6ed8fa000'),
    api.get('/v1/sessions/session~i~s/history'),
    api.get('/v1/sessions/session~i~s/commands/c'),
    api.post('/v1/sessions/session~i~s/commands', { action: 'stop' }, { Prefer: 'wait=30' }),
    api.get('/v1/interactions'),
  ]);
  expect(performance.now() - startedAt).toBeLessThan(20_000);
  for (const { status, headers, body } of answers) {
    expect({ status, code: body['code'] }).toEqual({ status: 503, code: 'temporal.unreachable' });
    expect(headers.get('retry-after')).toBe('2');
  }
  await unready;
});

test('a request is one line in the log, with its ids and never with the key', async () => {
  await api.request('/v1/sessions/session~i~s/commands', {
    method: 'POST',
    body: { action: 'shout' },
    headers: { 'X-Request-Id': 'logged-1' },
  });
  await api.request('/v1/sessions/session~x/history', { headers: { 'X-Request-Id': 'logged-2' } });
  const lines = api.logged().split('\n');
  expect(lines.filter((line) => line.includes('logged-1'))).toHaveLength(1);
  expect(JSON.parse(lines.find((line) => line.includes('logged-2')) ?? '{}')).toMatchObject({
    method: 'GET',
    route: '/v1/sessions/:sessionId/history',
    sessionId: 'session~x',
    status: 404,
    problem: 'session.not.found',
    durationMs: expect.any(Number),
  });
  expect(api.logged()).not.toContain(API_KEY);
  expect(api.logged()).not.toMatch(/authorization/i);
});

test('an event of the platform is not taken while Temporal is away, so that it comes again', async () => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  await using withWebhook = await startApi(connection.client, { webhookSecrets: secret });
  const body = JSON.stringify({
    id: 'evt-1',
    topic: 'interaction.telephony.ended',
    timestamp: '2026-11-01T00:00:00.000Z',
    data: { interactionId: 'i' },
  });
  const timestampSeconds = Math.floor(Date.now() / 1_000);
  const answer = await withWebhook.request('/v1/webhooks/platform', {
    method: 'POST',
    body,
    headers: {
      'webhook-id': 'evt-1',
      'webhook-timestamp': String(timestampSeconds),
      'webhook-signature': webhookSignature([webhookKey(secret)], { id: 'evt-1', timestampSeconds, body }),
    },
  });
  expect(answer.status).toBe(503);
  expect(answer.body).toMatchObject({ code: 'temporal.unreachable' });
  expect(answer.headers.get('retry-after')).not.toBeNull();
});

test('metrics are there without Temporal, soon, and count by route and code, never by id', async () => {
  await using own = await startApi(connection.client);
  await own.get('/v1/sessions/no-session-of-mine');
  await own.post('/v1/sessions/session~i~s/commands', { action: 'shout' });
  await own.get('/v1/nowhere-at-all');
  const startedAt = performance.now();
  const page = await own.metrics();
  // The page waits a second for Temporal, a call to it takes five.
  expect(performance.now() - startedAt).toBeLessThan(4_000);
  expect(page).toContain('earshot_temporal_up 0\n');
  expect(page).not.toMatch(/^earshot_(?:sessions|workers)\b/m);
  const counted = 'earshot_http_request_duration_seconds_count';
  expect(page).toContain(`${counted}{method="GET",route="/v1/sessions/:sessionId",status="4xx"} 1\n`);
  expect(page).toContain(`${counted}{method="GET",route="none",status="4xx"} 1\n`);
  expect(page).toContain('earshot_http_problems_total{code="session.not.found"} 1\n');
  expect(page).toContain('earshot_http_problems_total{code="invalid.request"} 1\n');
  expect(page).not.toMatch(/no-session-of-mine|session~|nowhere|test-key/);
});

/** As one who names this host, and so on; `fetch` sends none of these. */
function statusOfMetrics(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${url}/metrics`, { headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    request.on('error', reject).end();
  });
}

test('metrics need no key on this machine, the API key through a proxy, and METRICS_KEY alone where it is set', async () => {
  const forwarded = { 'X-Forwarded-For': '203.0.113.7' };
  const key = { Authorization: `Bearer ${API_KEY}` };
  expect(await statusOfMetrics(api.url, {})).toBe(200);
  expect(await statusOfMetrics(api.url, forwarded)).toBe(401);
  expect(await statusOfMetrics(api.url, { Host: 'rebound.example' })).toBe(401);
  expect(await statusOfMetrics(api.url, { ...forwarded, ...key })).toBe(200);
  await using guarded = await startApi(connection.client, { metricsKey: 'scrape-me' });
  expect(await statusOfMetrics(guarded.url, {})).toBe(401);
  expect(await statusOfMetrics(guarded.url, key)).toBe(401);
  expect(await statusOfMetrics(guarded.url, { Authorization: 'Bearer scrape-me' })).toBe(200);
  expect((await fetch(`${guarded.url}/v1/sessions`, { headers: { Authorization: 'Bearer scrape-me' } })).status).toBe(
    401,
  );
});

test('a process that is told to end says so at once, whatever Temporal does', async () => {
  await using ending = await startApi(connection.client, { draining: AbortSignal.abort() });
  expect(await ending.get('/readyz')).toMatchObject({
    status: 503,
    body: { status: 'unready', reasons: ['This process is about to end.'] },
  });
});
