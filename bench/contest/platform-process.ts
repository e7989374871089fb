import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { WebSocket } from 'ws';
import { z } from 'zod';

/** The simulator's own client; all its credentials are public. */
export const CLIENT = { id: 'earshot', secret: 'earshot-dev-secret' } as const;

const ready = z.object({ type: z.literal('ready'), url: z.string() });
const token = z.object({ access_token: z.string() });
const added = z.object({ interactionId: z.string() });
const legEvent = z.object({
  topic: z.literal('interaction.telephony.monitor'),
  data: z.object({ interactionId: z.string(), monitorSessionId: z.string(), status: z.string(), mode: z.string() }),
});
export type LegNews = z.infer<typeof legEvent>['data'];

const ledgerPage = z.object({
  requests: z.array(
    z.object({
      seq: z.number(),
      at: z.string(),
      action: z.string(),
      interactionId: z.string().nullable(),
      monitorSessionId: z.string().nullable(),
      status: z.union([z.number(), z.string()]),
    }),
  ),
  legs: z.array(
    z.object({
      monitorSessionId: z.string(),
      interactionId: z.string(),
      createdAt: z.string(),
      endedAt: z.string().nullable(),
      endedBy: z.string().nullable(),
      modes: z.array(z.object({ mode: z.string(), at: z.string() })),
    }),
  ),
  violations: z.array(z.object({ rule: z.string(), detail: z.string() })),
  nextSince: z.number(),
});
export type Ledger = z.infer<typeof ledgerPage>;
export type LegLife = Ledger['legs'][number];

interface Waiter {
  readonly fits: (news: LegNews) => boolean;
  readonly resolve: (news: LegNews) => void;
}

/**
 * A simulator in a process of its own. What it does is heard of by its event stream, so that nobody has to ask while
 * something is measured; when it did it is read from its ledger afterwards.
 */
export class PlatformProcess {
  readonly #waiters = new Set<Waiter>();

  private constructor(
    readonly url: string,
    readonly child: ChildProcess,
    private readonly socket: WebSocket,
  ) {
    socket.on('message', (data: Buffer) => this.#hear(data));
  }

  /** @param activationMs from an accepted start to `active`, at most */
  static async start(activationMs: number): Promise<PlatformProcess> {
    const child = fork(fileURLToPath(new URL('../../simulator/main.js', import.meta.url)), {
      env: {
        SIMULATOR_PORT: '0',
        SIMULATOR_INTERACTIONS: '0',
        SIMULATOR_CONTROL: 'on',
        SIMULATOR_RATE_LIMIT: '10000000',
        SIMULATOR_ACTIVATION_MIN_MS: '0',
        SIMULATOR_ACTIVATION_MAX_MS: String(activationMs),
        SIMULATOR_MEDIA_METRICS_SECONDS: '0',
        LOG_LEVEL: 'silent',
      },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const { url } = z
      .tuple([ready])
      .rest(z.unknown())
      .parse(await once(child, 'message'))[0];
    const form = { grant_type: 'client_credentials', client_id: CLIENT.id, client_secret: CLIENT.secret };
    const answer = await request(`${url}/api/v2/auth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
    });
    const { access_token: bearer } = token.parse(await answer.body.json());
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

  /** Connects a call. */
  async call(): Promise<string> {
    return added.parse(await this.control('add-interaction')).interactionId;
  }

  /** One of the simulator's controls (simulator/README.md). */
  async control(name: string, body: object = {}): Promise<unknown> {
    const answer = await request(`${this.url}/_control/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (answer.statusCode >= 300) throw new Error(`${name}: ${answer.statusCode} ${await answer.body.text()}`);
    return answer.body.json();
  }

  /** What it has seen: all legs that fit, and the requests page by page. */
  async ledger(
    query: { interactionId?: string; action?: string; since?: number; limit?: number } = {},
  ): Promise<Ledger> {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) parameters.set(name, String(value));
    const answer = await request(`${this.url}/_control/ledger?${parameters.toString()}`);
    return ledgerPage.parse(await answer.body.json());
  }

  /** How many faults have not hit yet. */
  async faults(): Promise<readonly { readonly id: string; readonly hits: number }[]> {
    const answer = await request(`${this.url}/_control/faults`);
    return z.object({ faults: z.array(z.object({ id: z.string(), hits: z.number() })) }).parse(await answer.body.json())
      .faults;
  }

  async close(): Promise<void> {
    this.socket.terminate();
    const exited = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exited;
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
