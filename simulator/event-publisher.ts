import { z } from 'zod';
import type { Clock, Timers } from './clock.js';
import { isoTime } from './model.js';
import type { Random } from './random.js';

const probabilitySchema = z.number().min(0).max(1);

/** What goes wrong with events on their way (`platform-api.md`, Events: twice, late, unordered or never). */
export const eventFaultsSchema = z.strictObject({
  dropProbability: probabilitySchema.default(0),
  duplicateProbability: probabilitySchema.default(0),
  /** An event is held back for up to 500 ms, so that later ones overtake it. */
  reorderProbability: probabilitySchema.default(0),
  /** Every event comes this much later, in milliseconds. */
  delayMs: z.number().nonnegative().default(0),
  /** Only events of these topics are touched; default all. */
  topics: z.array(z.string()).optional(),
});
export type EventFaults = z.output<typeof eventFaultsSchema>;
export type EventFaultsInput = z.input<typeof eventFaultsSchema>;

const NO_FAULTS: EventFaults = eventFaultsSchema.parse({});
const OVERTAKEN_WITHIN_MS = 500;

export type Topic =
  | 'interaction.telephony.monitor'
  | 'interaction.telephony.ended'
  | 'interaction.telephony.media-metrics';

/** The envelope of every event. */
export interface PlatformEvent {
  readonly id: string;
  readonly topic: Topic;
  readonly timestamp: string;
  readonly data: object;
}

/** Where events go: the event stream, the webhook. */
export type EventSink = (event: PlatformEvent) => void;

export interface EventPublisherOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ids: Random;
  readonly faultChances: Random;
}

/** Wraps what happened into events and sends them to all sinks, through whatever event faults are set. */
export class EventPublisher {
  readonly #options: EventPublisherOptions;
  readonly #sinks = new Set<EventSink>();
  #faults = NO_FAULTS;

  constructor(options: EventPublisherOptions) {
    this.#options = options;
  }

  addSink(sink: EventSink): void {
    this.#sinks.add(sink);
  }

  setFaults(faults: EventFaults | null): void {
    this.#faults = faults ?? NO_FAULTS;
  }

  publish(topic: Topic, data: object): void {
    const event: PlatformEvent = {
      id: `evt-${this.#options.ids.hex(16)}`,
      topic,
      timestamp: isoTime(this.#options.clock.nowMs()),
      data,
    };
    if (this.#faults.topics !== undefined && !this.#faults.topics.includes(topic)) {
      this.#deliver(event, 0);
      return;
    }
    const { dropProbability, duplicateProbability, reorderProbability, delayMs } = this.#faults;
    const random = this.#options.faultChances;
    const [dropped, duplicated, heldBack] = [
      random.chance(dropProbability),
      random.chance(duplicateProbability),
      random.chance(reorderProbability),
    ];
    const heldBackMs = random.between(1, OVERTAKEN_WITHIN_MS);
    if (dropped) return;
    this.#deliver(event, delayMs + (heldBack ? heldBackMs : 0));
    if (duplicated) this.#deliver(event, delayMs + heldBackMs);
  }

  #deliver(event: PlatformEvent, delayMs: number): void {
    if (delayMs === 0) {
      for (const sink of this.#sinks) sink(event);
      return;
    }
    this.#options.timers.after(delayMs, () => {
      for (const sink of this.#sinks) sink(event);
    });
  }
}
