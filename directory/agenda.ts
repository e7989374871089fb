/**
 * What is to be done with which interactions later, to the second: any number of them cost one timer. Kept in memory
 * only; what it holds is done at the latest by somebody else.
 */
export class Agenda {
  readonly #work: (interactionIds: readonly string[]) => Promise<void>;
  readonly #due = new Map<number, Set<string>>();
  #timer: NodeJS.Timeout | undefined;
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
    clearTimeout(this.#timer);
  }

  #wait(): void {
    if (this.#timer !== undefined || this.#due.size === 0 || this.#isClosed) return;
    const next = Math.min(...this.#due.keys()) * 1_000;
    this.#timer = setTimeout(() => void this.#doDue(), Math.max(0, next - Date.now()));
    // It keeps no process alive.
    this.#timer.unref();
  }

  async #doDue(): Promise<void> {
    const seconds = [...this.#due.keys()].filter((second) => second * 1_000 <= Date.now());
    const ids = new Set(seconds.flatMap((second) => [...(this.#due.get(second) ?? [])]));
    for (const second of seconds) this.#due.delete(second);
    await this.#work([...ids]);
    this.#timer = undefined;
    this.#wait();
  }
}
