import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import { startSessionInput } from '../domain/commands.js';
import type { StartSessionInput } from '../domain/commands.js';
import type { WorkflowFailureType } from '../domain/errors.js';
import { sessionWorkflowId } from '../domain/identifiers.js';
import { parsed } from './workflow-input.js';

/**
 * The input of a session, which is started under the one right id.
 * @throws ApplicationFailure `invalid.request`, `session.id.mismatch`
 */
export function parseInput(input: unknown): StartSessionInput {
  const valid = parsed(startSessionInput, input);
  const { workflowId } = workflowInfo();
  const right = sessionWorkflowId(valid.interactionId, valid.supervisorId);
  if (workflowId !== right) {
    const type: WorkflowFailureType = 'session.id.mismatch';
    throw ApplicationFailure.nonRetryable(
      `a session for this interaction and supervisor must be started as workflow id ${right}, not ${workflowId}`,
      type,
    );
  }
  return valid;
}
