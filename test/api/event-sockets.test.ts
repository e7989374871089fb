import type { RequestListener } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { expect, jest, test } from '@jest/globals';
import { pino } from 'pino';
import type { Caller } from '../../api/caller.js';
import type { Role } from '../../domain/sign-in.js';
import { ChangeLog } from '../../api/change-log.js';
import type { LoggedChange } from '../../api/change-log.js';
import { EventSockets } from '../../api/event-sockets.js';
import { drain, listen } from '../../api/http-server.js';
import { samplesText, ToldSamples } from '../../api/sample-memory.js';
import { Tickets } from '../../api/tickets.js';
import { newSessionRecord } from '../../domain/session-record.js';
import { EventClient, refusal } from '../support/event-client.js';
import { until } from '../support/until.js';

const { session } = newSessionRecord(
  { interactionId: 'i', supervisorId: 's' },
  { sessionId: 'session~i~s', runId: 'r' },
  '2026-11-27T00:00:00.000Z',
);

const SAMPLE = JSON.stringify({
  sessionId: session.sessionId,
  sampledAt: '2026-11-27T00:00:00.000Z',
  packetLoss: 0.01,
  jitterMs: 3,
  roundTripMs: 30,
  quality: 'good',
});

const echo: RequestListener = (request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => (body += chunk.toString()));
  request.on('end', () => response.end(`echo: ${request.method ?? ''} ${request.url ?? ''} ${body}`));
};

/** Sockets over a feed that a test makes, for whoever comes. */
async function sockets(heartbeatMs: number, caller: Caller = { kind: 'service' }, tickets = new Tickets()) {
  const log = new ChangeLog();
  const listeners = new Set<(change: LoggedChange) => void>();
  const samplesListeners = new Set<(samples: ToldSamples) => void>();
  const events = new EventSockets({
    feed: {
      ready: () => Promise.resolve(),
      get place() {
        return { epoch: log.epoch, seq: log.seq };
      },
      sessions: () => [session],
      since: (place) => log.since(place),
      samplesSoFar: (concerns) => samplesText('2026-11-27T00:00:00.000Z', concerns(session) ? [SAMPLE] : []),
      listen: (listener, onSamples = () => undefined) => {
        listeners.add(listener);
        samplesListeners.add(onSamples);
        return () => {
          listeners.delete(listener);
          samplesListeners.delete(onSamples);
        };
      },
    },
    tickets,
    authenticate: () => Promise.resolve(caller),
    origins: [],
    log: pino({ level: 'silent' }),
    heartbeatMs,
  });
  const { server, url } = await listen({ app: echo, events }, { host: '127.0.0.1', port: 0 });
  return {
    url,
    events,
    connections: (): Promise<number> =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
      }),
    tell: (): void => {
      const change = log.add('session.updated', session);
      for (const listener of listeners) listener(change);
    },
    tellSamples: (count: number): void => {
      const samples = Array.from({ length: count }, () => ({ session, text: SAMPLE }));
      const told = new ToldSamples('2026-11-27T00:00:00.000Z', samples);
      for (const listener of samplesListeners) listener(told);
    },
    async [Symbol.asyncDispose]() {
      events.close();
      await drain(server, 1_000);
    },
  };
}

/** What a server answers to bytes, until it ends the connection or `enough`. */
function exchange(
  url: string,
  bytes: string,
  enough: RegExp,
): Promise<{ readonly answer: string; readonly socket: Socket }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    // Keeps its own half open, as anybody may.
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true }, () => socket.write(bytes));
    let answer = '';
    socket.on('error', reject).on('data', (chunk: Buffer) => {
      answer += chunk.toString();
      if (enough.test(answer)) resolve({ answer, socket });
    });
  });
}

test('who would rather speak HTTP/2 is answered in HTTP/1.1, body and all', async () => {
  await using world = await sockets(60_000);
  const body = '{"action":"stop"}';
  const { answer, socket } = await exchange(
    world.url,
    `POST /v1/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    /echo: .*\}/,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer).toContain(`echo: POST /v1/x ${body}`);
  socket.destroy();
});

test('who is refused, and keeps the connection, holds up no end', async () => {
  const world = await sockets(60_000);
  const upgrade =
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
  const { socket } = await exchange(world.url, `GET /elsewhere HTTP/1.1\r\nHost: h\r\n${upgrade}\r\n`, /"not\.found"/);
  await until('the server has let go', async () => (await world.connections()) === 0);
  await world[Symbol.asyncDispose]();
  socket.destroy();
});

test('who reads too slowly is cut off, and costs the others nothing', async () => {
  await using world = await sockets(60_000);
  await using quick = new EventClient(world.url);
  await using slow = new EventClient(world.url);
  await quick.snapshot();
  await slow.snapshot();
  slow.socket.pause();
  let told = 0;
  await until('the slow one is gone', () => {
    for (let n = 0; n < 500; n += 1) world.tell();
    told += 500;
    return world.events.size === 1;
  });
  await until('the quick one has all', () => quick.changes().length === told);
  expect(quick.changes().at(-1)?.seq).toBe(told);
  slow.socket.resume();
  await until('it is told why', () => slow.closed !== undefined);
  expect([1006, 4008]).toContain(slow.closed?.code);
  expect(slow.changes().length).toBeLessThan(told);
});

test('heartbeats tell up to where all has been told, and who does not answer is cut off', async () => {
  // Who answers late on a busy machine is not cut off yet.
  await using world = await sockets(1_000);
  await using alive = new EventClient(world.url, { supervisorId: 'somebody-else' });
  await using dead = new EventClient(world.url);
  await alive.snapshot();
  await dead.snapshot();
  dead.socket.pause();
  world.tell();
  const beat = await until('a heartbeat', () =>
    alive.messages.find(({ type, seq }) => type === 'heartbeat' && seq === 1),
  );
  expect(alive.changes()).toEqual([]);
  await until('the dead one is gone', () => world.events.size === 1);
  // From there nothing is told again.
  await using back = new EventClient(world.url, { after: `${beat.epoch}:${beat.seq}` });
  await until('it lives', () => back.messages.length > 0);
  expect(back.changes()).toEqual([]);
  expect(alive.closed).toBeUndefined();
});

test('who comes back is told what they missed, and after it what time it is', async () => {
  await using world = await sockets(60_000);
  await using first = new EventClient(world.url);
  const { epoch, seq } = await first.snapshot();
  world.tell();
  const sinceMs = Date.now();
  await using back = new EventClient(world.url, { after: `${epoch}:${seq}` });
  const beat = await until('the time', () => back.messages.find(({ type }) => type === 'heartbeat'));
  expect(back.messages.map((told) => told.type)).toEqual([back.changes()[0]?.type, 'heartbeat']);
  expect(beat.seq).toBe(seq + 1);
  expect(Date.parse('at' in beat ? beat.at : '')).toBeGreaterThanOrEqual(sinceMs);
});

test('who asks for samples is told them, what is remembered first, and nobody else is', async () => {
  await using world = await sockets(60_000);
  await using asks = new EventClient(world.url, { samples: 'true' });
  await using asksNot = new EventClient(world.url, { samples: 'false' });
  await using elsewhere = new EventClient(world.url, { samples: 'true', supervisorId: 'somebody-else' });
  for (const client of [asks, asksNot, elsewhere]) await client.snapshot();
  world.tellSamples(2);
  world.tell();
  for (const client of [asks, asksNot]) await until('all is told', () => client.changes().length === 1);
  expect(asks.samples.map(({ length }) => length)).toEqual([1, 2]);
  expect(asks.samples[0]?.[0]).toEqual(JSON.parse(SAMPLE));
  expect(asksNot.samples).toEqual([]);
  // Nothing is remembered that concerns them.
  expect(elsewhere.samples).toEqual([[]]);
  expect(await refusal(world.url, { samples: 'some' })).toMatchObject({ status: 400 });
});

test('who reads too slowly is told fewer samples, and is not cut off for them', async () => {
  await using world = await sockets(60_000);
  await using slow = new EventClient(world.url, { samples: 'true' });
  await slow.snapshot();
  slow.socket.pause();
  // 100 MB: no network between has room for that.
  const batches = 500;
  for (let n = 0; n < batches; n += 1) world.tellSamples(1_200);
  expect(world.events.size).toBe(1);
  slow.socket.resume();
  world.tell();
  await until('it is told what matters', () => slow.changes().length === 1);
  expect(slow.closed).toBeUndefined();
  expect(slow.samples.length).toBeLessThan(batches / 2);
  // And again, once it keeps up.
  const before = slow.samples.length;
  world.tellSamples(1);
  await until('it is told samples', () => slow.samples.length > before);
});

function person(roles: readonly Role[], id = 'anna'): Caller {
  return { kind: 'person', id, roles, untilMs: Date.now() + 60_000 };
}

test('a person may ask for the samples of their own sessions alone, and software has none', async () => {
  const samplesOf = async (caller: Caller): Promise<number> => {
    await using world = await sockets(60_000, caller);
    await using asks = new EventClient(world.url, { samples: 'own' });
    return (await until('what is remembered', () => asks.samples[0])).length;
  };
  expect(await samplesOf(person(['supervisor'], session.supervisorId))).toBe(1);
  expect(await samplesOf(person(['supervisor'], 'somebody-else'))).toBe(0);
  await using world = await sockets(60_000);
  const refused = { status: 400, body: { errors: [{ field: 'samples' }] } };
  expect(await refusal(world.url, { samples: 'own' })).toMatchObject(refused);
});

test('who has none of the roles may not listen', async () => {
  await using world = await sockets(60_000, person([]));
  expect(await refusal(world.url, {})).toMatchObject({ status: 403, body: { code: 'access.denied' } });
});

test('one person has room for some windows, and the next one is told why there is none', async () => {
  const tickets = new Tickets();
  await using world = await sockets(60_000, person(['supervisor']), tickets);
  const windows = Array.from({ length: 50 }, () => new EventClient(world.url));
  await until('all of them listen', () => world.events.size === 50);
  const full = { status: 503, body: { code: 'too.many.connections' } };
  expect(await refusal(world.url, {})).toMatchObject(full);
  // Nobody else is kept out by that.
  const { ticket } = await tickets.issue(person(['supervisor'], 'ben'));
  await using other = new EventClient(world.url, { ticket });
  await other.snapshot();
  await Promise.all(windows.map((window) => window[Symbol.asyncDispose]()));
});

test('a ticket is good for half a minute, and once', async () => {
  const tickets = new Tickets();
  const [early, late] = [await tickets.issue({ kind: 'service' }), await tickets.issue({ kind: 'service' })];
  expect(Date.parse(late.expiresAt) - Date.now()).toBeLessThanOrEqual(30_000);
  expect(await tickets.redeem(early.ticket)).toEqual({ kind: 'service' });
  expect(await tickets.redeem(early.ticket)).toBeUndefined();
  const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.parse(late.expiresAt));
  expect(await tickets.redeem(late.ticket)).toBeUndefined();
  clock.mockRestore();
});
