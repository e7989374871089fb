import { expect, test } from '@jest/globals';
import { OUTSIDE, PlatformClient, Stage } from './platform-harness.js';

const COMMAND_PATH = '/api/v2/interactions/telephony/monitor';

test('the token endpoint answers a bearer token with its life', async () => {
  await using stage = await Stage.open();
  const { status, body } = await stage.client.signIn();
  expect(status).toBe(200);
  expect(body).toEqual({ access_token: expect.any(String), token_type: 'bearer', expires_in: 3600 });
});

test.each([
  [
    'a wrong secret',
    { grant_type: 'client_credentials', client_id: 'earshot', client_secret: 'x' },
    401,
    'invalid_client',
  ],
  [
    'an unknown client',
    { grant_type: 'client_credentials', client_id: 'x', client_secret: 'x' },
    401,
    'invalid_client',
  ],
  [
    'another grant',
    { grant_type: 'password', client_id: 'earshot', client_secret: 'x' },
    400,
    'unsupported_grant_type',
  ],
  ['a field missing', { grant_type: 'client_credentials' }, 400, 'invalid.request'],
])('a token request with %s is refused', async (_case, form, status, code) => {
  await using stage = await Stage.open();
  const answer = await stage.client.call('POST', '/api/v2/auth/token', { body: new URLSearchParams(form) });
  expect([answer.status, answer.body.code]).toEqual([status, code]);
});

test('a token request must be a form', async () => {
  await using stage = await Stage.open();
  const answer = await stage.client.post('/api/v2/auth/token', { grant_type: 'client_credentials' });
  expect([answer.status, answer.body.code]).toEqual([400, 'invalid.request']);
});

test('without a valid token every call is 401', async () => {
  await using stage = await Stage.open();
  const id = stage.call();
  for (const token of ['', 'unknown']) {
    stage.client.token = token;
    for (const path of [
      '/api/v2/interactions',
      `/api/v2/interactions/${id}/telephony/monitor`,
      `/api/v2/interactions/${id}/telephony/media-metrics?monitorSessionId=ms-1`,
      '/api/v2/telephony/providers/media-server-groups',
    ]) {
      const { status, body } = await stage.client.get(path);
      expect([status, body.code]).toEqual([401, 'authentication.required']);
    }
    expect((await stage.client.command('start', id)).status).toBe(401);
  }
  expect(stage.simulator.ledger.legs()).toEqual([]);
});

test('a token expires; an older one stays valid beside a newer one until then', async () => {
  await using stage = await Stage.open({ tokenLifetimeSeconds: 60 });
  const older = stage.client.token;
  stage.clock.advance(30_000);
  await stage.client.signIn();
  const newer = stage.client.token;
  stage.client.token = older;
  expect((await stage.client.get('/api/v2/interactions')).status).toBe(200);
  stage.clock.advance(30_000);
  expect((await stage.client.get('/api/v2/interactions')).status).toBe(401);
  stage.client.token = newer;
  expect((await stage.client.get('/api/v2/interactions')).status).toBe(200);
});

test('revoked tokens are 401 before their time, of one client or of all', async () => {
  await using stage = await Stage.open();
  const outside = new PlatformClient(stage.simulator.baseUrl, OUTSIDE);
  await outside.signIn();
  expect(stage.simulator.controls.revokeTokens({ clientId: 'earshot' })).toEqual({ revoked: 1 });
  expect((await stage.client.get('/api/v2/interactions')).status).toBe(401);
  expect((await outside.get('/api/v2/interactions')).status).toBe(200);
  await stage.client.signIn();
  expect((await stage.client.get('/api/v2/interactions')).status).toBe(200);
  expect(stage.simulator.controls.revokeTokens()).toEqual({ revoked: 2 });
  expect((await outside.get('/api/v2/interactions')).status).toBe(401);
});

test.each(['missing.permission', 'missing.license'] as const)('%s is 403 on monitor calls only', async (denial) => {
  await using stage = await Stage.open();
  const id = stage.call();
  stage.simulator.controls.setAccess({ clientId: 'earshot', denial });
  for (const answer of [await stage.client.command('start', id), await stage.client.state(id)]) {
    expect([answer.status, answer.body.code]).toEqual([403, denial]);
  }
  expect((await stage.client.get('/api/v2/interactions')).status).toBe(200);
  stage.simulator.controls.setAccess({ clientId: 'earshot', denial: null });
  expect((await stage.client.state(id)).status).toBe(200);
});

test('every answer carries the rate limit, errors and tokens included', async () => {
  await using stage = await Stage.open({ rateLimit: { limit: 10, windowSeconds: 60 } });
  const answers = [
    await stage.client.signIn(),
    await stage.client.get('/api/v2/interactions'),
    await stage.client.get('/api/v2/nowhere'),
    await stage.client.get(COMMAND_PATH),
    await stage.client.command('start', 'int-unknown'),
  ];
  const seen = answers.map(({ status, headers }) => [
    status,
    headers.get('x-ratelimit-limit'),
    headers.get('x-ratelimit-remaining'),
    headers.get('x-ratelimit-reset'),
  ]);
  expect(seen).toEqual([
    [200, '10', '8', '60'],
    [200, '10', '7', '60'],
    [404, '10', '6', '60'],
    [405, '10', '5', '60'],
    [404, '10', '4', '60'],
  ]);
  stage.client.token = 'unknown';
  expect((await stage.client.get('/api/v2/interactions')).headers.get('x-ratelimit-remaining')).toBe('9');
});

test('past the limit 429 with Retry-After, nothing executed, and after that time all is well', async () => {
  await using stage = await Stage.open({ rateLimit: { limit: 3, windowSeconds: 10 } });
  const id = stage.call();
  await stage.client.command('start', id);
  await stage.client.command('start', id);
  stage.clock.advance(2_500);
  const refused = await stage.client.command('start', id);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '8']);
  expect(stage.simulator.ledger.legs()).toHaveLength(2);
  stage.clock.advance(8_000);
  expect((await stage.client.command('start', id)).status).toBe(202);
});

test('one client never uses up the limit of another', async () => {
  await using stage = await Stage.open({ rateLimit: { limit: 2, windowSeconds: 10 } });
  const outside = new PlatformClient(stage.simulator.baseUrl, OUTSIDE);
  await outside.signIn();
  await stage.client.get('/api/v2/interactions');
  expect((await stage.client.get('/api/v2/interactions')).status).toBe(429);
  expect((await outside.get('/api/v2/interactions')).status).toBe(200);
});

test('a platform may leave all rate headers out, Retry-After included', async () => {
  await using stage = await Stage.open({ rateLimit: { limit: 2, windowSeconds: 10, headers: false } });
  const answers = [await stage.client.get('/api/v2/interactions'), await stage.client.get('/api/v2/interactions')];
  expect(answers.map(({ status }) => status)).toEqual([200, 429]);
  for (const { headers } of answers) {
    expect([...headers.keys()].filter((name) => /ratelimit|retry/.test(name))).toEqual([]);
  }
});

test('a body over 64 KiB is refused', async () => {
  await using stage = await Stage.open();
  const { status, body } = await stage.client.command('start', 'x'.repeat(70_000));
  expect([status, body.code]).toEqual([413, 'body.too.large']);
});
