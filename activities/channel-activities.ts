import { activityInfo, cancellationSignal, getClient, sleep } from '@temporalio/activity';
import { WithStartWorkflowOperation } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { Workflow } from '@temporalio/common';
import { forEachOfMany } from '../directory/a-few-at-a-time.js';
import { runningSessions } from '../directory/running-sessions.js';
import { signalled } from '../directory/tell-workflows.js';
import type { QueueNotice } from '../domain/barge-queue.js';
import {
  BARGE_MUTEX,
  channelAnswer,
  CHANNEL_BLOCKED,
  CHANNEL_EXPIRED,
  CHANNEL_GRANTED,
  CHANNEL_QUEUED,
  LOOK_AT_HOLDER,
  RELEASE_CHANNEL,
  REQUEST_CHANNEL,
} from '../domain/channel.js';
import type {
  BargeMutexInput,
  ChannelAnswer,
  ChannelBlocked,
  ChannelRelease,
  ChannelRequest,
} from '../domain/channel.js';
import { mutexWorkflowId } from '../domain/identifiers.js';
import { VISIBILITY_LAG_MS } from '../domain/lost-start.js';
import { isLiveLeg } from '../domain/leg-status.js';
import { isExclusive } from '../domain/session.js';
import { MONITOR_STATUS_SIGNAL } from '../domain/workflow-contract.js';
import type { Leg, TelephonyPlatform } from '../platform/telephony-platform.js';
import { answering } from './platform-failure.js';

const INTERACTION_ID = defineSearchAttributeKey('InteractionId', SearchAttributeType.KEYWORD);

/** How long an update may take before a signal follows it, ms: some ten times as long as it does. */
const UPDATE_LIMIT_MS = 300;

/** Updates of this worker to one mutex, and to all, at the same time; more would get in each other's way. */
const UPDATES_OF_ONE = 3;
const UPDATES_OF_ALL = 12;

const SIGNAL_OF_NOTICE = {
  granted: CHANNEL_GRANTED,
  queued: CHANNEL_QUEUED,
  expired: CHANNEL_EXPIRED,
} as const satisfies Record<QueueNotice['kind'], string>;

/**
 * Who speaks where one of our legs was granted the channel: another program's leg (`outside`); a leg of ours, whose
 * session has been asked to look at it (`ours`) or may yet turn up (`undecided`); or `nobody`, any more.
 */
export type Contender = 'outside' | 'ours' | 'undecided' | 'nobody';

/** Of what a mutex had to tell. */
export interface ToldSessions {
  /** The requests whose sessions have closed. */
  readonly gone: readonly string[];
  /** Those whose sessions could not be told. */
  readonly untold: readonly string[];
}

export interface ChannelActivities {
  /** Puts a session in line, and starts the mutex where there is none. `null`: the answer comes by signal. */
  requestChannel(interactionId: string, request: ChannelRequest): Promise<ChannelAnswer | null>;

  /** Takes a session out of the line, or gives the channel back. Where no mutex runs, nobody holds anything. */
  releaseChannel(interactionId: string, release: ChannelRelease): Promise<void>;

  /** Tells the mutex whether the platform keeps the channel from its holder. */
  reportBlocked(interactionId: string, blocked: ChannelBlocked): Promise<void>;

  /** Has the mutex look at its holder. */
  doubtHolder(interactionId: string): Promise<void>;

  /** Carries a mutex's notices to their sessions. Fails if not a single one could be told. */
  tellSessions(notices: readonly QueueNotice[]): Promise<ToldSessions>;

  /**
   * Finds out whose leg speaks. One of ours that no session has any more is stopped: the platform would keep the channel
   * locked for ever.
   */
  findContender(leg: Leg): Promise<Contender>;
}

/** @param idleMs how long a mutex outlives its last use, ms */
export function createChannelActivities(platform: TelephonyPlatform, idleMs: number): ChannelActivities {
  return {
    async requestChannel(interactionId, request) {
      const { workflow } = getClient();
      const mutex = {
        workflowId: mutexWorkflowId(interactionId),
        taskQueue: activityInfo().taskQueue,
        args: [{ interactionId, idleMs } satisfies BargeMutexInput],
        typedSearchAttributes: [{ key: INTERACTION_ID, value: interactionId }],
        staticSummary: 'The exclusive channel of an interaction: who may barge or whisper',
      };
      try {
        const startWorkflowOperation = new WithStartWorkflowOperation(BARGE_MUTEX, {
          ...mutex,
          workflowIdConflictPolicy: 'USE_EXISTING',
        });
        const answer = await updating(mutex.workflowId, () =>
          workflow.executeUpdateWithStart<Workflow, unknown, [ChannelRequest]>(REQUEST_CHANNEL, {
            args: [request],
            startWorkflowOperation,
          }),
        );
        return channelAnswer.parse(answer);
      } catch {
        await workflow.signalWithStart(BARGE_MUTEX, { ...mutex, signal: REQUEST_CHANNEL, signalArgs: [request] });
        return null;
      }
    },

    async releaseChannel(interactionId, release) {
      await signal(mutexWorkflowId(interactionId), RELEASE_CHANNEL, release);
    },

    async reportBlocked(interactionId, blocked) {
      await signal(mutexWorkflowId(interactionId), CHANNEL_BLOCKED, blocked);
    },

    async doubtHolder(interactionId) {
      await signal(mutexWorkflowId(interactionId), LOOK_AT_HOLDER, {});
    },

    async tellSessions(notices) {
      const gone: string[] = [];
      const untold: string[] = [];
      let failure: unknown;
      await forEachOfMany(notices, async ({ kind, sessionId, ...message }) => {
        try {
          if (!(await signal(sessionId, SIGNAL_OF_NOTICE[kind], message))) gone.push(message.requestId);
        } catch (error) {
          untold.push(message.requestId);
          failure = error;
        }
      });
      if (untold.length > 0 && untold.length === notices.length) throw failure;
      return { gone, untold };
    },

    async findContender(leg) {
      if ((await whoseLeg(leg)) === 'orphan') {
        // A session that has just come to its leg may not be listed yet.
        await sleep(VISIBILITY_LAG_MS);
      }
      const contender = await whoseLeg(leg);
      if (contender !== 'orphan') return contender;
      await answering(
        () => platform.stopMonitor(leg, { signal: cancellationSignal() }),
        () => undefined,
      );
      return 'nobody';
    },
  };

  async function whoseLeg({ interactionId, monitorSessionId }: Leg): Promise<Contender | 'orphan'> {
    const leg = await answering(
      async () => {
        const { monitors } = await platform.monitorState(interactionId, { signal: cancellationSignal() });
        return monitors.find((other) => other.monitorSessionId === monitorSessionId) ?? 'gone';
      },
      (fault) => (fault.kind === 'gone' ? 'gone' : undefined),
    );
    if (leg === 'gone' || !isLiveLeg(leg) || !isExclusive(leg.mode)) return 'nobody';
    if (leg.clientId !== platform.clientId) return 'outside';
    const sessions = await runningSessions(getClient(), interactionId);
    const owner = sessions.find((session) => session.monitorSessionId === monitorSessionId);
    if (owner !== undefined) {
      await signal(owner.sessionId, MONITOR_STATUS_SIGNAL, {});
      return 'ours';
    }
    return sessions.some(({ start }) => start !== 'resolved') ? 'undecided' : 'orphan';
  }
}

/** How many updates of this worker are under way, by workflow. */
const underWay = new Map<string, number>();

/**
 * Sends an update, if there is room for one: a workflow has ten at once, and each keeps a workflow task of ours open.
 * @throws Error where there is none, or no answer in time; then a signal will do.
 */
async function updating<Result>(workflowId: string, send: () => Promise<Result>): Promise<Result> {
  const before = underWay.get(workflowId) ?? 0;
  const total = [...underWay.values()].reduce((sum, count) => sum + count, 0);
  if (before >= UPDATES_OF_ONE || total >= UPDATES_OF_ALL) throw new Error('too many updates are under way');
  underWay.set(workflowId, before + 1);
  try {
    return await getClient().withDeadline(Date.now() + UPDATE_LIMIT_MS, send);
  } finally {
    const left = (underWay.get(workflowId) ?? 1) - 1;
    if (left === 0) underWay.delete(workflowId);
    else underWay.set(workflowId, left);
  }
}

/** Signals whatever runs under an id; false if nothing does. */
function signal(workflowId: string, name: string, message: unknown): Promise<boolean> {
  return signalled(getClient(), workflowId, name, message);
}
