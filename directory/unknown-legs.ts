import type { RunningSession } from './running-sessions.js';

/** Before legs are looked up, ms: one request for all that come meanwhile. */
const LOOKUP_PAUSE_MS = 250;
const LEGS_AT_ONCE = 100;

/**
 * When a leg that no session showed is looked up again, ms: lists lag by seconds. Most are other programs', and cost a
 * hundredth of a request every five minutes each.
 */
const AGAIN_AFTER_MS = [2_000, 5_000, 30_000, 300_000] as const;

/** Legs that are remembered as nobody's; the oldest go first. */
const KEPT = 50_000;

interface UnknownLeg {
  tries: number;
  lookUpAtMs: number;
}

export interface UnknownLegsOptions {
  /** The sessions that run and have one of these legs, a hundred at most. */
  readonly find: (monitorSessionIds: readonly string[]) => Promise<readonly RunningSession[]>;
  readonly onFound: (session: RunningSession) => void;
  /** Is told of a lookup that failed; legs that are met again are looked up again. */
  readonly onTrouble: (error: unknown) => void;
}

/** Legs that were heard of and whose sessions nobody here knows, if they have any. */
export class UnknownLegs {
  readonly #options: UnknownLegsOptions;
  readonly #legs = new Map<string, UnknownLeg>();
  readonly #wanted = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  /** Counts the times that it was cleared: what was asked before that is none of its business any more. */
  #generation = 0;

  constructor(options: UnknownLegsOptions) {
    this.#options = options;
  }

  /** It has been heard of: its session is looked up, if it is time for that. */
  meet(monitorSessionId: string): void {
    const now = Date.now();
    const leg = this.#legs.get(monitorSessionId) ?? { tries: 0, lookUpAtMs: now };
    if (leg.lookUpAtMs > now) return;
    this.#legs.set(monitorSessionId, leg);
    const [oldest] = this.#legs.size > KEPT ? this.#legs.keys() : [];
    if (oldest !== undefined) this.#legs.delete(oldest);
    this.#wanted.add(monitorSessionId);
    if (this.#timer === undefined) this.#lookUpSoon();
  }

  /** It is known now; should it be forgotten, it is looked up at once. */
  found(monitorSessionId: string): void {
    this.#legs.delete(monitorSessionId);
  }

  clear(): void {
    this.#generation += 1;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#legs.clear();
    this.#wanted.clear();
  }

  #lookUpSoon(): void {
    this.#timer = setTimeout(() => void this.#lookUp(), LOOKUP_PAUSE_MS).unref();
  }

  async #lookUp(): Promise<void> {
    const { find, onFound, onTrouble } = this.#options;
    const generation = this.#generation;
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    try {
      for (let start = 0; start < wanted.length; start += LEGS_AT_ONCE) {
        const some = wanted.slice(start, start + LEGS_AT_ONCE);
        const found = await find(some);
        if (generation !== this.#generation) return;
        for (const session of found) onFound(session);
        for (const id of some) this.#wait(id);
      }
    } catch (error) {
      onTrouble(error);
    }
    if (generation !== this.#generation) return;
    this.#timer = undefined;
    if (this.#wanted.size > 0) this.#lookUpSoon();
  }

  /** Unless it has been found. */
  #wait(monitorSessionId: string): void {
    const leg = this.#legs.get(monitorSessionId);
    if (leg === undefined) return;
    leg.lookUpAtMs = Date.now() + (AGAIN_AFTER_MS[leg.tries] ?? 0);
    leg.tries = Math.min(leg.tries + 1, AGAIN_AFTER_MS.length - 1);
  }
}
