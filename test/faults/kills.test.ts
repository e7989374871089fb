/**
 * `kill -9` of worker, API and Temporal, in turn and at every step of a session's life: while the platform has a request
 * but has not done it yet, and while it has done it but not answered. What must hold afterwards: no command that got its
 * `2xx` is lost, no leg is left, no channel stays locked.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { z } from 'zod';
import { channelReport } from '../../domain/channel.js';
import { isFinal } from '../../domain/commands.js';
import type { CommandAction } from '../../domain/commands.js';
import { mutexWorkflowId } from '../../domain/identifiers.js';
import { PLATFORM_EVENTS_ID } from '../../domain/sweep.js';
import { figure } from '../support/figures.js';
import { ProductClient } from '../support/product-client.js';
import { Product, START_LIMIT_MS } from '../support/product.js';
import { until } from '../support/until.js';
import { readRunSettings } from './run-settings.js';

const { kills } = readRunSettings();
const LIVES_AT_ONCE = 4;

/** The request is with the platform for so long, ms: time to notice it, and to kill. */
const HELD_MS = 1_500;
/** How long a life may not come to the step at which the next kill waits for it, ms; then it does not wait any more. */
const STEP_WITHIN_MS = 20_000;
/** Until a step of a life is through, ms: a start whose worker was killed takes 45 s to be missed, and the claim of its leg. */
const THROUGH_WITHIN_MS = 240_000;

const VICTIMS = ['worker', 'api', 'temporal'] as const;
const STEPS = (['start', 'state', 'barge', 'whisper', 'silent', 'stop'] as const).flatMap((action) =>
  (['execution', 'answer'] as const).map((before) => ({ action, before })),
);

/** A few kills begin where nobody has to wait for a lost start. */
const FIRST_STEP = 4;

const folder = mkdtempSync(join(tmpdir(), 'earshot-kills-'));
let product: Product;
let client: ProductClient;

beforeAll(async () => {
  product = new Product(folder, { SIMULATOR_CONTROL: 'on', BARGE_WAIT_SECONDS: '20', SWEEP_INTERVAL_SECONDS: '5' });
  client = new ProductClient(product);
  await product.ready();
  await client.control('set-rate-limit', { limit: 100_000, windowSeconds: 10, headers: true });
  await client.control('set-activation-delay', { min: 0, max: 50 });
}, START_LIMIT_MS);

afterAll(() => {
  product.killAll();
  rmSync(folder, { recursive: true, force: true });
});

/** A session from start to stop, and whatever was accepted of it. */
interface Life {
  readonly interactionId: string;
  readonly sessionId: string;
  readonly accepted: { readonly action: CommandAction; readonly commandId: string }[];
}

const lives: Life[] = [];
let isOver = false;

async function live(): Promise<void> {
  while (!isOver) {
    const interactionId = await until('a call', () => client.connected(), THROUGH_WITHIN_MS);
    const life: Life = { interactionId, sessionId: `session~${interactionId}~anna`, accepted: [] };
    lives.push(life);
    const create = { interactionId, supervisorId: 'anna' };
    await until(
      'the session is accepted',
      async () => [200, 202].includes((await client.rest('POST', '/v1/sessions', create)).status),
      THROUGH_WITHIN_MS,
    );
    const state = await until(
      `${life.sessionId} listens or is over`,
      async () => {
        const session = await client.sessionOf(life.sessionId);
        return session.state !== 'PENDING' && session.state;
      },
      THROUGH_WITHIN_MS,
    );
    // The start was killed before the platform had it, or not: one without a leg is over.
    if (state === 'TERMINATED') continue;
    for (const action of ['barge', 'whisper', 'silent', 'stop'] as const) {
      const commandId = randomUUID();
      await client.send(life.sessionId, action, commandId, THROUGH_WITHIN_MS);
      life.accepted.push({ action, commandId });
      await until(
        `the outcome of ${action} of ${life.sessionId}`,
        async () => isFinal((await client.commandOf(life.sessionId, commandId)).status),
        THROUGH_WITHIN_MS,
      );
    }
  }
}

const faults = z.object({ faults: z.array(z.object({ id: z.string(), hits: z.number() })) });

/** Waits until some life is at the step, and kills; whether one was. */
async function killAt({ action, before }: (typeof STEPS)[number], victim: (typeof VICTIMS)[number]): Promise<boolean> {
  const fault = await client.control('add-fault', {
    match: { action },
    effect: { kind: 'delay', ms: HELD_MS, before },
    times: 1,
  });
  const { id } = z.object({ id: z.string() }).parse(fault);
  const isHit = await until(
    `${action} is with the platform`,
    async () => {
      const answer = await fetch(`${product.address('Platform')}/_control/faults`);
      // One that has hit as often as it may is listed no more.
      const { faults: left } = faults.parse(await answer.json());
      return !left.some((one) => one.id === id && one.hits === 0);
    },
    STEP_WITHIN_MS,
  ).catch(() => false);
  if (!isHit) await client.control('remove-fault', { id });
  await product.kill(victim);
  return isHit;
}

test(
  'no accepted command is lost, no leg is left and nothing stays locked, whatever is killed and when',
  async () => {
    const living = Array.from({ length: LIVES_AT_ONCE }, live);
    const all = Promise.all(living);
    // It is looked at below; until then it must not fail the process.
    all.catch(() => undefined);
    let inTheMiddle = 0;
    for (let n = 0; n < kills; n += 1) {
      const step = STEPS[(n + FIRST_STEP) % STEPS.length];
      // Steps and victims have no common factor but 3: each victim moves on by one step in each round.
      const victim = VICTIMS[(n + Math.floor(n / STEPS.length)) % VICTIMS.length];
      if (step === undefined || victim === undefined) throw new Error('Expected a step and a victim');
      if (await killAt(step, victim)) inTheMiddle += 1;
    }
    isOver = true;
    await all;

    await using temporal = await connected();
    let accepted = 0;
    for (const { interactionId, sessionId, accepted: commands } of lives) {
      const { endReason } = await client.sessionOf(sessionId);
      const outcomes = await Promise.all(commands.map(({ commandId }) => client.commandOf(sessionId, commandId)));
      const { legs, violations } = await client.ledger(interactionId);
      expect({ sessionId, violations }).toEqual({ sessionId, violations: [] });
      expect({ sessionId, live: legs.filter(({ endedBy }) => endedBy === null) }).toEqual({ sessionId, live: [] });
      expect(['stopped', 'start-failed', 'platform-unreachable']).toContain(endReason);
      if (endReason === 'stopped') expect(legs.map(({ endedBy }) => endedBy)).toEqual(['stop']);
      const modes = new Set(legs.flatMap((leg) => leg.modes.map(({ mode }) => mode)));
      for (const { action, status } of outcomes) {
        expect({ action, isFinal: isFinal(status) }).toEqual({ action, isFinal: true });
        if (action === 'barge' || action === 'whisper') expect(status !== 'applied' || modes.has(action)).toBe(true);
        if (action === 'stop') expect(status).toBe('applied');
      }
      accepted += outcomes.length;
      await expectUnlocked(temporal.client, interactionId);
    }
    expect(accepted).toBeGreaterThan(0);
    figure(
      'kill -9 of worker, API and Temporal in turn',
      `${kills}, of which ${inTheMiddle} while the platform had a request; ${lives.length} sessions, ${accepted} accepted commands, none lost`,
    );
  },
  START_LIMIT_MS + THROUGH_WITHIN_MS + kills * 30_000,
);

test('a worker that never comes back: another one takes over the event stream', async () => {
  await using temporal = await connected();
  /** Since when somebody listens, as the one who does shows. */
  const listening = async () => {
    const { raw } = await temporal.client.workflow.getHandle(PLATFORM_EVENTS_ID).describe();
    const beat = raw.pendingActivities?.[0]?.heartbeatDetails?.payloads?.[0]?.data;
    return beat ? (shift.parse(JSON.parse(Buffer.from(beat).toString())).connectedAt ?? undefined) : undefined;
  };
  const takenOver = async (from: string, how: string): Promise<string> => {
    const sinceMs = performance.now();
    const another = async () => {
      const now = await listening();
      return now !== from && now;
    };
    const since = await until('another one listens', another);
    figure(`event stream taken over from a worker that was ${how}, ms`, Math.round(performance.now() - sinceMs));
    return since;
  };
  const before = await until('somebody listens', listening, 60_000);
  const other = spawn(process.execPath, ['scripts/bootstrap.mjs', 'worker'], {
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      TEMPORAL_ADDRESS: product.address('Temporal'),
      PLATFORM_BASE_URL: product.address('Platform'),
      PLATFORM_CLIENT_ID: 'earshot',
      PLATFORM_CLIENT_SECRET: 'earshot-dev-secret',
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    let said = '';
    other.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until('the other worker is ready', () => said.includes('worker.ready'), 60_000);
    // Told to stop, it hands the stream on at once; the supervisor starts it again.
    const first = product.part('worker');
    if (first === undefined) throw new Error('Expected a worker, got none');
    process.kill(first.pid, 'SIGTERM');
    const second = await takenOver(before, 'stopped');
    const exit = once(other, 'exit');
    other.kill('SIGKILL');
    await takenOver(second, 'killed');
    await exit;
  } finally {
    other.kill('SIGKILL');
  }
}, 180_000);

const shift = z.object({ connectedAt: z.string().nullable() });

async function connected(): Promise<AsyncDisposable & { readonly client: Client }> {
  const connection = await Connection.connect({ address: product.address('Temporal') });
  return {
    client: new Client({ connection, namespace: product.namespace }),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

async function expectUnlocked({ workflow }: Client, interactionId: string): Promise<void> {
  const mutex = workflow.getHandle(mutexWorkflowId(interactionId));
  await until(
    `the channel of ${interactionId} is free`,
    async () => {
      const description = await mutex.describe().catch(() => undefined);
      if (description?.status.name !== 'RUNNING') return true;
      const { holder, waiting } = channelReport.parse(await mutex.query('state'));
      return holder === null && waiting.length === 0;
    },
    60_000,
  );
}
