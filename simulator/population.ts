import { z } from 'zod';
import type { PlatformCore } from './platform-core.js';
import type { Random } from './random.js';

/** How many calls are going on at once, and how long they last. */
export const populationSchema = z.strictObject({
  connected: z.int().nonnegative(),
  /** Calls last 0.5 to 1.5 times this many seconds. */
  meanDurationSeconds: z.number().positive(),
});
export type PopulationSettings = z.output<typeof populationSchema>;

const AGENTS = [
  'amara.okafor',
  'ben.lindqvist',
  'chiara.russo',
  'dmitri.volkov',
  'elif.demir',
  'farid.haddad',
] as const;
const MORE_AGENTS = [
  'grace.mbeki',
  'hana.sato',
  'ines.carvalho',
  'jonas.weber',
  'kiran.patel',
  'lucia.moreno',
] as const;
const QUEUES = ['Billing', 'Technical Support', 'New Orders', 'Cancellations', 'Claims', 'Premium Care'] as const;
const FIRST_NAMES = [
  'Ada',
  'Bruno',
  'Celine',
  'Daniel',
  'Esther',
  'Felix',
  'Gloria',
  'Hugo',
  'Iris',
  'Julian',
] as const;
const LAST_NAMES = [
  'Abbott',
  'Brandt',
  'Castillo',
  'Dubois',
  'Eriksen',
  'Fontaine',
  'Grant',
  'Hoffman',
  'Ito',
] as const;

/** Made-up people for an interaction: who answers, in which queue, and who calls. */
export function drawPeople(random: Random): { agentId: string; queueName: string; customer: string } {
  return {
    agentId: random.pick([...AGENTS, ...MORE_AGENTS]),
    queueName: random.pick(QUEUES),
    customer: `${random.pick(FIRST_NAMES)} ${random.pick(LAST_NAMES)}`,
  };
}

/** Keeps a steady number of calls going on: whenever one ends, another begins. */
export class Population {
  readonly #core: PlatformCore;
  readonly #random: Random;
  readonly #settings: PopulationSettings;
  #running = false;

  constructor(core: PlatformCore, random: Random, settings: PopulationSettings) {
    this.#core = core;
    this.#random = random;
    this.#settings = settings;
    core.onInteractionEnded((interaction) => {
      if (interaction.populated && this.#running) this.#begin(1);
    });
  }

  /** Fills up to the wanted number, with calls at every point of their lives, so that they don't all end together. */
  start(): void {
    this.#running = true;
    const present = this.#core.interactions.connected().filter((interaction) => interaction.populated).length;
    for (let count = present; count < this.#settings.connected; count += 1) this.#begin(this.#random.between(0.1, 1));
  }

  stop(): void {
    this.#running = false;
  }

  #begin(remainingShare: number): void {
    const wholeSeconds = this.#settings.meanDurationSeconds * this.#random.between(0.5, 1.5);
    this.#core.addInteraction({
      ...drawPeople(this.#random),
      durationSeconds: wholeSeconds * remainingShare,
      startedSecondsAgo: wholeSeconds * (1 - remainingShare),
      populated: true,
      draw: this.#random,
    });
  }
}
