import type { CancelTimer, Clock, Timers } from './clock.js';
import { isLive, type Leg, type LegEnd, type Mode } from './model.js';

/** What a new leg starts with. */
export interface NewLeg {
  readonly monitorSessionId: string;
  readonly interactionId: string;
  readonly clientId: string;
  readonly mediaServerGroupId: string | null;
  readonly requestSeq: number | null;
  readonly outcome: Leg['outcome'];
}

export interface LegBookOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** How long ended legs stay listed, in seconds. */
  readonly endedListedSeconds: number;
  /** Called after each change of a leg; `announce` says whether the platform tells of it by an event. */
  readonly onChange: (leg: Leg, announce: boolean) => void;
}

/** All legs that the platform still lists, and the timers that activate the pending ones. */
export class LegBook {
  readonly #options: LegBookOptions;
  readonly #byId = new Map<string, Leg>();
  readonly #byInteraction = new Map<string, Map<string, Leg>>();
  /** In the order of their endings: the oldest is purged first. */
  readonly #ended = new Map<string, Leg>();
  readonly #activations = new Map<string, CancelTimer>();
  /** Counted along, as every start asks for every group. */
  readonly #liveOnGroup = new Map<string, number>();

  constructor(options: LegBookOptions) {
    this.#options = options;
  }

  get(monitorSessionId: string): Leg | undefined {
    this.#purge();
    return this.#byId.get(monitorSessionId);
  }

  /** The interaction's legs, oldest first, ended ones included while they are listed. */
  of(interactionId: string): Leg[] {
    this.#purge();
    return [...(this.#byInteraction.get(interactionId)?.values() ?? [])];
  }

  /** All live legs. */
  live(): Leg[] {
    return [...this.#byId.values()].filter(isLive);
  }

  /** How many live legs the media server group carries. */
  countOn(mediaServerGroupId: string): number {
    return this.#liveOnGroup.get(mediaServerGroupId) ?? 0;
  }

  add(fields: NewLeg): Leg {
    const nowMs = this.#options.clock.nowMs();
    const leg: Leg = {
      ...fields,
      status: 'pending',
      mode: 'silent',
      createdAtMs: nowMs,
      activeAtMs: null,
      bitrateBps: null,
      modes: [{ mode: 'silent', atMs: nowMs, requestSeq: fields.requestSeq }],
      endedAtMs: null,
      endedBy: null,
    };
    this.#enter(leg);
    this.#scheduleOutcome(leg);
    this.#options.onChange(leg, true);
    return leg;
  }

  /** Makes a pending leg active now. */
  activate(leg: Leg): void {
    if (leg.status !== 'pending') return;
    this.#cancelOutcome(leg);
    leg.status = 'active';
    leg.activeAtMs = this.#options.clock.nowMs();
    this.#options.onChange(leg, true);
  }

  /** Sets the mode; nothing happens if it is already in it. */
  setMode(leg: Leg, mode: Mode, requestSeq: number | null): void {
    if (leg.mode === mode) return;
    leg.mode = mode;
    leg.modes.push({ mode, atMs: this.#options.clock.nowMs(), requestSeq });
    this.#options.onChange(leg, true);
  }

  /** Ends a live leg; with `announce: false` no event tells of it. */
  end(leg: Leg, endedBy: LegEnd, announce = true): void {
    if (!isLive(leg)) return;
    this.#cancelOutcome(leg);
    leg.status = endedBy === 'failed' ? 'failed' : 'terminated';
    leg.endedAtMs = this.#options.clock.nowMs();
    leg.endedBy = endedBy;
    this.#ended.set(leg.monitorSessionId, leg);
    this.#countLive(leg, -1);
    this.#options.onChange(leg, announce);
  }

  snapshot(): Leg[] {
    this.#purge();
    return [...this.#byId.values()];
  }

  /** Takes legs over from a state file; pending ones go on towards their outcome. */
  restore(legs: readonly Leg[]): Leg[] {
    const restored = legs.map((leg) => structuredClone(leg));
    const endings = restored.filter((leg) => !isLive(leg)).sort((a, b) => (a.endedAtMs ?? 0) - (b.endedAtMs ?? 0));
    for (const leg of restored) this.#enter(leg);
    for (const leg of endings) this.#ended.set(leg.monitorSessionId, leg);
    for (const leg of restored) if (leg.status === 'pending') this.#scheduleOutcome(leg);
    return restored;
  }

  /** Forgets all legs at once. */
  clear(): void {
    for (const cancel of this.#activations.values()) cancel();
    for (const map of [this.#activations, this.#byId, this.#byInteraction, this.#ended, this.#liveOnGroup]) map.clear();
  }

  #enter(leg: Leg): void {
    this.#byId.set(leg.monitorSessionId, leg);
    const siblings = this.#byInteraction.get(leg.interactionId) ?? new Map<string, Leg>();
    siblings.set(leg.monitorSessionId, leg);
    this.#byInteraction.set(leg.interactionId, siblings);
    if (isLive(leg)) this.#countLive(leg, 1);
  }

  #countLive(leg: Leg, change: 1 | -1): void {
    if (leg.mediaServerGroupId === null) return;
    this.#liveOnGroup.set(leg.mediaServerGroupId, this.countOn(leg.mediaServerGroupId) + change);
  }

  #scheduleOutcome(leg: Leg): void {
    const outcome = leg.outcome;
    if (outcome === null) return;
    const cancel = this.#options.timers.after(outcome.atMs - this.#options.clock.nowMs(), () => {
      if (outcome.status === 'active') this.activate(leg);
      else this.end(leg, 'failed');
    });
    this.#activations.set(leg.monitorSessionId, cancel);
  }

  #cancelOutcome(leg: Leg): void {
    this.#activations.get(leg.monitorSessionId)?.();
    this.#activations.delete(leg.monitorSessionId);
  }

  #purge(): void {
    const beforeMs = this.#options.clock.nowMs() - this.#options.endedListedSeconds * 1000;
    for (const [id, leg] of this.#ended) {
      if (leg.endedAtMs === null || leg.endedAtMs >= beforeMs) break;
      this.#ended.delete(id);
      this.#byId.delete(id);
      const siblings = this.#byInteraction.get(leg.interactionId);
      siblings?.delete(id);
      if (siblings?.size === 0) this.#byInteraction.delete(leg.interactionId);
    }
  }
}
