/**
 * The simulator's own seeded randomness (sfc32, seeded by FNV-1a): `Math.random` can't be repeated, and a run that
 * found a fault has to be.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    this.#a = fnv1a(`${seed}/a`);
    this.#b = fnv1a(`${seed}/b`);
    this.#c = fnv1a(`${seed}/c`);
    // sfc32 needs some rounds before seeds that differ by one bit give unrelated numbers.
    for (let round = 0; round < 12; round += 1) this.#next32();
  }

  /** A number in [0, 1). */
  next(): number {
    return this.#next32() / 4294967296;
  }

  /** A number in [min, max). */
  between(min: number, max: number): number {
    return min + this.next() * (max - min);
  }

  /** True with probability `probability`; draws even when the answer is certain, so that settings don't shift the stream. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of `items`. Throws a `RangeError` if there is none. */
  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.next() * items.length)];
    if (item === undefined) throw new RangeError('Expected `items` to have at least one item');
    return item;
  }

  /** `digits` lower-case hexadecimal digits. */
  hex(digits: number): string {
    let text = '';
    while (text.length < digits) text += this.#next32().toString(16).padStart(8, '0');
    return text.slice(0, digits);
  }

  #next32(): number {
    const sum = (this.#a + this.#b + this.#counter) >>> 0;
    this.#counter = (this.#counter + 1) >>> 0;
    this.#a = (this.#b ^ (this.#b >>> 9)) >>> 0;
    this.#b = (this.#c + (this.#c << 3)) >>> 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) >>> 0;
    return sum;
  }
}

/** One stream per concern: drawing in one never shifts another, whatever order requests come in. */
export interface RandomStreams {
  readonly legIds: Random;
  readonly eventIds: Random;
  /** Interactions that come by themselves. */
  readonly population: Random;
  /** Interactions added by control. */
  readonly addedInteractions: Random;
  readonly endReasons: Random;
  readonly activation: Random;
  readonly allocation: Random;
  readonly mediaQuality: Random;
  readonly requestFaults: Random;
  readonly eventFaults: Random;
}

/**
 * The streams of one start of the simulator. `boot` counts the starts over one state file: with it in the seed, ids
 * never repeat after a crash that lost the last few draws, and the run is still repeatable.
 */
export function randomStreams(seed: string, boot: number): RandomStreams {
  const stream = (concern: string): Random => new Random(`${seed}/${boot}/${concern}`);
  return {
    legIds: stream('leg-ids'),
    eventIds: stream('event-ids'),
    population: stream('population'),
    addedInteractions: stream('added-interactions'),
    endReasons: stream('end-reasons'),
    activation: stream('activation'),
    allocation: stream('allocation'),
    mediaQuality: stream('media-quality'),
    requestFaults: stream('request-faults'),
    eventFaults: stream('event-faults'),
  };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
