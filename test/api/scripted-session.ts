import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  makeContinueAsNewFunc,
  defineSignal,
  defineUpdate,
  setHandler,
  upsertMemo,
  upsertSearchAttributes,
  workflowInfo,
  proxyActivities,
} from '@temporalio/workflow';
import { ApplicationFailure, defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { AwaitCommandInput, CommandSignal, StartSessionInput } from '../../domain/commands.js';
import { commandAction, isFinal } from '../../domain/commands.js';
import { parseSessionWorkflowId } from '../../domain/identifiers.js';
import type { InteractionPage } from '../../domain/platform-wire.js';
import {
  applySessionEvent,
  findCommand,
  isLive,
  latestCommands,
  newSessionRecord,
  nextModeChange,
} from '../../domain/session-record.js';
import type { SessionEvent } from '../../domain/audit-entry.js';
import type { SessionRecord } from '../../domain/session-record.js';
import { COMMANDS_MEMO, SESSION_MEMO } from '../../domain/workflow-contract.js';
import type { CommandOutcome, SessionReport } from '../../domain/session-report.js';
import type { ListInteractionsInput } from '../../domain/interaction-list.js';

/**
 * A session without platform, legs and activities, which keeps the contract of `domain/workflow-contract.ts` and does
 * what its start's `reason` says, so that a test can hold it where it wants:
 * - `hold`: stays PENDING until the signal `go`.
 * - `slow-end`: on `stop`, stays in `ending` until the signal `go`.
 * - `stubborn`: mode changes stay without an outcome, but for what the signal `happens` says.
 * The signal `continue` makes it continue as new.
 */
export async function monitoringSession(input: StartSessionInput, carried?: SessionRecord): Promise<SessionReport> {
  const { workflowId, firstExecutionRunId, startTime } = workflowInfo();
  if (parseSessionWorkflowId(workflowId)?.interactionId !== input.interactionId) {
    throw ApplicationFailure.nonRetryable('wrong id', 'session.id.mismatch');
  }
  const at = (): string => new Date().toISOString();
  let record =
    carried ?? newSessionRecord(input, { sessionId: workflowId, runId: firstExecutionRunId }, startTime.toISOString());
  let go = false;
  let goOn = false;
  const apply = (event: SessionEvent): void => {
    record = applySessionEvent(record, event);
    upsertMemo({ [SESSION_MEMO]: record.session, [COMMANDS_MEMO]: latestCommands(record) });
    const key = defineSearchAttributeKey('SessionState', SearchAttributeType.KEYWORD);
    upsertSearchAttributes([{ key, value: record.session.state }]);
  };

  for (const action of commandAction.options) {
    setHandler(defineSignal<[CommandSignal]>(action), ({ commandId = 'none', actor, reason }) => {
      const known = findCommand(record, commandId) !== undefined;
      const by = { ...(actor === undefined ? {} : { actor }), ...(reason === undefined ? {} : { reason }) };
      apply({ type: 'command.accepted', at: at(), commandId, action, ...by });
      if (known || !isLive(record.session)) return;
      if (action === 'stop') {
        apply({ type: 'session.ending', at: at(), endReason: 'stopped', commandId });
      } else if (record.session.state !== 'PENDING') {
        changeModes();
      }
    });
  }
  setHandler(defineSignal('go'), () => {
    go = true;
  });
  setHandler(defineSignal<[SessionEvent]>('happens'), apply);
  setHandler(defineSignal('continue'), () => {
    goOn = true;
  });
  setHandler(defineQuery<SessionReport>('state'), report);
  setHandler(defineUpdate<CommandOutcome, [AwaitCommandInput]>('awaitCommand'), async ({ commandId, waitMs }) => {
    const known = () => findCommand(record, commandId);
    if (known() === undefined) throw ApplicationFailure.nonRetryable('no such command', 'command.not.found');
    await CancellationScope.nonCancellable(() => condition(() => isFinal(known()!.status), Math.max(1, waitMs)));
    return { command: known()!, session: record.session };
  });

  const ending = (): boolean => record.session.ending !== null;
  if (record.session.state === 'PENDING') {
    await condition(() => input.reason !== 'hold' || go || ending());
    if (!ending()) {
      apply({ type: 'leg.made', at: at(), monitorSessionId: 'ms-1', how: 'started' });
      apply({
        type: 'session.active',
        at: at(),
        mode: 'silent',
        bargeStatus: 'inactive',
        mediaServerGroupId: null,
        affinity: 'none',
      });
      changeModes();
    }
  }
  go = false;
  await condition(() => ending() || goOn);
  if (!ending()) {
    return makeContinueAsNewFunc<typeof monitoringSession>({ memo: { session: record.session } })(input, record);
  }
  if (input.reason === 'slow-end') await condition(() => go);
  apply({ type: 'session.ended', at: at(), leg: 'gone' });
  await condition(allHandlersFinished);
  return report();

  function changeModes(): void {
    if (input.reason === 'stubborn') return;
    for (let next = nextModeChange(record); next !== undefined; next = nextModeChange(record)) {
      const { commandId, action } = next;
      apply({ type: 'session.mode', at: at(), mode: action, bargeStatus: 'active' });
      apply({ type: 'command.settled', at: at(), commandId, status: 'applied' });
    }
  }

  function report(): SessionReport {
    return { session: record.session, commands: [...record.commands], history: [...record.history] };
  }
}

/** As `workflows/list-interactions.ts`. */
export async function listInteractions(input: ListInteractionsInput): Promise<InteractionPage> {
  const activities = proxyActivities<{ listInteractions: (input: ListInteractionsInput) => Promise<InteractionPage> }>({
    scheduleToCloseTimeout: '5s',
    retry: { maximumAttempts: 1 },
  });
  return activities.listInteractions(input);
}
