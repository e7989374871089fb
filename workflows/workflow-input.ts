import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import type { z } from 'zod';
import type { WorkflowFailureType } from '../domain/errors.js';
import { describeFaults } from '../domain/input-faults.js';

/** @throws ApplicationFailure `invalid.request` with every fault in its message. */
export function parsed<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const type: WorkflowFailureType = 'invalid.request';
  throw ApplicationFailure.nonRetryable(describeFaults(result.error, 'input'), type);
}

type IdMismatch = Extract<WorkflowFailureType, `${string}.id.mismatch`>;

/**
 * Sees to it that this workflow has the one right id.
 * @param rule what the id should be, as a sentence that the right one ends
 * @throws ApplicationFailure of that type
 */
export function requireWorkflowId(right: string, type: IdMismatch, rule: string): void {
  const { workflowId } = workflowInfo();
  if (workflowId !== right) throw ApplicationFailure.nonRetryable(`${rule} ${right}, not ${workflowId}`, type);
}
