import { BARGE_MUTEX } from '../domain/channel.js';
import { sessionWorkflowId } from '../domain/identifiers.js';
import type { SessionState } from '../domain/session.js';
import { INTERACTION_SWEEP_ID } from '../domain/sweep.js';
import { TOKEN_KEEPER } from '../domain/token-keeper.js';
import { MONITORING_SESSION } from '../domain/workflow-contract.js';

/** A string literal of Temporal's list filters; nothing in the value can end it. */
export function literal(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** How Temporal says that a workflow is over. */
const CLOSED_STATUSES = "('Completed', 'Failed', 'Canceled', 'Terminated', 'ContinuedAsNew', 'TimedOut')";
/** What is over. */
export const CLOSED = `ExecutionStatus IN ${CLOSED_STATUSES}`;
/** Also what is paused, on a server that knows of that: it has not ended, and its leg is its own. */
export const OPEN = `ExecutionStatus NOT IN ${CLOSED_STATUSES}`;

/** The state that a session shows; one that no worker has taken up yet may show none. */
export function inState(state: SessionState): string {
  const shown = `SessionState = ${literal(state)}`;
  return state === 'PENDING' ? `(${shown} OR SessionState IS NULL)` : shown;
}

/**
 * The running sessions of one interaction, by workflow id, whose characters need no quoting: Temporal's SQL stores find no
 * value with a `"` or a `\` in it (measured, server 1.32). A session is found by it before its first task has shown anything.
 */
export function runningSessionsOfOne(interactionId: string): string {
  return [
    `WorkflowType = ${literal(MONITORING_SESSION)}`,
    OPEN,
    `WorkflowId STARTS_WITH ${literal(sessionWorkflowId(interactionId, ''))}`,
  ].join(' AND ');
}

/** The running sessions of several interactions. */
export function runningSessionsOf(interactionIds: readonly string[]): string {
  return [`WorkflowType = ${literal(MONITORING_SESSION)}`, OPEN, on(interactionIds)].join(' AND ');
}

/** Sessions and exclusive channels of several interactions, as far as they run. */
export function runningOn(interactionIds: readonly string[]): string {
  const types = [MONITORING_SESSION, BARGE_MUTEX].map(literal).join(', ');
  return [`WorkflowType IN (${types})`, OPEN, on(interactionIds)].join(' AND ');
}

function on(interactionIds: readonly string[]): string {
  return `InteractionId IN (${interactionIds.map(literal).join(', ')})`;
}

/** All running sessions. */
export function runningSessionsEverywhere(): string {
  return [`WorkflowType = ${literal(MONITORING_SESSION)}`, OPEN].join(' AND ');
}

/** The running sessions whose legs are active. */
export function runningSessionsHeard(): string {
  const states = (['SILENT', 'WHISPER', 'BARGE'] as const satisfies readonly SessionState[]).map(literal).join(', ');
  return [runningSessionsEverywhere(), `SessionState IN (${states})`].join(' AND ');
}

/** The running sessions that have these legs; a leg's id needs no quoting (`platform-api.md`, Everywhere). */
export function runningSessionsOfLegs(monitorSessionIds: readonly string[]): string {
  return [runningSessionsEverywhere(), `MonitorSessionId IN (${monitorSessionIds.map(literal).join(', ')})`].join(
    ' AND ',
  );
}

/** The running sessions that show this state. */
export function runningSessionsInState(state: SessionState): string {
  return [runningSessionsEverywhere(), inState(state)].join(' AND ');
}

/**
 * Sessions that closed since, and may have left a leg: terminated, failed or timed out in Temporal, or ended by themselves
 * without ever having been told of their leg.
 * @param since ISO 8601, by Temporal's clock
 */
export function closedSessionsSince(since: string): string {
  const died = ['Terminated', 'Failed', 'TimedOut'].map(literal).join(', ');
  const ended = ['Completed', 'Canceled'].map(literal).join(', ');
  return [
    `WorkflowType = ${literal(MONITORING_SESSION)}`,
    `CloseTime > ${literal(since)}`,
    `(ExecutionStatus IN (${died}) OR (ExecutionStatus IN (${ended}) AND MonitorSessionId IS NULL))`,
  ].join(' AND ');
}

/** The sweep, which shows by its memo how up to date lists are. */
export function sweepItself(): string {
  return [`WorkflowId = ${literal(INTERACTION_SWEEP_ID)}`, OPEN].join(' AND ');
}

/** One for each worker of a deployment. */
export function runningTokenKeepers(taskQueue: string): string {
  return [`WorkflowType = ${literal(TOKEN_KEEPER)}`, `TaskQueue = ${literal(taskQueue)}`, OPEN].join(' AND ');
}
