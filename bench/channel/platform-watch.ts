import type { Simulator } from '../../simulator/simulator.js';
import { until } from '../until.js';

/** How often the ledger is looked at, ms. What is measured is the ledger's own time and not when it was seen. */
const LOOK_EVERY_MS = 5;

/** A mode that a leg was put into. */
export interface Applied {
  readonly monitorSessionId: string;
  /** When the platform did it; ms since the epoch, by this process's clock. */
  readonly atMs: number;
}

/** The mode changes of one interaction from now on, by the simulator's ledger. */
export class PlatformWatch {
  readonly #simulator: Simulator;
  readonly #interactionId: string;
  readonly #since: number;

  constructor(simulator: Simulator, interactionId: string) {
    this.#simulator = simulator;
    this.#interactionId = interactionId;
    this.#since = simulator.ledger.requests().at(-1)?.seq ?? 0;
  }

  /** The first such change. */
  async first(mode: 'barge' | 'silent'): Promise<Applied> {
    const interactionId = this.#interactionId;
    const { ledger } = this.#simulator;
    const seq = await until(
      `${mode} on the platform`,
      LOOK_EVERY_MS,
      () => ledger.requests({ interactionId, action: mode, since: this.#since }).find(({ executed }) => executed)?.seq,
    );
    for (const { monitorSessionId, modes } of ledger.legs({ interactionId })) {
      const change = modes.find(({ requestSeq }) => requestSeq === seq);
      if (change !== undefined) return { monitorSessionId, atMs: Date.parse(change.at) };
    }
    throw new Error(`Expected a leg that request ${seq} put into ${mode}, got none`);
  }
}
