import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';

/**
 * Wakes a workflow's loop at the latest at a given time. Every timer is an event or three of the history, so one that
 * would ring earlier than needed is kept: it costs one idle turn of the loop instead of a timer for each.
 */
export class Alarm {
  #set: { readonly atMs: number; readonly scope: CancellationScope } | undefined;
  #rings = false;

  /** Sees to it that the alarm rings at `atMs` (ms since the epoch) or earlier. */
  setFor(atMs: number): void {
    if (this.#rings || (this.#set !== undefined && this.#set.atMs <= atMs)) return;
    this.#set?.scope.cancel();
    const scope = new CancellationScope();
    this.#set = { atMs, scope };
    void scope.run(() => this.#ringAt(atMs));
  }

  get hasRung(): boolean {
    return this.#rings;
  }

  /** Whether it has rung since this was last asked. */
  takeRing(): boolean {
    const rang = this.#rings;
    this.#rings = false;
    return rang;
  }

  /** Nothing is due any more. */
  stop(): void {
    this.#set?.scope.cancel();
    this.#set = undefined;
    this.#rings = false;
  }

  async #ringAt(atMs: number): Promise<void> {
    try {
      await sleep(Math.max(1, atMs - Date.now()), { summary: 'until the next thing is due' });
      this.#set = undefined;
      this.#rings = true;
    } catch (error) {
      if (!isCancellation(error)) throw error;
    }
  }
}
