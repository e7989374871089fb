/**
 * Answers that may be this old, and one load at a time for each key: however many ask, what is behind is asked once. A
 * failed load is shared by those who wait for it, and forgotten.
 */
export class ShortCache<T> {
  readonly #entries = new Map<string, { readonly value: Promise<T>; freshUntil: number }>();

  /** @param ttlMs How long an answer is kept, ms from its arrival. */
  constructor(readonly ttlMs: number) {}

  get(key: string, load: () => Promise<T>): Promise<T> {
    const now = performance.now();
    const known = this.#entries.get(key);
    if (known !== undefined && known.freshUntil > now) return known.value;
    for (const [other, { freshUntil }] of this.#entries) {
      if (freshUntil <= now) this.#entries.delete(other);
    }
    const entry = { value: load(), freshUntil: Infinity };
    this.#entries.set(key, entry);
    entry.value.then(
      () => {
        entry.freshUntil = performance.now() + this.ttlMs;
      },
      () => {
        this.#entries.delete(key);
      },
    );
    return entry.value;
  }
}
