import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { HttpPlatform } from '../../platform/http-platform.js';
import { adapterFor, closeAll, faultOf, LEG, ScriptedServer } from './scripted-server.js';

let server: ScriptedServer;
let platform: HttpPlatform;
beforeAll(async () => {
  server = await ScriptedServer.start();
  platform = adapterFor(server);
});
afterAll(closeAll);

const CALLS = {
  start: () => platform.startMonitor({ interactionId: 'int-1' }),
  mode: () => platform.changeMode(LEG, 'barge'),
  stop: () => platform.stopMonitor(LEG),
  state: () => platform.monitorState('int-1'),
  list: () => platform.listInteractions({ status: 'connected', pageSize: 1 }),
} as const;
const EVERY_CALL = ['start', 'mode', 'stop', 'state', 'list'] as const;

const GONE_INTERACTION = { kind: 'gone', what: 'interaction', ended: false } as const;
const ENDED_INTERACTION = { kind: 'gone', what: 'interaction', ended: true } as const;
const GONE_LEG = { kind: 'gone', what: 'leg', ended: false } as const;
const ENDED_LEG = { kind: 'gone', what: 'leg', ended: true } as const;

test.each([
  // What the page documents
  ['start', 404, { code: 'interaction.not.found' }, GONE_INTERACTION],
  ['start', 410, { code: 'interaction.ended' }, ENDED_INTERACTION],
  ['start', 409, { code: 'media.server.group.unavailable' }, { kind: 'group-unavailable' }],
  ['mode', 404, { code: 'interaction.not.found' }, GONE_INTERACTION],
  ['mode', 410, { code: 'interaction.ended' }, ENDED_INTERACTION],
  ['mode', 404, { code: 'monitor.not.found' }, GONE_LEG],
  ['mode', 409, { code: 'monitor.not.active' }, { kind: 'not-ready' }],
  [
    'mode',
    409,
    { code: 'barge.conflict', conflictingMonitorSessionId: 'ms-2' },
    { kind: 'busy', conflictingMonitorSessionId: 'ms-2' },
  ],
  ['state', 404, { code: 'interaction.not.found' }, GONE_INTERACTION],
  ['state', 410, { code: 'interaction.ended' }, ENDED_INTERACTION],
  // Codes missing or unexpected: the status decides
  ['start', 404, '', GONE_INTERACTION],
  ['start', 404, { code: 'monitor.not.found' }, GONE_INTERACTION],
  ['start', 410, '<html>', ENDED_INTERACTION],
  ['start', 409, { code: 'whatever' }, { kind: 'not-ready' }],
  ['mode', 404, '<html>', GONE_LEG],
  ['mode', 410, {}, ENDED_LEG],
  ['mode', 404, { code: 'interaction.ended' }, ENDED_INTERACTION],
  ['mode', 409, '', { kind: 'not-ready' }],
  ['mode', 409, { code: 'monitor.not.active', conflictingMonitorSessionId: 'ms-2' }, { kind: 'not-ready' }],
  ['mode', 409, { code: 'barge.conflict' }, { kind: 'not-ready' }],
  ['mode', 409, { code: 'barge.conflict', conflictingMonitorSessionId: null }, { kind: 'not-ready' }],
  ['mode', 409, { code: 'barge.conflict', conflictingMonitorSessionId: '' }, { kind: 'not-ready' }],
  [
    'mode',
    409,
    { code: 42, conflictingMonitorSessionId: 'ms-2' },
    { kind: 'busy', conflictingMonitorSessionId: 'ms-2' },
  ],
  ['mode', 409, [1, 2], { kind: 'not-ready' }],
  ['state', 404, { code: 'monitor.not.found' }, GONE_INTERACTION],
  ['state', 410, 'null', ENDED_INTERACTION],
  ['list', 404, {}, { kind: 'invalid', status: 404, code: 'http.404' }],
  ['list', 409, {}, { kind: 'invalid', status: 409, code: 'http.409' }],
] as const)('%s answered %i %j', async (call, status, body, fault) => {
  server.answers({ status, body });
  expect(await faultOf(CALLS[call]())).toEqual(fault);
});

test.each([
  [403, { code: 'missing.permission' }, { kind: 'forbidden', code: 'missing.permission' }],
  [403, '', { kind: 'forbidden', code: 'http.403' }],
  [403, { code: 'words, "quotes"\nand lines' }, { kind: 'forbidden', code: 'http.403' }],
  [429, {}, { kind: 'throttled', retryAfterMs: null }],
  [400, { code: 'bad.request' }, { kind: 'invalid', status: 400, code: 'bad.request' }],
  [405, {}, { kind: 'invalid', status: 405, code: 'http.405' }],
  [422, { code: 'x'.repeat(65) }, { kind: 'invalid', status: 422, code: 'http.422' }],
  [408, {}, { kind: 'ambiguous', detail: 'answered 408' }],
  [500, { code: 'interaction.not.found' }, { kind: 'ambiguous', detail: 'answered 500' }],
  [502, '<html>', { kind: 'ambiguous', detail: 'answered 502' }],
  [503, {}, { kind: 'ambiguous', detail: 'answered 503' }],
  [599, {}, { kind: 'ambiguous', detail: 'answered 599' }],
  [304, '', { kind: 'invalid', status: 304, code: 'http.304' }],
] as const)('every call answered %i %j', async (status, body, fault) => {
  server.answers({ status, body });
  for (const call of EVERY_CALL) expect(await faultOf(CALLS[call]())).toEqual(fault);
});

test('a 429 carries the delay that the platform asks for', async () => {
  server.answers({ status: 429, headers: { 'retry-after': '9' } });
  expect(await faultOf(CALLS.start())).toEqual({ kind: 'throttled', retryAfterMs: 9_000 });
  server.answers({ status: 429, headers: { 'x-ratelimit-reset': '4' } });
  expect(await faultOf(CALLS.state())).toEqual({ kind: 'throttled', retryAfterMs: 4_000 });
});

test.each([301, 302, 303, 307, 308])('a %i is not followed', async (status) => {
  server.answers({ status, headers: { location: `${server.baseUrl}/elsewhere` } });
  const before = server.calls.length;
  for (const call of EVERY_CALL) expect(await faultOf(CALLS[call]())).toMatchObject({ kind: 'invalid', status });
  expect(server.calls.slice(before).filter(({ url }) => url === '/elsewhere')).toEqual([]);
});

test.each([
  [404, { code: 'monitor.not.found' }],
  [404, { code: 'interaction.not.found' }],
  [410, { code: 'interaction.ended' }],
  [404, ''],
  [410, '<html>'],
])('a stop answered %i %j is done', async (status, body) => {
  server.answers({ status, body });
  expect(await CALLS.stop()).toBe('already-gone');
});

const STATE = { interactionId: 'int-1', bargeStatus: 'inactive', bargeMonitorSessionId: null, monitors: [] };

test.each([
  ['start', 202, { interactionId: 'int-1', status: 'pending' }],
  ['start', 202, { monitorSessionId: '', interactionId: 'int-1' }],
  ['start', 202, { monitorSessionId: 'ms-1', interactionId: 'another' }],
  ['start', 204, undefined],
  ['start', 200, '{"monitorSessionId":"ms-1","interac'],
  ['start', 200, '<html>captive portal</html>'],
  ['start', 200, 'null'],
  ['mode', 200, { monitorSessionId: 'ms-1', mode: 'silent' }],
  ['mode', 200, { monitorSessionId: 'ms-2', mode: 'barge' }],
  ['mode', 200, {}],
  ['stop', 200, { status: 'active' }],
  ['stop', 200, { monitorSessionId: 'ms-2', status: 'terminated' }],
  ['stop', 200, ''],
  ['state', 200, { ...STATE, interactionId: 'another' }],
  ['state', 200, { ...STATE, monitors: [{}] }],
  ['state', 200, { ...STATE, bargeStatus: 'perhaps' }],
  ['state', 200, []],
  ['list', 200, ''],
] as const)('%s answered %i with unusable content %j is ambiguous', async (call, status, body) => {
  server.answers({ status, body });
  expect(await faultOf(CALLS[call]())).toMatchObject({
    kind: 'ambiguous',
    detail: expect.stringMatching(/^unusable answer 2/),
  });
});

test('the detail says where the content is wrong and not what it holds', async () => {
  server.answers({
    status: 200,
    body: { ...STATE, monitors: [{ monitorSessionId: 'ms-1', status: 'private words' }] },
  });
  const fault = await faultOf(CALLS.state());
  expect(fault).toMatchObject({ detail: expect.stringContaining('monitors.0.status') });
  expect(JSON.stringify(fault)).not.toContain('private words');
});

test.each([403, 404, 410])('a %d that is a web page is not the platform’s word', async (status) => {
  const server = await ScriptedServer.start();
  server.answers({ status, body: '<h1>default backend</h1>', headers: { 'content-type': 'text/html' } });
  const platform = adapterFor(server);
  expect(await faultOf(platform.stopMonitor(LEG))).toMatchObject({ kind: 'ambiguous' });
  expect(await faultOf(platform.monitorState('int-1'))).toMatchObject({ kind: 'ambiguous' });
});
