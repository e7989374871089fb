import { createClient } from '@redis/client';
import type { RedisClientType } from '@redis/client';
import type { Logger } from 'pino';
import { parseHint } from './hints.js';
import type { HintListener, HintSink, HintSource } from './hints.js';
import { parsedJson, parseSamples } from './samples.js';

/** Of all Earshots that share a Redis, those of one task queue of one namespace hear each other. */
export function hintChannel(namespace: string, taskQueue: string): string {
  return `earshot:${namespace}:${taskQueue}:sessions`;
}

/** Beside hints, so that who knows of hints only is not sent samples. */
function samplesChannel(channel: string): string {
  return `${channel}:samples`;
}

interface RedisOptions {
  readonly url: string;
  /** Is told of trouble, and of its end (`undefined`); once each. */
  readonly onChange: (trouble: unknown) => void;
}

/** For `onChange`: a line in the log for each. */
export function toLog(log: Logger): RedisOptions['onChange'] {
  return (trouble) => {
    if (trouble === undefined) log.info('redis.connected');
    else log.warn({ err: trouble }, 'redis.away');
  };
}

/** Longest pause between two attempts to reach a Redis that is away, ms. */
const LONGEST_PAUSE_MS = 2_000;

const PING_MS = 5_000;

/** Commands that wait for a Redis that hangs; the next are dropped. */
const QUEUE_LIMIT = 1_000;

/** One connection that comes back by itself. While it is away, commands fail at once: nothing waits for Redis. */
export class RedisConnection {
  readonly client: RedisClientType;
  readonly #onChange: (trouble: unknown) => void;
  #troubled = false;

  constructor({ url, onChange }: RedisOptions) {
    this.#onChange = onChange;
    this.client = createClient({
      url,
      disableOfflineQueue: true,
      pingInterval: PING_MS,
      commandsQueueMaxLength: QUEUE_LIMIT,
      socket: {
        connectTimeout: 5_000,
        // One that hangs is one that is gone: nothing was heard though it was asked.
        socketTimeout: 2 * PING_MS,
        reconnectStrategy: (retries) =>
          Math.min(50 * 2 ** Math.min(retries, 10), LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2),
      },
    });
    this.client.on('error', (error: unknown) => this.tell(error)).on('ready', () => this.tell(undefined));
    // It tries until it is closed; that it failed has been told.
    this.client.connect().catch(() => undefined);
  }

  get isUp(): boolean {
    return this.client.isReady;
  }

  close(): Promise<void> {
    this.client.destroy();
    return Promise.resolve();
  }

  /** Something of it does not work, or all of it does. */
  tell(trouble: unknown): void {
    if (this.#troubled === (trouble !== undefined)) return;
    this.#troubled = trouble !== undefined;
    this.#onChange(trouble);
  }
}

/** For workers. */
export function hintsToRedis(redis: RedisConnection, channel: string): HintSink {
  const tell = (where: string, text: string): void => {
    if (redis.isUp) redis.client.publish(where, text).catch(() => undefined);
  };
  return {
    publish: (hint) => tell(channel, JSON.stringify(hint)),
    publishSamples: (batch) => tell(samplesChannel(channel), batch),
    close: () => redis.close(),
  };
}

/** For APIs: what was said while the connection was away is a gap. */
export function hintsFromRedis(redis: RedisConnection, channel: string): HintSource {
  const listeners = new Set<HintListener>();
  const take = (message: string): void => {
    if (listeners.size === 0) return;
    const hint = parseHint(parsedJson(message));
    if (hint !== undefined) for (const listener of listeners) listener.hint(hint);
  };
  const takeSamples = (message: string): void => {
    if (listeners.size === 0) return;
    const batch = parseSamples(message);
    if (batch !== undefined) for (const listener of listeners) listener.samples(batch);
  };
  let isSubscribed = false;
  let hearsSamples = false;
  const subscribe = async (): Promise<void> => {
    // Once done, it is done again by the client with each connection.
    if (!isSubscribed) await redis.client.subscribe(channel, take);
    isSubscribed = true;
    for (const listener of listeners) listener.gap();
    // Last: where Redis refuses it, hints are heard all the same.
    if (!hearsSamples) await redis.client.subscribe(samplesChannel(channel), takeSamples);
    hearsSamples = true;
  };
  redis.client.on('ready', () => void subscribe().catch((error: unknown) => redis.tell(error)));
  return {
    get isUp() {
      return isSubscribed && redis.isUp;
    },
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** Values that processes share, each of which can be taken once. */
interface OnceValues {
  put(key: string, value: string, ttlMs: number): Promise<void>;
  /** Also removes it. */
  take(key: string): Promise<string | null>;
}

export function onceInRedis(redis: RedisConnection, prefix: string): OnceValues {
  return {
    async put(key: string, value: string, ttlMs: number): Promise<void> {
      await redis.client.set(`${prefix}:${key}`, value, { expiration: { type: 'PX', value: ttlMs } });
    },
    take(key: string): Promise<string | null> {
      return redis.client.getDel(`${prefix}:${key}`);
    },
  };
}
