import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Timers } from './clock.js';
import { interactionSchema, legSchema, mediaServerGroupSchema } from './model.js';
import { issuedTokenSchema } from './token-store.js';

/** What survives a restart of the simulator. */
export const savedStateSchema = z.object({
  version: z.literal(1),
  /** Counts the starts over this file, from 0; see `randomStreams`. */
  boot: z.int().nonnegative(),
  interactions: z.array(interactionSchema),
  legs: z.array(legSchema),
  tokens: z.array(issuedTokenSchema),
  mediaServerGroups: z.array(mediaServerGroupSchema),
});
export type SavedState = z.output<typeof savedStateSchema>;

/** The state file exists but can't be read as one. */
export class StateFileError extends Error {
  readonly code = 'simulator.state.unreadable';
  override readonly name = 'StateFileError';
}

/** Changes that nobody was told of may wait this long. */
const WRITE_WITHIN_MS = 150;

/** Reads a state file; `null` if there is none. Throws `StateFileError` on anything else than a state file. */
export async function readStateFile(path: string): Promise<SavedState | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    // By its code, not by `instanceof`: under jest, errors of Node's own modules belong to another realm.
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT') return null;
    throw new StateFileError(`Cannot read the state file ${path}: ${String(error)}`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new StateFileError(`The state file ${path} is not JSON; delete it to start afresh`);
  }
  const parsed = savedStateSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new StateFileError(`The state file ${path} is not a simulator's state; delete it to start afresh`);
}

/**
 * Writes the state after changes, whole and atomically (temporary file, then rename). Writes are grouped: however many
 * changes wait for durability, one write under way and one after it serve them all.
 */
export class StateFile {
  readonly #path: string;
  readonly #timers: Timers;
  readonly #snapshot: () => SavedState;
  readonly #onError: (error: unknown) => void;
  #version = 0;
  #writtenVersion = 0;
  #writing: Promise<void> | null = null;
  #scheduled = false;

  constructor(path: string, timers: Timers, snapshot: () => SavedState, onError: (error: unknown) => void) {
    this.#path = path;
    this.#timers = timers;
    this.#snapshot = snapshot;
    this.#onError = onError;
  }

  /** Notes a change; `urgent` begins to write at once, else within 150 ms. */
  changed(urgent: boolean): void {
    this.#version += 1;
    if (urgent) {
      void this.written();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      this.#timers.after(WRITE_WITHIN_MS, () => {
        this.#scheduled = false;
        void this.written();
      });
    }
  }

  /** Resolves once all changes so far are on disk (or the disk has refused; that is logged). */
  async written(): Promise<void> {
    const wanted = this.#version;
    while (this.#writtenVersion < wanted) {
      this.#writing ??= this.#write().finally(() => {
        this.#writing = null;
      });
      await this.#writing;
    }
  }

  async #write(): Promise<void> {
    const version = this.#version;
    const text = JSON.stringify(this.#snapshot());
    const temporary = `${this.#path}.${process.pid}.tmp`;
    try {
      if (this.#writtenVersion === 0) await mkdir(dirname(this.#path), { recursive: true });
      await writeFile(temporary, text, { mode: 0o600 });
      await rename(temporary, this.#path);
    } catch (error) {
      // The platform goes on without its memory rather than not at all.
      this.#onError(error);
    }
    this.#writtenVersion = version;
  }
}
