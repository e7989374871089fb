import { randomUUID } from 'node:crypto';
import { WorkflowIdConflictPolicy } from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import type { PayloadEncryption } from '../../codec/payload-encryption.js';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import type { SessionAnnouncement } from '../../domain/announcements.js';
import type { StartSessionInput } from '../../domain/commands.js';
import { sessionWorkflowId } from '../../domain/identifiers.js';
import { MONITORING_SESSION } from '../../domain/workflow-contract.js';
import { observedBy } from '../../platform/call-observer.js';
import { createHttpPlatform } from '../../platform/http-platform.js';
import type { HttpPlatform, HttpPlatformOptions } from '../../platform/http-platform.js';
import { startSimulator } from '../../simulator/simulator.js';
import type { Simulator } from '../../simulator/simulator.js';
import type { SimulatorOptions } from '../../simulator/simulator-options.js';
import type { WorkerTracing } from '../../tracing/worker-tracing.js';
import type { monitoringSession } from '../../workflows/monitoring-session.js';
import { WorkerMetrics } from '../../worker/metrics.js';
import { createSessionWorker } from '../../worker/session-worker.js';
import type { MediaSettings } from '../../worker/media-route.js';
import type { SessionWorker } from '../../worker/session-worker.js';
import { startStandingWorkflows } from '../../worker/standing-workflows.js';
import type { TestTemporal } from './temporal.js';
import { testBundle } from './workflow-bundle.js';

export type SessionHandle = WorkflowHandle<typeof monitoringSession>;

export interface SessionWorld extends AsyncDisposable {
  readonly temporal: TestTemporal;
  readonly simulator: Simulator;
  readonly platform: HttpPlatform;
  readonly taskQueue: string;
  /** Whatever was announced of sessions, in order. */
  readonly announced: readonly SessionAnnouncement[];
  readonly metrics: WorkerMetrics;
  /** What sessions take with them that start from now on. */
  readonly settings: { confirmTimeoutSeconds: number; bargeWaitSeconds: number };
  /** Connects an interaction on the simulator. */
  readonly interaction: () => string;
  /** Starts a session as a direct starter does: id and input only. */
  readonly start: (input: StartSessionInput, workflowId?: string) => Promise<SessionHandle>;
  /** Ends the worker as a deployment would; sessions stay. */
  readonly stopWorker: () => Promise<void>;
  readonly startWorker: () => Promise<void>;
}

export interface SessionWorldOptions {
  readonly simulator?: SimulatorOptions;
  readonly confirmTimeoutSeconds?: number;
  readonly bargeWaitSeconds?: number;
  readonly channelIdleMs?: number;
  readonly activitySlots?: number;
  readonly timeouts?: HttpPlatformOptions['timeouts'];
  /**
   * What cleans up behind sessions; one world of a server may have it. @default none
   */
  readonly cleaning?: { readonly intervalMs: number; readonly followsEvents: boolean };
  /** Follows how well legs are heard; needs `cleaning`. @default it does not */
  readonly media?: MediaSettings;
  /** Is told of each announcement. @default nobody */
  readonly announce?: (announcement: SessionAnnouncement, run: string) => void;
  /** What the next worker has to encrypt with. @default nothing */
  readonly encryption?: () => PayloadEncryption;
  /** The version of its workers. @default none */
  readonly deployment?: WorkerDeploymentVersion;
  /** Makes traces. @default nobody does */
  readonly tracing?: WorkerTracing;
  /** Has a `tokenKeeper` look after the token of each worker that is started. @default false */
  readonly keepsTokens?: boolean;
}

/** Simulator, adapter and worker over a running Temporal; each on its own task queue. */
export async function createSessionWorld(
  temporal: TestTemporal,
  options: SessionWorldOptions = {},
): Promise<SessionWorld> {
  const {
    confirmTimeoutSeconds = 60,
    bargeWaitSeconds = 30,
    channelIdleMs,
    activitySlots,
    timeouts,
    cleaning,
  } = options;
  const { keepsTokens = false, tracing } = options;
  const simulator = await startSimulator({
    port: 0,
    population: null,
    activationDelayMs: { min: 5, max: 20 },
    ...options.simulator,
  });
  const metrics = new WorkerMetrics();
  const platform = createHttpPlatform({
    observer: tracing === undefined ? metrics.calls : observedBy(metrics.calls, tracing.calls),
    baseUrl: simulator.baseUrl,
    clientId: 'earshot',
    clientSecret: 'earshot-dev-secret',
    ...(timeouts === undefined ? {} : { timeouts }),
  });
  const taskQueue = `monitoring-${randomUUID()}`;
  const settings = { confirmTimeoutSeconds, bargeWaitSeconds };
  const { deployment } = options;
  const workflowBundle = await testBundle({ isTraced: tracing !== undefined, isVersioned: deployment !== undefined });

  let running: { readonly worker: SessionWorker; readonly done: Promise<void> } | undefined;
  const announced: SessionAnnouncement[] = [];
  let started = 0;
  const startWorker = async (): Promise<void> => {
    started += 1;
    const workerId = keepsTokens ? `${taskQueue}:${started}` : undefined;
    const worker = await createSessionWorker({
      connection: temporal.nativeConnection,
      namespace: temporal.namespace,
      taskQueue,
      platform,
      workflowSettings: settings,
      ...(deployment === undefined ? {} : { deployment }),
      ...(channelIdleMs === undefined ? {} : { channelIdleMs }),
      ...(activitySlots === undefined ? {} : { activitySlots }),
      announce: (announcement, run) => {
        announced.push(announcement);
        options.announce?.(announcement, run);
      },
      followsEvents: cleaning?.followsEvents ?? false,
      ...(options.media === undefined ? {} : { media: options.media }),
      metrics,
      ...(options.encryption === undefined ? {} : { encryption: options.encryption() }),
      tracing,
      workflowBundle,
      ...(workerId === undefined ? {} : { token: { workerId, keep: () => platform.keepToken() } }),
    });
    if (cleaning !== undefined) {
      const { intervalMs, followsEvents } = cleaning;
      const own = workerId === undefined ? {} : { workerId };
      await startStandingWorkflows({
        client: temporal.client,
        taskQueue,
        sweep: { intervalMs },
        listens: followsEvents || options.media !== undefined,
        ...own,
      });
    }
    running = { worker, done: worker.run() };
  };
  const stopWorker = async (): Promise<void> => {
    if (running === undefined) return;
    running.worker.shutdown();
    await running.done;
    running = undefined;
  };
  await startWorker();

  return {
    temporal,
    simulator,
    platform,
    taskQueue,
    announced,
    metrics,
    settings,
    interaction: () => simulator.controls.addInteraction().interactionId,
    start: (input, workflowId = sessionWorkflowId(input.interactionId, input.supervisorId)) =>
      temporal.client.workflow.start<typeof monitoringSession>(MONITORING_SESSION, {
        workflowId,
        taskQueue,
        args: [input],
        workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
      }),
    startWorker,
    stopWorker,
    async [Symbol.asyncDispose]() {
      await stopWorker();
      await platform.close();
      await simulator.close();
    },
  };
}
