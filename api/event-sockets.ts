import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import { externalId } from '../domain/identifiers.js';
import { fieldFaults } from '../domain/input-faults.js';
import type { Notification } from '../domain/notifications.js';
import type { SessionSnapshot } from '../domain/session.js';
import { toProblem } from './answer-problems.js';
import { unauthenticated } from './unauthenticated.js';
import type { Authenticate } from './authentication.js';
import { actorOf, requireRole, ROLES } from './caller.js';
import type { Caller } from './caller.js';
import { isOriginOf } from './cross-origin.js';
import { invalidRequest, Problem } from './problem.js';
import type { LoggedChange } from './change-log.js';
import type { ToldSamples } from './sample-memory.js';
import type { SessionFeed } from './session-feed.js';
import { toResource } from './session-view.js';
import type { Tickets } from './tickets.js';

export const EVENTS_PATH = '/v1/events';

/** How often a connection is asked whether it lives, ms; one that has not answered by the next time is cut. */
const HEARTBEAT_MS = 15_000;

/** What may wait to be sent to one listener, bytes, beyond the snapshot; who reads slower than that is cut off, and may come again. */
const UNSENT_LIMIT = 1_024 * 1_024;

/**
 * What may wait before a listener is told no samples until less does, bytes: they are the first to be dropped, and nobody is cut
 * off for them.
 */
const UNSENT_SAMPLES_LIMIT = UNSENT_LIMIT / 2;

/** What is told again to who comes back, characters: beyond that a snapshot is less, and whoever does not read costs no more. */
const TOLD_AGAIN_LIMIT = 4 * 1_024 * 1_024;

/** How long a listener that is told to go may take, ms. */
const CLOSE_LIMIT_MS = 2_000;

/** Connections of one process. */
const SOCKETS_LIMIT = 10_000;

/** Connections of one person: some windows, each with a reserve. */
const SOCKETS_OF_A_PERSON = 50;

/** Close codes (RFC 6455, 7.4; from 4000 on an application's own). */
const CLOSE = { goingAway: 1001, policy: 1008, tooSlow: 4008, expired: 4001 } as const;

/** The longest timer that Node takes, ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Of `GET /v1/events`. */
const eventsQuery = z.strictObject({
  ticket: z.string().max(128).optional(),
  after: z
    .string()
    .regex(/^[\w-]{1,64}:\d{1,15}$/, 'must be epoch:seq, as a message told them')
    .optional(),
  sessionId: z.string().min(1).max(1_024).optional(),
  interactionId: externalId.optional(),
  supervisorId: externalId.optional(),
  own: z.enum(['true', 'false']).optional(),
  samples: z.enum(['true', 'own', 'false']).optional(),
});
export type EventsQuery = z.infer<typeof eventsQuery>;

interface EventSocketsOptions {
  readonly feed: Pick<SessionFeed, 'ready' | 'place' | 'sessions' | 'since' | 'samplesSoFar' | 'listen'>;
  readonly tickets: Tickets;
  readonly authenticate: Authenticate;
  /** Of other pages that may listen. */
  readonly origins: readonly string[];
  readonly log: Logger;
  /** @default {@link HEARTBEAT_MS} */
  readonly heartbeatMs?: number;
}

interface Listening {
  readonly socket: WebSocket;
  readonly caller: Caller;
  isAlive: boolean;
}

/** `GET /v1/events`: the sockets of those who listen to what happens to sessions. */
export class EventSockets {
  readonly #options: EventSocketsOptions;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: 1_024,
    perMessageDeflate: false,
    clientTracking: false,
  });
  readonly #open = new Set<Listening>();
  readonly #heartbeat: NodeJS.Timeout;
  #isClosing = false;

  constructor(options: EventSocketsOptions) {
    this.#options = options;
    this.#heartbeat = setInterval(() => this.#beat(), options.heartbeatMs ?? HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  /** How many listen. */
  get size(): number {
    return this.#open.size;
  }

  /** Takes a request to speak another protocol (RFC 6455, 4.2), or answers it as REST would. */
  readonly upgrade = (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    const requestId = randomUUID();
    // A peer that vanishes meanwhile is no news.
    stream.on('error', () => stream.destroy());
    this.#admit(request, stream, head, requestId).catch((error: unknown) => {
      const problem = toProblem(error);
      if (problem.code === 'internal.error') this.#options.log.error({ err: error, requestId }, 'request.failed');
      this.#options.log.warn({ requestId, status: problem.status, problem: problem.code }, 'events.refused');
      refuse(stream, problem, requestId);
    });
  };

  /** Sends everybody away; those who come back find another process. */
  close(): void {
    this.#isClosing = true;
    clearInterval(this.#heartbeat);
    for (const listening of this.#open) this.#dismiss(listening, CLOSE.goingAway, 'the API stops');
  }

  async #admit(request: IncomingMessage, stream: Duplex, head: Buffer, requestId: string): Promise<void> {
    const { feed, origins } = this.#options;
    const { pathname, searchParams } = targetOf(request);
    if (pathname !== EVENTS_PATH) throw new Problem('not.found', `There is no WebSocket at ${pathname}.`);
    requireOrigin(request, origins);
    const query = parsedQuery(searchParams);
    const caller = await this.#callerOf(request, query);
    requireRole(caller, ROLES);
    const concerns = filterOf(query, caller);
    if (caller.kind === 'person' && caller.untilMs <= Date.now()) {
      throw unauthenticated('The token has expired.', 'Bearer error="invalid_token"');
    }
    await feed.ready();
    // Right before it is taken: many may have waited.
    this.#requireRoom(caller);
    if (this.#isClosing) throw new Problem('too.many.connections', 'The API stops; another process takes you.');
    this.#server.handleUpgrade(request, stream, head, (socket) =>
      this.#listen({ socket, caller, isAlive: true }, query, concerns, requestId),
    );
  }

  async #callerOf({ headers }: IncomingMessage, { ticket }: EventsQuery): Promise<Caller> {
    if (ticket === undefined) return this.#options.authenticate(headers.authorization);
    const caller = await this.#options.tickets.redeem(ticket);
    if (caller !== undefined) return caller;
    throw unauthenticated('The ticket was used, or is older than half a minute: get another one.', 'Bearer');
  }

  #requireRoom(caller: Caller): void {
    const own = [...this.#open].filter((other) => actorOf(other.caller) === actorOf(caller)).length;
    if (this.#open.size >= SOCKETS_LIMIT || (caller.kind === 'person' && own >= SOCKETS_OF_A_PERSON)) {
      throw new Problem('too.many.connections', 'Close some of those that are open, or try again later.');
    }
  }

  #listen(
    listening: Listening,
    { after, samples }: EventsQuery,
    concerns: (session: SessionSnapshot) => boolean,
    requestId: string,
  ): void {
    const { feed, log } = this.#options;
    const { socket, caller } = listening;
    const openedAt = performance.now();
    this.#open.add(listening);
    const send = (text: string): void => {
      socket.send(text);
      if (socket.bufferedAmount > UNSENT_LIMIT + unsentAtFirst) this.#dismiss(listening, CLOSE.tooSlow, 'too slow');
    };
    let unsentAtFirst = Infinity;
    const missed = after === undefined ? undefined : toTellAgain(feed.since(placeOf(after)), concerns);
    if (missed === undefined) {
      const sessions = feed.sessions().filter(concerns).map(toResource);
      send(JSON.stringify({ type: 'snapshot', ...feed.place, sessions } satisfies Notification));
    } else {
      for (const text of missed) send(text);
      // What was missed tells the time of when it was told: whoever counts down by that would count from there.
      send(heartbeatText(feed.place));
    }
    const sampled = sampledOf(samples, concerns, caller);
    if (sampled !== undefined) send(feed.samplesSoFar(sampled));
    unsentAtFirst = socket.bufferedAmount;
    const sendSamples = (told: ToldSamples, whose: (session: SessionSnapshot) => boolean): void => {
      if (socket.readyState !== WebSocket.OPEN) return;
      if (socket.bufferedAmount > UNSENT_SAMPLES_LIMIT + unsentAtFirst) return;
      const text = told.textFor(whose);
      if (text !== undefined) send(text);
    };
    const silence = feed.listen(
      ({ session, text }) => {
        if (socket.readyState === WebSocket.OPEN && concerns(session)) send(text);
      },
      sampled === undefined ? undefined : (told) => sendSamples(told, sampled),
    );

    const expiry =
      caller.kind === 'person'
        ? setTimeout(
            () => this.#dismiss(listening, CLOSE.expired, 'the token has expired'),
            Math.min(Math.max(0, caller.untilMs - Date.now()), LONGEST_TIMER_MS),
          )
        : undefined;
    expiry?.unref();
    socket.on('pong', () => {
      listening.isAlive = true;
    });
    socket.on('message', () => this.#dismiss(listening, CLOSE.policy, 'nothing is to be sent here'));
    socket.on('error', () => socket.terminate());
    socket.once('close', (code, reason) => {
      clearTimeout(expiry);
      silence();
      this.#open.delete(listening);
      const durationMs = Math.round(performance.now() - openedAt);
      log.info({ requestId, actor: actorOf(caller), code, reason: reason.toString(), durationMs }, 'events.closed');
    });
    log.info({ requestId, actor: actorOf(caller), resumed: missed !== undefined }, 'events.opened');
  }

  #beat(): void {
    const { feed } = this.#options;
    const text = heartbeatText(feed.place);
    for (const listening of this.#open) {
      const { socket, isAlive } = listening;
      if (!isAlive) {
        socket.terminate();
        continue;
      }
      listening.isAlive = false;
      if (socket.readyState !== WebSocket.OPEN) continue;
      socket.ping();
      socket.send(text);
    }
  }

  #dismiss({ socket }: Listening, code: number, reason: string): void {
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.close(code, reason);
    setTimeout(() => socket.terminate(), CLOSE_LIMIT_MS).unref();
  }
}

/** That all up to a place has been told, and what time it is. */
function heartbeatText(place: SessionFeed['place']): string {
  return JSON.stringify({ type: 'heartbeat', ...place, at: new Date().toISOString() } satisfies Notification);
}

function targetOf({ url = '' }: IncomingMessage): URL {
  const base = 'http://any';
  if (URL.canParse(url, base)) return new URL(url, base);
  throw invalidRequest([{ field: 'path', message: 'cannot be read as an address' }]);
}

function parsedQuery(given: URLSearchParams): EventsQuery {
  const names = [...given.keys()];
  const repeated = names.filter((name, index) => names.indexOf(name) !== index);
  if (repeated.length > 0) throw invalidRequest(repeated.map((field) => ({ field, message: 'is given twice' })));
  const result = eventsQuery.safeParse(Object.fromEntries(given));
  if (result.success) return result.data;
  throw invalidRequest(fieldFaults(result.error, 'query'));
}

/** The messages that somebody has missed; `undefined` where a snapshot is better. */
function toTellAgain(
  changes: readonly LoggedChange[] | undefined,
  concerns: (session: SessionSnapshot) => boolean,
): string[] | undefined {
  const texts = changes?.filter(({ session }) => concerns(session)).map(({ text }) => text);
  const length = texts?.reduce((sum, text) => sum + text.length, 0) ?? 0;
  return length > TOLD_AGAIN_LIMIT ? undefined : texts;
}

function filterOf(
  { sessionId, interactionId, supervisorId, own, samples }: EventsQuery,
  caller: Caller,
): (session: SessionSnapshot) => boolean {
  const ofOwn = own === 'true' ? 'own' : samples === 'own' ? 'samples' : undefined;
  if (ofOwn !== undefined && caller.kind === 'service') {
    throw invalidRequest([{ field: ofOwn, message: 'is for people; the API key has no sessions: use supervisorId' }]);
  }
  const ownId = own === 'true' && caller.kind === 'person' ? caller.id : undefined;
  return (session) =>
    (sessionId === undefined || session.sessionId === sessionId) &&
    (interactionId === undefined || session.interactionId === interactionId) &&
    (supervisorId === undefined || session.supervisorId === supervisorId) &&
    (ownId === undefined || session.supervisorId === ownId);
}

/** The sessions whose samples are told; `undefined`: none. */
function sampledOf(
  samples: EventsQuery['samples'],
  concerns: (session: SessionSnapshot) => boolean,
  caller: Caller,
): ((session: SessionSnapshot) => boolean) | undefined {
  if (samples === 'true') return concerns;
  if (samples !== 'own' || caller.kind !== 'person') return undefined;
  return (session) => session.supervisorId === caller.id && concerns(session);
}

/** Browsers let any page open a socket anywhere, and tell whose page it is (RFC 6455, 10.2). Programs tell nothing. */
function requireOrigin({ headers }: IncomingMessage, allowed: readonly string[]): void {
  const { origin, host } = headers;
  if (origin === undefined || allowed.includes(origin) || isOriginOf(host, origin)) return;
  throw new Problem('access.denied', `Pages of ${origin} may not listen here; CORS_ORIGINS would have to name it.`);
}

function placeOf(after: string): { readonly epoch: string; readonly seq: number } {
  const colon = after.lastIndexOf(':');
  return { epoch: after.slice(0, colon), seq: Number(after.slice(colon + 1)) };
}

function refuse(stream: Duplex, problem: Problem, requestId: string): void {
  const body = JSON.stringify(problem.toBody(requestId));
  const headers = {
    Connection: 'close',
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
    'X-Request-Id': requestId,
    'Cache-Control': 'no-store',
    ...problem.headers,
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  // Whoever keeps their half open would keep the connection for ever: no server looks after it any more.
  stream.once('finish', () => stream.destroy());
  stream.end([`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`, ...head, '', body].join('\r\n'));
}
