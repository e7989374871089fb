import { defineSignal, defineUpdate, setDefaultSignalHandler, setHandler } from '@temporalio/workflow';

/** A signal that a workflow takes. What comes with it is anybody's: the handler parses it before it believes it. */
export interface HandledSignal {
  readonly name: string;
  /** For Temporal's UI. */
  readonly description: string;
  readonly handle: (message: unknown) => void;
  /** Where the same message may come as an update too: the answer to that. */
  readonly answer?: (message: unknown) => unknown;
}

/**
 * Registers all the signal handlers of a workflow, so that signals of different names are handled in the order of their
 * arrival. Signals that were there before the handlers, as after a start or a continue-as-new, are handed out by name as
 * each handler is registered: a barge before the silent that came first. A default handler takes all of them, in order.
 */
export function handleSignalsInOrder(signals: readonly HandledSignal[]): void {
  const byName = new Map(signals.map((signal) => [signal.name, signal.handle]));
  setDefaultSignalHandler((name, message) => byName.get(name)?.(message));
  for (const { name, description, handle, answer } of signals) {
    setHandler(defineSignal<[unknown?]>(name), handle, { description });
    if (answer !== undefined) setHandler(defineUpdate<unknown, [unknown?]>(name), answer, { description });
  }
  setDefaultSignalHandler(undefined);
}
