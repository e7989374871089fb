import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import { parsePlatformEvent } from '../domain/platform-events.js';
import type { PlatformEvent } from '../domain/platform-events.js';
import { parseJson } from './fault-of-answer.js';

/** Until the upgrade is answered, ms. */
const HANDSHAKE_LIMIT_MS = 10_000;

/** The platform pings every 15 s (`platform-api.md`, Events): a connection on which nothing comes for longer is dead, ms. */
const SILENCE_LIMIT_MS = 40_000;

/** Largest message taken, bytes; the platform's are some hundred. */
const MAX_MESSAGE_BYTES = 256 * 1024;

/** Events that may wait to be taken; with more than that, nothing is read until half of them are done. */
const MAX_UNTAKEN = 1_000;

/** Who listens to the event stream. */
export interface EventListener {
  /** The connection is open; what happened before was not heard. */
  readonly onOpen: () => void;
  /** Resolves once the event is taken. A rejection ends the connection: it would be lost otherwise without a trace. */
  readonly onEvent: (event: PlatformEvent) => Promise<void>;
  /** A message that is no event as documented, which is passed over. */
  readonly onNonsense: (problem: string) => void;
}

/** How a connection came to its end; `refused`: the upgrade was answered with another status. */
export type StreamEnd =
  | { readonly kind: 'closed'; readonly detail: string }
  | { readonly kind: 'failed'; readonly detail: string }
  | { readonly kind: 'refused'; readonly status: number; readonly headers: IncomingMessage['headers'] };

export interface StreamRequest {
  readonly url: string;
  readonly token: string;
  readonly listener: EventListener;
  /** Ends the connection. */
  readonly signal?: AbortSignal | undefined;
  /** @default 40000, ms */
  readonly silenceLimitMs?: number | undefined;
}

/** Opens one connection to the event stream and holds it; resolves with how it ended. Redirects are not followed. */
export function followStream({
  url,
  token,
  listener,
  signal,
  silenceLimitMs = SILENCE_LIMIT_MS,
}: StreamRequest): Promise<StreamEnd> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, {
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: HANDSHAKE_LIMIT_MS,
      maxPayload: MAX_MESSAGE_BYTES,
      perMessageDeflate: false,
      followRedirects: false,
    });
    let untaken = 0;
    let silence: NodeJS.Timeout | undefined;
    let isOver = false;

    const end = (how: StreamEnd): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(silence);
      signal?.removeEventListener('abort', abort);
      socket.terminate();
      resolve(how);
    };
    const abort = (): void => end({ kind: 'closed', detail: 'no longer wanted' });
    const heard = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => end({ kind: 'failed', detail: `silent for ${silenceLimitMs} ms` }), silenceLimitMs);
    };
    const take = async (event: PlatformEvent): Promise<void> => {
      untaken += 1;
      if (untaken > MAX_UNTAKEN) socket.pause();
      try {
        await listener.onEvent(event);
      } catch (error) {
        end({ kind: 'failed', detail: `an event could not be taken: ${messageOf(error)}` });
      }
      untaken -= 1;
      if (socket.isPaused && untaken <= MAX_UNTAKEN / 2) socket.resume();
    };

    socket.on('open', () => {
      heard();
      listener.onOpen();
    });
    socket.on('ping', heard);
    socket.on('message', (data: RawData, isBinary: boolean) => {
      heard();
      try {
        const event = parsePlatformEvent(isBinary ? undefined : parseJson(textOf(data)));
        if (event !== undefined) void take(event);
      } catch {
        listener.onNonsense(isBinary ? 'a binary message' : 'not an event as documented');
      }
    });
    socket.on('unexpected-response', (_request, response: IncomingMessage) => {
      response.resume();
      end({ kind: 'refused', status: response.statusCode ?? 0, headers: response.headers });
    });
    socket.on('close', (code) => end({ kind: 'closed', detail: `closed with ${code}` }));
    // Its message names address and reason, and no header.
    socket.on('error', (error) => end({ kind: 'failed', detail: error.message }));
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort);
  });
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8');
  return Buffer.isBuffer(data) ? data.toString('utf8') : Buffer.from(data).toString('utf8');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
