import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client, Connection, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { SessionResource } from '../../domain/session.js';
import { EventClient } from '../support/event-client.js';
import { figure } from '../support/figures.js';
import { ProductClient } from '../support/product-client.js';
import { Product, START_LIMIT_MS } from '../support/product.js';
import { until } from '../support/until.js';
import { SteadyCaller } from './steady-caller.js';

const folder = mkdtempSync(join(tmpdir(), 'earshot-sessions-'));
// Nobody waits here for anybody else; a slow machine must not look like a queue.
const env = {
  SIMULATOR_CONTROL: 'on',
  BARGE_WAIT_SECONDS: '120',
  API_DRAIN_SECONDS: '2',
  WORKER_METRICS_PORT: '0',
  // A network whose weather changes faster than any real one's.
  SIMULATOR_MEDIA_METRICS_SECONDS: '0.2',
  MEDIA_GOOD_SAMPLES: '8',
  MEDIA_CHANGES_PER_MINUTE: '60',
};
let product: Product;
let client: ProductClient;

beforeAll(async () => {
  product = new Product(folder, env);
  client = new ProductClient(product);
  await product.ready();
  // The rate budget is another matter: here nothing is to be refused.
  await client.control('set-rate-limit', { limit: 100_000, windowSeconds: 10, headers: true });
}, START_LIMIT_MS);

afterAll(() => {
  product.killAll();
  rmSync(folder, { recursive: true, force: true });
});

/** At once: some 12 operations each, of all parts. */
const SESSIONS = 8;

test('sessions at once go through every mode: as many legs made, as many stopped, none twice', async () => {
  const interactions = await Promise.all(Array.from({ length: SESSIONS }, () => client.connected()));
  await Promise.all(
    interactions.map(async (interactionId, index) => {
      const { sessionId, state } = await client.create(interactionId, `supervisor-${index}`);
      expect(['PENDING', 'SILENT']).toContain(state);
      for (const action of ['barge', 'whisper', 'silent', 'stop'] as const) {
        expect(`${action} ${await client.command(sessionId, action)}`).toBe(`${action} applied`);
      }
      await until('the end', async () => (await client.sessionOf(sessionId)).endReason === 'stopped');
    }),
  );
  for (const interactionId of interactions) {
    const { requests, legs, violations } = await client.ledger(interactionId);
    expect(legs).toHaveLength(1);
    expect(legs[0]).toMatchObject({ endedBy: 'stop' });
    expect(legs[0]?.modes.map(({ mode }) => mode)).toEqual(['silent', 'barge', 'whisper', 'silent']);
    expect(requests.filter(({ action }) => action === 'start')).toHaveLength(1);
    expect(violations).toEqual([]);
  }
}, 240_000);

test('20 starts at once for the same interaction and supervisor make one leg, by REST and by Temporal alike', async () => {
  const interactionId = await client.connected();
  const sessionId = `session~${interactionId}~anna`;
  const connection = await Connection.connect({ address: product.address('Temporal') });
  const temporal = new Client({ connection, namespace: product.namespace });
  const direct = async (): Promise<string> => {
    try {
      await temporal.workflow.start('monitoringSession', {
        workflowId: sessionId,
        taskQueue: 'monitoring',
        args: [{ interactionId, supervisorId: 'anna' }],
      });
      return 'started';
    } catch (error) {
      expect(error).toBeInstanceOf(WorkflowExecutionAlreadyStartedError);
      return 'running';
    }
  };
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, async (_, index) =>
      index % 2 === 0
        ? direct()
        : (await client.rest('POST', '/v1/sessions', { interactionId, supervisorId: 'anna' })).status === 202
          ? 'started'
          : 'running',
    ),
  );
  expect(outcomes.filter((outcome) => outcome === 'started')).toHaveLength(1);
  await until('active', async () => (await client.sessionOf(sessionId)).state === 'SILENT');
  const { requests, legs } = await client.ledger(interactionId);
  expect(legs).toHaveLength(1);
  expect(requests.filter(({ action }) => action === 'start')).toHaveLength(1);
  expect(await client.command(sessionId, 'stop')).toBe('applied');
  await connection.close();
});

test('a leg that is heard worse falls back and comes back, as its supervisor’s client is told', async () => {
  const byKey = { Authorization: `Bearer ${product.apiKey}` };
  await using listening = new EventClient(product.address('API'), { samples: 'true' }, byKey);
  await listening.snapshot();
  const { sessionId, monitorSessionId } = await client.create(await client.connected(), 'greta');
  const told = () => listening.changes('session.media').filter((change) => change.sessionId === sessionId);
  // What a client does with it: the simulator's network has that much less to carry.
  const applied = async (): Promise<SessionResource['media']> => {
    const { media = null } = told().at(-1)?.session ?? {};
    if (media !== null) {
      await client.control('set-leg-bitrate', { monitorSessionId, bitrateBps: media.codec.bitrateBps });
    }
    return media;
  };
  await until('it is heard well', async () => (await applied())?.quality === 'good');
  const narrow = { packetLoss: 0.11, jitterMs: 25, roundTripMs: 90 };
  await client.control('set-media-conditions', { monitorSessionId, conditions: narrow });
  // Each sample, and not the changes alone.
  await until('it is seen to be heard worse', () =>
    listening.samples.flat().some((sample) => sample.sessionId === sessionId && sample.packetLoss > 0.05),
  );
  await until('it has fallen back', async () => (await applied())?.codec.bitrateBps === 12_000);
  await client.control('set-media-conditions', { monitorSessionId, conditions: null });
  await until('it has come back', async () => {
    const media = await applied();
    return media?.quality === 'good' && media.codec.bitrateBps === 32_000;
  });
  const trace = told().map(({ at, session: { media } }) => ({
    at,
    quality: media?.quality,
    bitrateBps: media?.codec.bitrateBps,
    packetLoss: media?.packetLoss,
    jitterMs: media?.jitterMs,
    playoutDelayMs: media?.playoutDelayMs,
    nackEnabled: media?.nackEnabled,
  }));
  figure('degradation, fallback and recovery of a leg, as it was told', JSON.stringify(trace));
  const rates = trace.map(({ bitrateBps }) => bitrateBps);
  expect([rates.at(0), Math.min(...rates.map(Number)), rates.at(-1)]).toEqual([32_000, 12_000, 32_000]);
  expect(trace.every(({ bitrateBps, nackEnabled }) => nackEnabled === (bitrateBps !== 32_000))).toBe(true);
  expect(await client.command(sessionId, 'stop')).toBe('applied');
  // Told here, so that it is no news to who listens next.
  await listening.change('session.ended', sessionId);
});

test('what happens is told at once to whoever listens, and again after the API was killed', async () => {
  const api = product.oneApi;
  await using listening = new EventClient(api, {}, { Authorization: `Bearer ${product.apiKey}` });
  await listening.snapshot();
  const example = spawn(process.execPath, ['examples/follow-events.mjs', api], {
    env: { ...process.env, NODE_OPTIONS: '', API_KEY: product.apiKey },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  example.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  try {
    await until('it listens', () => /sessions run/.test(printed));
    const { sessionId } = await client.create(await client.connected(), 'ellen');
    // Lists know no details: a worker told this, and the supervisor handed it on.
    expect(await listening.change('session.active', sessionId)).toMatchObject({ mode: 'silent' });
    await until('it is printed', () => printed.includes(`session.active ${sessionId} SILENT`));
    // What was said while nobody listened is nobody's news.
    expect(new Set(listening.changes().map((change) => change.sessionId))).toEqual(new Set([sessionId]));
    await product.killOne('api');
    await until('it answers again', async () => (await fetch(`${api}/livez`)).ok);
    expect(await client.command(sessionId, 'whisper')).toBe('applied');
    await until('it has come back', () => /sessions run[^]*sessions run/.test(printed));
    expect(await client.command(sessionId, 'stop')).toBe('applied');
    await until('the end is printed', () => printed.includes(`session.ended ${sessionId} TERMINATED`));
  } finally {
    example.kill();
  }
}, 240_000);

test('kill -9 of worker and API loses no command that was accepted', async () => {
  const interactionId = await client.connected();
  const { sessionId } = await client.create(interactionId, 'ben');
  await until('active', async () => (await client.sessionOf(sessionId)).state === 'SILENT');
  const accepted: string[] = [];
  for (const [action, victim] of [
    ['barge', 'worker'],
    ['silent', 'api'],
    ['whisper', 'worker'],
  ] as const) {
    const key = randomUUID();
    // Repeated under one key until it is answered, as a careful client does.
    await client.send(sessionId, action, key);
    accepted.push(key);
    await product.kill(victim);
  }
  for (const key of accepted) expect(await client.outcome(sessionId, key)).toMatchObject({ status: 'applied' });
  expect((await client.sessionOf(sessionId)).state).toBe('WHISPER');
  expect(await client.command(sessionId, 'stop')).toBe('applied');
  const { legs, violations } = await client.ledger(interactionId);
  expect(legs).toHaveLength(1);
  expect(legs[0]?.modes.map(({ mode }) => mode)).toEqual(['silent', 'barge', 'silent', 'whisper']);
  expect(violations).toEqual([]);
}, 180_000);

/** Sessions under load while their processes are replaced. */
const UNDER_LOAD = 2;

test('SIGTERM under load cuts no answer off and loses nothing that was accepted, and both processes end with 0', async () => {
  const interactions = await Promise.all(Array.from({ length: UNDER_LOAD }, () => client.connected()));
  const sessions = await Promise.all(interactions.map((interactionId) => client.create(interactionId, 'dana')));
  const api = product.oneApi;
  const callers = sessions.map(
    ({ sessionId }) => new SteadyCaller(`${api}/v1/sessions/${encodeURIComponent(sessionId)}/commands`, product.apiKey),
  );
  const running = Promise.all(callers.map((caller) => caller.run()));
  const goesOn = async (): Promise<void> => {
    const before = callers.map(({ accepted }) => accepted.length);
    await until('more answers', () => callers.every(({ accepted }, n) => accepted.length >= (before[n] ?? 0) + 3));
  };
  await goesOn();
  const replaced = product.kill('api', 'SIGTERM');
  // Who looks after the traffic sees it before anybody is refused.
  await until('unready', async () => {
    const answer = await fetch(`${api}/readyz`);
    return answer.status === 503 && (await answer.text()).includes('about to end');
  });
  await replaced;
  await goesOn();
  await product.kill('worker', 'SIGTERM');
  await goesOn();
  for (const caller of callers) caller.stop();
  await running;
  expect(product.output).toContain('[api] ended with exit code 0');
  expect(product.output).toContain('[worker] ended with exit code 0');

  expect(callers.flatMap(({ cutOff }) => cutOff)).toEqual([]);
  // Each was told to go elsewhere at least once, by whichever answer came after the signal.
  expect(callers.map(({ sentAway }) => sentAway > 0)).toEqual(callers.map(() => true));
  for (const [n, { sessionId }] of sessions.entries()) {
    const { accepted = [] } = callers[n] ?? {};
    // A later `silent` may have taken a whisper back that had not got through yet.
    for (const id of accepted) {
      expect(['applied', 'cancelled']).toContain((await client.outcome(sessionId, id)).status);
    }
    expect((await client.outcome(sessionId, accepted.at(-1) ?? '')).status).toBe('applied');
    expect(await client.command(sessionId, 'stop')).toBe('applied');
    const { legs, violations } = await client.ledger(interactions[n] ?? '');
    expect(legs).toHaveLength(1);
    expect(legs[0]?.modes.at(-1)?.mode).toBe('silent');
    expect(violations).toEqual([]);
  }
}, 240_000);

test('both processes show their metrics, Temporal’s SDK among them, and never an id or a secret', async () => {
  const interactionId = await client.connected();
  const { sessionId } = await client.create(interactionId, 'xenia-listens');
  expect(await client.command(sessionId, 'whisper')).toBe('applied');
  expect(await client.command(sessionId, 'stop')).toBe('applied');
  const [api, worker] = await Promise.all([product.metrics('api'), product.metrics('worker')]);
  expect(api).toMatch(/^earshot_http_commands_total\{action="whisper",status="applied"\} [1-9]/m);
  for (const expected of [
    /^earshot_commands_total\{action="whisper",status="applied"\} [1-9]/m,
    /^earshot_platform_request_duration_seconds_count\{operation="whisper",result="2xx"\} [1-9]/m,
    /^earshot_platform_rate_limit_calls 100000$/m,
    /^earshot_token_expiry_timestamp_seconds \d+/m,
    /^earshot_token_requests_total\{result="issued"\} [1-9]/m,
    /^earshot_sweeps_total\{part="sweep",result="done"\} [1-9]/m,
    /^earshot_event_stream_connected 1$/m,
    /^temporal_workflow_task_schedule_to_start_latency_seconds_count\{/m,
    /^temporal_worker_task_slots_available\{/m,
  ]) {
    await until(String(expected), async () => expected.test(await product.metrics('worker')));
  }
  for (const page of [api, worker]) {
    expect(page).toMatch(/^process_cpu_seconds_total \d/m);
    expect(page).not.toContain(interactionId);
    expect(page).not.toContain('xenia-listens');
    expect(page).not.toContain(product.apiKey);
    expect(page).not.toContain('earshot-dev-secret');
  }
});

test(
  'sessions and their legs survive Ctrl-C and the next start, and no log holds a secret',
  async () => {
    const interactionId = await client.connected();
    const { sessionId } = await client.create(interactionId, 'cora');
    expect(await client.command(sessionId, 'whisper')).toBe('applied');
    // What is heard of it first is a change too.
    const before = await until('it has been heard', async () => {
      const session = await client.sessionOf(sessionId);
      return (session.media?.quality ?? null) !== null && session;
    });
    const { apiKey } = product;
    expect(await product.stop()).toBe(0);

    product = new Product(folder, env);
    client = new ProductClient(product);
    await product.ready();
    expect(product.apiKey).toBe(apiKey);
    const after = await client.sessionOf(sessionId);
    expect({ ...after, serverNow: '' }).toEqual({ ...before, serverNow: '' });
    expect(await client.command(sessionId, 'silent')).toBe('applied');
    expect(await client.command(sessionId, 'stop')).toBe('applied');
    const { legs } = await client.ledger(interactionId);
    expect(legs.map(({ endedBy }) => endedBy)).toEqual(['stop']);
    expect(legs[0]?.monitorSessionId).toBe(before.monitorSessionId);

    const logs = readdirSync(join(folder, 'logs')).map((name) => readFileSync(join(folder, 'logs', name), 'utf8'));
    expect(logs.length).toBeGreaterThanOrEqual(4);
    for (const secret of [apiKey, 'earshot-local-secret']) {
      expect(logs.filter((log) => log.includes(secret))).toEqual([]);
    }
  },
  START_LIMIT_MS,
);
