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

/** Of a workflow of which there is one. @throws ApplicationFailure `singleton.id.mismatch` */
export function requireWorkflowId(right: string): void {
  const { workflowId, workflowType } = workflowInfo();
  if (workflowId === right) return;
  const type: WorkflowFailureType = 'singleton.id.mismatch';
  throw ApplicationFailure.nonRetryable(
    `there is one ${workflowType}, which has the workflow id ${right}, not ${workflowId}`,
    type,
  );
}
