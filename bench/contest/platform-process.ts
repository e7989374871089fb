import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { CLIENT, forkSimulator, SimulatorProcess } from '../stage/simulator-process.js';

const token = z.object({ access_token: z.string() });
const legEvent = z.object({
  topic: z.literal('interaction.telephony.monitor'),
  data: z.object({ interactionId: z.string(), monitorSessionId: z.string(), status: z.string(), mode: z.string() }),
});
export type LegNews = z.infer<typeof legEvent>['data'];

interface Waiter {
  readonly fits: (news: LegNews) => boolean;
  readonly resolve: (news: LegNews) => void;
}

/**
 * A simulator whose doings are heard of by its event stream, so that nobody has to ask while something is measured; when it
 * did it is read from its ledger afterwards.
 */
export class PlatformProcess extends SimulatorProcess {
  readonly #waiters = new Set<Waiter>();

  private constructor(
    url: string,
    child: ChildProcess,
    private readonly socket: WebSocket,
  ) {
    super(url, child);
    socket.on('message', (data: Buffer) => this.#hear(data));
  }

  /** @param activationMs from an accepted start to `active`, at most */
  static async start(activationMs: number): Promise<PlatformProcess> {
    const { url, child } = await forkSimulator({ activationMs });
    const form = { grant_type: 'client_credentials', client_id: CLIENT.id, client_secret: CLIENT.secret };
    const answer = await fetch(`${url}/api/v2/auth/token`, { method: 'POST', body: new URLSearchParams(form) });
    const { access_token: bearer } = token.parse(await answer.json());
    const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v2/notifications/stream`, {
      headers: { authorization: `Bearer ${bearer}` },
    });
    await once(socket, 'open');
    return new PlatformProcess(url, child, socket);
  }

  /** The next change of a leg that fits; from the call on, so that nothing is missed. */
  next(what: string, limitMs: number, fits: (news: LegNews) => boolean): Promise<LegNews> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        fits,
        resolve: (news) => {
          clearTimeout(timer);
          resolve(news);
        },
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(new Error(`${what}: the platform has not seen it within ${limitMs / 1_000} s`));
      }, limitMs);
      this.#waiters.add(waiter);
    });
  }

  override async close(): Promise<void> {
    this.socket.terminate();
    await super.close();
  }

  #hear(data: Buffer): void {
    const news = legEvent.safeParse(JSON.parse(data.toString())).data?.data;
    if (news === undefined) return;
    for (const waiter of this.#waiters) {
      if (!waiter.fits(news)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(news);
    }
  }
}
