import { createServer } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { PlatformError } from '../../platform/platform-error.js';
import {
  adapterFor,
  closeAll,
  deadBaseUrl,
  faultOf,
  LEG,
  rawAnswer,
  ScriptedServer,
  startRawServer,
  STARTED,
} from './scripted-server.js';
import { until } from '../support/until.js';

afterEach(closeAll);

const START = { interactionId: 'int-1' } as const;
const SHORT = { connectMs: 1_000, startMs: 100, commandMs: 100, readMs: 100 } as const;

test.each([
  ['a reset before any byte', (socket) => socket.resetAndDestroy()],
  ['an end before any byte', (socket) => socket.end()],
  ['a hang', () => undefined],
  ['half a head', (socket) => socket.write('HTTP/1.1 202 Accep')],
  ['half a head, then a reset', (socket) => socket.write('HTTP/1.1 202 Accep', () => socket.resetAndDestroy())],
  ['a body cut short', (socket) => socket.end(rawAnswer(202, STARTED).slice(0, -10))],
  ['a body that stops', (socket) => socket.write(rawAnswer(202, STARTED).slice(0, -10))],
  [
    'a body that stops in a reset',
    (socket) => socket.write(rawAnswer(202, STARTED).slice(0, -10), () => socket.resetAndDestroy()),
  ],
  ['truncated JSON', (socket) => socket.write(rawAnswer(202, STARTED.slice(0, -10)))],
  ['no HTTP at all', (socket) => socket.write('220 mail.example ESMTP\r\n\r\n')],
  ['an announcement only', (socket) => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n')],
  ['an upgrade', (socket) => socket.write('HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')],
  ['a huge head', (socket) => socket.write(`HTTP/1.1 202 X\r\nx-a: ${'a'.repeat(100_000)}\r\n\r\n`)],
  ['a status beyond all', (socket) => socket.write(rawAnswer(999, STARTED))],
] satisfies [string, Parameters<typeof startRawServer>[0]][])(
  '%s leaves a start ambiguous, sent exactly once',
  async (_name, misbehave) => {
    const server = await startRawServer(misbehave);
    const platform = adapterFor(server, { timeouts: SHORT });
    expect(await faultOf(platform.startMonitor(START))).toMatchObject({ kind: 'ambiguous' });
    await platform.close();
    expect(server.requests).toHaveLength(1);
  },
);

test('a read that is reset is not repeated either: retrying is Temporal’s business', async () => {
  const server = await startRawServer((socket) => socket.resetAndDestroy());
  const platform = adapterFor(server, { timeouts: SHORT });
  expect(await faultOf(platform.monitorState('int-1'))).toMatchObject({ kind: 'ambiguous' });
  await platform.close();
  expect(server.requests).toHaveLength(1);
});

test('a kept-alive connection reset as the start is written leaves it ambiguous, sent exactly once', async () => {
  const server = await startRawServer((socket, nth) => {
    if (nth === 1) socket.write(rawAnswer(404, '{}'));
    else socket.resetAndDestroy();
  });
  const platform = adapterFor(server, { connections: 1 });
  expect(await faultOf(platform.monitorState('int-1'))).toMatchObject({ kind: 'gone' });
  expect(await faultOf(platform.startMonitor(START))).toMatchObject({ kind: 'ambiguous' });
  await platform.close();
  expect(server.requests.filter((request) => request.includes('"start"'))).toHaveLength(1);
});

test('a server that closes kept-alive connections unannounced never gets a start twice', async () => {
  const server = await startRawServer((socket) => {
    socket.write(rawAnswer(202, STARTED), () => setImmediate(() => socket.destroy()));
  });
  const platform = adapterFor(server, { connections: 1 });
  for (let n = 1; n <= 50; n += 1) {
    const arrivedBefore = server.requests.length;
    const fault = await platform.startMonitor(START).then(
      () => undefined,
      (error: unknown) => (error instanceof PlatformError ? error.fault.kind : error),
    );
    expect([undefined, 'ambiguous']).toContain(fault);
    expect(server.requests.length - arrivedBefore).toBeLessThanOrEqual(1);
    if (fault === undefined) expect(server.requests.length - arrivedBefore).toBe(1);
  }
});

test('a status that arrived stands, whatever becomes of its body', async () => {
  const server = await startRawServer((socket) => {
    socket.write(rawAnswer(403, '{"code":"missing.permission"}').slice(0, -5), () => socket.resetAndDestroy());
  });
  expect(await faultOf(adapterFor(server).startMonitor(START))).toEqual({ kind: 'forbidden', code: 'http.403' });
});

test('an announcement (1xx) is no answer, and does not hide the one that follows', async () => {
  const server = await startRawServer((socket, nth) => {
    socket.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n');
    if (nth === 1) socket.write(rawAnswer(202, STARTED));
  });
  const platform = adapterFor(server, { timeouts: SHORT });
  expect(await platform.startMonitor(START)).toEqual({ monitorSessionId: 'ms-1' });
  expect(await faultOf(platform.startMonitor(START))).toMatchObject({
    kind: 'ambiguous',
    detail: 'no complete answer within 100 ms',
  });
});

test('a body that drips does not outlast the deadline', async () => {
  const server = await ScriptedServer.start();
  server.onCall = (_seen, response) => {
    response.writeHead(200);
    const drip = setInterval(() => response.write(' '), 5);
    response.on('close', () => clearInterval(drip));
    return undefined;
  };
  const fault = await faultOf(adapterFor(server, { timeouts: SHORT }).monitorState('int-1'));
  expect(fault).toMatchObject({ kind: 'ambiguous', detail: expect.stringContaining('100 ms') });
});

test('an oversized body is not read to its end', async () => {
  const server = await ScriptedServer.start();
  let cutOff = false;
  server.onCall = (_seen, response) => {
    response.writeHead(200);
    const more = () => void response.write('x'.repeat(65_536));
    response.on('drain', more).on('close', () => (cutOff = true));
    more();
    return undefined;
  };
  const fault = await faultOf(adapterFor(server).monitorState('int-1'));
  expect(fault).toMatchObject({ kind: 'ambiguous', detail: expect.stringContaining('longer than 1048576 bytes') });
  await until('the connection was dropped', () => cutOff);
});

test('nobody listening is unreachable', async () => {
  expect(await faultOf(adapterFor({ baseUrl: await deadBaseUrl() }).startMonitor(START))).toMatchObject({
    kind: 'unreachable',
    detail: expect.stringContaining('ECONNREFUSED'),
  });
});

test('a platform that comes back is reached again, after any number of calls in vain', async () => {
  const baseUrl = await deadBaseUrl();
  const platform = adapterFor({ baseUrl }, { connections: 2 });
  const inVain = await Promise.all(Array.from({ length: 100 }, () => faultOf(platform.startMonitor(START))));
  expect(new Set(inVain.map(({ kind }) => kind))).toEqual(new Set(['unreachable']));
  const server = await ScriptedServer.start(Number(new URL(baseUrl).port));
  server.answers({ status: 202, body: STARTED });
  const legs = await Promise.all(Array.from({ length: 20 }, () => platform.startMonitor(START)));
  expect(legs).toHaveLength(20);
  expect(server.calls).toHaveLength(20);
});

test('at most the given number of connections is opened', async () => {
  const server = await ScriptedServer.start();
  server.answers({ status: 202, body: STARTED });
  const platform = adapterFor(server, { connections: 3 });
  await Promise.all(Array.from({ length: 30 }, () => platform.startMonitor(START)));
  expect(server.calls).toHaveLength(30);
  expect(new Set(server.calls.map(({ clientPort }) => clientPort)).size).toBeLessThanOrEqual(3);
});

test('a name that nobody has is unreachable', async () => {
  const platform = adapterFor({ baseUrl: 'http://platform.invalid' }, { timeouts: SHORT });
  expect(await faultOf(platform.startMonitor(START))).toMatchObject({ kind: 'unreachable' });
});

test('a TLS handshake that fails or hangs is unreachable', async () => {
  const plain = await ScriptedServer.start();
  const baseUrl = plain.baseUrl.replace('http:', 'https:');
  expect(await faultOf(adapterFor({ baseUrl }).startMonitor(START))).toMatchObject({ kind: 'unreachable' });

  const sockets: { destroy: () => unknown }[] = [];
  const silent = createServer((socket) => sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const address = silent.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const hanging = adapterFor({ baseUrl: `https://127.0.0.1:${port}` }, { timeouts: { connectMs: 50 } });
  expect(await faultOf(hanging.startMonitor(START))).toMatchObject({ kind: 'unreachable' });
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => silent.close(resolve));
});

test('a platform that goes away after the token was had: the start is unreachable, not ambiguous', async () => {
  const server = await ScriptedServer.start();
  server.onToken = () => ({ status: 200, body: { access_token: 't'.repeat(20) }, headers: { connection: 'close' } });
  server.onCall = (_seen, response) => {
    response.writeHead(404, { connection: 'close' }).end('{}');
    return undefined;
  };
  const platform = adapterFor(server);
  await faultOf(platform.monitorState('int-1'));
  await server.stop();
  expect(await faultOf(platform.startMonitor(START))).toMatchObject({ kind: 'unreachable' });
});

test('a call that found no free connection in time was not sent, and never is', async () => {
  const server = await ScriptedServer.start();
  const answers: (() => void)[] = [];
  server.onCall = (_seen, response) => {
    answers.push(() => response.writeHead(404).end('{}'));
    return undefined;
  };
  const platform = adapterFor(server, { connections: 1, timeouts: { connectMs: 50 } });
  const slow = platform.stopMonitor(LEG);
  await until('the stop arrived', () => server.calls.length === 1);
  expect(await faultOf(platform.startMonitor(START))).toMatchObject({
    kind: 'unreachable',
    detail: expect.stringContaining('no connection within 50 ms'),
  });
  answers[0]?.();
  expect(await slow).toBe('already-gone');
  server.answers({ status: 404, body: {} });
  // The connection took up the next in the queue after the stop: had the start still been there, it would be here.
  expect(await platform.stopMonitor(LEG)).toBe('already-gone');
  expect(server.calls.filter(({ body }) => body.includes('"start"'))).toEqual([]);
});

test('a start whose time is over before it could be sent is not sent, whatever its timers say', async () => {
  const server = await ScriptedServer.start();
  server.answers({ status: 202, body: STARTED });
  const late = adapterFor(server).startMonitor(START, { notAfterMs: Date.now() - 1 });
  expect(await faultOf(late)).toMatchObject({ kind: 'unreachable', detail: expect.stringMatching(/time was over/) });
  expect(server.calls).toHaveLength(0);
});
