import type { Clock } from './clock.js';
import type { Breach, Rule } from './invariants.js';
import { isoTime, type Leg, type LegEnd, type Mode } from './model.js';

/** One request of a client, as it arrived and as it was answered. Never holds a token or a secret. */
export interface RequestEntry {
  readonly seq: number;
  readonly at: string;
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** What was asked: `start`, `barge`, `whisper`, `silent`, `stop`, `command` (a bad one), `state`, `interactions`, … */
  readonly action: string;
  readonly clientId: string | null;
  readonly tokenNumber: number | null;
  readonly interactionId: string | null;
  /** The leg asked about; for a `start` the leg that it made. */
  readonly monitorSessionId: string | null;
  readonly body: unknown;
  /** The status sent; `lost`: connection reset instead; `hung`: never answered; `open`: not answered yet. */
  readonly status: number | 'open' | 'lost' | 'hung';
  readonly code: string | null;
  /** Whether it took effect, whatever the answer said. */
  readonly executed: boolean;
  /** The effect of the fault rule that hit it. */
  readonly fault: string | null;
  readonly tookMs: number | null;
}

/** A `RequestEntry` while the server still fills it in. */
export type OpenRequestEntry = { -readonly [Field in keyof RequestEntry]: RequestEntry[Field] };

/** The life of one leg. */
export interface LegLife {
  readonly monitorSessionId: string;
  readonly interactionId: string;
  readonly clientId: string;
  readonly mediaServerGroupId: string | null;
  readonly status: Leg['status'];
  readonly createdAt: string;
  readonly requestSeq: number | null;
  readonly activeAt: string | null;
  readonly modes: readonly { readonly mode: Mode; readonly at: string; readonly requestSeq: number | null }[];
  readonly endedAt: string | null;
  readonly endedBy: LegEnd | null;
}

export interface Violation {
  readonly rule: Rule;
  readonly at: string;
  readonly detail: string;
}

export interface RequestFilter {
  readonly interactionId?: string | undefined;
  readonly monitorSessionId?: string | undefined;
  readonly action?: string | undefined;
  readonly clientId?: string | undefined;
  readonly status?: RequestEntry['status'] | undefined;
  /** Only requests with a greater `seq`. */
  readonly since?: number | undefined;
}

export interface LegFilter {
  readonly interactionId?: string | undefined;
  readonly clientId?: string | undefined;
  /** `true`: only pending and active ones. */
  readonly live?: boolean | undefined;
}

/** What tests read: everything that was asked of the platform and everything that became of it. */
export interface Ledger {
  requests(filter?: RequestFilter): RequestEntry[];
  legs(filter?: LegFilter): LegLife[];
  violations(): Violation[];
}

const MAX_LEGS = 50_000;
const MAX_VIOLATIONS = 1_000;

/**
 * Keeps the last `maxRequests` requests, 50,000 legs and 1,000 violations: a simulator that runs for weeks doesn't
 * grow. What is dropped is always the oldest.
 */
export class LedgerBook implements Ledger {
  readonly #clock: Clock;
  readonly #maxRequests: number;
  readonly #requests = new Map<number, OpenRequestEntry>();
  readonly #legs = new Map<string, Leg>();
  readonly #violations = new Map<string, Violation>();
  #seq = 0;

  constructor(clock: Clock, maxRequests: number) {
    this.#clock = clock;
    this.#maxRequests = maxRequests;
  }

  /** Enters a request; the caller fills in the rest as it becomes known. */
  open(fields: Pick<RequestEntry, 'method' | 'path' | 'query' | 'action'>): OpenRequestEntry {
    this.#seq += 1;
    const entry: OpenRequestEntry = {
      seq: this.#seq,
      at: isoTime(this.#clock.nowMs()),
      ...fields,
      clientId: null,
      tokenNumber: null,
      interactionId: null,
      monitorSessionId: null,
      body: null,
      status: 'open',
      code: null,
      executed: false,
      fault: null,
      tookMs: null,
    };
    this.#requests.set(entry.seq, entry);
    dropOldest(this.#requests, this.#maxRequests);
    return entry;
  }

  /** Follows the leg from now on; it keeps showing the leg as it is. */
  follow(leg: Leg): void {
    if (this.#legs.has(leg.monitorSessionId)) return;
    this.#legs.set(leg.monitorSessionId, leg);
    dropOldest(this.#legs, MAX_LEGS);
  }

  /** Records a breach; the same one (rule and detail) only once. */
  violate(breach: Breach): void {
    const key = `${breach.rule} ${breach.detail}`;
    if (this.#violations.has(key)) return;
    this.#violations.set(key, { rule: breach.rule, at: isoTime(this.#clock.nowMs()), detail: breach.detail });
    dropOldest(this.#violations, MAX_VIOLATIONS);
  }

  /** Forgets everything; `seq` goes on rising. */
  clear(): void {
    for (const map of [this.#requests, this.#legs, this.#violations]) map.clear();
  }

  requests(filter: RequestFilter = {}): RequestEntry[] {
    const { since = 0, ...fields } = filter;
    const wanted = Object.entries(fields).filter(([, value]) => value !== undefined);
    const matches = (entry: RequestEntry): boolean => {
      const values = new Map<string, unknown>(Object.entries(entry));
      return wanted.every(([field, value]) => values.get(field) === value);
    };
    const entries = [...this.#requests.values()];
    return entries.filter((entry) => entry.seq > since && matches(entry)).map((entry) => ({ ...entry }));
  }

  legs(filter: LegFilter = {}): LegLife[] {
    const legs = [...this.#legs.values()].filter(
      (leg) =>
        (filter.interactionId === undefined || leg.interactionId === filter.interactionId) &&
        (filter.clientId === undefined || leg.clientId === filter.clientId) &&
        (filter.live === undefined || (leg.endedAtMs === null) === filter.live),
    );
    return legs.map(lifeOf);
  }

  violations(): Violation[] {
    return [...this.#violations.values()];
  }
}

function lifeOf(leg: Leg): LegLife {
  const timeOrNull = (atMs: number | null): string | null => (atMs === null ? null : isoTime(atMs));
  return {
    monitorSessionId: leg.monitorSessionId,
    interactionId: leg.interactionId,
    clientId: leg.clientId,
    mediaServerGroupId: leg.mediaServerGroupId,
    status: leg.status,
    createdAt: isoTime(leg.createdAtMs),
    requestSeq: leg.requestSeq,
    activeAt: timeOrNull(leg.activeAtMs),
    modes: leg.modes.map(({ mode, atMs, requestSeq }) => ({ mode, at: isoTime(atMs), requestSeq })),
    endedAt: timeOrNull(leg.endedAtMs),
    endedBy: leg.endedBy,
  };
}

function dropOldest(map: Map<unknown, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
}
