import { z } from 'zod';
import { changeMessage, heartbeatMessage, samplesMessage, snapshotMessage } from '../../domain/notifications.js';
import { sessionResource } from '../../domain/session.js';
import { readTicket } from './rest.js';
import { parsedJson } from './parsed-json.js';

/** Heartbeats come every 15 s: after two that are missing the connection is dead, whatever the network says. */
const SILENCE_LIMIT_MS = 35_000;

/** Pauses between attempts: the first, ms, doubled up to the longest, with up to half of it more by chance. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;

const message = z.union([snapshotMessage, heartbeatMessage, samplesMessage, changeMessage]);
export type StreamMessage = z.infer<typeof message>;

/** A snapshot of which this page may not know all that is in it. */
const anySnapshot = snapshotMessage.extend({ sessions: z.array(z.unknown()) });

export interface EventStreamListener {
  readonly told: (message: StreamMessage) => void;
  /** What was told is up to date, and what follows is told as it happens. */
  readonly live: () => void;
  /** A message, or part of it, is of a newer API than this page. It is passed over, for there is no telling what it says. */
  readonly unreadable: () => void;
  /** @param retryAtMs when it is tried again, ms since the epoch */
  readonly lost: (retryAtMs: number) => void;
  /** No ticket was given, or it was not taken. Called before `lost`. */
  readonly refused: (error: unknown) => void;
}

/**
 * The WebSocket of `GET /v1/events`, kept open: it comes back by itself, and asks for what it missed. Who is told anything is
 * told it in order.
 */
export class EventStream {
  readonly #listener: EventStreamListener;
  #socket: WebSocket | undefined;
  /** Of the last message, as `after` takes it. */
  #place: string | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  /** When the socket last said anything, or was made, ms since the epoch. */
  #heardAtMs = 0;
  /** This socket has told all that there is: what is shown is as it is now. */
  #isLive = false;
  #isOpening = false;
  #isClosed = false;

  constructor(listener: EventStreamListener) {
    this.#listener = listener;
    addEventListener('online', this.#tryNow);
    addEventListener('offline', this.#drop);
    document.addEventListener('visibilitychange', this.#tryNow);
    void this.#open();
  }

  close(): void {
    this.#isClosed = true;
    removeEventListener('online', this.#tryNow);
    removeEventListener('offline', this.#drop);
    document.removeEventListener('visibilitychange', this.#tryNow);
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#socket?.close();
  }

  /** Whoever looks at the page again, or is on the network again, does not wait for the next attempt. */
  readonly #tryNow = (): void => {
    if (document.hidden) return;
    // While a computer sleeps no timer runs: what has been silent for so long by the clock is dead.
    if (this.#socket !== undefined && Date.now() - this.#heardAtMs > SILENCE_LIMIT_MS) this.#lose(this.#socket);
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    void this.#open();
  };

  readonly #drop = (): void => {
    if (this.#socket !== undefined) this.#lose(this.#socket);
  };

  async #open(): Promise<void> {
    if (this.#isOpening || this.#isClosed || this.#socket !== undefined) return;
    this.#isOpening = true;
    try {
      const ticket = await readTicket();
      this.#connect(ticket);
    } catch (error) {
      if (this.#closed) return;
      this.#listener.refused(error);
      this.#tryLater();
    } finally {
      this.#isOpening = false;
    }
  }

  #connect(ticket: string): void {
    if (this.#isClosed) return;
    const query = new URLSearchParams({
      ticket,
      samples: 'own',
      ...(this.#place === undefined ? {} : { after: this.#place }),
    });
    const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/v1/events?${query.toString()}`);
    this.#socket = socket;
    this.#isLive = false;
    this.#listenOn(socket);
    socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (this.#socket !== socket) return;
      this.#listenOn(socket);
      this.#take(data);
    });
    socket.addEventListener('close', () => this.#lose(socket));
  }

  /** It may have been closed while an answer was on its way. */
  get #closed(): boolean {
    return this.#isClosed;
  }

  #listenOn(socket: WebSocket): void {
    this.#heardAtMs = Date.now();
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lose(socket), SILENCE_LIMIT_MS);
  }

  #take(data: unknown): void {
    const content = parsedJson(data);
    const whole = message.safeParse(content).data;
    const told = whole ?? readablePart(content);
    this.#pauseMs = FIRST_PAUSE_MS;
    if (whole === undefined) this.#listener.unreadable();
    if (told === undefined) return;
    if (told.type !== 'samples') this.#place = `${told.epoch}:${told.seq}`;
    this.#listener.told(told);
    // An open socket has told nothing yet; changes that were missed come first, and the samples so far after them.
    if (this.#isLive || !['snapshot', 'samples', 'heartbeat'].includes(told.type)) return;
    this.#isLive = true;
    this.#listener.live();
  }

  /** Once for each socket. */
  #lose(socket: WebSocket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    clearTimeout(this.#silence);
    socket.close();
    if (!this.#isClosed) this.#tryLater();
  }

  #tryLater(): void {
    const pauseMs = this.#pauseMs * (1 + Math.random() / 2);
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#open();
    }, pauseMs);
    this.#listener.lost(Date.now() + pauseMs);
  }
}

/** What is left of a snapshot without the sessions that cannot be read; of anything else nothing is. */
function readablePart(content: unknown): z.infer<typeof snapshotMessage> | undefined {
  const given = anySnapshot.safeParse(content).data;
  if (given === undefined) return undefined;
  const sessions = given.sessions.flatMap((session) => sessionResource.safeParse(session).data ?? []);
  return { ...given, sessions };
}
