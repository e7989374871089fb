import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { AwaitCommandInput, CommandSignal } from '../domain/commands.js';
import { AWAIT_COMMAND_UPDATE, INTERACTION_ENDED_SIGNAL, STATE_QUERY } from '../domain/workflow-contract.js';
import type { CommandOutcome, SessionReport } from '../domain/workflow-contract.js';

export const bargeSignal = defineSignal<[CommandSignal?]>('barge');
export const whisperSignal = defineSignal<[CommandSignal?]>('whisper');
export const silentSignal = defineSignal<[CommandSignal?]>('silent');
export const stopSignal = defineSignal<[CommandSignal?]>('stop');
export const interactionEndedSignal = defineSignal(INTERACTION_ENDED_SIGNAL);
export const stateQuery = defineQuery<SessionReport>(STATE_QUERY);
export const awaitCommandUpdate = defineUpdate<CommandOutcome, [AwaitCommandInput]>(AWAIT_COMMAND_UPDATE);

/** The commands that callers send, as Temporal's UI describes them. */
export const COMMAND_SIGNALS = [
  { signal: bargeSignal, action: 'barge', description: 'Speak with agent and customer.' },
  { signal: whisperSignal, action: 'whisper', description: 'Speak with the agent alone.' },
  { signal: silentSignal, action: 'silent', description: 'Listen only.' },
  { signal: stopSignal, action: 'stop', description: 'End the session now, whatever it is doing.' },
] as const;
