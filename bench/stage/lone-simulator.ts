import type { ChildProcess } from 'node:child_process';
import { createHttpPlatform } from '../../platform/http-platform.js';
import type { HttpPlatform } from '../../platform/http-platform.js';
import { CLIENT, forkSimulator, SimulatorProcess } from './simulator-process.js';

/** A simulator in a process of its own, and an adapter to it. */
export class LoneSimulator extends SimulatorProcess implements AsyncDisposable {
  private constructor(
    url: string,
    child: ChildProcess,
    readonly platform: HttpPlatform,
  ) {
    super(url, child);
  }

  /** @param sampleEverySeconds of each leg's media; 0: none */
  static async start(sampleEverySeconds: number): Promise<LoneSimulator> {
    const { url, child } = await forkSimulator({ sampleEverySeconds });
    const platform = createHttpPlatform({ baseUrl: url, clientId: CLIENT.id, clientSecret: CLIENT.secret });
    return new LoneSimulator(url, child, platform);
  }

  /** How many requests it has had, by the number of one more. */
  async latestRequest(): Promise<number> {
    const interactionId = await this.call();
    await this.platform.monitorState(interactionId);
    const { requests } = await this.ledger({ interactionId });
    await this.control('end-interaction', { interactionId });
    const seq = requests.at(-1)?.seq;
    if (seq === undefined) throw new Error('Expected a request, got none');
    return seq;
  }

  override async close(): Promise<void> {
    await this.platform.close();
    await super.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
