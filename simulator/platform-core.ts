import type { Clock, Timers } from './clock.js';
import type { EventPublisher } from './event-publisher.js';
import { InteractionBook } from './interaction-book.js';
import { breachesOf } from './invariants.js';
import type { LedgerBook } from './ledger.js';
import { LegBook } from './leg-book.js';
import { LegFaults, type ActivationDelayMs } from './leg-faults.js';
import { MediaServers } from './media-servers.js';
import { isExclusive, isLive, isoTime, type EndReason, type Interaction, type Leg } from './model.js';
import type { Random, RandomStreams } from './random.js';

export interface PlatformCoreOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: RandomStreams;
  readonly ledger: LedgerBook;
  readonly publisher: EventPublisher;
  readonly activationDelayMs: ActivationDelayMs;
  /** Whether a leg lands in another region than it was asked to. */
  readonly movesLegs: () => boolean;
  readonly endedInteractionsListedSeconds: number;
  readonly endedLegsListedSeconds: number;
  /** Called after every change; `legChanged` asks to make it durable at once. */
  readonly onChange: (legChanged: boolean) => void;
}

/** A new interaction, as asked for. */
export interface NewInteraction {
  readonly id?: string | undefined;
  readonly agentId: string;
  readonly queueName: string;
  readonly customer: string;
  readonly primaryGroupId?: string | undefined;
  /** Hangs up by itself after this many seconds; without it, only when told to. */
  readonly durationSeconds?: number | undefined;
  /** It has been going on for so long already. */
  readonly startedSecondsAgo?: number | undefined;
  readonly populated: boolean;
  /** Where its id and group come from: each source of interactions has its own, so that none shifts another's. */
  readonly draw: Random;
}

/** A leg about to be made. */
export interface LegStart {
  readonly interaction: Interaction;
  readonly clientId: string;
  readonly mediaServerGroupId: string | undefined;
  readonly requestSeq: number | null;
}

/** The platform behind the API: calls, legs and media servers, and what happens between them. */
export class PlatformCore {
  readonly interactions: InteractionBook;
  readonly legs: LegBook;
  readonly legFaults = new LegFaults();
  readonly mediaServers: MediaServers;
  activationDelayMs: ActivationDelayMs;

  readonly #options: PlatformCoreOptions;
  readonly #endListeners = new Set<(interaction: Interaction) => void>();

  constructor(options: PlatformCoreOptions) {
    this.#options = options;
    const { clock, timers, random } = options;
    this.activationDelayMs = options.activationDelayMs;
    this.interactions = new InteractionBook(clock, options.endedInteractionsListedSeconds);
    this.legs = new LegBook({
      clock,
      timers,
      endedListedSeconds: options.endedLegsListedSeconds,
      onChange: (leg, announce) => this.#legChanged(leg, announce),
    });
    this.mediaServers = new MediaServers({
      clock,
      legs: this.legs,
      allocation: random.allocation,
      quality: random.mediaQuality,
      movesLegs: options.movesLegs,
    });
  }

  /** Calls `listener` after each ending of an interaction. */
  onInteractionEnded(listener: (interaction: Interaction) => void): void {
    this.#endListeners.add(listener);
  }

  /** Connects a new interaction; `null` if the id is taken. */
  addInteraction(fields: NewInteraction): Interaction | null {
    const nowMs = this.#options.clock.nowMs();
    const id = fields.id ?? `int-${fields.draw.hex(16)}`;
    if (this.interactions.get(id) !== undefined) return null;
    const interaction = this.interactions.add({
      id,
      agentId: fields.agentId,
      queueName: fields.queueName,
      customer: fields.customer,
      plannedEndAtMs: fields.durationSeconds === undefined ? null : Math.round(nowMs + fields.durationSeconds * 1000),
      startedAtMs: Math.round(nowMs - (fields.startedSecondsAgo ?? 0) * 1000),
      primaryGroupId: fields.primaryGroupId ?? this.mediaServers.primaryForNewInteraction(fields.draw),
      populated: fields.populated,
    });
    this.#schedulePlannedEnd(interaction);
    this.#options.onChange(false);
    return interaction;
  }

  /**
   * Ends an interaction: its legs are severed at once and events tell of it. `announce: false` loses the events,
   * `leaveLegs` is a platform that forgets to sever (its own invariant check then fires).
   */
  endInteraction(interaction: Interaction, reason: EndReason, { announce = true, leaveLegs = false } = {}): void {
    if (interaction.endedAtMs !== null) return;
    const legs = this.legs.of(interaction.id).filter(isLive);
    // Each leg's end is checked by itself: with the call over first, those yet to be ended would count as left behind.
    if (!leaveLegs) for (const leg of legs) this.legs.end(leg, 'interaction-ended', announce);
    this.interactions.end(interaction, reason);
    if (announce) {
      this.#options.publisher.publish('interaction.telephony.ended', {
        interactionId: interaction.id,
        reason,
        endedAt: isoTime(this.#options.clock.nowMs()),
      });
    }
    this.#check(interaction.id);
    this.#options.onChange(legs.length > 0);
    for (const listener of this.#endListeners) listener(interaction);
  }

  /** Makes a leg; `null` if its media server group (or every one) can't take it. */
  startLeg({ interaction, clientId, mediaServerGroupId, requestSeq }: LegStart): Leg | null {
    const group = this.mediaServers.allocate(interaction, mediaServerGroupId);
    if (group === null) return null;
    const { clock, random } = this.#options;
    // Drawn even when a fault decides: setting a fault must not shift the delays of the legs after it.
    const delayMs = random.activation.between(this.activationDelayMs.min, this.activationDelayMs.max);
    return this.legs.add({
      monitorSessionId: `ms-${random.legIds.hex(16)}`,
      interactionId: interaction.id,
      clientId,
      mediaServerGroupId: group.id,
      requestSeq,
      outcome: this.legFaults.outcomeFor(interaction.id, clientId, clock.nowMs(), delayMs),
    });
  }

  /** The leg that holds the interaction's exclusive channel, other than `except`. */
  exclusiveLeg(interactionId: string, except?: Leg): Leg | undefined {
    return this.legs.of(interactionId).find((leg) => leg !== except && isExclusive(leg));
  }

  /** Samples the media quality of every active leg and publishes it. */
  publishMediaMetrics(): void {
    for (const leg of this.legs.live()) {
      const interaction = this.interactions.get(leg.interactionId);
      if (leg.status !== 'active' || interaction === undefined) continue;
      this.#options.publisher.publish('interaction.telephony.media-metrics', {
        interactionId: leg.interactionId,
        ...this.mediaServers.measure(leg, interaction),
      });
    }
  }

  /** Takes a saved state over; planned ends and activations go on, overdue ones happen at once. */
  restore(saved: { interactions: readonly Interaction[]; legs: readonly Leg[] }): void {
    this.interactions.restore(saved.interactions);
    for (const leg of this.legs.restore(saved.legs)) this.#options.ledger.follow(leg);
    for (const interaction of this.interactions.connected()) this.#schedulePlannedEnd(interaction);
  }

  #schedulePlannedEnd(interaction: Interaction): void {
    if (interaction.plannedEndAtMs === null) return;
    this.#options.timers.after(interaction.plannedEndAtMs - this.#options.clock.nowMs(), () => {
      // Forgotten by a reset: the timer outlives the interaction.
      if (this.interactions.get(interaction.id) !== interaction) return;
      this.endInteraction(interaction, this.#drawEndReason());
    });
  }

  #drawEndReason(): EndReason {
    return this.#options.random.endReasons.pick(['hangup', 'hangup', 'hangup', 'hangup', 'transfer', 'timeout']);
  }

  #legChanged(leg: Leg, announce: boolean): void {
    this.#options.ledger.follow(leg);
    if (announce) {
      this.#options.publisher.publish('interaction.telephony.monitor', {
        interactionId: leg.interactionId,
        monitorSessionId: leg.monitorSessionId,
        status: leg.status,
        mode: leg.mode,
        bargeStatus: this.exclusiveLeg(leg.interactionId) === undefined ? 'inactive' : 'active',
      });
    }
    this.#check(leg.interactionId);
    this.#options.onChange(true);
  }

  #check(interactionId: string): void {
    const breaches = breachesOf(this.interactions.get(interactionId), this.legs.of(interactionId));
    for (const breach of breaches) this.#options.ledger.violate(breach);
  }
}
