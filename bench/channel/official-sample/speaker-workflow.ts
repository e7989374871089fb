import {
  ApplicationFailure,
  condition,
  defineQuery,
  defineSignal,
  getExternalWorkflowHandle,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { LegActivities } from '../../../activities/leg-activities.js';
import type { MonitorMode } from '../../../domain/session.js';
import type { Leg } from '../../../platform/telephony-platform.js';
import { BARGE, IS_WAITING, LOCK_ACQUIRED, SILENT } from './messages.js';
import type { LockGrant } from './messages.js';
import type { LockActivities } from './request-lock.js';

const barge = defineSignal(BARGE);
const silent = defineSignal(SILENT);
const lockAcquired = defineSignal<[LockGrant]>(LOCK_ACQUIRED);
const isWaiting = defineQuery<boolean>(IS_WAITING);

const { requestLock, changeMode } = proxyActivities<LockActivities & Pick<LegActivities, 'changeMode'>>({
  startToCloseTimeout: '1 minute',
});

export interface SpeakerInput {
  readonly leg: Leg;
  readonly lockWorkflowId: string;
  /** How long the lock is lent at most, ms. */
  readonly lockTimeoutMs: number;
}

/**
 * The sample's caller, again and again: asks for the lock, does its work, gives the lock back. Its work is that of an
 * Earshot session, and as in the sample it is done by a regular activity.
 */
export async function speaker({ leg, lockWorkflowId, lockTimeoutMs }: SpeakerInput): Promise<void> {
  const commands: MonitorMode[] = [];
  let releaseSignalName = '';
  let hasAsked = false;
  setHandler(barge, () => void commands.push('barge'));
  setHandler(silent, () => void commands.push('silent'));
  setHandler(lockAcquired, (grant) => {
    releaseSignalName = grant.releaseSignalName;
  });
  setHandler(isWaiting, () => hasAsked && releaseSignalName === '');

  for (;;) {
    await condition(() => commands.length > 0);
    if (commands.shift() === 'barge') {
      await requestLock(lockWorkflowId, lockTimeoutMs, workflowInfo().taskQueue);
      hasAsked = true;
      await condition(() => releaseSignalName !== '');
      await putInto('barge', leg);
    } else {
      await putInto('silent', leg);
      await getExternalWorkflowHandle(lockWorkflowId).signal(releaseSignalName);
      releaseSignalName = '';
      hasAsked = false;
    }
  }
}

async function putInto(mode: MonitorMode, leg: Leg): Promise<void> {
  const { kind } = await changeMode(leg, mode, false);
  if (kind !== 'applied') throw ApplicationFailure.nonRetryable(`${mode}: expected "applied", got "${kind}"`);
}
