import { z } from 'zod';
import { decodeIdPart, encodeIdPart } from './identifiers.js';

/** What the workflows that look after the workers' tokens are called, and what they say of them. */

/** One for each worker process. Workflow type. */
export const TOKEN_KEEPER = 'tokenKeeper';

/** The workflow id of the keeper of a worker's token. */
export function tokenKeeperId(workerId: string): string {
  return `token-keeper~${encodeIdPart(workerId)}`;
}

/** The worker that a keeper's workflow id names; its encoded form where that is malformed. */
export function workerOfKeeper(workflowId: string): string {
  const encoded = workflowId.slice(tokenKeeperId('').length);
  return decodeIdPart(encoded) ?? encoded;
}

/** The queue of one worker: what only that process can do. */
export function workerQueue(taskQueue: string, workerId: string): string {
  return `${taskQueue}-worker~${encodeIdPart(workerId)}`;
}

export const tokenKeeperInput = z.strictObject({
  /** Tells one worker process from all others, also from the one before it on the same machine. */
  workerId: z.string().min(1).max(200),
});
export type TokenKeeperInput = z.infer<typeof tokenKeeperInput>;

/** Memo of a keeper: {@link tokenHealth}. */
export const TOKEN_MEMO = 'token';

/** How a worker's token is; never the token. */
export const tokenHealth = z.object({
  /** `null`: it has none that is still good. */
  expiresAt: z.iso.datetime().nullable(),
  /** When the last one was got; `null`: never. */
  refreshedAt: z.iso.datetime().nullable(),
  /** Requests for a token that failed since. */
  failures: z.int().nonnegative(),
  /** Why the last one did; `null`: it did not. */
  trouble: z.string().nullable(),
});
export type TokenHealth = z.infer<typeof tokenHealth>;
