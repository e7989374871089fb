import type { Logger } from 'pino';
import type { HintSource } from '../bus/hints.js';
import type { SampleBatch } from '../bus/samples.js';
import { runningSessionsEverywhere } from '../directory/list-filter.js';
import type { SessionHint } from '../domain/notifications.js';
import type { SessionSnapshot } from '../domain/session.js';
import { ChangeLog } from './change-log.js';
import type { LoggedChange } from './change-log.js';
import { SampleMemory, samplesText, ToldSamples } from './sample-memory.js';
import { sessionPage } from './session-page.js';
import type { ListedSession } from './session-page.js';
import { changesBetween } from './session-changes.js';
import type { ReadSession, SessionReader } from './session-reader.js';
import { terminated } from './session-view.js';
import type { Temporal } from './temporal-client.js';

/** How often all running sessions are listed, ms: what hints do not tell shows then. */
const LIST_EVERY_MS = 5_000;
/** The same while no hints come. */
const LIST_EVERY_WITHOUT_HINTS_MS = 2_000;

/** How long lists may lag behind, ms: a session that one lacks is looked at only if it has been known for longer. */
const LAG_MS = 3_000;

/** Sessions in one page of a list. */
const PAGE_SIZE = 1_000;

/** Sessions read at a time. */
const READS_AT_ONCE = 20;

/** A hint may come before what it tells can be read: the pauses between looks, ms. After them it is left to the lists. */
const PAUSES_MS = [10, 20, 40, 80, 160, 320, 640];

/** How long it goes on without anybody who listens, ms: a page that is loaded again finds it at work. */
const IDLE_MS = 60_000;

/** Sessions that have ended are remembered for the hints and lists that still show them. */
const ENDED_REMEMBERED = 20_000;

interface Known extends ListedSession {
  /** Up to which version of its run changes have been told. */
  readonly told: number;
  readonly sinceMs: number;
}

interface FeedOptions {
  readonly hints?: HintSource | undefined;
  readonly log: Logger;
}

/** Whoever listens. */
type Listener = (change: LoggedChange) => void;
type SamplesListener = (samples: ToldSamples) => void;

/**
 * What happens to all running sessions, told to whoever listens. It shows what it has read from Temporal: hints only say
 * when to read, and a list every few seconds finds what none of them told. Samples of their legs it hands on as they come,
 * and remembers the latest. Without listeners it does nothing.
 */
export class SessionFeed {
  readonly #temporal: Temporal;
  readonly #reader: SessionReader;
  readonly #hints: HintSource | undefined;
  readonly #log: Logger;
  readonly #listeners = new Set<Listener>();
  readonly #known = new Map<string, Known>();
  /** By session, the last run of it that ended. */
  readonly #ended = new Map<string, string>();
  /** Sessions to read, and what has been told of them. */
  readonly #due = new Map<string, SessionHint[]>();
  /** Those that somebody is at. */
  readonly #reading = new Set<string>();
  readonly #samplesListeners = new Set<SamplesListener>();
  #samples = new SampleMemory();
  #changes = new ChangeLog();
  #life: AbortController | undefined;
  #ready: Promise<void> | undefined;
  #idle: NodeJS.Timeout | undefined;
  #listing: Promise<void> | undefined;
  #isBehind = false;

  constructor(temporal: Temporal, reader: SessionReader, { hints, log }: FeedOptions) {
    this.#temporal = temporal;
    this.#reader = reader;
    this.#hints = hints;
    this.#log = log;
  }

  /** Resolves once it knows all sessions that run. @throws what Temporal's client throws */
  ready(): Promise<void> {
    clearTimeout(this.#idle);
    this.#life ??= this.#start();
    this.#ready ??= this.#list().catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    // Whoever asked may have gone before it could listen.
    return this.#ready.finally(() => this.#stopIfIdle());
  }

  /** The place of the latest change. */
  get place(): { readonly epoch: string; readonly seq: number } {
    const { epoch, seq } = this.#changes;
    return { epoch, seq };
  }

  /** All sessions that run, once it is ready. */
  sessions(): SessionSnapshot[] {
    return [...this.#known.values()].map(({ session }) => session);
  }

  /** As {@link ChangeLog.since}. */
  since(place: { readonly epoch: string; readonly seq: number }): readonly LoggedChange[] | undefined {
    return this.#changes.since(place);
  }

  /** The message of all samples that are remembered of sessions that concern somebody. */
  samplesSoFar(concerns: (session: SessionSnapshot) => boolean): string {
    const theirs = this.sessions().filter(concerns);
    return samplesText(
      new Date().toISOString(),
      theirs.flatMap(({ sessionId }) => this.#samples.of(sessionId)),
    );
  }

  /**
   * @param onSamples is told of samples as well. @default nobody
   * @returns ends it
   */
  listen(listener: Listener, onSamples?: SamplesListener): () => void {
    this.#listeners.add(listener);
    if (onSamples !== undefined) this.#samplesListeners.add(onSamples);
    clearTimeout(this.#idle);
    return () => {
      this.#listeners.delete(listener);
      if (onSamples !== undefined) this.#samplesListeners.delete(onSamples);
      this.#stopIfIdle();
    };
  }

  close(): void {
    clearTimeout(this.#idle);
    this.#life?.abort();
    this.#life = undefined;
    this.#ready = undefined;
    // What it finds is not for those who come later.
    this.#listing = undefined;
    this.#known.clear();
    this.#ended.clear();
    this.#due.clear();
    this.#samples = new SampleMemory();
    // What happens from now on is not seen.
    this.#changes = new ChangeLog();
  }

  #stopIfIdle(): void {
    if (this.#listeners.size > 0) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.close(), IDLE_MS);
    this.#idle.unref();
  }

  #start(): AbortController {
    const life = new AbortController();
    const silence = this.#hints?.listen({
      hint: (hint) => this.#hear(hint),
      gap: () => void this.#listAgain(),
      samples: (batch) => this.#takeSamples(batch),
    });
    let timer: NodeJS.Timeout | undefined;
    const next = (): void => {
      timer = setTimeout(
        () => void this.#listAgain().finally(() => (life.signal.aborted ? undefined : next())),
        this.#hints?.isUp === true ? LIST_EVERY_MS : LIST_EVERY_WITHOUT_HINTS_MS,
      );
      timer.unref();
    };
    next();
    life.signal.addEventListener('abort', () => {
      silence?.();
      clearTimeout(timer);
    });
    return life;
  }

  /** The first list has its own way of telling that it failed. */
  async #listAgain(): Promise<void> {
    try {
      await this.#list();
      if (this.#isBehind) this.#log.info('events.caught-up');
      this.#isBehind = false;
    } catch (error) {
      if (!this.#isBehind) this.#log.warn({ err: error }, 'events.behind');
      this.#isBehind = true;
    }
  }

  #list(): Promise<void> {
    if (this.#listing !== undefined) return this.#listing;
    const listing = this.#listAll().finally(() => {
      if (this.#listing === listing) this.#listing = undefined;
    });
    this.#listing = listing;
    return listing;
  }

  async #listAll(): Promise<void> {
    const life = this.#life;
    const listedAtMs = Date.now();
    const listed = new Set<string>();
    let token: Uint8Array | undefined;
    do {
      const page = await sessionPage(this.#temporal, runningSessionsEverywhere(), PAGE_SIZE, token);
      if (this.#life !== life) return;
      for (const one of page.sessions) {
        listed.add(one.session.sessionId);
        this.#takeListed(one);
      }
      token = page.nextToken;
    } while (token !== undefined);
    for (const [sessionId, { sinceMs }] of this.#known) {
      if (!listed.has(sessionId) && listedAtMs - sinceMs > LAG_MS) this.#read(sessionId);
    }
  }

  #takeListed(listed: ListedSession): void {
    const { sessionId, version, state } = listed.session;
    const known = this.#known.get(sessionId);
    if (known === undefined) {
      const ended = this.#ended.get(sessionId);
      // Lists show for a moment what has ended, and which of two runs is the current one only Temporal's description tells.
      if (ended === undefined && state !== 'TERMINATED') this.#take(sessionId, listed, []);
      else if (ended !== undefined && ended !== listed.run) this.#read(sessionId);
    } else if (known.run !== listed.run) this.#read(sessionId);
    else if (version > known.session.version) this.#take(sessionId, listed, []);
    // What was read of it, and hinted by nobody, has been shown.
    else if (version > known.told) this.#known.set(sessionId, { ...known, told: version });
  }

  #hear(hint: SessionHint): void {
    const { sessionId, run, version } = hint;
    const known = this.#known.get(sessionId);
    if (known?.run === run && version <= known.told) return;
    if (known === undefined && this.#ended.get(sessionId) === run) return;
    if (known?.run === run && version <= known.session.version) this.#take(sessionId, known, [hint]);
    else this.#read(sessionId, hint);
  }

  /** Of legs that sessions have as far as is known here; no others are shown. */
  #takeSamples({ at, samples }: SampleBatch): void {
    const told = samples.flatMap((sample) => {
      const session = this.#known.get(sample.sessionId)?.session;
      if (session?.monitorSessionId !== sample.monitorSessionId) return [];
      const text = this.#samples.add(sample);
      return text === undefined ? [] : [{ session, text }];
    });
    if (told.length === 0) return;
    const message = new ToldSamples(at, told);
    for (const listener of this.#samplesListeners) listener(message);
  }

  #read(sessionId: string, ...hints: SessionHint[]): void {
    this.#due.set(sessionId, [...(this.#due.get(sessionId) ?? []), ...hints]);
    if (this.#reading.size < READS_AT_ONCE) void this.#readDue();
  }

  /** One of the readers: works until nothing is due that another is not at. Of one session, what comes first is told first. */
  async #readDue(): Promise<void> {
    for (;;) {
      const life = this.#life;
      const next = this.#nextDue();
      if (next === undefined) return;
      const [sessionId, hints] = next;
      this.#due.delete(sessionId);
      this.#reading.add(sessionId);
      try {
        const read = await this.#readUpTo(sessionId, hints);
        if (this.#life !== life) continue;
        if (read === undefined) this.#takeGone(sessionId);
        else await this.#takeRead(sessionId, read, hints);
      } catch (error) {
        // The next list finds it.
        this.#log.debug({ err: error, sessionId }, 'events.read-failed');
      } finally {
        this.#reading.delete(sessionId);
      }
    }
  }

  #nextDue(): readonly [string, SessionHint[]] | undefined {
    for (const due of this.#due) if (!this.#reading.has(due[0])) return due;
    return undefined;
  }

  /** The session, of the version that the hints tell or later, if it comes to that. */
  async #readUpTo(sessionId: string, hints: readonly SessionHint[]): Promise<ReadSession | undefined> {
    for (const pauseMs of [...PAUSES_MS, undefined]) {
      const read = await this.#reader.current(sessionId);
      const isOld = hints.some(({ run, version }) =>
        read === undefined ? true : read.lastRunId === run && read.open && read.session.version < version,
      );
      if (!isOld || pauseMs === undefined) return read;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    return undefined;
  }

  /** Its workflow was deleted from Temporal. */
  #takeGone(sessionId: string): void {
    const known = this.#known.get(sessionId);
    if (known === undefined) return;
    this.#take(sessionId, { ...known, session: terminated(known.session, new Date().toISOString()) }, []);
  }

  async #takeRead(sessionId: string, read: ReadSession, hints: readonly SessionHint[]): Promise<void> {
    const life = this.#life;
    const before = this.#known.get(sessionId)?.session;
    if (before !== undefined && before.runId !== read.session.runId) {
      // Another session under the same id: the end of the one before is told first.
      const { session } = await this.#reader.read(sessionId, before.runId);
      if (this.#life !== life) return;
      this.#take(sessionId, { session, run: before.runId }, []);
    }
    if (before === undefined && this.#ended.get(sessionId) === read.lastRunId) return;
    this.#take(sessionId, { session: read.session, run: read.lastRunId }, hints);
  }

  #take(sessionId: string, { session, run }: ListedSession, hints: readonly SessionHint[]): void {
    const before = this.#known.get(sessionId);
    const isSameRun = before?.run === run;
    if (isSameRun && session.version < before.session.version) return;
    const told = isSameRun ? before.told : 0;
    const news = hints
      // What is not true yet is told when it is.
      .filter((hint) => hint.run === run && hint.version > told && hint.version <= session.version)
      .toSorted((one, other) => one.version - other.version);
    const isOver = session.state === 'TERMINATED';
    if (isOver) {
      this.#known.delete(sessionId);
      this.#samples.forget(sessionId);
      this.#remember(sessionId, run);
    } else {
      const upTo = news.at(-1)?.version ?? session.version;
      this.#known.set(sessionId, { session, run, told: upTo, sinceMs: before?.sinceMs ?? Date.now() });
    }
    for (const { type, at, commandId, mode, position, expiresAt, supersededBy } of news) {
      this.#tell(this.#changes.add(type, session, { at, commandId, mode, position, expiresAt, supersededBy }));
    }
    const isEndTold = news.some(({ type }) => type === 'session.ended');
    if (news.length === 0) {
      for (const type of changesBetween(before?.session, session, isSameRun))
        this.#tell(this.#changes.add(type, session));
    } else if (isOver && !isEndTold) this.#tell(this.#changes.add('session.ended', session));
  }

  #remember(sessionId: string, run: string): void {
    this.#ended.delete(sessionId);
    this.#ended.set(sessionId, run);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > ENDED_REMEMBERED && oldest !== undefined) this.#ended.delete(oldest);
  }

  #tell(change: LoggedChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}
