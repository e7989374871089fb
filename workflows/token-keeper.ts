import {
  ActivityCancellationType,
  defineQuery,
  makeContinueAsNewFunc,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import type { TokenActivities } from '../activities/keep-token.js';
import { TOKEN_MEMO, tokenKeeperId, tokenKeeperInput, workerQueue } from '../domain/token-keeper.js';
import type { TokenHealth, TokenKeeperInput } from '../domain/token-keeper.js';
import { STATE_QUERY } from '../domain/workflow-contract.js';
import { isActivityFailure, timeoutOf } from './activity-failures.js';
import { code } from './session-details.js';
import { parsed, requireWorkflowId } from './workflow-input.js';

const healthQuery = defineQuery<TokenHealth | null>(STATE_QUERY);

/**
 * Keeps the token of one worker, which is in that worker's memory only, by an activity on that worker's own queue that lasts
 * until there is something to show: some ten events each time that a token is replaced. Ends when its worker has: half
 * a minute after it was killed, at once where it was told to stop.
 *
 * @throws ApplicationFailure `invalid.request`, `singleton.id.mismatch`
 */
export async function tokenKeeper(input: TokenKeeperInput, before: TokenHealth | null = null): Promise<void> {
  const { workerId } = parsed(tokenKeeperInput, input);
  requireWorkflowId(
    tokenKeeperId(workerId),
    'singleton.id.mismatch',
    'the tokenKeeper of this worker has the workflow id',
  );
  let shown = before;
  setHandler(healthQuery, () => shown, { description: 'How the worker’s token is; never the token.' });
  const { keepToken } = proxyActivities<TokenActivities>({
    taskQueue: workerQueue(workflowInfo().taskQueue, workerId),
    // No token is believed to live longer than a day.
    startToCloseTimeout: '25 hours',
    scheduleToStartTimeout: '15s',
    heartbeatTimeout: '12s',
    retry: { maximumAttempts: 1 },
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    summary: 'keep the token of this worker fresh',
  });
  for (let isSilent = false; ;) {
    try {
      shown = await keepToken(shown);
      isSilent = false;
    } catch (error) {
      if (!isActivityFailure(error)) throw error;
      const timeout = timeoutOf(error);
      // A worker that was frozen takes it up again; one that is gone does not.
      if (isSilent || timeout === undefined || timeout === 'SCHEDULE_TO_START') return;
      isSilent = true;
      continue;
    }
    upsertMemo({ [TOKEN_MEMO]: shown });
    setCurrentDetails(describeToken(workerId, shown));
    if (workflowInfo().continueAsNewSuggested) {
      const successor = makeContinueAsNewFunc<typeof tokenKeeper>({ memo: { [TOKEN_MEMO]: shown } });
      await successor({ workerId }, shown);
    }
  }
}

function describeToken(workerId: string, { expiresAt, refreshedAt, failures, trouble }: TokenHealth): string {
  const facts = [
    `Worker ${code(workerId)}`,
    expiresAt === null ? '**It has no valid token**' : `Its token expires at ${expiresAt}`,
    refreshedAt === null ? 'It has never got one' : `Got at ${refreshedAt}`,
  ];
  if (trouble !== null) facts.push(`**The last ${failures} requests for another one failed**: ${trouble}`);
  return facts.map((fact) => `${fact}  `).join('\n');
}
