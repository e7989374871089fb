import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { PlatformFailure } from './platform-client.js';
import type { PlatformClient } from './platform-client.js';
import type { Store } from './store.js';
import { STATE_OF_MODE } from './wire.js';
import type { Command, QueueEntry, Session } from './wire.js';

/** One process hands out the channel of a call at a time; of one that dies it is missed after this, ms. */
const LOCK_MS = 10_000;
/** Within the lock, ms: a platform that takes longer is asked again in another turn. */
const TRIED_FOR_MS = 3_000;
const AGAIN_MS = 1_000;
const LOCK_EVERY_MS = 50;

/** The guide's contention queue: first in, first out, a wait of 30 s each; the platform says whether the channel is free. */
export class ChannelQueue {
  readonly #store: Store;
  readonly #platform: PlatformClient;
  readonly #waitMs: number;
  /** Calls whose line this process is looking after, and whether to look once more. */
  readonly #busy = new Map<string, boolean>();

  constructor(store: Store, platform: PlatformClient, waitMs: number) {
    this.#store = store;
    this.#platform = platform;
    this.#waitMs = waitMs;
  }

  /** Puts a request in line. */
  async add({ interactionId, sessionId }: Session, commandId: string, mode: QueueEntry['mode']): Promise<Command> {
    const expiresAtMs = Date.now() + this.#waitMs;
    await this.#store.enqueue(interactionId, { sessionId, commandId, mode, expiresAtMs });
    // The channel may have become free between the look and this.
    this.handOn(interactionId);
    return { commandId, action: mode, status: 'queued', expiresAt: new Date(expiresAtMs).toISOString() };
  }

  /** Takes a session's requests out of the line. */
  async withdraw({ interactionId, sessionId }: Session, reason: string): Promise<void> {
    for (const entry of await this.#store.queue(interactionId)) {
      if (entry.sessionId === sessionId) await this.#drop(interactionId, entry, 'cancelled', reason);
    }
  }

  /** The call is over. */
  async clear(interactionId: string): Promise<void> {
    for (const entry of await this.#store.queue(interactionId))
      await this.#drop(interactionId, entry, 'cancelled', 'interaction-ended');
  }

  /** The channel may be free: lets the next one speak, if so. Does not wait for it. */
  handOn(interactionId: string): void {
    if (this.#busy.has(interactionId)) {
      this.#busy.set(interactionId, true);
      return;
    }
    this.#busy.set(interactionId, false);
    void this.#handOn(interactionId)
      .catch(() => 'later' as const)
      .then((outcome) => {
        const again = this.#busy.get(interactionId) === true;
        this.#busy.delete(interactionId);
        if (again) this.handOn(interactionId);
        else if (outcome === 'later') setTimeout(() => this.handOn(interactionId), AGAIN_MS).unref();
      });
  }

  async #handOn(interactionId: string): Promise<'done' | 'later'> {
    const holder = randomUUID();
    const name = `channel:${interactionId}`;
    while (!(await this.#store.lock(name, holder, LOCK_MS))) {
      if ((await this.#store.waiting(interactionId)) === 0) return 'done';
      await sleep(LOCK_EVERY_MS);
    }
    try {
      for (;;) {
        const next = await this.#store.head(interactionId);
        if (next === undefined) return 'done';
        if (next.expiresAtMs <= Date.now()) await this.#drop(interactionId, next, 'expired');
        else if (await this.#tryToSpeak(interactionId, next)) return 'done';
      }
    } catch (error) {
      if (error instanceof PlatformFailure && error.kind === 'away') return 'later';
      throw error;
    } finally {
      await this.#store.unlock(name, holder);
    }
  }

  /** Whether the line rests now: the next one speaks, or somebody else does. */
  async #tryToSpeak(interactionId: string, next: QueueEntry): Promise<boolean> {
    const { sessionId, commandId, mode } = next;
    const session = await this.#store.session(sessionId);
    const leg = session?.monitorSessionId;
    if (session === undefined || session.state === 'TERMINATED' || typeof leg !== 'string') {
      await this.#drop(interactionId, next, 'cancelled', session?.endReason ?? 'session-unknown');
      return false;
    }
    try {
      const { bargeStatus, bargeMonitorSessionId } = await this.#platform.state(interactionId, TRIED_FOR_MS);
      if (bargeStatus === 'active' && bargeMonitorSessionId !== leg) return true;
      await this.#platform.act(interactionId, leg, mode, TRIED_FOR_MS);
    } catch (error) {
      if (!(error instanceof PlatformFailure) || error.kind === 'away') throw error;
      if (error.kind === 'conflict') return true;
      await this.#drop(interactionId, next, 'failed', error.code);
      return false;
    }
    await this.#store.leave(interactionId, next);
    await this.#store.applied(session, STATE_OF_MODE[mode], { commandId, action: mode, status: 'applied' });
    return true;
  }

  async #drop(interactionId: string, entry: QueueEntry, status: Command['status'], reason?: string): Promise<void> {
    await this.#store.leave(interactionId, entry);
    const { sessionId, commandId, mode } = entry;
    await this.#store.record(sessionId, {
      commandId,
      action: mode,
      status,
      ...(reason === undefined ? {} : { reason }),
    });
  }
}
