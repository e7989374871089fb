import { byImportance } from './call-observer.js';
import { IMPORTANCES } from './importance.js';
import type { Importance } from './importance.js';
import type { Away, Outage } from './outage.js';
import type { PlatformFault } from './platform-error.js';
import type { Answered, RateBudget, Spent } from './rate-budget.js';

/** How long a call waits here for its turn, ms; a longer wait is Temporal's, which needs no slot of a worker for it. */
const PATIENCE_MS: Readonly<Record<Importance, number>> = {
  release: 1_000,
  mode: 500,
  start: 300,
  confirm: 300,
  background: 60_000,
};

/** The part of all connections that each kind may fill: a platform that hangs must not keep a stop from one. */
const PART_OF_CONNECTIONS: Readonly<Record<Importance, number>> = {
  release: 1,
  mode: 0.9,
  start: 0.7,
  confirm: 0.5,
  background: 0.2,
};

/** A call that may go out; exactly one of its methods is to be called in the end. */
export interface Pass {
  /** The platform answered; `isAble`: with something else than that it could not. */
  answered(answer: Answered & { readonly isAble: boolean }): void;
  /** No answer came. */
  failed(how: { readonly sent: boolean }): void;
  /** Its caller gave it up. */
  abandoned(): void;
}

/**
 * However much else there is to do, a call that nobody waits for goes out so often, ms, and after so many others: it may find
 * what all of them have missed.
 */
const BACKGROUND_EVERY_MS = 10_000;
const BACKGROUND_PER_CALLS = 10;

/** Until a connection may have become free, ms, or twice as long. */
const SOON_MS = 250;

interface Waiting {
  readonly importance: Importance;
  readonly admit: (pass: Pass) => void;
  readonly refuse: (fault: PlatformFault) => void;
}

export interface CallGateOptions {
  readonly budget: RateBudget;
  readonly outage: Outage;
  /** Monotonic clock, ms. */
  readonly now: () => number;
  /** Calls that may be in flight at the same time. */
  readonly connections: number;
}

/**
 * What every call to the platform passes: it goes out when the rate limit has room for it, in order of importance; what
 * cannot go out soon is sent away with the time at which it should come back. Nothing has been sent then.
 */
export class CallGate {
  readonly #budget: RateBudget;
  readonly #outage: Outage;
  readonly #connections: number;
  readonly #now: () => number;
  readonly #queues: Readonly<Record<Importance, Set<Waiting>>> = {
    release: new Set(),
    mode: new Set(),
    start: new Set(),
    confirm: new Set(),
    background: new Set(),
  };
  #inFlight = 0;
  #lastBackgroundMs: number;
  #callsSinceBackground = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor({ budget, outage, now, connections }: CallGateOptions) {
    this.#budget = budget;
    this.#outage = outage;
    this.#connections = connections;
    this.#now = now;
    this.#lastBackgroundMs = now();
  }

  /**
   * Resolves when the call may go out, or with the fault it ends in: `throttled`, or `unreachable` where the platform is
   * away. @throws the reason of `signal`
   */
  enter(importance: Importance, signal?: AbortSignal): Promise<Pass | PlatformFault> {
    signal?.throwIfAborted();
    const queue = this.#queues[importance];
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(patience);
        signal?.removeEventListener('abort', abort);
        queue.delete(waiting);
      };
      const waiting: Waiting = {
        importance,
        admit(pass) {
          leave();
          resolve(pass);
        },
        refuse(fault) {
          leave();
          resolve(fault);
        },
      };
      const abort = (): void => {
        leave();
        reject(signal?.reason instanceof Error ? signal.reason : new Error('given up'));
      };
      const patience = setTimeout(() => waiting.refuse(this.#throttled(importance)), PATIENCE_MS[importance]);
      signal?.addEventListener('abort', abort);
      queue.add(waiting);
      this.#admit();
      // Who would wait in vain need not.
      const waitMs = queue.has(waiting) ? this.#budget.waitMs(importance) : 0;
      if (waitMs !== null && waitMs > PATIENCE_MS[importance]) waiting.refuse(this.#throttled(importance));
    });
  }

  /** Calls that may go out, and are not over. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** How many wait here for their turn. */
  get waiting(): Readonly<Record<Importance, number>> {
    return byImportance((importance) => this.#queues[importance].size);
  }

  /** Who still waits is sent away when his patience is over; no timer is left. */
  close(): void {
    clearTimeout(this.#timer);
  }

  /** Lets those who wait go, as far as they may now. */
  #admit(): void {
    clearTimeout(this.#timer);
    for (const [waiting, importance] of this.#line()) {
      const away = this.#outage.refusal(importance);
      if (away !== undefined) {
        waiting.refuse(unreachable(away));
        continue;
      }
      const waitMs = this.#waitMs(importance);
      if (waitMs !== 0) {
        // What has to wait keeps those waiting that matter less.
        if (waitMs !== null) this.#timer = setTimeout(() => this.#admit(), Math.ceil(waitMs)).unref();
        return;
      }
      this.#outage.goesOut();
      waiting.admit(this.#pass(waiting.importance, this.#budget.spend(importance)));
    }
  }

  /** All who wait, in order, each with the importance that it has now. */
  *#line(): Generator<readonly [Waiting, Importance]> {
    for (const importance of IMPORTANCES) {
      if (importance === 'confirm' && this.#isBackgroundDue) {
        const [overdue] = this.#queues.background;
        if (overdue !== undefined) yield [overdue, 'start'];
      }
      for (const waiting of this.#queues[importance]) yield [waiting, importance];
    }
  }

  get #isBackgroundDue(): boolean {
    return (
      this.#callsSinceBackground >= BACKGROUND_PER_CALLS && this.#now() - this.#lastBackgroundMs >= BACKGROUND_EVERY_MS
    );
  }

  #waitMs(importance: Importance): number | null {
    const part = Math.max(1, Math.floor(this.#connections * PART_OF_CONNECTIONS[importance]));
    if (this.#inFlight >= Math.min(part, this.#outage.atOnce)) return null;
    return this.#budget.waitMs(importance);
  }

  #throttled(importance: Importance): PlatformFault {
    const waitMs = this.#budget.waitMs(importance);
    // The limit has room: it is the connections that have none, or the one call whose answer all wait for.
    const isSoon = waitMs === null || waitMs === 0;
    const retryAfterMs = isSoon ? Math.ceil(SOON_MS * (1 + Math.random())) : this.#budget.turnInMs(importance);
    return { kind: 'throttled', retryAfterMs };
  }

  #pass(importance: Importance, spent: Spent): Pass {
    this.#inFlight += 1;
    this.#callsSinceBackground += 1;
    if (importance === 'background') {
      this.#lastBackgroundMs = this.#now();
      this.#callsSinceBackground = 0;
    }
    const { phase } = this.#outage;
    let isOver = false;
    const over = (what: () => void): void => {
      if (isOver) return;
      isOver = true;
      this.#inFlight -= 1;
      what();
      this.#admit();
    };
    return {
      answered: ({ isAble, ...answer }) =>
        over(() => {
          this.#budget.answered(spent, answer);
          if (isAble) this.#outage.answered();
          else this.#outage.failed(importance, phase);
        }),
      failed: ({ sent }) =>
        over(() => {
          if (sent) this.#budget.unanswered(spent);
          else this.#budget.unsent(spent);
          this.#outage.failed(importance, phase);
        }),
      abandoned: () => over(() => this.#budget.unanswered(spent)),
    };
  }
}

function unreachable({ since, retryAfterMs }: Away): PlatformFault {
  return { kind: 'unreachable', detail: `it has not answered since ${since}`, since, retryAfterMs };
}
