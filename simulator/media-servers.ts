import type { Clock } from './clock.js';
import type { LegBook } from './leg-book.js';
import { isoTime, type Interaction, type Leg, type MediaConditions, type MediaServerGroup } from './model.js';
import type { Random } from './random.js';

/** Two regions with two groups each and one with a single group: enough for affinity, failover and a far leg. */
const DEFAULT_GROUPS: readonly MediaServerGroup[] = [
  { id: 'ms-group-us-east-1', name: 'US East 1', region: 'us-east', state: 'available', capacity: 2000 },
  { id: 'ms-group-us-east-2', name: 'US East 2', region: 'us-east', state: 'available', capacity: 2000 },
  { id: 'ms-group-eu-central-1', name: 'EU Central 1', region: 'eu-central', state: 'available', capacity: 2000 },
  { id: 'ms-group-eu-central-2', name: 'EU Central 2', region: 'eu-central', state: 'available', capacity: 2000 },
  { id: 'ms-group-ap-south-1', name: 'AP South 1', region: 'ap-south', state: 'available', capacity: 2000 },
];

/** How often a start without `mediaServerGroupId` lands on the interaction's own group; else anywhere, as the seed warns. */
const OWN_GROUP_PROBABILITY = 0.6;

/** Ranges of a sample by how far the leg is from the interaction's group (seed, Edge Case 1: 200 ms and more across regions). */
export const QUALITY = {
  sameGroup: { packetLoss: [0, 0.008], jitterMs: [1, 8], roundTripMs: [15, 45] },
  sameRegion: { packetLoss: [0.001, 0.012], jitterMs: [2, 12], roundTripMs: [20, 60] },
  crossRegion: { packetLoss: [0.02, 0.08], jitterMs: [25, 60], roundTripMs: [200, 320] },
} as const;

/** Bit rate of a leg that nobody has limited; a lower one loses and delays less, in proportion, down to a quarter. */
const FULL_BITRATE_BPS = 32_000;
const LEAST_SHARE = 0.25;

/** How far samples stray from conditions that were set. */
const STRAY = 0.05;

export interface MediaServersOptions {
  readonly clock: Clock;
  readonly legs: LegBook;
  readonly allocation: Random;
  readonly quality: Random;
  /** Whether a leg lands in another region than it was asked to. */
  readonly movesLegs: () => boolean;
}

/** A sample of one leg's media quality; loss is 0..1 (`platform-api.md`, Media quality). */
export interface MediaMetrics {
  readonly monitorSessionId: string;
  readonly packetLoss: number;
  readonly jitterMs: number;
  readonly roundTripMs: number;
  readonly sampledAt: string;
}

/** The media server groups: which leg lands where, and how it sounds from there. */
export class MediaServers {
  readonly #options: MediaServersOptions;
  readonly #groups = new Map<string, MediaServerGroup>();
  /** By leg: what was set, in place of what its distance makes of it. */
  readonly #conditions = new Map<string, MediaConditions>();

  constructor(options: MediaServersOptions) {
    this.#options = options;
    this.reset();
  }

  reset(): void {
    this.#conditions.clear();
    this.restore(DEFAULT_GROUPS);
  }

  get(id: string): MediaServerGroup | undefined {
    return this.#groups.get(id);
  }

  all(): MediaServerGroup[] {
    return [...this.#groups.values()];
  }

  restore(groups: readonly MediaServerGroup[]): void {
    this.#groups.clear();
    for (const group of groups) this.#groups.set(group.id, { ...group });
  }

  /** The group that a new interaction is carried by. */
  primaryForNewInteraction(random: Random): string {
    const available = this.all().filter((group) => group.state === 'available');
    return random.pick(available.length > 0 ? available : this.all()).id;
  }

  /** The group for a new leg, or `null` when the one asked for (or every one) is unknown, not available or full. */
  allocate(interaction: Interaction, requestedGroupId: string | undefined): MediaServerGroup | null {
    if (requestedGroupId !== undefined) {
      const requested = this.#groups.get(requestedGroupId);
      if (requested === undefined || !this.#takesLegs(requested)) return null;
      return (this.#options.movesLegs() ? this.#farFrom(requested) : undefined) ?? requested;
    }
    const candidates = this.all().filter((group) => this.#takesLegs(group));
    const own = candidates.find((group) => group.id === interaction.primaryGroupId);
    const staysHome = this.#options.allocation.chance(OWN_GROUP_PROBABILITY);
    if (own !== undefined && staysHome) return own;
    return candidates.length > 0 ? this.#options.allocation.pick(candidates) : null;
  }

  /** Has a leg's packets treated so from now on; `null`: as its distance makes them. */
  setConditions(leg: Leg, conditions: MediaConditions | null): void {
    if (conditions === null) this.#conditions.delete(leg.monitorSessionId);
    else this.#conditions.set(leg.monitorSessionId, conditions);
  }

  /** A fresh sample of the leg's quality, worse the farther its group is from the interaction's, better at a lower bit rate. */
  measure(leg: Leg, interaction: Interaction): MediaMetrics {
    const set = this.#conditions.get(leg.monitorSessionId);
    const range = set === undefined ? QUALITY[this.#distance(leg, interaction)] : around(set);
    const share = Math.min(1, Math.max(LEAST_SHARE, (leg.bitrateBps ?? FULL_BITRATE_BPS) / FULL_BITRATE_BPS));
    const draw = ([min, max]: readonly [number, number], digits: number, factor = 1): number =>
      Number((this.#options.quality.between(min, max) * factor).toFixed(digits));
    return {
      monitorSessionId: leg.monitorSessionId,
      packetLoss: Math.min(1, draw(range.packetLoss, 4, share)),
      jitterMs: draw(range.jitterMs, 1, share),
      roundTripMs: draw(range.roundTripMs, 1),
      sampledAt: isoTime(this.#options.clock.nowMs()),
    };
  }

  #farFrom({ region }: MediaServerGroup): MediaServerGroup | undefined {
    return this.all().find((group) => group.region !== region && this.#takesLegs(group));
  }

  #takesLegs(group: MediaServerGroup): boolean {
    return group.state === 'available' && this.#options.legs.countOn(group.id) < group.capacity;
  }

  #distance(leg: Leg, interaction: Interaction): keyof typeof QUALITY {
    if (leg.mediaServerGroupId === interaction.primaryGroupId) return 'sameGroup';
    const legRegion = this.#groups.get(leg.mediaServerGroupId ?? '')?.region;
    return legRegion === this.#groups.get(interaction.primaryGroupId)?.region ? 'sameRegion' : 'crossRegion';
  }
}

function around({ packetLoss, jitterMs, roundTripMs }: MediaConditions) {
  const range = (value: number) => [value * (1 - STRAY), value * (1 + STRAY)] as const;
  return { packetLoss: range(packetLoss), jitterMs: range(jitterMs), roundTripMs: range(roundTripMs) };
}

/** The group as it goes over the wire. */
export function groupOnWire(group: MediaServerGroup, interaction: Interaction | undefined): object {
  return {
    id: group.id,
    name: group.name,
    region: group.region,
    state: group.state,
    primary: group.id === interaction?.primaryGroupId,
  };
}
