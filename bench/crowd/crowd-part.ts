import { setTimeout as sleep } from 'node:timers/promises';
import { sessionWorkflowId } from '../../domain/identifiers.js';
import { MONITORING_SESSION } from '../../domain/workflow-contract.js';
import { aFewAtATime } from '../a-few-at-a-time.js';
import { memoryMib } from '../stage/bench-process.js';
import type { BenchProcess } from '../stage/bench-process.js';
import type { CleanUp } from '../clean-up.js';
import { effortOf } from '../stage/effort.js';
import type { Effort } from '../stage/effort.js';
import type { BenchOptions } from '../options.js';
import { atMost } from '../section.js';
import type { Section } from '../section.js';
import { openStage } from '../stage/stage.js';
import type { Stage } from '../stage/stage.js';
import { percentile, summarise } from '../statistics.js';

const SUPERVISOR = 'bench';
/** Sessions that are started at the same time. */
const STARTS_AT_ONCE = 48;
/** Of so many sessions the histories are looked at. */
const HISTORIES = 50;
const COUNT_EVERY_MS = 250;
/** Commands a second while a crowd is there. */
const PACE = 10;
const ALL_CLOSED_LIMIT_MS = 10 * 60_000;

/** One of many sessions. */
interface Member {
  readonly interactionId: string;
  readonly sessionId: string;
  readonly monitorSessionId: string;
}

/** What a crowd costs while one worker keeps so many of them in memory. */
interface Stay {
  readonly cached: number;
  readonly idle: Effort;
  readonly live: Effort;
  readonly workerMib: number | undefined;
  readonly temporalMib: number | undefined;
  /** Of the platform, by the minute, while nobody commands. */
  readonly callsAMinute: number;
  /** History events that all looked-at sessions gained while nobody commanded. */
  readonly events: number;
  /** From sending to hearing that the leg has changed, ms. */
  readonly commands: readonly number[];
}

interface Ending {
  readonly interactions: number;
  /** In which they ended on the platform. */
  readonly withinMs: number;
  readonly closedMs: number;
  readonly before: readonly number[];
  readonly meanwhile: readonly number[];
}

/** Many sessions at once: what they cost where nothing happens, what commands take among them, and what many ends at once do. */
export async function measureCrowd(options: BenchOptions, cleanUp: CleanUp): Promise<Section[]> {
  const stage = await openStage(cleanUp);
  let worker = await workerWith(stage, options.crowd);
  const empty = { worker: memoryMib(worker.pid), temporal: memoryMib(stage.temporal.pid) };
  options.tell(`starting ${options.crowd} sessions`);
  const since = performance.now();
  const members = await gather(stage, options.crowd);
  const gatheredMs = performance.now() - since;

  const stays: Stay[] = [];
  for (const cached of [options.crowd, Math.round(options.crowd / 20), 3]) {
    options.tell(`${options.crowd} sessions, ${cached} of them in the worker’s memory`);
    if (stays.length > 0) {
      await worker.stop();
      worker = await workerWith(stage, cached);
    }
    const measured = await stay(stage, worker, members, cached, options);
    stays.push(measured);
    options.tell(`… ${JSON.stringify({ ...measured, commands: summarise(measured.commands) })}`);
  }
  await worker.stop();
  worker = await workerWith(stage, options.crowd);
  options.tell(`${options.endings} of ${options.crowd} interactions end at once`);
  const ending = await endMany(stage, members, options);
  const [violation] = await stage.violations();
  if (violation !== undefined) throw new Error(`The platform saw ${violation}: nothing counts`);
  return [crowdSection(stays, { empty, gatheredMs, size: members.length }), endingSection(ending)];
}

function workerWith(stage: Stage, cached: number): Promise<BenchProcess> {
  // A crowd in one worker's memory is more than V8 allows by itself.
  return stage.startWorker({ WORKER_CACHED_WORKFLOWS: String(cached), NODE_OPTIONS: '--max-old-space-size=16384' });
}

async function gather(stage: Stage, size: number): Promise<Member[]> {
  const members: Member[] = [];
  let left = size;
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const interactionId = await stage.simulator.call();
      const active = stage.legs.activeOn(interactionId);
      active.catch(() => undefined);
      await stage.post('/v1/sessions', { interactionId, supervisorId: SUPERVISOR });
      members.push({
        interactionId,
        sessionId: sessionWorkflowId(interactionId, SUPERVISOR),
        monitorSessionId: await active,
      });
    }
  };
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, one));
  return members;
}

async function stay(
  stage: Stage,
  worker: BenchProcess,
  members: readonly Member[],
  cached: number,
  { stayMs, restMs }: BenchOptions,
): Promise<Stay> {
  await sleep(restMs);
  const pids = { Temporal: stage.temporal.pid, worker: worker.pid, API: stage.api.process.pid };
  const [eventsBefore, requestsBefore] = [await eventsOf(stage, members), await stage.simulator.latestRequest()];
  const idle = await effortOf(pids, () => sleep(stayMs));
  const [eventsAfter, requestsAfter] = [await eventsOf(stage, members), await stage.simulator.latestRequest()];
  const commands: number[] = [];
  const live = await effortOf(pids, async () => {
    commands.push(...(await commandAtPace(stage, members, AbortSignal.timeout(stayMs))));
  });
  return {
    cached,
    idle,
    live,
    workerMib: memoryMib(worker.pid),
    temporalMib: memoryMib(stage.temporal.pid),
    callsAMinute: ((requestsAfter - requestsBefore) * 60_000) / stayMs,
    events: eventsAfter - eventsBefore,
    commands,
  };
}

async function eventsOf({ client }: Stage, members: readonly Member[]): Promise<number> {
  const every = Math.max(1, Math.floor(members.length / HISTORIES));
  const some = members.filter((_, n) => n % every === 0);
  const lengths = await aFewAtATime(
    some,
    async ({ sessionId }) => (await client.workflow.getHandle(sessionId).describe()).historyLength,
  );
  return lengths.reduce((sum, length) => sum + length, 0);
}

/** Begins to speak and falls silent again, one session after the other, by REST, at a steady pace whatever the answers take. */
async function commandAtPace(stage: Stage, members: readonly Member[], over: AbortSignal): Promise<number[]> {
  const times: number[] = [];
  const underWay: Promise<void>[] = [];
  for (let n = 0; !over.aborted; n += 1) {
    // Far from each other, so that a cache of few helps little.
    const member = members[(n * STRIDE) % members.length];
    if (member === undefined) throw new Error('Expected a session, got none');
    underWay.push(
      (async () => {
        for (const action of ['barge', 'silent'] as const) {
          const changed = stage.legs.next(member.monitorSessionId, action);
          changed.catch(() => undefined);
          const sent = performance.now();
          await stage.post(`/v1/sessions/${encodeURIComponent(member.sessionId)}/commands`, { action });
          // What takes longer than anybody waits counts as that long.
          await changed.catch(() => undefined);
          times.push(performance.now() - sent);
        }
      })(),
    );
    await sleep(2_000 / PACE);
  }
  await Promise.all(underWay);
  return times;
}

/** Prime to every size that is likely. */
const STRIDE = 7_919;

async function endMany(stage: Stage, members: readonly Member[], options: BenchOptions): Promise<Ending> {
  await sleep(options.restMs);
  const [leaving, staying] = [members.slice(0, options.endings), members.slice(options.endings)];
  const before = await commandAtPace(stage, staying, AbortSignal.timeout(options.stayMs / 2));
  const over = new AbortController();
  const meanwhile = commandAtPace(stage, staying, over.signal);
  const since = performance.now();
  for (let n = 0; n < leaving.length; n += ENDED_AT_ONCE)
    await Promise.all(
      leaving
        .slice(n, n + ENDED_AT_ONCE)
        .map(({ interactionId }) => stage.simulator.control('end-interaction', { interactionId })),
    );
  const withinMs = performance.now() - since;
  const query = `WorkflowType = '${MONITORING_SESSION}' AND ExecutionStatus = 'Running'`;
  const givenUpAt = since + ALL_CLOSED_LIMIT_MS;
  for (;;) {
    const { count } = await stage.client.workflow.count(query);
    if (count <= staying.length) break;
    if (performance.now() > givenUpAt) throw new Error(`${count - staying.length} sessions of ended calls still run`);
    await sleep(COUNT_EVERY_MS);
  }
  const closedMs = performance.now() - since;
  over.abort();
  return { interactions: leaving.length, withinMs, closedMs, before, meanwhile: await meanwhile };
}

const ENDED_AT_ONCE = 50;

function crowdSection(
  stays: readonly Stay[],
  {
    empty,
    gatheredMs,
    size,
  }: {
    readonly empty: { readonly worker: number | undefined; readonly temporal: number | undefined };
    readonly gatheredMs: number;
    readonly size: number;
  },
): Section {
  const kib = (mib: number | undefined, before: number | undefined): string =>
    mib === undefined || before === undefined ? '?' : `${(((mib - before) * 1_024) / size).toFixed(0)} KiB`;
  const cores = ({ cores: of }: Effort): string =>
    ['Temporal', 'worker', 'API'].map((name) => (of[name] ?? Number.NaN).toFixed(2)).join(' / ');
  return {
    title: `${size} sessions at once`,
    head: [
      'in the worker’s memory',
      'worker, a session',
      'Temporal, a session',
      'idle cores',
      'live cores',
      'platform calls a minute',
      'events',
      'commands p50',
      'p95',
      'p99',
    ],
    rows: stays.map((of) => [
      String(of.cached),
      kib(of.workerMib, empty.worker),
      kib(of.temporalMib, empty.temporal),
      cores(of.idle),
      cores(of.live),
      of.callsAMinute.toFixed(0),
      String(of.events),
      ...[50, 95, 99].map((percent) => `${percentile(of.commands, percent).toFixed(0)} ms`),
    ]),
    notes: [
      `All of them were started by REST in ${(gatheredMs / 1_000).toFixed(0)} s, ${(size / (gatheredMs / 1_000)).toFixed(0)} a second, each counted once its leg was active.`,
      'Memory: what the process has grown by since before the first session, a session. Temporal’s holds the database too, which is in memory here.',
      'Cores: Temporal / worker / API; idle, where nobody commands anything; live, with ten commands a second, a barge and then a silent each, on sessions far from each other.',
      'Platform calls are those of the sweep, which looks at every call that is monitored. Events: what the histories of 50 sessions grew by while idle.',
      'Commands: by REST, from sending to hearing of the changed leg by the platform’s event stream; 60 s is where waiting for it ends.',
    ],
    goals: [atMost('events of an idle session', Math.max(...stays.map(({ events }) => events)), 0)],
    data: stays,
  };
}

function endingSection({ interactions, withinMs, closedMs, before, meanwhile }: Ending): Section {
  const row = (title: string, times: readonly number[]): string[] => [
    title,
    String(times.length),
    ...[50, 95, 99].map((percent) => percentile(times, percent).toFixed(0)),
  ];
  return {
    title: `${interactions} interactions end in ${(withinMs / 1_000).toFixed(1)} s`,
    head: ['commands to others, ms', 'how many', 'p50', 'p95', 'p99'],
    rows: [row('before', before), row('until all are closed', meanwhile)],
    notes: [`All ${interactions} sessions were closed ${(closedMs / 1_000).toFixed(1)} s after the first call ended.`],
    goals: [],
    data: { interactions, withinMs, closedMs, before, meanwhile },
  };
}
