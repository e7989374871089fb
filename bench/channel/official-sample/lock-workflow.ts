import {
  condition,
  continueAsNew,
  defineSignal,
  getExternalWorkflowHandle,
  setHandler,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import { LOCK_ACQUIRED, LOCK_REQUESTED } from './messages.js';
import type { LockGrant, LockRequest } from './messages.js';

const lockRequested = defineSignal<[LockRequest]>(LOCK_REQUESTED);
const lockAcquired = defineSignal<[LockGrant]>(LOCK_ACQUIRED);

/** Lends a lock to one workflow after another, by the steps of the official sample; its weak points are kept. */
export async function lockWorkflow(line: LockRequest[] = []): Promise<void> {
  setHandler(lockRequested, (request) => void line.push(request));
  while (!workflowInfo().continueAsNewSuggested) {
    await condition(() => line.length > 0);
    const first = line.shift();
    if (first !== undefined) await lend(first);
  }
  if (line.length > 0) await continueAsNew<typeof lockWorkflow>(line);
}

async function lend({ initiatorId, timeoutMs }: LockRequest): Promise<void> {
  const releaseSignalName = uuid4();
  await getExternalWorkflowHandle(initiatorId).signal(lockAcquired, { releaseSignalName });
  let isBack = false;
  setHandler(defineSignal(releaseSignalName), () => {
    isBack = true;
  });
  await condition(() => isBack, timeoutMs);
}
