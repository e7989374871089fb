import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { OPERATIONS } from '../../api/operations.js';
import type { OperationId } from '../../api/operations.js';
import { ROLES } from '../../api/caller.js';
import { prepareConnection } from '../../api/temporal-client.js';
import type { LazyConnection } from '../../api/temporal-client.js';
import { TokenVerifier } from '../../api/token-verifier.js';
import { API_KEY, startApi } from './api-world.js';
import type { Answer, Request, RunningApi } from './api-world.js';
import { AUDIENCE, IdentityProvider, ISSUER } from './identity-provider.js';

// Who is let in is answered by Temporal's absence (503), so nothing needs to be there: nothing listens on port 1.
let connection: LazyConnection;
let provider: IdentityProvider;
let api: RunningApi;
beforeAll(async () => {
  connection = prepareConnection({ temporalAddress: '127.0.0.1:1', temporalPort: 1, temporalNamespace: 'default' });
  provider = await IdentityProvider.start();
  api = await startApi(connection.client, {
    credentials: { tokens: provider.verifier() },
    callLimitMs: 50,
    corsOrigins: ['https://desk.example.com'],
  });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
  await connection.close();
});

const WHO = ['nobody', 'no role', ...ROLES, 'service'] as const;
type Who = (typeof WHO)[number];

async function authorization(who: Who): Promise<Readonly<Record<string, string>>> {
  if (who === 'nobody') return { Authorization: '' };
  if (who === 'service') return { Authorization: `Bearer ${API_KEY}` };
  return { Authorization: `Bearer ${await provider.token({ sub: 'anna', roles: who === 'no role' ? [] : [who] })}` };
}

interface Try extends Request {
  readonly what: string;
  readonly path: string;
  /** Everybody else is refused. */
  readonly let: readonly Who[];
}

const EVERYBODY = WHO;
const KNOWN = [...ROLES, 'service'] as const;
const ANNAS = '/v1/sessions/session~call~anna';
const BENS = '/v1/sessions/session~call~ben';

/** By operation: what is tried, and who is let in. An operation without a row does not compile. */
const TABLE: Readonly<Record<OperationId, readonly Try[]>> = {
  createSession: [
    ...['silent', undefined].map((mode) => ({
      what: `as themselves, ${mode ?? 'no mode'}`,
      path: '/v1/sessions',
      method: 'POST',
      body: { interactionId: 'call', supervisorId: 'anna', mode },
      let: KNOWN,
    })),
    ...['whisper', 'barge'].map((mode) => ({
      what: `as themselves, ${mode}`,
      path: '/v1/sessions',
      method: 'POST',
      body: { interactionId: 'call', supervisorId: 'anna', mode },
      let: ['supervisor', 'admin', 'service'] as const,
    })),
    {
      what: 'as somebody else',
      path: '/v1/sessions',
      method: 'POST',
      body: { interactionId: 'call', supervisorId: 'ben' },
      let: ['admin', 'service'],
    },
  ],
  listSessions: [{ what: 'all', path: '/v1/sessions', let: KNOWN }],
  getSession: [{ what: 'anybody’s', path: BENS, let: KNOWN }],
  sendCommand: [
    ...['silent', 'stop'].map((action) => ({
      what: `their own, ${action}`,
      path: `${ANNAS}/commands`,
      method: 'POST',
      body: { action },
      let: KNOWN,
    })),
    ...['whisper', 'barge'].map((action) => ({
      what: `their own, ${action}`,
      path: `${ANNAS}/commands`,
      method: 'POST',
      body: { action },
      let: ['supervisor', 'admin', 'service'] as const,
    })),
    ...['silent', 'stop', 'whisper', 'barge'].map((action) => ({
      what: `somebody else’s, ${action}`,
      path: `${BENS}/commands`,
      method: 'POST',
      body: { action },
      let: ['admin', 'service'] as const,
    })),
  ],
  getCommand: [{ what: 'anybody’s', path: `${BENS}/commands/c`, let: KNOWN }],
  getHistory: [{ what: 'anybody’s', path: `${BENS}/history`, let: KNOWN }],
  listInteractions: [{ what: 'all', path: '/v1/interactions', let: KNOWN }],
  createTicket: [{ what: 'for themselves', path: '/v1/events/tickets', method: 'POST', let: KNOWN }],
  getSignIn: [{ what: 'them', path: '/v1/sign-in', let: EVERYBODY }],
  signIn: [
    {
      what: 'with the key',
      path: '/v1/sign-in',
      method: 'POST',
      body: { apiKey: API_KEY, supervisorId: 'anna' },
      let: EVERYBODY,
    },
  ],
  signOut: [{ what: 'from anything', path: '/v1/sign-out', method: 'POST', let: EVERYBODY }],
  getMe: [{ what: 'oneself', path: '/v1/me', let: KNOWN }],
  decodePayloads: [{ what: 'any', path: '/v1/codec/decode', method: 'POST', body: { payloads: [] }, let: KNOWN }],
  encodePayloads: [
    { what: 'any', path: '/v1/codec/encode', method: 'POST', body: { payloads: [] }, let: ['admin', 'service'] },
  ],
  getLiveness: [{ what: 'it', path: '/livez', let: EVERYBODY }],
  getReadiness: [{ what: 'it', path: '/readyz', let: EVERYBODY }],
};

function verdictOf({ status, body }: Answer): string {
  if (status === 401 || status === 403) return String(body['code']);
  return 'let in';
}

test('who is let in, by operation and role', async () => {
  const cases = OPERATIONS.flatMap(({ id }) => TABLE[id].map((one) => ({ id, ...one })));
  const rows = await Promise.all(
    cases.map(async ({ id, what, path, let: allowed, ...request }) => {
      const verdicts = await Promise.all(
        WHO.map(async (who) => {
          const answer = await api.request(path, { ...request, headers: await authorization(who) });
          const refused = who === 'nobody' ? 'authentication.required' : 'access.denied';
          return [`${id}, ${what}: ${who}`, verdictOf(answer), allowed.includes(who) ? 'let in' : refused] as const;
        }),
      );
      return verdicts;
    }),
  );
  const all = rows.flat();
  expect(all.length).toBeGreaterThan(100);
  expect(all.map(([row, verdict]) => [row, verdict])).toEqual(all.map(([row, , expected]) => [row, expected]));
});

test('a person who names no supervisor is meant themselves; software has to name one', async () => {
  const body = { interactionId: 'call' };
  expect((await api.post('/v1/sessions', body, await authorization('supervisor'))).status).toBe(503);
  expect(await api.post('/v1/sessions', body)).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'supervisorId', message: 'is required' }] },
  });
});

test('a caller cannot say who they are but by their bearer', async () => {
  const body = { interactionId: 'call', supervisorId: 'anna', actor: 'ben' };
  const answer = await api.post('/v1/sessions', body, await authorization('supervisor'));
  expect(answer).toMatchObject({ status: 400, body: { errors: [{ field: 'actor' }] } });
});

test('what was tried, by whom and with which end stands in the log', async () => {
  await api.post(`${BENS}/commands`, { action: 'barge' }, await authorization('supervisor'));
  const line: unknown = JSON.parse(
    api
      .logged()
      .split('\n')
      .filter((one) => one.includes('"session~call~ben"') && one.includes('"access.denied"'))
      .at(-1) ?? '{}',
  );
  expect(line).toMatchObject({
    level: 40,
    actor: 'anna',
    action: 'barge',
    sessionId: 'session~call~ben',
    interactionId: 'call',
    status: 403,
    problem: 'access.denied',
  });
});

test('a refused token says so as RFC 6750 has it', async () => {
  const answer = await api.request('/v1/sessions', { headers: { Authorization: 'Bearer a.b.c' } });
  expect(answer.status).toBe(401);
  expect(answer.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
});

test('while the keys cannot be had, people are asked to come again, and software is let in', async () => {
  const down = new TokenVerifier({ jwksUrl: 'http://127.0.0.1:1/', issuer: ISSUER, audience: AUDIENCE });
  await using other = await startApi(connection.client, { credentials: { tokens: down }, callLimitMs: 50 });
  const answer = await other.request('/v1/sessions', { headers: await authorization('supervisor') });
  expect(answer).toMatchObject({ status: 503, body: { code: 'authentication.unavailable' } });
  expect(answer.headers.get('retry-after')).toBe('2');
  expect((await other.get('/v1/sessions')).body).toMatchObject({ code: 'temporal.unreachable' });
});

test('each caller has a limit of their own, and is told when it goes on', async () => {
  const rateLimits = { person: 1, service: 100 };
  await using limited = await startApi(connection.client, {
    credentials: { tokens: provider.verifier() },
    callLimitMs: 50,
    rateLimits,
  });
  const asAnna = { headers: await authorization('supervisor') };
  const asBen = { headers: { Authorization: `Bearer ${await provider.token({ sub: 'ben' })}` } };
  const answers = await Promise.all(Array.from({ length: 15 }, () => limited.request('/v1/nothing', asAnna)));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([
    ...Array<number>(10).fill(404),
    ...Array<number>(5).fill(429),
  ]);
  const refused = await limited.request('/v1/nothing', asAnna);
  expect(refused.body).toMatchObject({ code: 'rate.limited' });
  const seconds = Number(refused.headers.get('retry-after'));
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(10);
  expect(refused.headers.get('ratelimit')).toMatch(/r=0/);
  expect((await limited.request('/v1/nothing', asBen)).status).toBe(404);
  expect((await limited.get('/v1/nothing')).status).toBe(404);
});

test('pages of other origins may use it only where a setting names them', async () => {
  const preflight = (origin: string): Promise<Response> =>
    fetch(`${api.url}/v1/sessions`, {
      method: 'OPTIONS',
      headers: {
        Origin: origin,
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization',
      },
    });
  const allowed = await preflight('https://desk.example.com');
  expect(allowed.status).toBe(204);
  expect(allowed.headers.get('access-control-allow-origin')).toBe('https://desk.example.com');
  expect(allowed.headers.get('access-control-allow-headers')).toMatch(/Authorization/);
  expect(allowed.headers.has('access-control-allow-credentials')).toBe(false);
  expect((await preflight('https://evil.example.com')).headers.has('access-control-allow-origin')).toBe(false);
  await using closed = await startApi(connection.client);
  const none = await closed.request('/v1/nothing', { headers: { Origin: 'https://desk.example.com' } });
  expect([...none.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
});
