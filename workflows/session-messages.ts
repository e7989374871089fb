import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { AwaitCommandInput } from '../domain/commands.js';
import { AWAIT_COMMAND_UPDATE, STATE_QUERY } from '../domain/workflow-contract.js';
import type { CommandOutcome, SessionReport } from '../domain/session-report.js';

export const stateQuery = defineQuery<SessionReport>(STATE_QUERY);
export const awaitCommandUpdate = defineUpdate<CommandOutcome, [AwaitCommandInput]>(AWAIT_COMMAND_UPDATE);

/** The signals that callers send, as Temporal's UI describes them. */
export const COMMAND_SIGNALS = [
  { action: 'barge', description: 'Speak with agent and customer.' },
  { action: 'whisper', description: 'Speak with the agent alone.' },
  { action: 'silent', description: 'Listen only.' },
  { action: 'stop', description: 'End the session now, whatever it is doing.' },
] as const;
