import { isExclusive, isLive, type Interaction, type Leg } from './model.js';

/** What must never happen on the platform, or be asked of it. */
export const RULES = [
  /** Two legs of one interaction in barge or whisper: the platform itself failed. */
  'exclusive-legs.two',
  /** A leg went on after its interaction had ended: the platform itself failed. */
  'leg.live-on-ended-interaction',
  /** A mode change arrived for a leg that wasn't active yet: the client's mistake (`design.md`, invariant 3). */
  'mode-change.before-active',
  /** A client commanded a leg that another client started (`design.md`, invariant 5). */
  'leg.of-another-client',
  /** A client went on sending after a 429 had reached it, before its `Retry-After` (`design.md`, invariant 8). */
  'rate-limit.ignored',
] as const;
export type Rule = (typeof RULES)[number];

export interface Breach {
  readonly rule: Rule;
  readonly detail: string;
}

/** The breaches visible in the present state of one interaction; `interaction` is undefined once it is listed no more. */
export function breachesOf(interaction: Interaction | undefined, legs: readonly Leg[]): Breach[] {
  const breaches: Breach[] = [];
  const exclusive = legs.filter(isExclusive).map((leg) => leg.monitorSessionId);
  if (exclusive.length > 1) {
    breaches.push({ rule: 'exclusive-legs.two', detail: exclusive.sort().join(', ') });
  }
  if (interaction !== undefined && interaction.endedAtMs !== null) {
    for (const leg of legs.filter(isLive)) {
      breaches.push({ rule: 'leg.live-on-ended-interaction', detail: leg.monitorSessionId });
    }
  }
  return breaches;
}
