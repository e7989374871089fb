import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { z } from 'zod';
import { SignIns } from '../../api/sign-ins.js';
import { prepareConnection } from '../../api/temporal-client.js';
import type { LazyConnection } from '../../api/temporal-client.js';
import { me } from '../../domain/sign-in.js';
import { API_KEY, startApi } from './api-world.js';
import type { RunningApi } from './api-world.js';
import { IdentityProvider } from './identity-provider.js';

// Who is let in is answered by Temporal's absence (503), so nothing needs to be there: nothing listens on port 1.
let connection: LazyConnection;
let provider: IdentityProvider;
let api: RunningApi;
/** Whose tickets they are. */
const tickets: unknown[] = [];
beforeAll(async () => {
  connection = prepareConnection({ temporalAddress: '127.0.0.1:1', temporalPort: 1, temporalNamespace: 'default' });
  provider = await IdentityProvider.start();
  api = await startApi(connection.client, {
    credentials: { tokens: provider.verifier() },
    callLimitMs: 50,
    corsOrigins: ['https://desk.example.com'],
    temporalUiUrl: 'http://127.0.0.1:8233',
    sharedTickets: {
      put: (_key, value) => {
        tickets.push(JSON.parse(value));
        return Promise.resolve();
      },
      take: () => Promise.resolve(null),
    },
  });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
  await connection.close();
});

interface Asked {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
  readonly cookie: string | undefined;
}

type Headers = Readonly<Record<string, string | readonly string[]>>;

/** Unlike `fetch`, with the very headers that are given, and with no key. */
function ask(method: string, path: string, headers: Headers = {}, body?: unknown, url = api.url): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${url}${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
    });
    sent.once('error', reject).once('response', (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.once('end', () => {
        const parsed: unknown = text === '' ? {} : JSON.parse(text);
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          body: z.record(z.string(), z.unknown()).parse(parsed),
          cookie: answer.headers['set-cookie']?.join('\n'),
        });
      });
    });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const BY_KEY = { apiKey: API_KEY, supervisorId: 'anna' };
const OWN = { 'Sec-Fetch-Site': 'same-origin' };
const END = 'HttpOnly; SameSite=Strict; Path=/; Max-Age=0';

function signIn(body: unknown = BY_KEY, headers: Headers = OWN): Promise<Asked> {
  return ask('POST', '/v1/sign-in', headers, body);
}

/** As the browser sends it back. */
function sentBack({ cookie = '' }: Asked): Readonly<Record<string, string>> {
  return { Cookie: cookie.slice(0, cookie.indexOf(';')) };
}

async function anna(): Promise<Readonly<Record<string, string>>> {
  return sentBack(await signIn());
}

/** What a sign-in by key would have got, so long ago. */
async function cookieOf(apiKey: string, ageMs = 0): Promise<string> {
  const { cookie } = await new SignIns({ apiKey }, () => Date.now() - ageMs).byKey(apiKey, 'anna');
  return `earshot=${cookie}`;
}

const HOURS_MS = 60 * 60_000;

test('the ways are those that the deployment has', async () => {
  expect((await ask('GET', '/v1/sign-in')).body).toEqual({ ways: ['key', 'token'], me: null });
  expect(new SignIns({ apiKey: 'k' }).ways).toEqual(['key']);
  expect(new SignIns({ tokens: provider.verifier() }).ways).toEqual(['token']);
});

test('a page learns at once whether somebody is signed in, and a cookie that lets nobody in goes', async () => {
  const known = await ask('GET', '/v1/sign-in', { ...OWN, ...(await anna()) });
  expect(known.body).toMatchObject({ me: { id: 'anna', roles: ['supervisor'] } });
  const over = await ask('GET', '/v1/sign-in', { ...OWN, Cookie: await cookieOf(API_KEY, 13 * HOURS_MS) });
  expect(over).toMatchObject({ status: 200, body: { me: null }, cookie: `earshot=; ${END}` });
  const { status } = await ask('GET', '/v1/sign-in', { 'Sec-Fetch-Site': 'cross-site', ...(await anna()) });
  expect(status).toBe(403);
});

test('by key: a supervisor for 12 hours, whom the cookie tells from then on', async () => {
  const answer = await signIn();
  expect(answer.status).toBe(200);
  expect(answer.cookie).toMatch(/^earshot=[\w-]+\.[\w-]+\.[\w-]+; HttpOnly; SameSite=Strict; Path=\/; Max-Age=43200$/);
  expect(answer.headers['cache-control']).toBe('no-store');
  const { expiresAt, ...who } = me.parse(answer.body);
  expect(who).toEqual({
    id: 'anna',
    kind: 'person',
    roles: ['supervisor'],
    temporalUi: 'http://127.0.0.1:8233/namespaces/default/workflows/{sessionId}/{runId}',
  });
  expect(Math.abs(Date.parse(expiresAt ?? '') - Date.now() - 12 * HOURS_MS)).toBeLessThan(60_000);

  const cookie = sentBack(answer);
  expect(await ask('GET', '/v1/me', cookie)).toMatchObject({ status: 200, body: answer.body, cookie: undefined });
  const start = (supervisorId: string): Promise<Asked> =>
    ask('POST', '/v1/sessions', { ...cookie, ...OWN }, { interactionId: 'call', supervisorId });
  expect((await start('anna')).status).toBe(503);
  expect(await start('ben')).toMatchObject({ status: 403, body: { code: 'access.denied' } });
});

test('by token: the person of the token, with its roles and as long as it lasts', async () => {
  const token = await provider.token({ sub: 'quinn', roles: ['qa'], expiresInSeconds: 100 });
  const answer = await signIn({ token });
  expect(answer.body).toMatchObject({ id: 'quinn', kind: 'person', roles: ['qa'] });
  const [, value, maxAge] = /^earshot=([^;]+);.* Max-Age=(\d+)$/.exec(answer.cookie ?? '') ?? [];
  expect(value).toBe(token);
  expect(Number(maxAge)).toBeGreaterThan(60);
  expect(Number(maxAge)).toBeLessThanOrEqual(100);
  const command = (action: string): Promise<Asked> =>
    ask('POST', '/v1/sessions/session~call~quinn/commands', { ...sentBack(answer), ...OWN }, { action });
  expect((await command('silent')).status).toBe(503);
  expect((await command('barge')).status).toBe(403);
});

test('who asks by Authorization is told, too', async () => {
  const software = await ask('GET', '/v1/me', { Authorization: `Bearer ${API_KEY}` });
  expect(software.body).toMatchObject({ id: null, kind: 'service', roles: [], expiresAt: null });
  const person = await ask('GET', '/v1/me', { Authorization: `Bearer ${await provider.token({ sub: 'ben' })}` });
  expect(person.body).toMatchObject({ id: 'ben', kind: 'person', roles: ['supervisor'] });
});

describe('nobody is signed in by', () => {
  test.each([
    ['another key', { ...BY_KEY, apiKey: `${API_KEY}0` }, 401, []],
    ['something that is no token', { token: 'x' }, 401, []],
    ['nothing', {}, 400, ['apiKey', 'supervisorId']],
    ['a key without a name', { apiKey: API_KEY }, 400, ['supervisorId']],
    ['the name of software', { ...BY_KEY, supervisorId: 'service' }, 400, ['supervisorId']],
    ['a name that is no id', { ...BY_KEY, supervisorId: 'a\u0000' }, 400, ['supervisorId']],
    ['both', { ...BY_KEY, token: 'x' }, 400, ['apiKey', 'supervisorId']],
    ['a role of their own choice', { ...BY_KEY, roles: ['admin'] }, 400, ['roles']],
    ['a token that no cookie would hold', { token: `a.${'b'.repeat(3_800)}.c` }, 400, ['token']],
  ])('%s', async (_name, body, status, fields) => {
    const answer = await signIn(body);
    expect([answer.status, answer.cookie]).toEqual([status, undefined]);
    expect(
      z
        .array(z.object({ field: z.string() }))
        .catch([])
        .parse(answer.body['errors'])
        .map(({ field }) => field),
    ).toEqual(fields);
  });

  test('a token that is refused, or gives no role', async () => {
    const foreign = await provider.token({ audience: 'others' });
    expect(await signIn({ token: foreign })).toMatchObject({ status: 401, cookie: undefined });
    const expired = await provider.token({ expiresInSeconds: -10 });
    expect(await signIn({ token: expired })).toMatchObject({ status: 401, cookie: undefined });
    // Decoders of base64 may overlook what would end a header.
    const good = await provider.token();
    expect(await signIn({ token: `${good.slice(0, -4)}\r\n${good.slice(-4)}` })).toMatchObject({ status: 401 });
    const nobody = await provider.token({ roles: ['other'] });
    expect(await signIn({ token: nobody })).toMatchObject({
      status: 403,
      body: { code: 'access.denied' },
      cookie: undefined,
    });
  });

  test('what a sign-in by key has made: it would never end', async () => {
    const token = (await cookieOf(API_KEY)).slice('earshot='.length);
    expect(await signIn({ token })).toMatchObject({ status: 401, cookie: undefined });
    expect((await ask('GET', '/v1/me', { Authorization: `Bearer ${token}` })).status).toBe(401);
  });

  test('a page of somebody else, or over plain HTTP from afar', async () => {
    expect((await signIn(BY_KEY, { 'Sec-Fetch-Site': 'same-site' })).status).toBe(403);
    expect((await signIn(BY_KEY, { Origin: 'https://desk.example.com' })).status).toBe(403);
    const plain = await signIn(BY_KEY, { Host: 'earshot.lan', Origin: 'http://earshot.lan' });
    expect(plain).toMatchObject({ status: 403, cookie: undefined });
    expect(plain.body['detail']).toMatch(/https/);
    expect((await signIn(BY_KEY, {})).status).toBe(200);
  });
});

test('away from this machine the cookie is for TLS and this host alone', async () => {
  const from = { Host: 'earshot.example.com', Origin: 'https://earshot.example.com', ...OWN };
  const answer = await signIn(BY_KEY, from);
  expect(answer.cookie).toMatch(/^__Host-earshot=[^;]+; HttpOnly; SameSite=Strict; Path=\/; Max-Age=43200; Secure$/);
  expect((await ask('GET', '/v1/me', { Host: from.Host, ...sentBack(answer) })).status).toBe(200);
  // A proxy on this machine names it instead.
  expect((await signIn(BY_KEY, { ...OWN, Origin: from.Origin })).cookie).toMatch(/^__Host-earshot=.*; Secure$/);
  expect((await ask('GET', '/v1/me', sentBack(answer))).status).toBe(200);
  // Any host of the domain could have set one without the prefix.
  expect((await ask('GET', '/v1/me', { Host: from.Host, Cookie: await cookieOf(API_KEY) })).status).toBe(401);
});

test.each([
  ['our own page', { 'Sec-Fetch-Site': 'same-origin' }, 201],
  ['our own page, in an old browser', { Origin: '{own}' }, 201],
  ['a page of the same site', { 'Sec-Fetch-Site': 'same-site', Origin: '{own}' }, 403],
  ['a page of another site', { 'Sec-Fetch-Site': 'cross-site' }, 403],
  ['two minds', { 'Sec-Fetch-Site': ['same-origin', 'cross-site'] }, 403],
  ['the address bar', { 'Sec-Fetch-Site': 'none' }, 403],
  ['another port', { Origin: 'http://127.0.0.1:1' }, 403],
  ['a page that may use REST', { Origin: 'https://desk.example.com' }, 403],
  ['a page without an origin', { Origin: 'null' }, 403],
  ['a program', {}, 403],
])('by the cookie a change is taken from our own page only: from %s', async (_name, headers, status) => {
  const filled = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, value === '{own}' ? api.url : value]),
  );
  const answer = await ask('POST', '/v1/events/tickets', { ...(await anna()), ...filled });
  expect(answer.status).toBe(status);
  expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
});

test('by the cookie a read is taken from programs and the address bar, and from no other page', async () => {
  const read = async (headers: Headers): Promise<number> =>
    (await ask('GET', '/v1/me', { ...(await anna()), ...headers })).status;
  expect(await read({ 'Sec-Fetch-Site': 'none' })).toBe(200);
  expect(await read({})).toBe(200);
  expect(await read({ 'Sec-Fetch-Site': 'same-site' })).toBe(403);
  expect(await read({ Origin: 'https://desk.example.com' })).toBe(403);
});

test('Authorization goes before the cookie, good or bad', async () => {
  const cookie = await anna();
  const asked = (authorization: string): Promise<Asked> =>
    ask('GET', '/v1/me', { ...cookie, Authorization: authorization });
  expect((await asked(`Bearer ${API_KEY}`)).body).toMatchObject({ kind: 'service' });
  expect(await asked('Bearer wrong')).toMatchObject({ status: 401, cookie: undefined });
  expect((await asked('')).status).toBe(401);
  const ticket = { ...cookie, Authorization: `Bearer ${API_KEY}`, 'Sec-Fetch-Site': 'cross-site' };
  expect((await ask('POST', '/v1/events/tickets', ticket)).status).toBe(201);
});

test('a cookie that is over lets nobody in, and is forgotten', async () => {
  const claims = new SignJWT({ roles: ['admin'] }).setSubject('anna').setExpirationTime('1h');
  const forged = claims.setProtectedHeader({ alg: 'HS256', typ: 'earshot-sign-in+jwt' });
  const unsigned = [
    { alg: 'none', typ: 'earshot-sign-in+jwt' },
    { sub: 'anna', roles: ['admin'], exp: 9_999_999_999 },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const others = {
    expired: await cookieOf(API_KEY, 12 * HOURS_MS + 1_000),
    'of another API key': await cookieOf('another-key-of-some-length'),
    'signed by the API key itself': `earshot=${await forged.sign(new TextEncoder().encode(API_KEY))}`,
    unsigned: `earshot=${unsigned}.x`,
    'a token that has expired': `earshot=${await provider.token({ expiresInSeconds: -60 })}`,
    'the key': `earshot=${API_KEY}`,
    empty: 'earshot=',
  };
  for (const [what, cookie] of Object.entries(others)) {
    const answer = await ask('GET', '/v1/me', { Cookie: cookie });
    expect([what, answer.status, answer.cookie]).toEqual([what, 401, `earshot=; ${END}`]);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
  }
  expect((await ask('GET', '/v1/me', { Cookie: await cookieOf(API_KEY, 12 * HOURS_MS - 60_000) })).status).toBe(200);
});

test('a cookie whose token cannot be checked for now is kept', async () => {
  const down = provider.verifier();
  const token = await provider.token();
  provider.status = 500;
  try {
    await using other = await startApi(connection.client, { credentials: { tokens: down } });
    const answer = await ask('GET', '/v1/me', { Cookie: `earshot=${token}` }, undefined, other.url);
    expect(answer).toMatchObject({ status: 503, body: { code: 'authentication.unavailable' }, cookie: undefined });
  } finally {
    provider.status = 200;
  }
});

test('of two cookies of the name neither is taken, other cookies are left alone', async () => {
  const own = (await anna())['Cookie'] ?? '';
  const asked = async (cookie: string): Promise<number> => (await ask('GET', '/v1/me', { Cookie: cookie })).status;
  expect(await asked(`theme=dark; ${own};x`)).toBe(200);
  expect(await asked(`${own}; ${own}`)).toBe(401);
  expect(await asked(`earshot=; ${own}`)).toBe(401);
  expect(await asked(`xearshot=1; ${own}; earshotx=2; Earshot=3`)).toBe(200);
  expect(await asked('theme=dark; earshot')).toBe(401);
});

test('signing out forgets the cookie, from our own page or a program, whoever it was', async () => {
  const out = (headers: Headers): Promise<Asked> => ask('POST', '/v1/sign-out', headers);
  const answer = await out({ ...(await anna()), ...OWN });
  expect([answer.status, answer.cookie]).toEqual([204, `earshot=; ${END}`]);
  expect((await out({ Cookie: 'earshot=over' })).status).toBe(204);
  const afar = { Host: 'earshot.example.com', Origin: 'https://earshot.example.com' };
  expect((await out(afar)).cookie).toBe(`__Host-earshot=; ${END}; Secure`);
  expect(await out({ 'Sec-Fetch-Site': 'cross-site' })).toMatchObject({ status: 403, cookie: undefined });
});

test('a ticket ends with the cookie that it was asked for by', async () => {
  const answer = await signIn();
  await ask('POST', '/v1/events/tickets', { ...sentBack(answer), ...OWN });
  expect(tickets.at(-1)).toEqual({
    kind: 'person',
    id: 'anna',
    roles: ['supervisor'],
    untilMs: Date.parse(String(answer.body['expiresAt'])),
  });
});

test('keys cannot be tried for ever, and whoever has signed in has the limit of a person', async () => {
  await using limited = await startApi(connection.client, { rateLimits: { person: 1, service: 100 } });
  const tryIn = (apiKey: string): Promise<Asked> => ask('POST', '/v1/sign-in', {}, { ...BY_KEY, apiKey }, limited.url);
  const good = await tryIn(API_KEY);
  expect(good.status).toBe(200);
  const asked = await Promise.all(
    Array.from({ length: 11 }, () => ask('GET', '/v1/me', sentBack(good), undefined, limited.url)),
  );
  expect(asked.map(({ status }) => status).toSorted()).toEqual([...Array<number>(10).fill(200), 429]);

  for (let n = 0; n < 30; n += 1) expect((await tryIn(`wrong-${n}`)).status).toBe(401);
  const refused = await tryIn(API_KEY);
  expect(refused).toMatchObject({ status: 429, body: { code: 'rate.limited' }, cookie: undefined });
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
});

test('whoever sends half a sign-in has tried nothing, and keeps nobody out', async () => {
  await using other = await startApi(connection.client);
  const halves = Array.from({ length: 31 }, () => {
    const half = httpRequest(`${other.url}/v1/sign-in`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Content-Length': 50 },
    });
    half.once('error', () => undefined).write('{');
    return half;
  });
  await Promise.all(halves.map((half) => once(half, 'socket').then(() => undefined)));
  // Taken by then, for it came on a connection of its own after them.
  await ask('GET', '/v1/sign-in', {}, undefined, other.url);
  expect((await ask('POST', '/v1/sign-in', {}, BY_KEY, other.url)).status).toBe(200);
  for (const half of halves) half.destroy();
  expect((await ask('POST', '/v1/sign-in', {}, BY_KEY, other.url)).status).toBe(200);
});

test('the log says who has signed in, and neither key nor cookie nor token', async () => {
  const token = await provider.token({ sub: 'lotte' });
  const cookie = sentBack(await signIn());
  await signIn({ token });
  await signIn({ apiKey: API_KEY, supervisorId: 'anna', x: 1 });
  await ask('GET', '/v1/me', cookie);
  const log = api.logged();
  expect(log).toMatch(/"route":"\/v1\/sign-in","actor":"lotte","status":200/);
  for (const secret of [API_KEY, token, (cookie['Cookie'] ?? '').slice('earshot='.length)]) {
    expect(secret.length).toBeGreaterThan(10);
    expect(log).not.toContain(secret);
  }
});
