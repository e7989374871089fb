import type { Client } from '@temporalio/client';
import { describeAll } from './channel-workflows.js';
import type { Channel } from './exclusive-channel.js';

/** History events. */
export interface EventCount {
  /** In all the supervisors' workflows together. */
  readonly speakers: number;
  /** In the workflow that decides who speaks. */
  readonly lock: number;
}

/** Counts the events that are added to the histories of one channel from its making on. */
export class EventCounter {
  readonly #client: Client;
  readonly #channel: Channel;
  readonly #atFirst: readonly History[];

  private constructor(client: Client, channel: Channel, atFirst: readonly History[]) {
    this.#client = client;
    this.#channel = channel;
    this.#atFirst = atFirst;
  }

  static async start(client: Client, channel: Channel): Promise<EventCounter> {
    return new EventCounter(client, channel, await historiesOf(client, channel));
  }

  /** By how much they have grown, in each of `cycles` alike. @throws Error if one of them has begun anew meanwhile. */
  async perCycle(cycles: number): Promise<EventCount> {
    const atLast = await historiesOf(this.#client, this.#channel);
    const [lock = 0, ...speakers] = atLast.map(({ runId, length }, index) => {
      const before = this.#atFirst[index];
      if (before === undefined || before.runId !== runId) {
        throw new Error(`Run ${before?.runId} went on as ${runId}: its events are not counted`);
      }
      return length - before.length;
    });
    return { lock: lock / cycles, speakers: speakers.reduce((sum, grown) => sum + grown, 0) / cycles };
  }
}

interface History {
  readonly runId: string | undefined;
  readonly length: number;
}

async function historiesOf(client: Client, channel: Channel): Promise<History[]> {
  const workflows = await describeAll(client, channel);
  return workflows.map((workflow) => ({ runId: workflow?.runId, length: workflow?.historyLength ?? 0 }));
}
