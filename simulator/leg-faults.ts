import { z } from 'zod';
import type { Leg } from './model.js';

/** What becomes of the legs that match, once they are accepted. */
export const legFaultSchema = z.strictObject({
  /** Only legs of this interaction; default any. */
  interactionId: z.string().optional(),
  /** Only legs of this OAuth client; default any. */
  clientId: z.string().optional(),
  /** `never-active`: pending for ever; `fail`: `status:"failed"`; `activate`: active, but after `afterMs`. */
  effect: z.enum(['never-active', 'fail', 'activate']),
  /** When it fails or activates, in milliseconds after its start. */
  afterMs: z.number().nonnegative().default(0),
  /** How many legs it hits; then it is used up. */
  times: z.int().positive().default(1),
});
export type LegFaultInput = z.input<typeof legFaultSchema>;
type LegFault = z.output<typeof legFaultSchema>;

/** How long a leg takes from its start to active, in milliseconds. */
export const activationDelaySchema = z
  .strictObject({ min: z.number().nonnegative(), max: z.number().nonnegative() })
  .refine(({ min, max }) => min <= max, 'expected min ≤ max');
export type ActivationDelayMs = z.output<typeof activationDelaySchema>;

/** The leg faults that are set and not used up. */
export class LegFaults {
  #rules: LegFault[] = [];

  add(rule: LegFault): void {
    this.#rules.push({ ...rule });
  }

  clear(): void {
    this.#rules = [];
  }

  /** What a leg starting now comes to: as the first matching fault says, else active after `delayMs`. */
  outcomeFor(interactionId: string, clientId: string, nowMs: number, delayMs: number): Leg['outcome'] {
    const rule = this.#rules.find(
      (candidate) =>
        (candidate.interactionId === undefined || candidate.interactionId === interactionId) &&
        (candidate.clientId === undefined || candidate.clientId === clientId),
    );
    if (rule === undefined) return { status: 'active', atMs: nowMs + delayMs };
    rule.times -= 1;
    if (rule.times === 0) this.#rules = this.#rules.filter((other) => other !== rule);
    if (rule.effect === 'never-active') return null;
    return { status: rule.effect === 'fail' ? 'failed' : 'active', atMs: nowMs + rule.afterMs };
  }
}
