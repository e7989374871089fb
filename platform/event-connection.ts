import { setTimeout as sleep } from 'node:timers/promises';
import { followStream } from './event-stream.js';
import type { EventListener, StreamEnd } from './event-stream.js';
import type { TokenSource } from './token-source.js';

/** Before a connection that was to replace another is tried again, ms: doubling. */
const RETRY_PAUSE_MS = { first: 250, longest: 5_000 } as const;

/** How long a connection stays open beside the one that has replaced it, ms. */
const OVERLAP_MS = 1_000;

export interface EventConnectionOptions {
  readonly url: string;
  readonly tokens: Pick<TokenSource, 'token' | 'refreshAfter401' | 'replacedInMs'>;
  readonly listener: EventListener;
  readonly signal?: AbortSignal | undefined;
}

interface Connection {
  readonly token: string;
  readonly ended: Promise<StreamEnd>;
  readonly close: () => void;
}

/**
 * Follows the event stream for longer than a token lives: the platform ends a connection when the token that it was opened
 * with expires (`platform-api.md`, Events), so another one takes over before that, and nothing is missed between the two. What
 * comes on both comes twice, as it may anyway. Resolves with how the last one ended.
 * @throws PlatformError where no token is to be had for the first one
 */
export async function followEventStream(options: EventConnectionOptions): Promise<StreamEnd> {
  const { listener, tokens, signal } = options;
  const token = await tokens.token({ signal });
  let first = await open(options, token, listener.onOpen);
  if ('kind' in first && first.kind === 'refused' && first.status === 401) {
    first = await open(options, await tokens.refreshAfter401(token, { signal }), listener.onOpen);
  }
  if ('kind' in first) return first;
  for (let connection = first; ;) {
    const replacing = new AbortController();
    const next = await Promise.race([connection.ended, successor(options, connection.token, replacing.signal)]);
    if ('kind' in next) {
      replacing.abort();
      return next;
    }
    // What the platform has sent on it may still be under way.
    setTimeout(connection.close, OVERLAP_MS).unref();
    connection = next;
  }
}

/** Another connection with the next token, once it is open. Tried until then, or until nobody wants it any more. */
async function successor(options: EventConnectionOptions, token: string, signal: AbortSignal): Promise<Connection> {
  const { tokens } = options;
  for (let pauseMs: number = RETRY_PAUSE_MS.first; ; pauseMs = Math.min(pauseMs * 2, RETRY_PAUSE_MS.longest)) {
    try {
      // Timers may fire a little early.
      await sleep(Math.ceil(tokens.replacedInMs(token)) + 1, undefined, { signal });
      const next = await tokens.token({ signal });
      if (next !== token) {
        // Nothing has been missed: it is open before the other one ends.
        const connection = await open(options, next, () => undefined);
        if (!('kind' in connection) && !signal.aborted) return connection;
        if (!('kind' in connection)) connection.close();
      }
    } catch {
      // No token for now, or not wanted any more.
    }
    if (signal.aborted) return new Promise(() => undefined);
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Resolves once it is open, or with why it could not be opened. */
function open(
  { url, listener, signal }: EventConnectionOptions,
  token: string,
  onOpen: () => void,
): Promise<Connection | StreamEnd> {
  const closing = new AbortController();
  const wanted = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);
  return new Promise((resolve) => {
    const ended = followStream({
      url,
      token,
      signal: wanted,
      listener: {
        ...listener,
        onOpen() {
          onOpen();
          resolve({ token, ended, close: () => closing.abort() });
        },
      },
    });
    void ended.then(resolve);
  });
}
