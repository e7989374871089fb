import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { CONFIGURATION_EXIT_CODE } from '../../domain/cannot-start.js';
import { BackOff, type BackOffOptions } from './back-off.js';
import { signalGroup } from './end-process.js';
import type { PartOutput } from './part-output.js';
import { removePidFile, writePidFile } from './pid-file.js';

/** A part that ends this often without ever having been ready never will be. */
const HOPELESS_EXITS = 5;

/** How long an ended part's output is still read. */
const LAST_WORDS_MS = 500;

/** What a part wants another to be told; what it is, is theirs. `spare`: it gives way to what is not. */
const relayMessage = z.looseObject({ type: z.literal('relay'), to: z.string(), spare: z.boolean().default(false) });

/** Messages that may be on their way to a part that is slow to read; the next are dropped. */
const UNSENT_LIMIT = 1_000;

const readyMessage = z.object({ type: z.literal('ready'), url: z.string().optional() });

/** One process of the product, and how to run it. */
export interface PartSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment: nothing of the supervisor's own is added. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Resolves once the part works. Absent: the part says `{type: 'ready'}` over its IPC channel. */
  readonly probe?: (signal: AbortSignal) => Promise<void>;
  /** How long SIGTERM is given to work, in milliseconds. */
  readonly stopMs: number;
  /** Parts that must have been ready before this one is started. */
  readonly after: readonly string[];
}

/** What a part tells its supervisor. */
export interface PartEvents {
  /** `url`: where it is reached, if it said so. `first`: false after a restart. */
  ready(part: SupervisedPart, first: boolean, url: string | undefined): void;
  /** A part has a message for another. */
  relay(to: string, message: object, isSpare: boolean): void;
  /** It ended without being told to and is started again after `delayMs`. */
  restarting(part: SupervisedPart, how: string, delayMs: number): void;
  /** It ended and isn't started again: wrongly configured, or hopeless. */
  failed(part: SupervisedPart, how: string, exitCode: number): void;
}

/** One part kept running: started, watched, restarted with back-off, stopped. */
export class SupervisedPart {
  readonly #backOff: BackOff;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #restart: NodeJS.Timeout | undefined;
  #stopping = false;
  #wasReady = false;
  #exitsBeforeReady = 0;
  /** What waits to be sent to the process that runs now. */
  #mail = { messages: 0, isMuch: false };

  constructor(
    readonly spec: PartSpec,
    readonly output: PartOutput,
    private readonly pidFile: string,
    private readonly events: PartEvents,
    backOff: BackOffOptions = {},
  ) {
    this.#backOff = new BackOff(backOff);
  }

  /** The pid while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process; what becomes of it is told by the events. */
  start(): void {
    if (this.#stopping) return;
    const startedAt = performance.now();
    const ipc = this.spec.probe === undefined;
    // A group of its own: the terminal's Ctrl-C reaches the supervisor only, which stops the parts in order.
    const child = spawn(this.spec.command, [...this.spec.args], {
      env: { ...this.spec.env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
    });
    this.#child = child;
    this.#mail = { messages: 0, isMuch: false };
    if (child.pid !== undefined) {
      writePidFile(this.pidFile, child.pid, [this.spec.command, ...this.spec.args].join(' '));
    }
    this.#read(child.stdout, 'stdout');
    this.#read(child.stderr, 'stderr');
    const life = new AbortController();
    this.#exited = new Promise((resolve) => {
      const ended = (how: string, code: number | null): void => {
        if (life.signal.aborted) return;
        life.abort();
        this.#child = undefined;
        removePidFile(this.pidFile);
        resolve();
        this.#ended(how, code, performance.now() - startedAt);
      };
      const onEnd = (code: number | null, signal: NodeJS.Signals | null): void =>
        ended(code === null ? `by ${signal ?? 'a signal'}` : `with exit code ${code}`, code);
      // By `close` its last words have been read; it never comes while a grandchild holds the pipes.
      child.once('close', onEnd);
      child.once('exit', (code, signal) => {
        setTimeout(() => onEnd(code, signal), LAST_WORDS_MS).unref();
      });
      child.once('error', (error) => ended(`before it ran (${error.message})`, null));
    });
    if (this.spec.probe === undefined) {
      child.on('message', (message) => {
        const ready = readyMessage.safeParse(message);
        if (ready.success) this.#ready(ready.data.url);
        const relay = relayMessage.safeParse(message);
        if (relay.success) this.events.relay(relay.data.to, relay.data, relay.data.spare);
      });
    } else {
      void this.spec.probe(life.signal).then(
        () => this.#ready(undefined),
        () => undefined,
      );
    }
  }

  /** Asks the process to end, and kills its whole group after its time. Resolves when it is gone; never rejects. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child?.pid === undefined) return;
    const { pid } = child;
    child.kill('SIGTERM');
    const kill = setTimeout(() => signalGroup(pid, 'SIGKILL'), this.spec.stopMs);
    await this.#exited;
    clearTimeout(kill);
  }

  /**
   * Hands it a message of another part; one that is down, or slow to read, does without.
   * @param isSpare it does without at once where some wait, so that a big one never costs it those that are not spare
   */
  tell(message: object, isSpare: boolean): void {
    const child = this.#child;
    const mail = this.#mail;
    if (child?.connected !== true || mail.messages >= UNSENT_LIMIT || (isSpare && mail.isMuch)) return;
    mail.messages += 1;
    mail.isMuch = !child.send(message, () => {
      mail.messages -= 1;
      mail.isMuch = false;
    });
  }

  /** Kills the process and its group at once; safe to call at any time. */
  kill(): void {
    this.#stopping = true;
    clearTimeout(this.#restart);
    if (this.#child?.pid !== undefined) signalGroup(this.#child.pid, 'SIGKILL');
  }

  #read(stream: Readable | null, name: 'stdout' | 'stderr'): void {
    if (stream === null) return;
    createInterface({ input: stream, crlfDelay: Infinity }).on('line', (line) => this.output.take(line, name));
  }

  #ready(url: string | undefined): void {
    const first = !this.#wasReady;
    this.#wasReady = true;
    if (!this.#stopping) this.events.ready(this, first, url);
  }

  #ended(how: string, code: number | null, ranMs: number): void {
    if (this.#stopping) return;
    if (!this.#wasReady) this.#exitsBeforeReady += 1;
    if (code === CONFIGURATION_EXIT_CODE || this.#exitsBeforeReady >= HOPELESS_EXITS) {
      this.#stopping = true;
      this.events.failed(this, how, code === CONFIGURATION_EXIT_CODE ? CONFIGURATION_EXIT_CODE : 1);
      return;
    }
    const delayMs = this.#backOff.delayAfter(ranMs);
    this.#restart = setTimeout(() => this.start(), delayMs);
    this.events.restarting(this, how, delayMs);
  }
}
