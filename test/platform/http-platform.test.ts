import { afterEach, expect, test } from '@jest/globals';
import { createHttpPlatform } from '../../platform/http-platform.js';
import { adapterFor, closeAll, errorOf, faultOf, LEG, nthToken, ScriptedServer } from './scripted-server.js';
import { until } from '../support/until.js';

afterEach(closeAll);

const START = { interactionId: 'int-1' } as const;
const STARTED = { status: 202, body: { monitorSessionId: 'ms-1', interactionId: 'int-1', status: 'pending' } } as const;

test('start sends what the page says, once, and gives the leg', async () => {
  const server = await ScriptedServer.start();
  server.answers(STARTED);
  const platform = adapterFor(server);
  expect(await platform.startMonitor({ ...START, mediaServerGroupId: 'msg-1' })).toEqual({ monitorSessionId: 'ms-1' });
  expect(server.calls).toHaveLength(1);
  const [call] = server.calls;
  expect(call).toMatchObject({
    method: 'POST',
    url: '/api/v2/interactions/telephony/monitor',
    headers: { authorization: `Bearer ${nthToken(1)}`, 'content-type': 'application/json' },
  });
  expect(JSON.parse(call!.body)).toEqual({ interactionId: 'int-1', action: 'start', mediaServerGroupId: 'msg-1' });
  expect(platform.clientId).toBe('client-1');
});

test('a start without a media server group does not mention one', async () => {
  const server = await ScriptedServer.start();
  server.answers(STARTED);
  await adapterFor(server).startMonitor(START);
  expect(JSON.parse(server.calls[0]!.body)).toEqual({ interactionId: 'int-1', action: 'start' });
});

test.each(['silent', 'whisper', 'barge'] as const)(
  '%s names leg and action; unknown fields are ignored',
  async (mode) => {
    const server = await ScriptedServer.start();
    server.answers({ status: 200, body: { ...LEG, status: 'active', mode, novelty: { deep: [] } } });
    await expect(adapterFor(server).changeMode(LEG, mode)).resolves.toBeUndefined();
    expect(JSON.parse(server.calls[0]!.body)).toEqual({ ...LEG, action: mode });
  },
);

test('an answer that names no leg but the right mode or status is enough', async () => {
  const server = await ScriptedServer.start();
  const platform = adapterFor(server);
  server.answers({ status: 200, body: { mode: 'whisper' } });
  await platform.changeMode(LEG, 'whisper');
  server.answers({ status: 200, body: { status: 'terminated' } });
  expect(await platform.stopMonitor(LEG)).toBe('stopped');
  expect(JSON.parse(server.calls[1]!.body)).toEqual({ ...LEG, action: 'stop' });
});

test('ids are percent-encoded in URLs, below the base URL’s path', async () => {
  const server = await ScriptedServer.start();
  server.onCall = ({ url }) => ({
    status: 200,
    body: {
      interactionId: decodeURIComponent(url.split('/')[5] ?? ''),
      bargeStatus: 'inactive',
      monitors: [],
    },
  });
  const id = 'a/b?c#d %é:1';
  for (const tail of ['/tenant%201', '/tenant%201/', '/tenant%201//']) {
    const platform = adapterFor({ baseUrl: server.baseUrl + tail });
    expect(await platform.monitorState(id)).toMatchObject({ interactionId: id, bargeMonitorSessionId: null });
  }
  expect(new Set(server.calls.map(({ url }) => url))).toEqual(
    new Set(['/tenant%201/api/v2/interactions/a%2Fb%3Fc%23d%20%25%C3%A9%3A1/telephony/monitor']),
  );
  expect(new Set(server.tokenRequests.map(({ url }) => url))).toEqual(new Set(['/tenant%201/api/v2/auth/token']));
});

test('an id that no URL can hold is an unknown interaction, not a crash', async () => {
  const server = await ScriptedServer.start();
  server.answers({ status: 404, body: { code: 'interaction.not.found' } });
  expect(await faultOf(adapterFor(server).monitorState('\uD800'))).toMatchObject({ kind: 'gone' });
});

test('what a leg lacks that nobody needs does not keep us from the others', async () => {
  const server = await ScriptedServer.start();
  const bare = { monitorSessionId: 'ms-1', status: 'pending' };
  server.answers({ status: 200, body: { interactionId: 'int-1', bargeStatus: 'inactive', monitors: [bare], more: 1 } });
  expect(await adapterFor(server).monitorState('int-1')).toEqual({
    interactionId: 'int-1',
    bargeStatus: 'inactive',
    bargeMonitorSessionId: null,
    monitors: [{ ...bare, mode: 'silent', mediaServerGroupId: null, clientId: null }],
  });
});

test('a page of interactions', async () => {
  const server = await ScriptedServer.start();
  const entity = {
    id: 'int-1',
    status: 'ended',
    agentId: 'a',
    queueName: 'q',
    customer: 'c',
    startedAt: 's',
    endedAt: 'e',
  };
  server.answers({
    status: 200,
    body: { entities: [entity, { id: 'int-2', status: 'connected' }], nextCursor: 'n&=' },
  });
  const page = await adapterFor(server).listInteractions({
    status: 'ended',
    pageSize: 500,
    cursor: 'c&d=',
    endedAfter: '2026-11-02T10:00:00.000Z',
  });
  expect(page.entities[0]).toEqual(entity);
  expect(page.entities[1]).toMatchObject({ id: 'int-2', endedAt: null });
  expect(page.nextCursor).toBe('n&=');
  const url = new URL(server.calls[0]!.url, 'http://x');
  expect(Object.fromEntries(url.searchParams)).toEqual({
    status: 'ended',
    pageSize: '500',
    cursor: 'c&d=',
    endedAfter: '2026-11-02T10:00:00.000Z',
  });
});

test.each([
  '',
  'platform.example',
  'ftp://platform.example',
  'https://user:word@platform.example',
  'https://p.example/?q=word',
])('base URL %j is refused without being repeated', (baseUrl) => {
  const make = () => createHttpPlatform({ baseUrl, clientId: 'c', clientSecret: 's' });
  expect(make).toThrow(/^Expected `baseUrl`/);
  expect(make).not.toThrow(/word/);
});

test('fifty calls that get 401 at once cause one token request, and each is replayed once', async () => {
  const server = await ScriptedServer.start();
  const platform = adapterFor(server);
  server.answers(STARTED);
  await platform.startMonitor(START);
  server.calls.length = 0;

  // The first fifty are answered together, so that all are refused with the first token.
  const held: (() => void)[] = [];
  server.onCall = ({ headers, body }, response) => {
    const interactionId = /int-\d+/.exec(body)?.[0] ?? '';
    if (headers.authorization === `Bearer ${nthToken(2)}`) {
      return { status: 202, body: { monitorSessionId: `ms-${interactionId}`, interactionId } };
    }
    held.push(() => response.writeHead(401).end('{"code":"authentication.required"}'));
    return undefined;
  };
  const started = Array.from({ length: 50 }, (_, n) => platform.startMonitor({ interactionId: `int-${n}` }));
  await until('fifty calls under way', () => held.length === 50);
  for (const refuse of held) refuse();
  const legs = await Promise.all(started);

  expect(legs.map(({ monitorSessionId }) => monitorSessionId)).toEqual(legs.map((_, n) => `ms-int-${n}`));
  expect(server.tokenRequests).toHaveLength(2);
  expect(server.calls).toHaveLength(100);
});

test('a second 401 is final', async () => {
  const server = await ScriptedServer.start();
  server.answers({ status: 401, body: { code: 'authentication.required' } });
  expect(await faultOf(adapterFor(server).startMonitor(START))).toMatchObject({ kind: 'unauthorized' });
  expect(server.calls.map(({ headers }) => headers.authorization)).toEqual([
    `Bearer ${nthToken(1)}`,
    `Bearer ${nthToken(2)}`,
  ]);
});

test('without a token nothing is sent, and it is never ambiguous', async () => {
  const server = await ScriptedServer.start();
  for (const [answer, fault] of [
    [{ status: 503 }, { kind: 'unreachable' }],
    [{ status: 408 }, { kind: 'unreachable' }],
    [{ status: 200, body: '<html>' }, { kind: 'unreachable' }],
    [{ status: 200, body: { access_token: 'two\nlines' } }, { kind: 'unreachable' }],
    [
      { status: 429, headers: { 'retry-after': '3' } },
      { kind: 'throttled', retryAfterMs: 3_000 },
    ],
  ] as const) {
    server.onToken = () => answer;
    expect(await faultOf(adapterFor(server).startMonitor(START))).toMatchObject(fault);
  }
  server.onToken = (_seen, response) => void response.destroy();
  expect(await faultOf(adapterFor(server).startMonitor(START))).toMatchObject({ kind: 'unreachable' });
  server.onToken = () => undefined;
  const impatient = adapterFor(server, { timeouts: { tokenMs: 50 } });
  expect(await faultOf(impatient.startMonitor(START))).toMatchObject({ kind: 'unreachable' });
  expect(server.calls).toEqual([]);
});

test('an abort before the call sends nothing and throws its reason', async () => {
  const server = await ScriptedServer.start();
  server.answers(STARTED);
  const platform = adapterFor(server);
  const reason = new Error('changed our mind');
  expect(await errorOf(platform.startMonitor(START, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  await platform.startMonitor(START);
  expect(await errorOf(platform.startMonitor(START, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  expect(server.calls).toHaveLength(1);
});

test('an abort under way throws its reason, and later calls are unharmed', async () => {
  const server = await ScriptedServer.start();
  const platform = adapterFor(server);
  server.onCall = () => undefined;
  const giveUp = new AbortController();
  const call = errorOf(platform.stopMonitor(LEG, { signal: giveUp.signal }));
  await until('the stop arrived', () => server.calls.length === 1);
  giveUp.abort();
  expect(await call).toBe(giveUp.signal.reason);
  server.answers({ status: 200, body: { status: 'terminated' } });
  expect(await platform.stopMonitor(LEG)).toBe('stopped');
});

test('close lets calls under way finish and fails later ones as not sent', async () => {
  const server = await ScriptedServer.start();
  const platform = adapterFor(server);
  let answer: (() => void) | undefined;
  server.onCall = (_seen, response) => {
    answer = () => response.writeHead(202).end(JSON.stringify(STARTED.body));
    return undefined;
  };
  const started = platform.startMonitor(START);
  await until('the start arrived', () => answer !== undefined);
  const closed = platform.close();
  expect(await faultOf(platform.startMonitor(START))).toMatchObject({ kind: 'unreachable' });
  answer?.();
  expect(await started).toEqual({ monitorSessionId: 'ms-1' });
  await closed;
  expect(server.calls).toHaveLength(1);
});

test('tokens that are revoked one after the other are replaced, as long as each was good for a while', async () => {
  const server = await ScriptedServer.start();
  const used = new Map<string, number>();
  server.onCall = ({ headers }) => {
    const token = headers.authorization ?? '';
    used.set(token, (used.get(token) ?? 0) + 1);
    return used.get(token) === 1 ? STARTED : { status: 401, body: { code: 'authentication.required' } };
  };
  const platform = adapterFor(server);
  for (let call = 0; call < 6; call += 1) await platform.startMonitor(START);
  expect(server.tokenRequests).toHaveLength(6);
});

test.each([
  ['503', { status: 503, body: {} }],
  ['a page of maintenance with 200', { status: 200, body: '<html>back soon</html>' }],
])('a platform that answers %s to everything is spared, and whoever calls is told since when', async (_, answer) => {
  const server = await ScriptedServer.start();
  server.answers(answer);
  const platform = adapterFor(server, { isGated: true });
  const told = await until('it is away', async () => {
    const fault = await faultOf(platform.monitorState('int-1'));
    return fault.kind === 'unreachable' && fault.since !== undefined && fault;
  });
  expect(told.retryAfterMs).toBeGreaterThan(0);
  const before = server.calls.length;
  for (let call = 0; call < 50; call += 1) await faultOf(platform.monitorState('int-1'));
  expect(server.calls.length - before).toBeLessThanOrEqual(2);
  server.answers({ status: 404, body: { code: 'interaction.not.found' } });
  await until('it is back', async () => (await faultOf(platform.monitorState('int-1'))).kind === 'gone');
});
