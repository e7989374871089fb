import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { expect, test } from '@jest/globals';
import { WebSocket, WebSocketServer } from 'ws';
import type { PlatformEvent } from '../../domain/platform-events.js';
import { followEventStream } from '../../platform/event-connection.js';
import { followStream } from '../../platform/event-stream.js';
import type { EventListener, StreamEnd } from '../../platform/event-stream.js';
import { createHttpPlatform } from '../../platform/http-platform.js';
import { startSimulator } from '../../simulator/simulator.js';
import { until } from '../support/until.js';

/** A platform of which nothing is there but its event stream. */
class Stream {
  readonly url: string;
  readonly sockets: WebSocket[] = [];
  readonly authorizations: (string | undefined)[] = [];
  readonly #server: Server;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.url = `ws://127.0.0.1:${port}/stream`;
  }

  static async open(): Promise<Stream> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const stream = new Stream(server, typeof address === 'object' && address !== null ? address.port : 0);
    const upgrades = new WebSocketServer({ server });
    upgrades.on('connection', (socket, request) => {
      stream.sockets.push(socket);
      stream.authorizations.push(request.headers.authorization);
    });
    return stream;
  }

  /** To whoever has connected. */
  send(message: unknown): void {
    for (const socket of this.sockets) socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function ended(interactionId: string): PlatformEvent {
  return {
    id: 'evt-1',
    topic: 'interaction.telephony.ended',
    timestamp: '2026-11-01T00:00:00.000Z',
    data: { interactionId },
  };
}

/** Follows a stream and writes down what comes. */
function follow(url: string, over: Partial<EventListener> = {}, silenceLimitMs?: number) {
  const events: string[] = [];
  const nonsense: string[] = [];
  let opened = 0;
  const stop = new AbortController();
  const end: Promise<StreamEnd> = followStream({
    url,
    token: 'secret-token',
    signal: stop.signal,
    silenceLimitMs,
    listener: {
      onOpen: () => (opened += 1),
      onEvent(event) {
        events.push(event.data.interactionId);
        return Promise.resolve();
      },
      onNonsense: (problem) => nonsense.push(problem),
      ...over,
    },
  });
  return { events, nonsense, end, stop: () => stop.abort(), opened: () => opened };
}

test('events come in their order, with the token shown at the door, until nobody wants them any more', async () => {
  await using stream = await Stream.open();
  const following = follow(stream.url);
  await until('it is open', () => following.opened() === 1);
  for (const id of ['a', 'b', 'c']) stream.send(ended(id));
  await until('all have come', () => following.events.length === 3);
  expect(following.events).toEqual(['a', 'b', 'c']);
  expect(stream.authorizations).toEqual(['Bearer secret-token']);
  following.stop();
  expect(await following.end).toMatchObject({ kind: 'closed' });
});

test('what is no event is told of and passed over; other topics are passed over in silence', async () => {
  await using stream = await Stream.open();
  const following = follow(stream.url);
  await until('it is open', () => following.opened() === 1);
  stream.send('no JSON');
  stream.send({ topic: 'interaction.telephony.ended' });
  stream.send({ topic: 'interaction.telephony.recording', data: {} });
  for (const socket of stream.sockets) socket.send(Buffer.from([1, 2, 3]));
  stream.send(ended('a'));
  await until('the event has come', () => following.events.length === 1);
  expect(following.nonsense).toHaveLength(3);
  following.stop();
  await following.end;
});

test('a connection on which nothing comes, not even a ping, is given up', async () => {
  await using stream = await Stream.open();
  const following = follow(stream.url, {}, 300);
  expect(await following.end).toEqual({ kind: 'failed', detail: 'silent for 300 ms' });
});

test('a ping is enough to keep it', async () => {
  await using stream = await Stream.open();
  const following = follow(stream.url, {}, 400);
  await until('it is open', () => following.opened() === 1);
  const openedAt = performance.now();
  const pings = setInterval(() => {
    for (const socket of stream.sockets) socket.ping();
  }, 50);
  await until('it has outlived the limit', () => performance.now() - openedAt > 800);
  stream.send(ended('a'));
  await until('the event has come', () => following.events.length === 1);
  clearInterval(pings);
  expect(await following.end).toMatchObject({ kind: 'failed' });
});

test('an event that cannot be taken ends the connection: without it a gap would go unnoticed', async () => {
  await using stream = await Stream.open();
  const following = follow(stream.url, { onEvent: () => Promise.reject(new Error('Temporal is away')) });
  await until('it is open', () => following.opened() === 1);
  stream.send(ended('a'));
  expect(await following.end).toEqual({ kind: 'failed', detail: 'an event could not be taken: Temporal is away' });
});

test('a message beyond all measure ends the connection', async () => {
  await using stream = await Stream.open();
  const following = follow(stream.url);
  await until('it is open', () => following.opened() === 1);
  stream.send('x'.repeat(300 * 1024));
  expect(await following.end).toMatchObject({ kind: 'failed' });
});

test('where nobody listens it fails, and says nothing of the token', async () => {
  const end = await follow('ws://127.0.0.1:1/stream').end;
  expect(end.kind).toBe('failed');
  expect(JSON.stringify(end)).not.toContain('secret-token');
});

test('a redirect is not followed', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/elsewhere\r\nConnection: close\r\n\r\n');
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  expect(await follow(`ws://127.0.0.1:${port}/stream`).end).toMatchObject({ kind: 'refused', status: 302 });
  await new Promise((resolve) => server.close(resolve));
});

test('the adapter takes another token where the first one is refused, once', async () => {
  await using simulator = await startSimulator({ port: 0, population: null });
  const platform = createHttpPlatform({
    baseUrl: simulator.baseUrl,
    clientId: 'earshot',
    clientSecret: 'earshot-dev-secret',
  });
  await platform.listInteractions({ status: 'connected', pageSize: 1 });
  simulator.controls.revokeTokens();
  const stop = new AbortController();
  let opened = 0;
  const nothing = { onEvent: () => Promise.resolve(), onNonsense: () => undefined };
  const following = platform.followEvents({ onOpen: () => (opened += 1), ...nothing }, { signal: stop.signal });
  await until('it is open', () => opened === 1);
  stop.abort();
  await following;
  expect(simulator.ledger.requests({ action: 'token' })).toHaveLength(2);
  simulator.controls.addFault({ match: { action: 'stream' }, effect: { kind: 'status', status: 401 }, times: 10 });
  await expect(platform.followEvents({ onOpen: () => undefined, ...nothing })).rejects.toMatchObject({
    fault: { kind: 'unauthorized' },
  });
  await platform.close();
});

test('a flood is read no faster than it is taken', async () => {
  await using stream = await Stream.open();
  const waiting: (() => void)[] = [];
  let taken = 0;
  const following = follow(stream.url, {
    onEvent: () =>
      new Promise<void>((resolve) => {
        taken += 1;
        waiting.push(resolve);
      }),
  });
  await until('it is open', () => following.opened() === 1);
  // More than the buffers of both sides can hold.
  const event = JSON.stringify({ ...ended('a'), padding: 'x'.repeat(4_000) });
  const count = 20_000;
  for (let n = 0; n < count; n += 1) stream.send(event);
  const left = () => stream.sockets[0]?.bufferedAmount ?? 0;
  let lastSeen = { left: left(), atMs: performance.now() };
  await until('the flood stands still', () => {
    if (left() !== lastSeen.left) lastSeen = { left: left(), atMs: performance.now() };
    return taken > 1_000 && performance.now() - lastSeen.atMs > 300;
  });
  expect(left()).toBeGreaterThan(0);
  // Whatever a chunk that was being read held came as well.
  expect(taken).toBeLessThan(2_000);
  const release = setInterval(() => {
    for (const resolve of waiting.splice(0)) resolve();
  }, 1);
  await until('all have come', () => taken === count);
  clearInterval(release);
  following.stop();
  await following.end;
});

test('the connection that is replaced stays for a moment: what was sent on it may be under way', async () => {
  await using stream = await Stream.open();
  const stop = new AbortController();
  let opened = 0;
  let nth = 0;
  const followed = followEventStream({
    url: stream.url,
    signal: stop.signal,
    tokens: {
      token: () => Promise.resolve(`token-${Math.min((nth += 1), 2)}`),
      refreshAfter401: () => Promise.reject(new Error('Expected no 401')),
      replacedInMs: (token) => (token === 'token-1' ? 10 : 3_600_000),
    },
    listener: { onOpen: () => (opened += 1), onEvent: () => Promise.resolve(), onNonsense: () => undefined },
  });
  await until('another one is open', () => stream.sockets.length === 2);
  const [first] = stream.sockets;
  expect(first?.readyState).toBe(WebSocket.OPEN);
  await until('the first one is closed', () => first?.readyState === WebSocket.CLOSED);
  expect(stream.authorizations).toEqual(['Bearer token-1', 'Bearer token-2']);
  expect(opened).toBe(1);
  stop.abort();
  await followed;
});

test('before the token of a connection expires another one takes over, and nothing is missed', async () => {
  await using simulator = await startSimulator({ port: 0, population: null, tokenLifetimeSeconds: 2 });
  const platform = createHttpPlatform({
    baseUrl: simulator.baseUrl,
    clientId: 'earshot',
    clientSecret: 'earshot-dev-secret',
  });
  const heard = new Set<string>();
  let opened = 0;
  const stop = new AbortController();
  const followed = platform.followEvents(
    {
      onOpen: () => (opened += 1),
      onEvent(event) {
        if (event.topic === 'interaction.telephony.ended') heard.add(event.data.interactionId);
        return Promise.resolve();
      },
      onNonsense: () => undefined,
    },
    { signal: stop.signal },
  );
  await until('it is open', () => opened === 1);
  const streams = () => simulator.ledger.requests({ action: 'stream' }).length;
  const told: string[] = [];
  await until('it has been taken over three times', () => {
    const { interactionId } = simulator.controls.addInteraction();
    simulator.controls.endInteraction({ interactionId });
    told.push(interactionId);
    return streams() >= 4;
  });
  await until('all was heard', () => told.every((id) => heard.has(id)));
  // Nobody had to be told of a gap.
  expect(opened).toBe(1);
  stop.abort();
  await followed;
  await platform.close();
});
