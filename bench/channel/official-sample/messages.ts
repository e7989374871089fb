/** The workflow that lends the lock. */
export const LOCK_WORKFLOW = 'lockWorkflow';

/** Caller → lock: put me in line. */
export const LOCK_REQUESTED = 'lock-requested';

export interface LockRequest {
  /** The workflow that asks. */
  readonly initiatorId: string;
  /** The lock is taken back after that time, ms. */
  readonly timeoutMs: number;
}

/** Lock → caller: it is yours. */
export const LOCK_ACQUIRED = 'lock-acquired';

export interface LockGrant {
  /** The signal that gives the lock back; another one with each grant. */
  readonly releaseSignalName: string;
}

/** The workflow of one supervisor, and what a client asks of it. */
export const SPEAKER_WORKFLOW = 'speaker';
export const BARGE = 'barge';
export const SILENT = 'silent';
/** Query: whether the lock has been asked for and not been given yet. */
export const IS_WAITING = 'is-waiting';
