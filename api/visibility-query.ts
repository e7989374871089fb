import { CLOSED, inState, literal, OPEN } from '../directory/list-filter.js';
import { sessionWorkflowId } from '../domain/identifiers.js';
import type { SessionState } from '../domain/session.js';
import { MONITORING_SESSION } from '../domain/workflow-contract.js';

/** Which sessions a list is to show. */
export interface SessionFilter {
  readonly interactionId?: string | undefined;
  readonly supervisorId?: string | undefined;
  readonly state?: SessionState | undefined;
}

/**
 * Temporal's list filter for sessions. A run that continued as new is no session of its own, its successor is. Ids are
 * looked up by workflow id where possible: its characters need no quoting, and Temporal's SQL stores find no value with
 * a `"` or a `\` in it (measured, server 1.32).
 */
export function sessionQuery({ interactionId, supervisorId, state }: SessionFilter): string {
  const conditions = [`WorkflowType = ${literal(MONITORING_SESSION)}`, "ExecutionStatus != 'ContinuedAsNew'"];
  if (interactionId !== undefined && supervisorId !== undefined) {
    conditions.push(`WorkflowId = ${literal(sessionWorkflowId(interactionId, supervisorId))}`);
  } else if (interactionId !== undefined) {
    conditions.push(`WorkflowId STARTS_WITH ${literal(sessionWorkflowId(interactionId, ''))}`);
  } else if (supervisorId !== undefined) {
    conditions.push(`SupervisorId = ${literal(supervisorId)}`);
  }
  if (state === 'TERMINATED') conditions.push(CLOSED);
  else if (state !== undefined) conditions.push(OPEN, inState(state));
  return conditions.join(' AND ');
}
