import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** A log file that never grows past a size: when full it becomes `<path>.1`, replacing the one before. */
export class LogFile {
  readonly #maxBytes: number;
  #fd: number | undefined;
  #bytes = 0;

  constructor(
    readonly path: string,
    maxBytes = 10 * 1024 * 1024,
  ) {
    this.#maxBytes = maxBytes;
    mkdirSync(dirname(path), { recursive: true });
    this.#open();
  }

  /** Appends at once: what a part said last must be there after any crash. A full disk loses lines, not the product. */
  append(text: string): void {
    if (this.#fd === undefined) return;
    try {
      this.#bytes += writeSync(this.#fd, text);
      if (this.#bytes >= this.#maxBytes) this.#rotate();
    } catch {
      // Nobody to tell: the terminal may be gone too.
    }
  }

  /** Closes the file; what is appended later is dropped. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): void {
    // A log may hold ids of calls and people: for the owner only.
    this.#fd = openSync(this.path, 'a', 0o600);
    this.#bytes = fstatSync(this.#fd).size;
  }

  #rotate(): void {
    this.close();
    renameSync(this.path, `${this.path}.1`);
    this.#open();
  }
}
