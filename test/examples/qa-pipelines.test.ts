import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { sessionWorkflowId } from '../../domain/identifiers.js';
import type { monitoringSession } from '../../workflows/monitoring-session.js';
import type { LegLife } from '../../simulator/ledger.js';
import { API_KEY, startApi } from '../api/api-world.js';
import type { RunningApi } from '../api/api-world.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionWorld } from '../support/session-world.js';
import { listed, listener, reached, stopped } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

const ROOT = join(import.meta.dirname, '../..');
const PYTHON_ENV = {
  PYTHONPATH: join(ROOT, '.cache/python'),
  PYTHONDONTWRITEBYTECODE: '1',
};
const hasTemporalio =
  spawnSync('python3', ['-c', 'import temporalio.client'], { env: { ...process.env, ...PYTHON_ENV } }).status === 0;

interface Pipeline {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly isRunnable: boolean;
}
const PIPELINES: readonly Pipeline[] = [
  { name: 'TypeScript', command: [process.execPath, join(ROOT, 'dist/examples/qa-pipeline.js')], isRunnable: true },
  {
    name: hasTemporalio
      ? 'Python'
      : 'Python (needs temporalio: python3 -m pip install --target .cache/python -r examples/requirements.txt)',
    command: ['python3', join(ROOT, 'examples/qa_pipeline.py')],
    isRunnable: hasTemporalio,
  },
];

const reportLine = z.strictObject({
  sessionId: z.string(),
  runId: z.string().nullable(),
  interactionId: z.string(),
  supervisorId: z.string(),
  startedAt: z.iso.datetime().nullable(),
  listenedSeconds: z.number().nonnegative(),
  outcome: z.string(),
  error: z.strictObject({ type: z.string(), message: z.string() }).nullable(),
});
type ReportLine = z.infer<typeof reportLine>;

let temporal: TestTemporal;
let world: SessionWorld;
let api: RunningApi;
beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal, {
    // Of one that is never confirmed; the others take milliseconds, on a busy machine a second or two.
    confirmTimeoutSeconds: 6,
    cleaning: { intervalMs: 60_000, followsEvents: true },
  });
  api = await startApi(temporal.client, { taskQueue: world.taskQueue });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
});

const children = new Set<ChildProcess>();
let connected: string[] = [];
beforeEach(() => {
  connected = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  for (const interactionId of connected) {
    const isLive = world.simulator.ledger.legs({ interactionId, live: true }).length > 0;
    // Quietly, so that nobody looks for sessions on hundreds of calls; a failed test may have left a leg.
    world.simulator.controls.endInteraction({ interactionId, announce: isLive });
  }
});

function connect(id?: string): string {
  const { interactionId } = world.simulator.controls.addInteraction(id === undefined ? {} : { id });
  connected.push(interactionId);
  return interactionId;
}

/** The API's list is up to a second old. */
async function callsListed(): Promise<void> {
  const wanted = Math.min(connected.length, 200);
  await until('the API lists these calls and no others', async () => {
    const { body } = await api.get('/v1/interactions?status=connected&limit=200');
    const ids = z.array(z.object({ id: z.string() })).parse(body['items']);
    return ids.length === wanted && ids.every(({ id }) => connected.includes(id));
  });
}

interface Run {
  readonly child: ChildProcess;
  readonly done: Promise<{ readonly exitCode: number | null; readonly lines: ReportLine[]; readonly said: string }>;
}

function run({ command: [program, ...file] }: Pipeline, args: readonly string[], key = API_KEY): Run {
  const child = spawn(program, [...file, '--api', api.url, '--task-queue', world.taskQueue, ...args], {
    env: { ...process.env, ...PYTHON_ENV, NODE_OPTIONS: '', API_KEY: key, TEMPORAL_ADDRESS: temporal.address },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  const finished = async (): Promise<Awaited<Run['done']>> => {
    // A test may close it, so that nobody reads it any more.
    const report = text(child.stdout).catch(() => '');
    const [out, said] = await Promise.all([report, text(child.stderr), once(child, 'close')]);
    const lines = out.split('\n').filter((line) => line !== '');
    return { exitCode: child.exitCode, lines: lines.map((line) => reportLine.parse(JSON.parse(line))), said };
  };
  return { child, done: finished() };
}

/** As the examples promise it: by the first 48 bits of a SHA-256. */
function sampled(ids: readonly string[], seed: string, share: number): string[] {
  const draw = (id: string): number =>
    Number(BigInt(`0x${createHash('sha256').update(`${seed}:${id}`).digest('hex').slice(0, 12)}`));
  return ids.filter((id) => draw(id) < share * 2 ** 48);
}

/** How many of the legs lived at the same time. */
function mostAtOnce(legs: readonly LegLife[]): number {
  const livesAt = (moment: string): number =>
    legs.filter(({ createdAt, endedAt }) => createdAt <= moment && (endedAt === null || endedAt > moment)).length;
  return Math.max(...legs.map(({ createdAt }) => livesAt(createdAt)));
}

function legsOf(ids: readonly string[]): LegLife[] {
  return ids.flatMap((interactionId) => world.simulator.ledger.legs({ interactionId }));
}

describe.each(PIPELINES)('the QA pipeline in $name', (pipeline) => {
  const runnable = pipeline.isRunnable ? test : test.skip;

  runnable('listens silently to its share of the calls, a few at a time, and to each of them once', async () => {
    // More than a page of the list. The `~` has to be encoded in workflow ids.
    const ids = Array.from({ length: 230 }, (_, n) => connect(`${pipeline.name.slice(0, 2)}-${n}`));
    const share = 0.025;
    const expected = sampled(ids, 'may', share);
    expect(expected.length).toBeGreaterThan(2);
    await callsListed();
    const args = ['--supervisor', 'qa~bot é', '--seed', 'may', '--share', String(share), '--listen', '1'];
    const { exitCode, lines, said } = await run(pipeline, [...args, '--concurrency', '2']).done;

    expect({ exitCode, said }).toEqual({
      exitCode: 0,
      said: `230 calls, ${expected.length} sampled, ${expected.length} reported, 0 failed\n`,
    });
    expect(lines.map(({ interactionId }) => interactionId).sort()).toEqual([...expected].sort());
    for (const line of lines) {
      expect(line).toMatchObject({
        sessionId: sessionWorkflowId(line.interactionId, 'qa~bot é'),
        supervisorId: 'qa~bot é',
        outcome: 'listened',
        error: null,
      });
      expect(line.listenedSeconds).toBeGreaterThanOrEqual(0.95);
      const session = await temporal.client.workflow.getHandle(line.sessionId, line.runId ?? '').describe();
      expect(session.status.name).toBe('COMPLETED');
    }
    const legs = legsOf(ids);
    expect(legs.map(({ interactionId }) => interactionId).sort()).toEqual([...expected].sort());
    expect(legs.flatMap(({ modes }) => modes.map(({ mode }) => mode)).every((mode) => mode === 'silent')).toBe(true);
    expect(legs.filter(({ endedAt }) => endedAt === null)).toEqual([]);
    expect(mostAtOnce(legs)).toBeLessThanOrEqual(2);

    const again = await run(pipeline, args).done;
    expect(again.exitCode).toBe(0);
    expect(again.lines.map(({ outcome }) => outcome)).toEqual(expected.map(() => 'done-before'));
    expect(legsOf(ids)).toHaveLength(expected.length);
    expect(world.simulator.ledger.violations()).toEqual([]);
  });

  runnable('says how each session ended, and leaves alone one that is not its own', async () => {
    const taken = connect();
    const theirs = await listener(world, taken, 'qa');
    const [ended, severed, refused, mute] = [connect(), connect(), connect(), connect()];
    const { controls } = world.simulator;
    controls.addLegFault({ effect: 'never-active', interactionId: mute });
    const denied = { kind: 'status', status: 403, code: 'missing.permission', message: 'no' } as const;
    controls.addFault({ match: { action: 'start', interactionId: refused }, effect: denied });

    await callsListed();
    const { done } = run(pipeline, ['--supervisor', 'qa', '--share', '1', '--listen', '600']);
    for (const interactionId of [ended, severed]) {
      const session = temporal.client.workflow.getHandle<typeof monitoringSession>(
        sessionWorkflowId(interactionId, 'qa'),
      );
      await until(`${interactionId} has a session`, () => session.describe());
      await reached(session, 'SILENT');
      // So that the events of its end find it.
      await listed(session);
    }
    controls.endInteraction({ interactionId: ended });
    controls.sever({ interactionId: severed });
    const { exitCode, lines, said } = await done;

    expect({ exitCode, said }).toEqual({ exitCode: 1, said: '5 calls, 5 sampled, 5 reported, 2 failed\n' });
    const outcomeOf = (id: string): unknown => {
      const { outcome, error } = lines.find(({ interactionId }) => interactionId === id) ?? {};
      return error === null ? outcome : { outcome, type: error?.type };
    };
    expect([ended, severed, refused, mute, taken].map(outcomeOf)).toEqual([
      'interaction-ended',
      'leg-lost',
      { outcome: 'forbidden', type: 'forbidden' },
      { outcome: 'not-confirmed', type: 'not-confirmed' },
      'already-running',
    ]);
    expect(legsOf([ended, severed, refused, mute]).filter(({ endedAt }) => endedAt === null)).toEqual([]);

    // What came to nothing is tried again.
    await reached(theirs, 'SILENT');
    connected = connected.filter((id) => id !== ended);
    await callsListed();
    const next = await run(pipeline, ['--supervisor', 'qa', '--share', '1', '--listen', '1']).done;
    expect(next.exitCode).toBe(0);
    expect(next.lines.map(({ interactionId, outcome }) => [interactionId, outcome]).sort()).toEqual(
      [
        [taken, 'already-running'],
        [severed, 'done-before'],
        [refused, 'listened'],
        [mute, 'listened'],
      ].sort(),
    );
    await stopped(theirs);
  });

  runnable('stops its sessions on Ctrl-C, starts no others, and says so', async () => {
    const ids = [connect(), connect(), connect()];
    await callsListed();
    const { child, done } = run(pipeline, ['--share', '1', '--listen', '600', '--concurrency', '2']);
    const active = (): LegLife[] => legsOf(ids).filter(({ activeAt }) => activeAt !== null);
    await until('two calls are listened to', () => active().length === 2);
    child.kill('SIGINT');
    const { exitCode, lines, said } = await done;

    expect({ exitCode, said }).toEqual({
      exitCode: 130,
      said: 'Stopping the sessions …\n3 calls, 3 sampled, 2 reported, 0 failed\n',
    });
    expect(lines.map(({ outcome }) => outcome)).toEqual(['stopped', 'stopped']);
    expect(legsOf(ids).map(({ endedBy }) => endedBy)).toEqual(['stop', 'stop']);
  });

  runnable('stops its sessions when nobody reads the report any more', async () => {
    const [ended, other] = [connect(), connect()];
    await callsListed();
    const { child, done } = run(pipeline, ['--share', '1', '--listen', '600']);
    const sessions = [ended, other].map((id) =>
      temporal.client.workflow.getHandle<typeof monitoringSession>(sessionWorkflowId(id, 'qa-bot')),
    );
    for (const session of sessions) {
      await until('there is a session', () => session.describe());
      await reached(session, 'SILENT');
    }
    child.stdout?.destroy();
    await sessions[0]?.signal('interactionEnded', {});
    const { exitCode, said } = await done;

    expect({ exitCode, said: said.split('\n') }).toEqual({
      exitCode: 1,
      said: [expect.stringContaining("The report can't be written: "), '2 calls, 2 sampled, 2 reported, 0 failed', ''],
    });
    expect(legsOf([ended, other]).map(({ endedBy }) => endedBy)).toEqual(['stop', 'stop']);
  });

  runnable('says what is wrong with its arguments or its key, without a stack trace', async () => {
    const bad = await run(pipeline, ['--share', '1.5']).done;
    expect(bad).toMatchObject({ exitCode: 2, lines: [], said: expect.stringContaining('number from 0 to 1, got 1.5') });
    const keyless = await run(pipeline, [], 'wrong').done;
    expect(keyless).toMatchObject({ exitCode: 1, lines: [], said: expect.stringContaining('answered 401') });
    expect(keyless.said.trim().split('\n')).toHaveLength(1);
  });
});
