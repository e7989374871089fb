import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { createMediaServerLookup } from '../activities/media-server-lookup.js';
import { sampleBatches } from '../bus/samples.js';
import { legSessions, MediaWatch } from '../directory/media-watch.js';
import type { RunningSession } from '../directory/running-sessions.js';
import { SampleBatches } from '../directory/sample-batches.js';
import { sessionWorkflowId } from '../domain/identifiers.js';
import { homeIn } from '../domain/media-placement.js';
import { newSessionMedia, profileOf } from '../domain/media.js';
import { newTrend, withSample } from '../domain/media-trend.js';
import type { MediaLimits } from '../domain/media-trend.js';
import { isCallEvent } from '../domain/platform-events.js';
import { newSessionRecord } from '../domain/session-record.js';
import { sessionSnapshot } from '../domain/session.js';
import type { SessionSnapshot } from '../domain/session.js';
import { MONITORING_SESSION, SESSION_MEMO } from '../domain/workflow-contract.js';
import { QUALITY } from '../simulator/media-servers.js';
import { Random } from '../simulator/random.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { installRuntimeLog } from '../worker/runtime-log.js';
import { createSessionWorker } from '../worker/session-worker.js';
import { aFewAtATime } from './a-few-at-a-time.js';
import { CleanUp } from './clean-up.js';
import { LoneSimulator } from './stage/lone-simulator.js';
import { until } from './until.js';
import { openWorld } from './channel/world.js';
import { NAMESPACE } from './stage/temporal-server.js';
import type { World } from './channel/world.js';

/**
 * `npm run bench:media`: what affinity is worth, and what it costs to follow how well legs are heard. See README.md.
 */

/** The product's defaults, and how often the platform tells of each leg. */
const LIMITS: MediaLimits = { packetLoss: 0.03, jitterMs: 30, badSamples: 3, goodSamples: 12, changesPerMinute: 4 };
const SAMPLE_EVERY_S = 5;

const CALLS = 60;
const LEGS = 5_000;
const MEASURED_S = 60;
const HOURS = 500;

const HOME_GROUP = 'ms-group-us-east-1';
const FAR_GROUP = 'ms-group-ap-south-1';
const GROUPS = [HOME_GROUP, 'ms-group-us-east-2', 'ms-group-eu-central-1', 'ms-group-eu-central-2', FAR_GROUP] as const;

/** Who takes what a worker says, as the supervisor of `npm start` does. */
const TAKES_ALL = `process.on('message', () => undefined)`;

installRuntimeLog(pino({ level: process.env['LOG_LEVEL'] ?? 'error' }, pino.destination(2)));
const cleanUp = new CleanUp();
try {
  const world = await openWorld(cleanUp);
  print(`Regions apart: ${CALLS} calls in three regions, a session each, by real workflows; 4 samples of each leg`);
  await compareAffinity(world, 'with affinity', world.platforms.earshot);
  await compareAffinity(world, 'without', {
    ...world.platforms.sample,
    mediaServerGroups: () => Promise.reject(new Error('not asked')),
  });
} finally {
  await cleanUp.run();
}
print(
  `\nAn hour of samples, one every ${SAMPLE_EVERY_S} s, for ${HOURS} legs of each kind; a change costs a session 5 events`,
);
for (const kind of ['near', 'far', 'near, on a network that is bad for 2 minutes in 10'] as const) hourOf(kind);

print(`\n${LEGS} legs with a sample every ${SAMPLE_EVERY_S} s, by a real event stream, for ${MEASURED_S} s`);
await followMany('near their calls', () => HOME_GROUP);
await followMany('likewise, samples told to an API', () => HOME_GROUP, { tellsSamples: true });
await followMany('a third of them across regions', (index) => (index % 3 === 0 ? FAR_GROUP : HOME_GROUP));

/**
 * What sessions hear in an hour, by the rules that the product follows and the simulator's networks, with a client that applies
 * every profile.
 */
function hourOf(kind: 'near' | 'far' | 'near, on a network that is bad for 2 minutes in 10'): void {
  const draw = new Random(`bench/${kind}`);
  const drawn = ([min, max]: readonly [number, number]): number => draw.between(min, max);
  const changes: number[] = [];
  for (let leg = 0; leg < HOURS; leg += 1) {
    const affinity = kind === 'far' ? 'none' : 'primary';
    let trend = newTrend({ quality: null, step: 0, tellsFromMs: 0 });
    let count = 0;
    const offsetS = draw.between(0, 600);
    for (let atS = 0; atS < 3_600; atS += SAMPLE_EVERY_S) {
      const profile = profileOf(affinity, trend.step);
      const share = profile.codec.bitrateBps / 32_000;
      const isBad = kind.endsWith('10') && (atS + offsetS) % 600 < 120;
      const isFar = kind === 'far' || isBad;
      const network = QUALITY[isFar ? 'crossRegion' : 'sameGroup'];
      const sample = {
        packetLoss: drawn(network.packetLoss) * share,
        jitterMs: drawn(network.jitterMs) * share,
        roundTripMs: drawn(network.roundTripMs),
        sampledAt: new Date(atS * 1_000).toISOString(),
      };
      const { playoutDelayMs } = profile;
      const heard = withSample(trend, sample, { playoutDelayMs, limits: LIMITS, nowMs: atS * 1_000 });
      trend = heard.trend;
      if (heard.change !== undefined) count += 1;
    }
    changes.push(count);
  }
  const mean = changes.reduce((sum, one) => sum + one, 0) / changes.length;
  print(
    `  ${kind.padEnd(50)}; ${mean.toFixed(1)} changes, ${(5 * mean).toFixed(0)} events a session-hour; most ${Math.max(...changes)} changes`,
  );
}

/** Sessions on calls of every region: where their legs are, and how these are heard. */
async function compareAffinity(
  { client, connection, simulator }: World,
  title: string,
  platform: TelephonyPlatform,
): Promise<void> {
  const taskQueue = `media-${title}`;
  const worker = await createSessionWorker({
    connection,
    namespace: NAMESPACE,
    taskQueue,
    platform,
    workflowSettings: { confirmTimeoutSeconds: 60, bargeWaitSeconds: 30 },
  });
  const running = worker.run();
  const lookup = createMediaServerLookup(platform);
  const watch = new MediaWatch({
    sessions: legSessions(client),
    limits: LIMITS,
    homeOf: async (id) => homeIn((await lookup(id)).groups),
    onTrouble: (error) => print(String(error)),
  });
  const sessions = await aFewAtATime([...Array(CALLS).keys()], async (index) => {
    const { interactionId } = simulator.controls.addInteraction({
      primaryGroupId: GROUPS[index % GROUPS.length] ?? HOME_GROUP,
    });
    const input = { interactionId, supervisorId: 'bench' };
    const workflowId = sessionWorkflowId(interactionId, 'bench');
    const handle = await client.workflow.start(MONITORING_SESSION, { taskQueue, workflowId, args: [input] });
    const shown = (): Promise<SessionSnapshot | undefined> => handle.describe().then(snapshotIn);
    const leg = await until('it listens', 100, async () => {
      const session = await shown();
      return session?.state === 'SILENT' ? session.monitorSessionId : undefined;
    });
    return { handle, shown, leg, interactionId };
  });
  for (let sample = 0; sample < 4; sample += 1) {
    for (const { leg, interactionId } of sessions) {
      if (leg !== null) {
        watch.sample(await platform.mediaMetrics({ interactionId, monitorSessionId: leg }));
      }
    }
    await until('the first samples have found their sessions', 100, () =>
      watch.qualities.length === sessions.length ? true : undefined,
    );
  }
  const media = await until('every session knows', 100, async () => {
    const all = await Promise.all(sessions.map(({ shown }) => shown()));
    const known = all.flatMap((session) => (session?.media?.quality ? [session.media] : []));
    return known.length === sessions.length ? known : undefined;
  });
  const count = (holds: (one: (typeof media)[number]) => boolean): number => media.filter(holds).length;
  const mean = (of: (one: (typeof media)[number]) => number | null): number =>
    media.reduce((sum, one) => sum + (of(one) ?? 0), 0) / media.length;
  print(
    [
      `  ${title.padEnd(14)}`,
      `primary ${count(({ affinity }) => affinity === 'primary')}`,
      `good ${count(({ quality }) => quality === 'good')}, fair ${count(({ quality }) => quality === 'fair')}, poor ${count(({ quality }) => quality === 'poor')}`,
      `loss ${(100 * mean(({ packetLoss }) => packetLoss)).toFixed(2)} %`,
      `jitter ${mean(({ jitterMs }) => jitterMs).toFixed(1)} ms`,
      `round trip ${mean(({ roundTripMs }) => roundTripMs).toFixed(0)} ms`,
    ].join('; '),
  );
  for (const { handle } of sessions) await handle.signal('stop');
  await Promise.all(sessions.map(({ handle }) => handle.result()));
  worker.shutdown();
  await running;
}

function snapshotIn({ memo }: { readonly memo?: Record<string, unknown> | undefined }): SessionSnapshot | undefined {
  return sessionSnapshot.safeParse(memo?.[SESSION_MEMO]).data;
}

/** Follows many legs over the platform's stream as a worker does; only the sessions that are told are counted, not run. */
async function followMany(
  title: string,
  groupOf: (index: number) => string,
  { tellsSamples = false } = {},
): Promise<void> {
  await using simulator = await LoneSimulator.start(SAMPLE_EVERY_S);
  const { platform } = simulator;
  for (const id of GROUPS) await simulator.control('set-media-server-group', { id, capacity: LEGS });
  const sessions = new Map<string, RunningSession>();
  await aFewAtATime([...Array(LEGS).keys()], async (index) => {
    const interactionId = await simulator.call(HOME_GROUP);
    const group = groupOf(index);
    const { monitorSessionId } = await platform.startMonitor({ interactionId, mediaServerGroupId: group });
    sessions.set(monitorSessionId, runningSession(interactionId, monitorSessionId, group));
  });

  let told = 0;
  let samples = 0;
  let [messages, characters] = [0, 0];
  const supervisor = tellsSamples
    ? spawn(process.execPath, ['-e', TAKES_ALL], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    : undefined;
  const batches = new SampleBatches((gathered) => {
    for (const batch of sampleBatches(gathered)) {
      supervisor?.send({ type: 'relay', to: 'api', spare: true, samples: batch });
      messages += 1;
      characters += batch.length;
    }
  });
  const watch = new MediaWatch({
    limits: LIMITS,
    sessions: {
      find: (ids) => Promise.resolve(ids.flatMap((id) => sessions.get(id) ?? [])),
      tell: () => {
        told += 1;
        return Promise.resolve(true);
      },
    },
    homeOf: () => Promise.resolve({ primary: HOME_GROUP, sameRegion: [] }),
    onTrouble: (error) => print(String(error)),
    ...(tellsSamples ? { onSample: (sample) => batches.add(sample) } : {}),
  });
  const over = new AbortController();
  const following = platform.followEvents(
    {
      onOpen: () => undefined,
      onEvent: (event) => {
        if (!isCallEvent(event)) {
          samples += 1;
          watch.sample(event.data);
        }
        return Promise.resolve();
      },
      onNonsense: (problem) => print(problem),
    },
    { signal: over.signal },
  );
  await until('every leg is followed', 100, () =>
    watch.qualities.filter((quality) => quality !== null).length === LEGS ? true : undefined,
  );
  const [toldAtFirst, samplesAtFirst, cpu, startedAtMs] = [told, samples, process.cpuUsage(), performance.now()];
  [messages, characters] = [0, 0];
  await sleep(MEASURED_S * 1_000);
  const { user, system } = process.cpuUsage(cpu);
  const hours = (performance.now() - startedAtMs) / 3_600_000;
  const cpuMs = (user + system) / 1_000;
  print(
    [
      `  ${title.padEnd(32)}`,
      `${samples - samplesAtFirst} samples`,
      `CPU ${(cpuMs / (hours * 36_000)).toFixed(1)} % of a core, ${(cpuMs / hours / LEGS).toFixed(1)} ms a session-hour`,
      `${((cpuMs * 1_000) / (samples - samplesAtFirst)).toFixed(0)} µs a sample`,
      `heap ${(process.memoryUsage().heapUsed / 2 ** 20).toFixed(0)} MB`,
      `sessions told ${toldAtFirst} times at first, ${told - toldAtFirst} times in the minute`,
      ...(tellsSamples ? [`${messages} messages, ${(characters / messages / 1_024).toFixed(0)} KiB each`] : []),
    ].join('; '),
  );
  over.abort();
  await following;
  watch.clear();
  batches.clear();
  if (supervisor !== undefined) {
    const ended = once(supervisor, 'exit');
    supervisor.disconnect();
    await ended;
  }
}

function runningSession(interactionId: string, monitorSessionId: string, group: string): RunningSession {
  const sessionId = sessionWorkflowId(interactionId, 'bench');
  const ids = { sessionId, runId: 'run' };
  const { session } = newSessionRecord({ interactionId, supervisorId: 'bench' }, ids, new Date().toISOString());
  const place = { mediaServerGroupId: group, affinity: 'primary', fallback: null } as const;
  return {
    sessionId,
    interactionId,
    runId: 'run',
    startedAtMs: Date.now(),
    start: 'resolved',
    monitorSessionId,
    session: { ...session, state: 'SILENT', monitorSessionId, media: newSessionMedia(place) },
  };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
