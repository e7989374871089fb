import { Worker } from '@temporalio/worker';
import type { WorkerOptions, NativeConnection } from '@temporalio/worker';
import { createActivities } from '../activities/activities.js';
import type { WorkflowSettings } from '../activities/read-activities.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { builtBundle, bundleWorkflows } from './workflow-bundle.js';

export interface SessionWorkerOptions {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly platform: TelephonyPlatform;
  readonly workflowSettings: WorkflowSettings;
  /** Of `bundleWorkflows`. @default what the build left, or a fresh one */
  readonly workflowBundle?: WorkerOptions['workflowBundle'];
}

/**
 * How long activities may finish once the worker is told to stop, ms: longer than a `start` takes, so that a shutdown
 * never makes its answer ambiguous.
 */
export const SHUTDOWN_GRACE_MS = 12_000;

/** A Temporal worker that runs sessions and everything they ask of the platform. `run()` it. */
export async function createSessionWorker(options: SessionWorkerOptions): Promise<Worker> {
  const { connection, namespace, taskQueue, platform, workflowSettings } = options;
  return Worker.create({
    connection,
    namespace,
    taskQueue,
    workflowBundle: options.workflowBundle ?? (await builtBundle()) ?? (await bundleWorkflows()),
    activities: createActivities(platform, workflowSettings),
    shutdownGraceTime: SHUTDOWN_GRACE_MS,
  });
}
