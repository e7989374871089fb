import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import { createActivities } from '../../../activities/activities.js';
import { createMediaServerLookup } from '../../../activities/media-server-lookup.js';
import { SHUTDOWN_GRACE_MS } from '../../../worker/session-worker.js';
import { WORKFLOW_SETTINGS } from '../workers.js';
import { NAMESPACE } from '../../stage/temporal-server.js';
import type { World } from '../world.js';
import { createLockActivities } from './request-lock.js';

/** The sample's own name for it. */
export const TASK_QUEUE = 'mutex';

/** A worker with the same options as Earshot's, and the same activity for the platform. */
export async function createSampleWorker({ connection, platforms }: World): Promise<Worker> {
  const legs = createActivities(platforms.sample, WORKFLOW_SETTINGS, createMediaServerLookup(platforms.sample));
  return Worker.create({
    connection,
    namespace: NAMESPACE,
    taskQueue: TASK_QUEUE,
    workflowBundle: await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('./workflows.js', import.meta.url)),
      logger: QUIET,
    }),
    activities: { changeMode: legs.changeMode.bind(legs), ...createLockActivities() },
    shutdownGraceTime: SHUTDOWN_GRACE_MS,
  });
}

const silent = (): void => undefined;
const QUIET = { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent };
