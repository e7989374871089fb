import type { MonitorMode } from '../../domain/session.js';
import type { CleanUp } from '../clean-up.js';
import type { LoneSimulator } from './lone-simulator.js';

const LIMIT_MS = 60_000;

/**
 * Hears from the platform's event stream when legs have changed, so that nobody has to ask while something is measured. *When*
 * it was is the ledger's to say.
 */
export class LegWatch {
  readonly #waiting = new Map<string, () => void>();
  /** Legs that are active, as far as heard. */
  readonly #active = new Map<string, string>();
  #ended = 0;

  private constructor() {}

  static async start(simulator: LoneSimulator, cleanUp: CleanUp): Promise<LegWatch> {
    const watch = new LegWatch();
    const over = new AbortController();
    const opened = new Promise<void>((resolve) => {
      const following = simulator.platform.followEvents(
        {
          onOpen: resolve,
          onNonsense: () => undefined,
          onEvent: (event) => {
            if (event.topic === 'interaction.telephony.monitor') {
              const { interactionId, monitorSessionId, status, mode } = event.data;
              if (status === 'active') {
                watch.#active.set(interactionId, monitorSessionId);
                watch.#tell(`${interactionId} active`);
              } else if (status === 'terminated') {
                watch.#ended += 1;
              }
              watch.#tell(`${monitorSessionId} ${mode}`);
            }
            return Promise.resolve();
          },
        },
        { signal: over.signal },
      );
      cleanUp.add(async () => {
        over.abort();
        await following.catch(() => undefined);
      });
    });
    await opened;
    return watch;
  }

  /** Legs that were told to have ended. */
  get ended(): number {
    return this.#ended;
  }

  /** Resolves at the next change of the leg into the mode. */
  next(monitorSessionId: string, mode: MonitorMode): Promise<void> {
    return this.#hears(`${monitorSessionId} ${mode}`);
  }

  /** The leg that becomes active on the interaction, which has none yet. */
  async activeOn(interactionId: string): Promise<string> {
    if (!this.#active.has(interactionId)) await this.#hears(`${interactionId} active`);
    const monitorSessionId = this.#active.get(interactionId);
    if (monitorSessionId === undefined) throw new Error(`Expected a leg on ${interactionId}, got none`);
    return monitorSessionId;
  }

  #tell(what: string): void {
    this.#waiting.get(what)?.();
  }

  #hears(what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => {
        this.#waiting.delete(what);
        reject(new Error(`${what}: not heard within ${LIMIT_MS / 1_000} s`));
      }, LIMIT_MS);
      this.#waiting.set(what, () => {
        clearTimeout(limit);
        this.#waiting.delete(what);
        resolve();
      });
    });
  }
}
