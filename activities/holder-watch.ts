import { cancelled, getClient, sleep } from '@temporalio/activity';
import { openRunOf } from '../directory/running-sessions.js';
import { MONITOR_STATUS_SIGNAL } from '../domain/workflow-contract.js';
import { whileBeating } from './heartbeats.js';

/** The session whose turn it is, as the mutex knows it. */
export interface WatchedHolder {
  readonly sessionId: string;
  /** The first run of its chain. */
  readonly runId: string;
  /** The run that is known to know of its grant. */
  readonly currentRunId: string;
}

/** What became of a holder: its chain of runs is over, or it goes on in a run that may not know of the grant. */
export type HolderState =
  | { readonly kind: 'running' }
  | { readonly kind: 'closed' }
  | { readonly kind: 'continued'; readonly currentRunId: string };

export interface HolderActivities {
  /** Looks once; a session that runs is asked to look at its leg in turn. */
  lookAtHolder(holder: WatchedHolder): Promise<HolderState>;
}

/** For the queue of watchers only: such an activity lasts as long as somebody waits. */
export interface WatchActivities {
  /** Returns as soon as a holder is no longer in the run in which it is known. */
  watchHolder(holder: WatchedHolder): Promise<Exclude<HolderState, { kind: 'running' }>>;
}

/** Before the next look where the wait for the end of a run has failed, ms. */
const PAUSE_MS = 500;

/** `HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT` of Temporal's API. */
const CLOSE_EVENT = 2;

export function createHolderActivities(): HolderActivities {
  return {
    async lookAtHolder(holder) {
      const state = await stateOf(holder);
      if (state.kind === 'running')
        await getClient().workflow.getHandle(holder.sessionId).signal(MONITOR_STATUS_SIGNAL);
      return state;
    },
  };
}

export function createWatchActivities(): WatchActivities {
  return {
    watchHolder: (holder) =>
      whileBeating(async () => {
        for (;;) {
          const state = await stateOf(holder);
          if (state.kind !== 'running') return state;
          await Promise.race([runCloses(holder), cancelled()]);
        }
      }),
  };
}

async function stateOf(holder: WatchedHolder): Promise<HolderState> {
  const openRunId = await openRunOf(getClient(), holder);
  if (openRunId === undefined) return { kind: 'closed' };
  return openRunId === holder.currentRunId ? { kind: 'running' } : { kind: 'continued', currentRunId: openRunId };
}

/**
 * Resolves when the run closes, or after a while (Temporal ends a long poll after some 20 s), also when the call fails.
 * Not a wait for its result: that of a run that was reset is a failure although the session goes on.
 */
async function runCloses({ sessionId, currentRunId }: WatchedHolder): Promise<void> {
  const client = getClient();
  try {
    await client.workflowService.getWorkflowExecutionHistory({
      namespace: client.options.namespace,
      execution: { workflowId: sessionId, runId: currentRunId },
      waitNewEvent: true,
      historyEventFilterType: CLOSE_EVENT,
    });
  } catch {
    // Whatever it was, the next look tells; but not without a pause.
    await sleep(PAUSE_MS);
  }
}
