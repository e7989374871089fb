import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { createHttpPlatform } from '../../platform/http-platform.js';
import type { HttpPlatform } from '../../platform/http-platform.js';

const ready = z.object({ type: z.literal('ready'), url: z.string() });
const added = z.object({ interactionId: z.string() });
const CLIENT_ID = 'earshot';
const CLIENT_SECRET = 'earshot-dev-secret';

const request = z.object({
  seq: z.number(),
  at: z.string(),
  action: z.string(),
  status: z.unknown(),
  executed: z.boolean(),
});
const leg = z.object({
  monitorSessionId: z.string(),
  createdAt: z.string(),
  modes: z.array(z.object({ mode: z.string(), at: z.string() })),
  endedAt: z.string().nullable(),
});
const ledgerPage = z.object({
  requests: z.array(request),
  legs: z.array(leg),
  violations: z.array(z.object({ rule: z.string(), detail: z.string() })),
  nextSince: z.number().optional(),
});
export type LedgerPage = z.infer<typeof ledgerPage>;

/** A simulator in a process of its own, so that what it costs is not measured along, and an adapter to it. */
export class LoneSimulator implements AsyncDisposable {
  private constructor(
    readonly platform: HttpPlatform,
    readonly url: string,
    readonly child: ChildProcess,
  ) {}

  readonly clientId = CLIENT_ID;
  readonly clientSecret = CLIENT_SECRET;

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('The simulator does not run');
    return this.child.pid;
  }

  /** @param sampleEverySeconds of each leg's media */
  static async start(sampleEverySeconds: number): Promise<LoneSimulator> {
    const child = fork(fileURLToPath(new URL('../../simulator/main.js', import.meta.url)), {
      env: {
        SIMULATOR_PORT: '0',
        SIMULATOR_INTERACTIONS: '0',
        SIMULATOR_CONTROL: 'on',
        SIMULATOR_RATE_LIMIT: '1000000',
        SIMULATOR_ACTIVATION_MIN_MS: '0',
        SIMULATOR_ACTIVATION_MAX_MS: '0',
        SIMULATOR_MEDIA_METRICS_SECONDS: String(sampleEverySeconds),
        LOG_LEVEL: 'silent',
      },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const { url } = z
      .tuple([ready])
      .rest(z.unknown())
      .parse(await once(child, 'message'))[0];
    const platform = createHttpPlatform({ baseUrl: url, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET });
    return new LoneSimulator(platform, url, child);
  }

  /** Connects a call. @param primaryGroupId that carries it. @default the simulator's choice */
  async call(primaryGroupId?: string): Promise<{ interactionId: string }> {
    return added.parse(await this.control('add-interaction', primaryGroupId === undefined ? {} : { primaryGroupId }));
  }

  /** What the ledger says of one interaction, or since a request; without either, nothing but the latest `nextSince`. */
  async ledger(of: { readonly interactionId?: string; readonly since?: number }): Promise<LedgerPage> {
    const query = new URLSearchParams({
      limit: '10000',
      ...(of.interactionId === undefined ? {} : { interactionId: of.interactionId }),
      ...(of.since === undefined ? {} : { since: String(of.since) }),
    });
    const answer = await fetch(`${this.url}/_control/ledger?${query.toString()}`);
    if (!answer.ok) throw new Error(`ledger: ${answer.status} ${await answer.text()}`);
    return ledgerPage.parse(await answer.json());
  }

  /** How many requests it has had, by the number of one more. */
  async latestRequest(): Promise<number> {
    const { interactionId } = await this.call();
    await this.platform.monitorState(interactionId);
    const { requests } = await this.ledger({ interactionId });
    await this.control('end-interaction', { interactionId });
    const seq = requests.at(-1)?.seq;
    if (seq === undefined) throw new Error('Expected a request, got none');
    return seq;
  }

  /** One of its controls (simulator/README.md). */
  async control(name: string, body: unknown): Promise<unknown> {
    const answer = await fetch(`${this.url}/_control/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${name}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.platform.close();
    const exited = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exited;
  }
}
