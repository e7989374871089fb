import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { ROLES } from './caller.js';
import type { Caller } from './caller.js';
import type { ANSWERS } from './operations.js';

/** How long a ticket is good for, ms: a page opens its socket right after it has asked. */
const TICKET_MS = 30_000;

/** How long what is shared may take, ms: a page waits for it. */
const SHARED_LIMIT_MS = 1_000;

/** Tickets of one process that were not used yet; beyond that the oldest are gone. */
const TICKETS_KEPT = 10_000;

type Ticket = z.infer<typeof ANSWERS.Ticket>;

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
    const untilMs = Date.now() + TICKET_MS;
    const expiresAt = new Date(untilMs).toISOString();
    const shared = newTicket();
    const isShared = await inTime(this.shared?.put(keyOf(shared), JSON.stringify(caller), TICKET_MS).then(() => true));
    if (isShared === true) return { ticket: shared, expiresAt };
    // Another one, for that may be there all the same: in one place only, or it could be used twice.
    const own = newTicket();
    this.#keep(keyOf(own), { caller, untilMs });
    return { ticket: own, expiresAt };
  }

  /** Whose it is; `undefined` if it is none, or was used, or is too old. */
  async redeem(ticket: string): Promise<Caller | undefined> {
    const key = keyOf(ticket);
    const own = this.#issued.get(key);
    this.#issued.delete(key);
    if (own !== undefined) return own.untilMs > Date.now() ? own.caller : undefined;
    const shared = await inTime(this.shared?.take(key));
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

function newTicket(): string {
  return randomBytes(32).toString('base64url');
}

/** What comes of it, if that comes soon. */
async function inTime<T>(work: Promise<T> | undefined): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, SHARED_LIMIT_MS, undefined);
  });
  try {
    return await Promise.race([work?.catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What is kept does not let anybody in. */
function keyOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url');
}
