import type { ChannelQueue } from './channel-queue.js';
import type { PlatformClient } from './platform-client.js';
import type { Sessions } from './sessions.js';
import type { Store } from './store.js';
import type { Session } from './wire.js';

/** What ended shortly before the last sweep may be listed late, ms. */
const OVERLAP_MS = 120_000;

interface Parts {
  readonly store: Store;
  readonly platform: PlatformClient;
  readonly queue: ChannelQueue;
  readonly sessions: Sessions;
}

/** The guide's passive clean-up: what events tell, and the sweep behind them. */
export class CleanUp {
  readonly #parts: Parts;
  #sweptAtMs = Date.now() - 15 * 60_000;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** A call is over: so are its sessions. */
  async interactionEnded(interactionId: string): Promise<void> {
    const { store, queue } = this.#parts;
    const sessionIds = await store.sessionsOn(interactionId);
    if (sessionIds.length === 0) return;
    await queue.clear(interactionId);
    for (const sessionId of sessionIds) {
      const session = await store.session(sessionId);
      if (session !== undefined) await store.end(session, 'interaction-ended');
    }
  }

  /** A leg has changed. */
  async legChanged(interactionId: string, leg: string, status: string, isFree: boolean): Promise<void> {
    const { store, queue } = this.#parts;
    if (status !== 'pending') {
      const session = await this.#sessionOf(leg);
      if (session !== undefined && session.state !== 'TERMINATED') {
        if (status !== 'active') await store.end(session, 'leg-lost');
        else if (session.state === 'PENDING') await store.move(session.sessionId, 'SILENT', 'PENDING');
      }
    }
    if (isFree && (await store.waiting(interactionId)) > 0) queue.handOn(interactionId);
  }

  /** Ends what events have missed. */
  async sweep(): Promise<void> {
    const startedAtMs = Date.now();
    for await (const ended of this.#parts.platform.ended(new Date(this.#sweptAtMs - OVERLAP_MS))) {
      await Promise.all(ended.map((interactionId) => this.interactionEnded(interactionId)));
    }
    this.#sweptAtMs = startedAtMs;
  }

  /** After a start of the process: goes on with what another one may have left. */
  async resume(): Promise<void> {
    const { store, queue, sessions } = this.#parts;
    const calls = new Set<string>();
    for (const sessionId of await store.active()) {
      const session = await store.session(sessionId);
      if (session?.state === 'PENDING') sessions.confirm(sessionId);
      if (session !== undefined) calls.add(session.interactionId);
    }
    for (const interactionId of calls) if ((await store.waiting(interactionId)) > 0) queue.handOn(interactionId);
  }

  async #sessionOf(leg: string): Promise<Session | undefined> {
    const sessionId = await this.#parts.store.ownerOf(leg);
    return sessionId === undefined ? undefined : this.#parts.store.session(sessionId);
  }
}
