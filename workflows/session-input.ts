import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import type { z } from 'zod';
import { startSessionInput } from '../domain/commands.js';
import type { StartSessionInput } from '../domain/commands.js';
import type { WorkflowFailureType } from '../domain/errors.js';
import { describeFaults } from '../domain/input-faults.js';
import { sessionWorkflowId } from '../domain/identifiers.js';

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

/** @throws ApplicationFailure `invalid.request` with every fault in its message. */
export function parsed<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const type: WorkflowFailureType = 'invalid.request';
  throw ApplicationFailure.nonRetryable(describeFaults(result.error, 'input'), type);
}
