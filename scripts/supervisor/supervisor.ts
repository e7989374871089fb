import { join } from 'node:path';
import type { BackOffOptions } from './back-off.js';
import { LogFile } from './log-file.js';
import { PartOutput } from './part-output.js';
import { SupervisedPart, type PartEvents, type PartSpec } from './supervised-part.js';

/** Where a supervisor tells what happens, one line each. */
export type Tell = (line: string) => void;

/** What a supervisor needs to know. */
export interface SupervisorOptions {
  /** In starting order; they are stopped in the reverse order. */
  readonly parts: readonly PartSpec[];
  /** Folder of the pid files. */
  readonly runDir: string;
  /** Folder of the logs. */
  readonly logDir: string;
  readonly tell: Tell;
  readonly backOff?: BackOffOptions;
}

/** How the supervised whole ended by itself. */
export interface Failure {
  readonly exitCode: number;
}

/** Runs the parts of the product: starts each once what it needs is ready, keeps them running, stops them in order. */
export class Supervisor {
  readonly #parts: readonly SupervisedPart[];
  readonly #logs: readonly LogFile[];
  readonly #tell: Tell;
  readonly #urls = new Map<string, string>();
  readonly #readyParts = new Set<string>();
  readonly #started = new Set<string>();
  readonly #allReady = deferred<undefined>();
  readonly #failure = deferred<Failure>();
  #stop: Promise<void> | undefined;

  constructor({ parts, runDir, logDir, tell, backOff }: SupervisorOptions) {
    this.#tell = tell;
    const events: PartEvents = {
      ready: (part, first, url) => this.#onReady(part, first, url),
      relay: (to, message, isSpare) => this.#parts.find(({ spec }) => spec.name === to)?.tell(message, isSpare),
      restarting: (part, how, delayMs) => this.#onRestarting(part, how, delayMs),
      failed: (part, how, exitCode) => this.#onFailed(part, how, exitCode),
    };
    this.#logs = parts.map(({ name }) => new LogFile(join(logDir, `${name}.log`)));
    this.#parts = parts.map((spec, index) => {
      const log = this.#logs[index] ?? new LogFile(join(logDir, `${spec.name}.log`));
      // A server without IPC isn't ours and logs in its own form, much of it only alarming: the file is enough.
      const echo = spec.probe === undefined ? (line: string) => tell(`[${spec.name}] ${line}`) : undefined;
      return new SupervisedPart(spec, new PartOutput(log, echo), join(runDir, `${spec.name}.json`), events, backOff);
    });
  }

  /** Resolves if a part fails for good (wrongly configured, or never ready); everything else has been told by then. */
  get failure(): Promise<Failure> {
    return this.#failure.promise;
  }

  /** Starts everything; resolves when every part has been ready once. */
  start(): Promise<undefined> {
    this.#startWhatCan();
    return this.#allReady.promise;
  }

  /** The address that a part gave when it became ready. */
  urlOf(name: string): string | undefined {
    return this.#urls.get(name);
  }

  /** Stops the parts one after the other, last started first. Repeated calls are one. */
  stop(): Promise<void> {
    this.#stop ??= this.#stopInOrder();
    return this.#stop;
  }

  /** Kills everything that runs, at once. */
  kill(): void {
    for (const part of this.#parts) part.kill();
  }

  async #stopInOrder(): Promise<void> {
    for (const part of this.#parts.toReversed()) await part.stop();
    for (const log of this.#logs) log.close();
  }

  #startWhatCan(): void {
    if (this.#stop) return;
    for (const part of this.#parts) {
      const { name, after } = part.spec;
      if (this.#started.has(name) || !after.every((other) => this.#readyParts.has(other))) continue;
      this.#started.add(name);
      part.start();
    }
    if (this.#readyParts.size === this.#parts.length) this.#allReady.resolve(undefined);
  }

  #onReady(part: SupervisedPart, first: boolean, url: string | undefined): void {
    if (url !== undefined) this.#urls.set(part.spec.name, url);
    this.#readyParts.add(part.spec.name);
    if (!first) this.#tell(`[${part.spec.name}] is running again`);
    this.#startWhatCan();
  }

  #onRestarting(part: SupervisedPart, how: string, delayMs: number): void {
    const why = reason(part);
    const then = `; starting it again in ${(delayMs / 1000).toFixed(1)} s`;
    this.#tell(`[${part.spec.name}] ended ${how}${why === undefined ? '' : ` (${why})`}${then}`);
  }

  #onFailed(part: SupervisedPart, how: string, exitCode: number): void {
    const { name } = part.spec;
    const words = part.output.lastWords();
    this.#tell(`[${name}] ended ${how} and can't be started:`);
    for (const line of words) this.#tell(`  ${line}`);
    const log = this.#logs[this.#parts.indexOf(part)];
    if (log) this.#tell(`  (its log: ${log.path})`);
    this.#failure.resolve({ exitCode });
  }
}

/** The one line that says most of why a part ended: an error's own line if there is one, or else the last. */
function reason(part: SupervisedPart): string | undefined {
  const words = part.output.lastWords();
  const line = words.find((word) => /^\s*(?:\w*Error|Error \[\w+\]|panic|fatal)\b/i.test(word)) ?? words.at(-1);
  return line?.trim().slice(0, 200);
}

interface Deferred<Value> {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
}

/** `Promise.withResolvers`, which Node 20 lacks. */
function deferred<Value>(): Deferred<Value> {
  let resolve: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
