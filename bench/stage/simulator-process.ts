import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** The simulator's own client; all its credentials are public. */
export const CLIENT = { id: 'earshot', secret: 'earshot-dev-secret' } as const;

const ready = z.object({ type: z.literal('ready'), url: z.string() });
const added = z.object({ interactionId: z.string() });
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

export interface SimulatorSettings {
  /** From an accepted start to `active`, at most, ms. @default 0 */
  readonly activationMs?: number;
  /** Of each leg's media; 0: none. @default 0 */
  readonly sampleEverySeconds?: number;
}

/** Starts one, and waits until it is ready. */
export async function forkSimulator({
  activationMs = 0,
  sampleEverySeconds = 0,
}: SimulatorSettings): Promise<{ readonly url: string; readonly child: ChildProcess }> {
  const child = fork(fileURLToPath(new URL('../../simulator/main.js', import.meta.url)), {
    env: {
      SIMULATOR_PORT: '0',
      SIMULATOR_INTERACTIONS: '0',
      SIMULATOR_CONTROL: 'on',
      SIMULATOR_RATE_LIMIT: '10000000',
      SIMULATOR_ACTIVATION_MIN_MS: '0',
      SIMULATOR_ACTIVATION_MAX_MS: String(activationMs),
      SIMULATOR_MEDIA_METRICS_SECONDS: String(sampleEverySeconds),
      LOG_LEVEL: 'silent',
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const { url } = z
    .tuple([ready])
    .rest(z.unknown())
    .parse(await once(child, 'message'))[0];
  return { url, child };
}

/** A simulator in a process of its own, so that what it costs is not measured along: its controls and its ledger. */
export class SimulatorProcess {
  constructor(
    readonly url: string,
    readonly child: ChildProcess,
  ) {}

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('The simulator does not run');
    return this.child.pid;
  }

  /** Connects a call; answers its id. @param primaryGroupId that carries it. @default the simulator's choice */
  async call(primaryGroupId?: string): Promise<string> {
    const asked = primaryGroupId === undefined ? {} : { primaryGroupId };
    return added.parse(await this.control('add-interaction', asked)).interactionId;
  }

  /** One of its controls (simulator/README.md). */
  async control(name: string, body: object = {}): Promise<unknown> {
    const answer = await fetch(`${this.url}/_control/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${name}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** What it has seen: all legs that fit, and the requests page by page. */
  async ledger(
    query: { interactionId?: string; action?: string; since?: number; limit?: number } = {},
  ): Promise<Ledger> {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) parameters.set(name, String(value));
    const answer = await fetch(`${this.url}/_control/ledger?${parameters.toString()}`);
    if (!answer.ok) throw new Error(`ledger: ${answer.status} ${await answer.text()}`);
    return ledgerPage.parse(await answer.json());
  }

  /** How many faults have not hit yet. */
  async faults(): Promise<readonly { readonly id: string; readonly hits: number }[]> {
    const faults = z.object({ faults: z.array(z.object({ id: z.string(), hits: z.number() })) });
    const answer = await fetch(`${this.url}/_control/faults`);
    return faults.parse(await answer.json()).faults;
  }

  async close(): Promise<void> {
    const exited = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exited;
  }
}
