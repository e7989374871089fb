/**
 * What is to be done with which interactions later, to the second: any number of them cost one timer. Kept in memory
 * only; what it holds is done at the latest by somebody else.
 */
export class Agenda {
  readonly #work: (interactionIds: readonly string[]) => Promise<void>;
  readonly #due = new Map<number, Set<string>>();
  #timer: { readonly atMs: number; readonly handle: NodeJS.Timeout } | undefined;
  #isWorking = false;
  #isClosed = false;

  /** @param work is done with all that are due at the same time; it does not reject */
  constructor(work: (interactionIds: readonly string[]) => Promise<void>) {
    this.#work = work;
  }

  /** @param atMs ms since the epoch; rounded up to the next second */
  add(interactionId: string, atMs: number): void {
    const second = Math.ceil(atMs / 1_000);
    this.#due.set(second, (this.#due.get(second) ?? new Set()).add(interactionId));
    this.#wait();
  }

  /** Nothing is done any more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer?.handle);
  }

  #wait(): void {
    if (this.#isWorking || this.#due.size === 0 || this.#isClosed) return;
    const atMs = Math.min(...this.#due.keys()) * 1_000;
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    clearTimeout(this.#timer?.handle);
    const handle = setTimeout(() => void this.#doDue(), Math.max(0, atMs - Date.now()));
    // It keeps no process alive.
    handle.unref();
    this.#timer = { atMs, handle };
  }

  async #doDue(): Promise<void> {
    this.#timer = undefined;
    this.#isWorking = true;
    const seconds = [...this.#due.keys()].filter((second) => second * 1_000 <= Date.now());
    const ids = new Set(seconds.flatMap((second) => [...(this.#due.get(second) ?? [])]));
    for (const second of seconds) this.#due.delete(second);
    await this.#work([...ids]);
    this.#isWorking = false;
    this.#wait();
  }
}
