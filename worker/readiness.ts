/** How long Temporal may take to answer, ms: those who ask for readiness are impatient. */
const LIMIT_MS = 2_000;

/** How old what Temporal said may be, ms. */
const CACHE_MS = 1_000;

/** Whether a worker process does its work: it has started, has not been told to stop, and reaches Temporal. */
export class WorkerReadiness {
  #phase: 'starting' | 'running' | 'stopping' = 'starting';
  #ask: () => Promise<unknown> = () => Promise.resolve();
  #answer: { readonly reachable: Promise<boolean>; readonly askedAtMs: number } | undefined;

  /**
   * It has begun to work.
   * @param ask Temporal something harmless; rejects where it does not answer within that many ms
   */
  started(ask: (limitMs: number) => Promise<unknown>): void {
    this.#ask = () => ask(LIMIT_MS);
    if (this.#phase === 'starting') this.#phase = 'running';
  }

  stopping(): void {
    this.#phase = 'stopping';
  }

  /** Why it is not ready, for people; none: it is. */
  async reasonsAgainst(): Promise<readonly string[]> {
    switch (this.#phase) {
      case 'starting':
        return ['The worker is starting.'];
      case 'stopping':
        return ['The worker is stopping.'];
      case 'running':
        return (await this.#reachesTemporal()) ? [] : ['Temporal does not answer.'];
    }
  }

  #reachesTemporal(): Promise<boolean> {
    const now = performance.now();
    if (this.#answer === undefined || now - this.#answer.askedAtMs > CACHE_MS) {
      const reachable = this.#ask().then(
        () => true,
        () => false,
      );
      this.#answer = { reachable, askedAtMs: now };
    }
    return this.#answer.reachable;
  }
}
