/**
 * Loaded before a worker of a revision that knows nothing of versions (`node --import`): gives it one, as
 * `worker/session-worker.ts` does today.
 */
import temporal from '@temporalio/worker';

const create = temporal.Worker.create.bind(temporal.Worker);
const version = {
  deploymentName: process.env.WORKER_DEPLOYMENT_NAME ?? '',
  buildId: process.env.WORKER_BUILD_ID ?? '',
};

temporal.Worker.create = (options) =>
  create(
    options.taskQueue.includes('-worker~')
      ? options
      : {
          ...options,
          workerDeploymentOptions: { version, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' },
        },
  );
