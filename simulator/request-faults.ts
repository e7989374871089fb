import { z } from 'zod';
import type { Random } from './random.js';

/**
 * "A `start` takes effect within 10 s of its sending or never" (`platform-api.md`): a fault that executed later would
 * be another platform. A second stays for the way here.
 */
const EXECUTES_WITHIN_MS = 9_000;
const executeAfterMsSchema = z.number().nonnegative().max(EXECUTES_WITHIN_MS).default(0);

/** What goes wrong with one request. Times in milliseconds. */
export const requestEffectSchema = z.discriminatedUnion('kind', [
  /** Executed (after `executeAfterMs`), but the connection is reset instead of an answer. The one that makes second legs. */
  z.strictObject({ kind: z.literal('lost-answer'), executeAfterMs: executeAfterMsSchema }),
  /** The connection is reset and nothing happens. */
  z.strictObject({ kind: z.literal('lost-request') }),
  /** Answered with `status` and nothing happens. */
  z.strictObject({
    kind: z.literal('status'),
    status: z.int().min(400).max(599),
    code: z.string().optional(),
    message: z.string().optional(),
    retryAfterSeconds: z.int().positive().optional(),
  }),
  /** Executed, but answered with `status`. */
  z.strictObject({ kind: z.literal('status-after'), status: z.int().min(500).max(599) }),
  /** Never answered; the connection is reset after `forMs`, or when the client gives up. */
  z.strictObject({
    kind: z.literal('hang'),
    execute: z.boolean(),
    executeAfterMs: executeAfterMsSchema,
    forMs: z.number().positive().optional(),
  }),
  /** Late: the execution, or only the answer to it. */
  z
    .strictObject({ kind: z.literal('delay'), ms: z.number().positive(), before: z.enum(['execution', 'answer']) })
    .refine(
      ({ ms, before }) => before === 'answer' || ms <= EXECUTES_WITHIN_MS,
      `expected at most ${EXECUTES_WITHIN_MS} ms before an execution`,
    ),
  /** Executed, but the answer is not JSON: a proxy's page with status 200. */
  z.strictObject({ kind: z.literal('garbled-answer') }),
]);
export type RequestEffect = z.output<typeof requestEffectSchema>;

const oneOrMore = z.union([z.string(), z.array(z.string()).min(1)]).optional();

/** A fault: which requests it hits, what happens to them, how often. */
export const requestFaultSchema = z.strictObject({
  match: z
    .strictObject({
      /** `start`, `barge`, `whisper`, `silent`, `stop`, `state`, `interactions`, `media-server-groups`, `media-metrics`, `token`, `stream`. */
      action: oneOrMore,
      method: z.string().optional(),
      /** The path starts with it. */
      path: z.string().optional(),
      interactionId: z.string().optional(),
      monitorSessionId: z.string().optional(),
      clientId: z.string().optional(),
    })
    .default({}),
  effect: requestEffectSchema,
  /** Hits at most so many requests. Default: 1, or no limit if `probability` is given. */
  times: z.int().positive().optional(),
  /** Hits each matching request with this probability (seeded). Default: 1. */
  probability: z.number().min(0).max(1).optional(),
});
export type RequestFault = z.output<typeof requestFaultSchema>;
export type RequestFaultInput = z.input<typeof requestFaultSchema>;

/** What a fault rule looks at. */
export interface FaultTarget {
  readonly action: string;
  readonly method: string;
  readonly path: string;
  readonly interactionId: string | null;
  readonly monitorSessionId: string | null;
  readonly clientId: string | null;
}

/** A rule that is set. */
export interface SetFault {
  readonly id: string;
  readonly rule: RequestFault;
  readonly hits: number;
}

/** The fault rules for requests; the first rule that matches (and whose chance comes up) decides. */
export class RequestFaults {
  readonly #random: Random;
  readonly #rules = new Map<string, { rule: RequestFault; left: number; hits: number }>();
  #count = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Sets a rule; answers its id. */
  add(rule: RequestFault): string {
    this.#count += 1;
    const id = `fault-${this.#count}`;
    const left = rule.times ?? (rule.probability === undefined ? 1 : Number.POSITIVE_INFINITY);
    this.#rules.set(id, { rule, left, hits: 0 });
    return id;
  }

  /** Removes a rule; false if there is none of that id. */
  remove(id: string): boolean {
    return this.#rules.delete(id);
  }

  clear(): void {
    this.#rules.clear();
  }

  /** The rules, used-up ones included. */
  list(): SetFault[] {
    return [...this.#rules].map(([id, { rule, hits }]) => ({ id, rule, hits }));
  }

  /** The effect for this request, if any; uses the rule up by one. */
  strike(target: FaultTarget): RequestEffect | null {
    for (const entry of this.#rules.values()) {
      if (entry.left <= 0 || !matches(entry.rule.match, target)) continue;
      if (entry.rule.probability !== undefined && !this.#random.chance(entry.rule.probability)) continue;
      entry.left -= 1;
      entry.hits += 1;
      return entry.rule.effect;
    }
    return null;
  }
}

function matches(match: RequestFault['match'], target: FaultTarget): boolean {
  const is = (wanted: string | undefined, actual: string | null): boolean => wanted === undefined || wanted === actual;
  const actions = match.action === undefined ? null : [match.action].flat();
  return (
    (actions === null || actions.includes(target.action)) &&
    (match.path === undefined || target.path.startsWith(match.path)) &&
    is(match.method, target.method) &&
    is(match.interactionId, target.interactionId) &&
    is(match.monitorSessionId, target.monitorSessionId) &&
    is(match.clientId, target.clientId)
  );
}
