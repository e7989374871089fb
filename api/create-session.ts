import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { Request, Response } from 'express';
import { sessionRequest, sessionRequestOfService, START_COMMAND_ID } from '../domain/commands.js';
import type { StartSessionInput } from '../domain/commands.js';
import { sessionWorkflowId } from '../domain/identifiers.js';
import { newSessionRecord } from '../domain/session-record.js';
import type { SessionSnapshot } from '../domain/session.js';
import { CREATION_MEMO, MONITORING_SESSION, SESSION_MEMO, START_MEMO } from '../domain/workflow-contract.js';
import type { Creation, StartProgress } from '../domain/workflow-contract.js';
import { awaitOutcome } from './await-outcome.js';
import { actorOf, callerOf, requireSelf, requireVoice } from './caller.js';
import { creationBy, idempotencyKeyOf, isSame, madeBy } from './idempotency.js';
import { preferenceApplied, waitOf } from './prefer.js';
import type { Wait } from './prefer.js';
import { Problem } from './problem.js';
import { contextOf } from './request-context.js';
import { noQuery } from './operations.js';
import { parseBody, parseQuery } from './request-input.js';
import type { Handler } from './routes.js';
import { sessionPath } from './session-path.js';
import type { SessionReader } from './session-reader.js';
import { toResource } from './session-view.js';
import { staticDetails, staticSummary } from './temporal-ui-text.js';
import type { Temporal } from './temporal-client.js';

const INTERACTION_ID = defineSearchAttributeKey('InteractionId', SearchAttributeType.KEYWORD);
const SUPERVISOR_ID = defineSearchAttributeKey('SupervisorId', SearchAttributeType.KEYWORD);
const SESSION_STATE = defineSearchAttributeKey('SessionState', SearchAttributeType.KEYWORD);

/** How often a session may end exactly between "there is one" and the look at it. */
const ATTEMPTS = 3;

interface StartedOrRunning {
  readonly session: SessionSnapshot;
  /** `false`: there was one already. */
  readonly created: boolean;
}

/**
 * `POST /v1/sessions`: one round trip to Temporal, two where a session runs already, one more with `Prefer: wait`; with an
 * `Idempotency-Key` one more, and a list where there was a session before.
 */
export function createSession(
  temporal: Temporal,
  reader: SessionReader,
  stopping: AbortSignal,
  onCreated: (session: SessionSnapshot) => void,
): Handler {
  return async (request: Request, response: Response) => {
    parseQuery(noQuery, request);
    const input = inputOf(request);
    const sessionId = sessionWorkflowId(input.interactionId, input.supervisorId);
    const context = contextOf(request);
    context.sessionId = sessionId;
    context.interactionId = input.interactionId;
    context.action = 'start';
    const caller = callerOf(request);
    requireSelf(caller, input.supervisorId);
    requireVoice(caller, input.mode ?? 'silent');

    const key = idempotencyKeyOf(request);
    const creation = key === undefined ? undefined : creationBy(key, input);
    const { session, created } = await startOrFind(temporal, reader, input, sessionId, creation);
    if (created) onCreated(session);
    const wait = waitOf(request, response, stopping);
    const later =
      session.state === 'PENDING' && wait.seconds > 0 ? await afterPending(temporal, reader, session, wait) : undefined;

    response.location(sessionPath(sessionId));
    if (later !== undefined) preferenceApplied(response, wait).status(200).json(toResource(later));
    else response.status(created ? 202 : 200).json(toResource(session));
  };
}

/** What is asked for, by whom. @throws {Problem} `invalid.request` */
function inputOf(request: Request): StartSessionInput {
  const caller = callerOf(request);
  const actor = actorOf(caller);
  if (caller.kind === 'service') return { ...parseBody(sessionRequestOfService, request), actor };
  const { supervisorId = caller.id, ...asked } = parseBody(sessionRequest, request);
  return { ...asked, supervisorId, actor };
}

/** Temporal lets one workflow run under an id: of any number of simultaneous starts, one creates (rule 2). */
async function startOrFind(
  temporal: Temporal,
  reader: SessionReader,
  input: StartSessionInput,
  sessionId: string,
  creation?: Creation,
): Promise<StartedOrRunning> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const before = creation && (await reader.current(sessionId));
    const made = creation && before && (await madeBy(creation, before, temporal));
    if (made !== undefined) return { session: made, created: false };
    // Where there was none, another start with the same key may come first, and be over before this one: then a second look
    // finds it. What was refused after that never was a session, and is in nobody's way.
    const isFirst = creation !== undefined && before === undefined && attempt === 1;
    const policy = isFirst ? 'REJECT_DUPLICATE' : 'ALLOW_DUPLICATE';
    const session = await start(temporal, input, sessionId, policy, creation);
    if (session !== undefined) return { session, created: true };

    const running = await reader.current(sessionId);
    if (running?.open !== true) continue;
    if (creation !== undefined && isSame(creation, running.creation))
      return { session: running.session, created: false };
    if (running.session.ending !== null || running.session.state === 'TERMINATED') {
      throw new Problem(
        'session.ending',
        'The previous session of this supervisor on this interaction is still stopping its leg; try again shortly.',
      );
    }
    return { session: running.session, created: false };
  }
  throw new Problem(
    'session.ending',
    'Sessions of this supervisor on this interaction come and go; try again shortly.',
  );
}

/** Starts the session's workflow; `undefined` if one runs already, or the policy does not allow another. */
async function start(
  temporal: Temporal,
  input: StartSessionInput,
  sessionId: string,
  workflowIdReusePolicy: 'ALLOW_DUPLICATE' | 'REJECT_DUPLICATE',
  creation?: Creation,
): Promise<SessionSnapshot | undefined> {
  // As the memo shows it until the workflow's first transition: the run has no id yet, readers fill it in.
  const { session } = newSessionRecord(input, { sessionId, runId: '' }, new Date().toISOString());
  try {
    const handle = await temporal.call(() =>
      temporal.client.workflow.start(MONITORING_SESSION, {
        workflowId: sessionId,
        taskQueue: temporal.taskQueue,
        args: [input],
        workflowIdReusePolicy,
        workflowIdConflictPolicy: 'FAIL',
        memo: {
          [SESSION_MEMO]: session,
          [START_MEMO]: 'unresolved' satisfies StartProgress,
          ...(creation === undefined ? {} : { [CREATION_MEMO]: creation }),
        },
        typedSearchAttributes: [
          { key: INTERACTION_ID, value: session.interactionId },
          { key: SUPERVISOR_ID, value: session.supervisorId },
          { key: SESSION_STATE, value: session.state },
        ],
        staticSummary: staticSummary(input),
        staticDetails: staticDetails(input),
      }),
    );
    return { ...session, runId: handle.firstExecutionRunId };
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return undefined;
    throw error;
  }
}

/** The session's first state after PENDING, if it comes within the wait. */
async function afterPending(
  temporal: Temporal,
  reader: SessionReader,
  { sessionId, runId }: SessionSnapshot,
  wait: Wait,
): Promise<SessionSnapshot | undefined> {
  let later: SessionSnapshot | undefined;
  try {
    later = (await awaitOutcome(temporal, { sessionId, runId, commandId: START_COMMAND_ID }, wait)).session;
  } catch {
    // Over before it could be asked, perhaps; whatever it was, the session itself is durable.
    if (wait.signal.aborted) return undefined;
    later = await reader.read(sessionId, runId).then(
      (read) => read.session,
      () => undefined,
    );
  }
  return later?.state === 'PENDING' ? undefined : later;
}
