import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, NativeConnection, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import { z } from 'zod';
import { createHttpPlatform } from '../../platform/http-platform.js';
import { installRuntimeLog } from '../../worker/runtime-log.js';
import { NAMESPACE } from '../stage/temporal-server.js';
import { createFloorActivities } from './activities.js';
import { FLOOR_QUEUE } from './task-queue.js';

/** The floor's worker, in a process of its own as Earshot's is. */
const log = pino();
installRuntimeLog(pino({ level: 'error' }));
const settings = z
  .object({
    TEMPORAL_ADDRESS: z.string(),
    PLATFORM_BASE_URL: z.url(),
    PLATFORM_CLIENT_ID: z.string(),
    PLATFORM_CLIENT_SECRET: z.string(),
  })
  .parse(process.env);
const platform = createHttpPlatform({
  baseUrl: settings.PLATFORM_BASE_URL,
  clientId: settings.PLATFORM_CLIENT_ID,
  clientSecret: settings.PLATFORM_CLIENT_SECRET,
});
const silent = (): void => undefined;
const connection = await NativeConnection.connect({ address: settings.TEMPORAL_ADDRESS });
const worker = await Worker.create({
  connection,
  namespace: NAMESPACE,
  taskQueue: FLOOR_QUEUE,
  workflowBundle: await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./workflows.js', import.meta.url)),
    logger: { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent },
  }),
  activities: { ...createFloorActivities(platform) },
});
const running = worker.run();
process.once('SIGTERM', () => worker.shutdown());
log.info('floor.ready');
await running;
await connection.close();
await platform.close();
