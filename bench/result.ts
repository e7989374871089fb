import type { EventCount } from './event-count.js';
import type { OfEach } from './exclusive-channel.js';
import type { Rest } from './quiet.js';
import type { Measured } from './scenario.js';

/** One line of the tables, both patterns side by side. */
export interface Row {
  readonly id: 'acquire-first' | 'acquire-again' | `hand-over-${number}`;
  readonly title: string;
  readonly rest: Rest;
  readonly measured: OfEach<Measured>;
}

/** The sample's median over Earshot's. */
export function timeRatio({ measured: { earshot, sample } }: Row): number {
  return sample.time.p50 / earshot.time.p50;
}

export function totalEvents({ speakers, lock }: EventCount): number {
  return speakers + lock;
}
