import { AWAIT_LIMIT_MS } from '../domain/commands.js';
import type { AwaitCommandInput } from '../domain/commands.js';
import { commandOutcome } from '../domain/session-report.js';
import type { CommandOutcome } from '../domain/session-report.js';
import { AWAIT_COMMAND_UPDATE } from '../domain/workflow-contract.js';
import type { Wait } from './prefer.js';
import type { Temporal } from './temporal-client.js';

/**
 * How much longer than the session waits its answer may take, ms. Temporal fires a timer up to a second late, and who
 * is given up before that is not told the command's place in line.
 */
const GRACE_MS = 2_000;

interface Awaited {
  readonly sessionId: string;
  /** The session's first run, where it is known: its successor under the same id knows nothing of the command. */
  readonly runId?: string | undefined;
  readonly commandId: string;
}

/**
 * Holds an answer until a command has its outcome, at most for the wait.
 *
 * @throws whatever keeps the outcome from coming: no worker, the session's end, the caller who has gone. None of it
 * concerns the command, which is durable by then.
 */
export async function awaitOutcome(
  temporal: Temporal,
  { sessionId, runId, commandId }: Awaited,
  { seconds, signal }: Wait,
): Promise<CommandOutcome> {
  const handle = temporal.client.workflow.getHandle(
    sessionId,
    undefined,
    runId === undefined ? {} : { firstExecutionRunId: runId },
  );
  const waitMs = Math.min(seconds * 1_000, AWAIT_LIMIT_MS);
  const answer = await temporal.call(
    () => handle.executeUpdate<unknown, [AwaitCommandInput]>(AWAIT_COMMAND_UPDATE, { args: [{ commandId, waitMs }] }),
    { limitMs: waitMs + GRACE_MS, signal },
  );
  return commandOutcome.parse(answer);
}
