import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { SearchAttributePair } from '@temporalio/common';
import { setCurrentDetails, upsertMemo, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { CommandResource } from '../domain/commands.js';
import { latestCommands } from '../domain/session-record.js';
import type { SessionRecord } from '../domain/session-record.js';
import { sessionSnapshot } from '../domain/session.js';
import { COMMANDS_MEMO, commandsMemo, SESSION_MEMO, START_MEMO, startProgress } from '../domain/workflow-contract.js';
import type { StartProgress } from '../domain/workflow-contract.js';
import { describeSession } from './session-details.js';

const INTERACTION_ID = defineSearchAttributeKey('InteractionId', SearchAttributeType.KEYWORD);
const SUPERVISOR_ID = defineSearchAttributeKey('SupervisorId', SearchAttributeType.KEYWORD);
const SESSION_STATE = defineSearchAttributeKey('SessionState', SearchAttributeType.KEYWORD);
const MONITOR_SESSION_ID = defineSearchAttributeKey('MonitorSessionId', SearchAttributeType.KEYWORD);

/**
 * Shows a session to the outside: the memo (REST reads it without a worker), search attributes (lists and filters) and
 * the current details of Temporal's UI. Every call writes what differs from what is shown already and nothing else: each
 * write is an event of the history.
 */
export class SessionMirror {
  readonly #shown = new Map<string, string | undefined>();
  #memo: string | undefined;

  constructor() {
    // What the starter or the run before this one wrote.
    const { memo, typedSearchAttributes } = workflowInfo();
    for (const key of [INTERACTION_ID, SUPERVISOR_ID, SESSION_STATE, MONITOR_SESSION_ID]) {
      this.#shown.set(key.name, typedSearchAttributes.get(key));
    }
    this.#memo = essence(
      sessionSnapshot.safeParse(memo?.[SESSION_MEMO]).data?.version,
      startProgress.safeParse(memo?.[START_MEMO]).data,
      commandsMemo.safeParse(memo?.[COMMANDS_MEMO]).data ?? [],
    );
  }

  /**
   * What a successor begins with: it would begin with the memo that the first run was given, and has only this if it is given
   * one. What a direct starter has noted there is kept as it is.
   */
  static successorMemo(record: SessionRecord, start: StartProgress): Record<string, unknown> {
    return { ...workflowInfo().memo, ...SessionMirror.#memoOf(record, start) };
  }

  static #memoOf(record: SessionRecord, start: StartProgress): Record<string, unknown> {
    return { [SESSION_MEMO]: record.session, [START_MEMO]: start, [COMMANDS_MEMO]: latestCommands(record) };
  }

  show(record: SessionRecord, start: StartProgress): void {
    const { session } = record;
    const memo = essence(session.version, start, latestCommands(record));
    if (this.#memo !== memo) {
      upsertMemo(SessionMirror.#memoOf(record, start));
      this.#memo = memo;
    }

    const changes: SearchAttributePair[] = [];
    const keep = (key: typeof SESSION_STATE, value: string): void => {
      if (this.#shown.get(key.name) === value) return;
      this.#shown.set(key.name, value);
      changes.push({ key, value });
    };
    keep(INTERACTION_ID, session.interactionId);
    keep(SUPERVISOR_ID, session.supervisorId);
    keep(SESSION_STATE, session.state);
    if (session.monitorSessionId !== null) keep(MONITOR_SESSION_ID, session.monitorSessionId);
    if (changes.length > 0) upsertSearchAttributes(changes);

    setCurrentDetails(describeSession(record));
  }
}

/** What makes one memo differ from another. */
function essence(version: number | undefined, start: StartProgress | undefined, commands: CommandResource[]): string {
  return JSON.stringify([version, start, commands]);
}
