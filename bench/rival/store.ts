import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@redis/client';
import { command, queueEntry, session } from './wire.js';
import type { Command, QueueEntry, Session } from './wire.js';

/** What is over is remembered so long, s. */
const REMEMBERED_SECONDS = 3_600;
/** For how long a write that follows something done on the platform is tried, ms. */
const TRIED_FOR_MS = 30_000;
const RETRY_MS = 200;

const ACTIVE = 'rival:active';
const sessionKey = (sessionId: string): string => `rival:session:${sessionId}`;
const interactionKey = (interactionId: string): string => `rival:interaction:${interactionId}`;
const queueKey = (interactionId: string): string => `rival:queue:${interactionId}`;
const legKey = (monitorSessionId: string): string => `rival:leg:${monitorSessionId}`;
const commandKey = (sessionId: string, commandId: string): string => `rival:command:${sessionId}:${commandId}`;

/** A new session, unless one of that id is alive; whether it is new. */
const CREATE = `
local state = redis.call('HGET', KEYS[1], 'state')
if state and state ~= 'TERMINATED' then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
return 1`;

/** Another state, unless it is over, or not in the one that is expected; whether it was. */
const MOVE = `
local state = redis.call('HGET', KEYS[1], 'state')
if not state or state == 'TERMINATED' or (ARGV[1] ~= '' and state ~= ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2])
return 1`;

/** Somebody else may have the lock by now. */
const UNLOCK = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

/** What a command has to know before anything is done. */
export interface CommandView {
  readonly session: Session | undefined;
  /** The same command, if it was sent before. */
  readonly known: Command | undefined;
  readonly waiting: number;
}

/** All that the rival remembers: in Redis, for as many processes as there are. */
export class Store {
  readonly client;

  constructor(url: string) {
    this.client = createClient({ url, socket: { reconnectStrategy: (retries) => Math.min(50 + retries * 50, 500) } });
    // It comes back by itself; commands wait for it meanwhile.
    this.client.on('error', () => undefined);
  }

  async open(): Promise<void> {
    await this.client.connect();
  }

  /** Whether it is new. */
  async create(fresh: Session): Promise<boolean> {
    const keys = [sessionKey(fresh.sessionId), interactionKey(fresh.interactionId), ACTIVE];
    return (await this.client.eval(CREATE, { keys, arguments: [fresh.sessionId, ...fieldsOf(fresh).flat()] })) === 1;
  }

  async session(sessionId: string): Promise<Session | undefined> {
    return readSession(await this.client.hGetAll(sessionKey(sessionId)));
  }

  /** One round trip for all that a command has to know. */
  async view(sessionId: string, interactionId: string, commandId: string): Promise<CommandView> {
    const [fields, known, waiting] = await this.client
      .multi()
      .hGetAll(sessionKey(sessionId))
      .hGetAll(commandKey(sessionId, commandId))
      .lLen(queueKey(interactionId))
      .execTyped();
    return { session: readSession(fields), known: command.safeParse(known).data, waiting };
  }

  async command(sessionId: string, commandId: string): Promise<Command | undefined> {
    return command.safeParse(await this.client.hGetAll(commandKey(sessionId, commandId))).data;
  }

  /** Makes a leg the session's, unless it is another's; whether it is. */
  async claimLeg(sessionId: string, monitorSessionId: string): Promise<boolean> {
    return steadily(async () => {
      const key = legKey(monitorSessionId);
      const isNew = await this.client.set(key, sessionId, {
        condition: 'NX',
        expiration: { type: 'EX', value: 86_400 },
      });
      if (isNew === null && (await this.client.get(key)) !== sessionId) return false;
      await this.client.hSet(sessionKey(sessionId), 'monitorSessionId', monitorSessionId);
      return true;
    });
  }

  async ownerOf(monitorSessionId: string): Promise<string | undefined> {
    return (await this.client.get(legKey(monitorSessionId))) ?? undefined;
  }

  /** @param from only out of that state */
  async move(sessionId: string, to: Session['state'], from?: Session['state']): Promise<boolean> {
    const script = { keys: [sessionKey(sessionId)], arguments: [from ?? '', to] };
    return steadily(async () => (await this.client.eval(MOVE, script)) === 1);
  }

  /** What a command has led to; resolves to how many wait for the channel. */
  async applied({ sessionId, interactionId }: Session, state: Session['state'], done: Command): Promise<number> {
    return steadily(async () => {
      const key = commandKey(sessionId, done.commandId);
      const multi = this.client.multi();
      const [, , , waiting] = await multi
        .eval(MOVE, { keys: [sessionKey(sessionId)], arguments: ['', state] })
        .hSet(key, commandFields(done))
        .expire(key, REMEMBERED_SECONDS)
        .lLen(queueKey(interactionId))
        .execTyped();
      return waiting;
    });
  }

  async record(sessionId: string, done: Command): Promise<void> {
    const key = commandKey(sessionId, done.commandId);
    await steadily(() =>
      this.client.multi().hSet(key, commandFields(done)).expire(key, REMEMBERED_SECONDS).execTyped(),
    );
  }

  /** The session is over, and remembered for an hour. */
  async end({ sessionId, interactionId }: Session, endReason: string): Promise<void> {
    const key = sessionKey(sessionId);
    const ended = { state: 'TERMINATED', endedAt: new Date().toISOString(), endReason };
    await steadily(() =>
      this.client
        .multi()
        .hSet(key, ended)
        .expire(key, REMEMBERED_SECONDS)
        .sRem(interactionKey(interactionId), sessionId)
        .sRem(ACTIVE, sessionId)
        .execTyped(),
    );
  }

  async sessionsOn(interactionId: string): Promise<string[]> {
    return this.client.sMembers(interactionKey(interactionId));
  }

  async active(): Promise<string[]> {
    return this.client.sMembers(ACTIVE);
  }

  /** To the end of the line; resolves to the place, 1 is next. */
  async enqueue(interactionId: string, entry: QueueEntry): Promise<number> {
    const { sessionId, commandId, mode, expiresAtMs } = entry;
    const key = commandKey(sessionId, commandId);
    const expiresAt = new Date(expiresAtMs).toISOString();
    const [place] = await this.client
      .multi()
      .rPush(queueKey(interactionId), JSON.stringify(entry))
      .hSet(key, commandFields({ commandId, action: mode, status: 'queued', expiresAt }))
      .expire(key, REMEMBERED_SECONDS)
      .execTyped();
    return place;
  }

  async queue(interactionId: string): Promise<QueueEntry[]> {
    return (await this.client.lRange(queueKey(interactionId), 0, -1)).map(readEntry);
  }

  async waiting(interactionId: string): Promise<number> {
    return this.client.lLen(queueKey(interactionId));
  }

  async head(interactionId: string): Promise<QueueEntry | undefined> {
    const text = await this.client.lIndex(queueKey(interactionId), 0);
    return text === null ? undefined : readEntry(text);
  }

  /** Takes one out of the line, wherever it stands. */
  async leave(interactionId: string, entry: QueueEntry): Promise<void> {
    await steadily(() => this.client.lRem(queueKey(interactionId), 1, JSON.stringify(entry)));
  }

  /** Who has it may do what only one may do; it is free again after `forMs` in any case. */
  async lock(name: string, holder: string, forMs: number): Promise<boolean> {
    const expiration = { type: 'PX', value: forMs } as const;
    return (await this.client.set(`rival:lock:${name}`, holder, { condition: 'NX', expiration })) !== null;
  }

  async unlock(name: string, holder: string): Promise<void> {
    await this.client.eval(UNLOCK, { keys: [`rival:lock:${name}`], arguments: [holder] });
  }
}

function fieldsOf(one: Session): [string, string][] {
  return Object.entries(one).map(([field, value]): [string, string] => [field, value ?? '']);
}

function readSession(fields: unknown): Session | undefined {
  if (typeof fields !== 'object' || fields === null) return undefined;
  return session.safeParse(
    Object.fromEntries(Object.entries(fields).map(([field, value]) => [field, value === '' ? null : String(value)])),
  ).data;
}

function readEntry(text: string): QueueEntry {
  return queueEntry.parse(JSON.parse(text));
}

function commandFields({ commandId, action, status, reason, expiresAt }: Command): Record<string, string> {
  return {
    ...{ commandId, action, status },
    ...(reason === undefined ? {} : { reason }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

/**
 * What has happened on the platform has to be remembered, also where Redis goes away in that moment: all of these may be
 * done twice.
 */
async function steadily<T>(write: () => Promise<T>): Promise<T> {
  const givenUpAtMs = Date.now() + TRIED_FOR_MS;
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (Date.now() > givenUpAtMs) throw error;
      await sleep(RETRY_MS);
    }
  }
}
