import { WorkflowNotFoundError } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import { LOOK_AT_HOLDER } from '../domain/channel.js';
import { isLive } from '../domain/session-record.js';
import { INTERACTION_ENDED_SIGNAL } from '../domain/workflow-contract.js';
import { forEachOfMany } from './a-few-at-a-time.js';
import type { Running, RunningSession } from './running-sessions.js';

/** Those who run, by what has to be known of them. */
export interface Tellable extends Pick<Running, 'mutexes'> {
  readonly sessions: readonly TellableSession[];
}
export type TellableSession = Pick<RunningSession, 'sessionId' | 'interactionId' | 'session'>;

/** A signal to a workflow. */
export interface Message {
  readonly workflowId: string;
  readonly signal: string;
  readonly payload: unknown;
}

/** Signals whatever runs under an id; false if nothing does. */
export async function signalled(
  client: Client,
  workflowId: string,
  signal: string,
  message: unknown,
): Promise<boolean> {
  try {
    await client.workflow.getHandle(workflowId).signal(signal, message);
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/** Sends signals, a few at a time; those whose workflows have closed meanwhile need none. */
export async function sendAll(client: Client, messages: readonly Message[]): Promise<void> {
  await forEachOfMany(messages, ({ workflowId, signal, payload }) => signalled(client, workflowId, signal, payload));
}

/**
 * What those who run have to hear of interactions that are over: sessions end, and a mutex looks whether its holder is gone.
 * @param reasonOf why an interaction is over; `undefined` for one that is not
 */
export function tidingsOfEnd(
  { sessions, mutexes }: Tellable,
  reasonOf: (interactionId: string) => string | undefined,
): Message[] {
  return [
    ...sessions.flatMap(({ sessionId, interactionId, session }) => {
      const reason = reasonOf(interactionId);
      if (reason === undefined || (session !== undefined && !isLive(session))) return [];
      return [{ workflowId: sessionId, signal: INTERACTION_ENDED_SIGNAL, payload: { actor: 'platform', reason } }];
    }),
    ...mutexes
      .filter(({ interactionId }) => reasonOf(interactionId) !== undefined)
      .map(({ workflowId }) => ({ workflowId, signal: LOOK_AT_HOLDER, payload: {} })),
  ];
}
