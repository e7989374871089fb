import { Worker } from '@temporalio/worker';
import type { InjectedSinks, NativeConnection, WorkerOptions } from '@temporalio/worker';
import { asyncLocalStorage } from '@temporalio/activity';
import { Client } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { createActivities } from '../activities/activities.js';
import { createEventActivities } from '../activities/follow-events.js';
import { createWatchActivities } from '../activities/holder-watch.js';
import { createTokenActivities } from '../activities/keep-token.js';
import { createMediaServerLookup } from '../activities/media-server-lookup.js';
import type { WorkflowSettings } from '../activities/read-activities.js';
import type { SessionAnnouncement } from '../domain/announcements.js';
import type { CommandNews } from '../domain/command-outcomes.js';
import { EncryptionCodec } from '../codec/encryption-codec.js';
import { clientCodec, encryptFailures, NO_ENCRYPTION } from '../codec/payload-encryption.js';
import type { PayloadEncryption } from '../codec/payload-encryption.js';
import type { PayloadUnreadable } from '../codec/payload-unreadable.js';
import { EventRouter } from '../directory/event-router.js';
import { watchQueue } from '../domain/channel.js';
import { workerQueue } from '../domain/token-keeper.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import type { TokenReport } from '../platform/token-source.js';
import type { SessionSinks } from '../workflows/session-announcements.js';
import type { WorkerTracing } from '../tracing/worker-tracing.js';
import { createMediaRoute } from './media-route.js';
import type { MediaSettings } from './media-route.js';
import type { WorkerMetrics } from './metrics.js';
import { observed } from './observed-activities.js';
import { builtBundle, bundleWorkflows } from './workflow-bundle.js';

export interface SessionWorkerOptions {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly platform: TelephonyPlatform;
  /** The version of which it is. @default none: it takes what no version is there for */
  readonly deployment?: WorkerDeploymentVersion;
  readonly workflowSettings: WorkflowSettings;
  /** How long the mutex of a channel outlives its last use, ms. @default a minute */
  readonly channelIdleMs?: number;
  /** How many activities of sessions and sweep run at a time. @default the SDK's own, 100 */
  readonly activitySlots?: number;
  /** How many workflows are kept in memory. @default the SDK's own, by the memory that Node may use */
  readonly cachedWorkflows?: number | undefined;
  /** The token that a `tokenKeeper` looks after, and the id that tells this process from all others. @default none */
  readonly token?: { readonly workerId: string; readonly keep: () => Promise<TokenReport> };
  /** Listens to the platform's event stream, if it is this worker's turn. @default false */
  readonly followsEvents?: boolean;
  /** Follows how well legs are heard, likewise. @default it does not */
  readonly media?: MediaSettings;
  /** Is told of what went wrong and is tried again. @default nobody */
  readonly onTrouble?: (error: unknown) => void;
  /** Is told what happens to sessions, as it happens, and in which run of their workflow. @default nobody */
  readonly announce?: (announcement: SessionAnnouncement, run: string) => void;
  /** Is told what has become of commands. @default nobody */
  readonly onCommandNews?: (news: CommandNews) => void;
  /** Counts what all of that comes to. @default nothing is counted */
  readonly metrics?: WorkerMetrics;
  /** What is encrypted, and how. @default nothing, and nothing that is can be read */
  readonly encryption?: PayloadEncryption;
  /** Is told of what lists showed and nobody here can read. @default nobody */
  readonly onUnreadable?: (trouble: PayloadUnreadable) => void;
  /** Makes traces of what sessions do. @default nobody does */
  readonly tracing?: Pick<WorkerTracing, 'interceptors' | 'sinks'> | undefined;
  /** Of `bundleWorkflows`, for the same `deployment` and `tracing`. @default what the build left, or a fresh one */
  readonly workflowBundle?: WorkerOptions['workflowBundle'];
}

/**
 * How long activities may finish once the worker is told to stop, ms: longer than a lookup and a `start` take, so that a shutdown
 * never makes its answer ambiguous.
 */
export const SHUTDOWN_GRACE_MS = 12_000;

/** Heartbeats of watchers are sent on at that pace, ms: the SDK would hold them back for most of their timeout. */
const HEARTBEAT_PACE_MS = 1_000;

/**
 * How long a worker that has a workflow in memory may let a task of it lie before any other may take it. The SDK's 10 s is
 * what a command would wait after its worker was killed; histories are short, so replaying one costs little.
 */
const STICKY_FOR = '2s';

/**
 * A history that cannot be replayed ends its workflow, where by default its task would fail for ever: a session that can no
 * longer be told anything, and its leg, would be there until somebody looks. Failed, it is one that has died, behind which
 * the sweep cleans up; and the workflows of which there is one are started anew (docs/decisions/0008-nothing-left-behind.md).
 */
const FAILURES_OF_WORKFLOWS: NonNullable<WorkerOptions['workflowFailureErrorTypes']> = { '*': ['NondeterminismError'] };

/** Few: each poll of a worker that is frozen, or cut off, swallows one attempt at taking over from it. */
const WATCH_POLLS = 2;

/** Watchers wait for others and may end at once. */
const WATCH_SHUTDOWN_GRACE_MS = 0;

/** As many interactions of one worker may have somebody waiting for the exclusive channel. */
const WATCHERS_AT_ONCE = 1_000;

/** What runs sessions, and everything that they ask of the platform and of each other. */
export interface SessionWorker {
  /** Resolves once it has been shut down and all of it has ended; rejects when a part of it fails. */
  run(): Promise<void>;
  shutdown(): void;
}

/**
 * Three Temporal workers: one for workflows and commands and, on a task queue of its own, one for what lasts: the watchers of
 * channel holders, as long as somebody waits (100 of them on the main queue let nothing else run), and the listener to the
 * platform's events. The third has a queue that no other process has, for what only this one can do: keep its token.
 * That one has no version: Temporal would miss its queue in every other.
 */
export async function createSessionWorker(options: SessionWorkerOptions): Promise<SessionWorker> {
  const { connection, namespace, taskQueue, workflowSettings, metrics } = options;
  const platform = metrics?.watchingStream(options.platform) ?? options.platform;
  const { announce = () => undefined, onTrouble = () => undefined, channelIdleMs, followsEvents = false } = options;
  const { token, activitySlots, cachedWorkflows, onCommandNews = () => undefined, tracing } = options;
  const { encryption = NO_ENCRYPTION, onUnreadable = () => undefined } = options;
  const client = new Client({
    connection,
    namespace,
    dataConverter: { payloadCodecs: [clientCodec(encryption, onUnreadable)] },
  });
  const dataConverter = { payloadCodecs: [taskCodec(encryption, onUnreadable)] };
  if (encryption.encrypts) encryptFailures();
  const bundle = { isTraced: tracing !== undefined, isVersioned: options.deployment !== undefined };
  const mediaServers = createMediaServerLookup(platform);
  const activities = createActivities(platform, workflowSettings, mediaServers, channelIdleMs);
  const router = new EventRouter(client, onTrouble);
  const sinks: InjectedSinks<SessionSinks> = {
    sessions: {
      announce: {
        fn({ runId }, announcement) {
          // Lists do not show it yet, and an event of its leg may come any moment.
          if (announcement.type === 'session.created') router.note(announcement);
          metrics?.announced(announcement);
          announce(announcement, runId);
        },
      },
      told: {
        fn(_, news) {
          metrics?.told(news);
          onCommandNews(news);
        },
      },
    },
  };
  const media =
    options.media === undefined
      ? undefined
      : createMediaRoute({
          settings: options.media,
          client,
          platform,
          mediaServers,
          show: (watch) => metrics?.watchMedia(watch),
        });
  const versioning = versioningOf(options.deployment);
  const main = await Worker.create({
    ...versioning,
    connection,
    namespace,
    dataConverter,
    taskQueue,
    workflowBundle: options.workflowBundle ?? (await builtBundle(bundle)) ?? (await bundleWorkflows(bundle)),
    activities: metrics === undefined ? activities : observed(activities, metrics),
    sinks: { ...sinks, ...tracing?.sinks },
    ...(tracing === undefined ? {} : { interceptors: tracing.interceptors }),
    stickyQueueScheduleToStartTimeout: STICKY_FOR,
    workflowFailureErrorTypes: FAILURES_OF_WORKFLOWS,
    ...(cachedWorkflows === undefined ? {} : { maxCachedWorkflows: cachedWorkflows }),
    ...(activitySlots === undefined ? {} : { maxConcurrentActivityTaskExecutions: activitySlots }),
    shutdownGraceTime: SHUTDOWN_GRACE_MS,
  });
  const watch = await Worker.create({
    ...versioning,
    connection,
    namespace,
    dataConverter,
    taskQueue: watchQueue(taskQueue),
    activities: {
      ...createWatchActivities(),
      ...createEventActivities(platform, {
        ...(followsEvents ? { calls: (event) => router.route(event) } : {}),
        ...(media === undefined ? {} : { media }),
      }),
    },
    maxHeartbeatThrottleInterval: HEARTBEAT_PACE_MS,
    maxConcurrentActivityTaskPolls: WATCH_POLLS,
    maxConcurrentActivityTaskExecutions: WATCHERS_AT_ONCE,
    shutdownGraceTime: WATCH_SHUTDOWN_GRACE_MS,
  });
  const workers = [main, watch];
  if (token !== undefined) {
    workers.push(
      await Worker.create({
        connection,
        namespace,
        dataConverter,
        taskQueue: workerQueue(taskQueue, token.workerId),
        activities: createTokenActivities(token.keep),
        maxConcurrentActivityTaskPolls: 1,
        maxConcurrentActivityTaskExecutions: 1,
        shutdownGraceTime: WATCH_SHUTDOWN_GRACE_MS,
      }),
    );
  }
  const shutdown = (): void => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  return {
    shutdown,
    async run() {
      // One that fails takes the other along: half a worker would look healthy and lose what the other half does.
      await Promise.all(workers.map((worker) => worker.run().finally(shutdown))).finally(() => router.close());
    },
  };
}

/**
 * A task that can't be read fails, and Temporal tries it again until a worker comes that has the key: nothing is decided by
 * what nobody could read. What activities ask by their client, which has the codec of its worker, is read as the API does.
 */
function taskCodec(encryption: PayloadEncryption, onUnreadable: (trouble: PayloadUnreadable) => void): EncryptionCodec {
  return new EncryptionCodec({
    ...encryption,
    replaces: (trouble) => {
      onUnreadable(trouble);
      return asyncLocalStorage.getStore() !== undefined;
    },
  });
}

/** A workflow that does not say otherwise (`workflows/versioned-workflows.ts`) stays with the version that began it. */
function versioningOf(version: WorkerDeploymentVersion | undefined): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  if (version === undefined) return {};
  return { workerDeploymentOptions: { version, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' } };
}
