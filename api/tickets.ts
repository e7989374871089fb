import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { ROLES } from './caller.js';
import type { Caller } from './caller.js';

/** How long a ticket is good for, ms: a page opens its socket right after it has asked. */
const TICKET_MS = 30_000;

/** Tickets of one process that were not used yet; beyond that the oldest are gone. */
const TICKETS_KEPT = 10_000;

export interface Ticket {
  readonly ticket: string;
  /** ISO 8601. */
  readonly expiresAt: string;
}

/** Where API processes share what one of them has issued; may fail at any time. */
export interface SharedTickets {
  put(key: string, value: string, ttlMs: number): Promise<void>;
  /** Also removes it. */
  take(key: string): Promise<string | null>;
}

const sharedCaller: z.ZodType<Caller> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('service') }),
  z.object({ kind: z.literal('person'), id: z.string(), roles: z.array(z.enum(ROLES)), untilMs: z.number() }),
]);

/**
 * Single-use passes for a WebSocket, which a browser cannot open with an `Authorization` header, and whose URL ends up in
 * logs: that is why it is not the key itself that stands there.
 */
export class Tickets {
  readonly #issued = new Map<string, { readonly caller: Caller; readonly untilMs: number }>();

  constructor(private readonly shared?: SharedTickets) {}

  async issue(caller: Caller): Promise<Ticket> {
    const ticket = randomBytes(32).toString('base64url');
    const key = keyOf(ticket);
    const untilMs = Date.now() + TICKET_MS;
    // In one place only, or it could be used twice.
    const isShared = await this.shared?.put(key, JSON.stringify(caller), TICKET_MS).then(
      () => true,
      () => false,
    );
    if (isShared !== true) this.#keep(key, { caller, untilMs });
    return { ticket, expiresAt: new Date(untilMs).toISOString() };
  }

  /** Whose it is; `undefined` if it is none, or was used, or is too old. */
  async redeem(ticket: string): Promise<Caller | undefined> {
    const key = keyOf(ticket);
    const own = this.#issued.get(key);
    this.#issued.delete(key);
    if (own !== undefined) return own.untilMs > Date.now() ? own.caller : undefined;
    const shared = await this.shared?.take(key).catch(() => null);
    return typeof shared === 'string' ? sharedCaller.safeParse(JSON.parse(shared)).data : undefined;
  }

  #keep(key: string, issued: { readonly caller: Caller; readonly untilMs: number }): void {
    const now = Date.now();
    for (const [old, { untilMs }] of this.#issued) {
      if (untilMs > now && this.#issued.size < TICKETS_KEPT) break;
      this.#issued.delete(old);
    }
    this.#issued.set(key, issued);
  }
}

/** What is kept does not let anybody in. */
function keyOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url');
}
