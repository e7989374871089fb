import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import type { z } from 'zod';
import type { WorkflowFailureType } from '../domain/errors.js';
import { describeFaults } from '../domain/input-faults.js';

/** @throws ApplicationFailure `invalid.request` with every fault in its message. */
export function parsed<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw refusal(describeFaults(result.error, 'input'), 'invalid.request');
}

type IdMismatch = Extract<WorkflowFailureType, `${string}.id.mismatch`>;

/**
 * Sees to it that this workflow has the one right id.
 * @param rule what the id should be, as a sentence that the right one ends
 * @throws ApplicationFailure of that type
 */
export function requireWorkflowId(right: string, type: IdMismatch, rule: string): void {
  const { workflowId } = workflowInfo();
  if (workflowId !== right) throw refusal(`${rule} ${right}, not ${workflowId}`, type);
}

/** Told to whoever started it, who has no use for the worker's own files and lines. */
function refusal(message: string, type: WorkflowFailureType): ApplicationFailure {
  const failure = ApplicationFailure.nonRetryable(message, type);
  delete failure.stack;
  return failure;
}
