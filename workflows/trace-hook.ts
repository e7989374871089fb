import type { CommandOutcomeNews } from '../domain/command-outcomes.js';

/** Who follows on whose behalf a session works. It must not change what the workflow does, nor when. */
export interface TraceHook {
  /** The message that is being handled is the cause of that name: a command, by its id, or a signal that ends the session. */
  heard(cause: string): void;
  /** Does work, all that follows from it included, on behalf of a cause. */
  because<Result>(cause: string, work: () => Result): Result;
  /** Commands have got their outcomes. */
  settled(outcomes: readonly CommandOutcomeNews[]): void;
}

/** Nobody, unless the bundle has `trace-interceptors.ts`. */
export let traces: TraceHook = {
  heard: () => undefined,
  because: (_cause, work) => work(),
  settled: () => undefined,
};

export function traceWith(hook: TraceHook): void {
  traces = hook;
}
