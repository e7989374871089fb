import { setWorkflowOptions } from '@temporalio/workflow';
import * as workflows from './workflows.js';

/**
 * The same workflow types, each with what a worker's version means to it (docs/decisions/0021-worker-versioning.md): those that
 * end by themselves stay with the version that began them, those that stand as long as the deployment does go with it. A bundle
 * of its own, because Temporal refuses every task of a workflow that says so on a worker that has no version.
 */
export * from './workflows.js';

setWorkflowOptions({ versioningBehavior: 'PINNED' }, workflows.monitoringSession);
setWorkflowOptions({ versioningBehavior: 'PINNED' }, workflows.bargeMutex);
setWorkflowOptions({ versioningBehavior: 'PINNED' }, workflows.listInteractions);
setWorkflowOptions({ versioningBehavior: 'AUTO_UPGRADE' }, workflows.interactionSweep);
setWorkflowOptions({ versioningBehavior: 'AUTO_UPGRADE' }, workflows.platformEvents);
setWorkflowOptions({ versioningBehavior: 'AUTO_UPGRADE' }, workflows.tokenKeeper);
