import { defineSignal, defineUpdate, setDefaultSignalHandler, setHandler, workflowInfo } from '@temporalio/workflow';

/** A signal that a workflow takes. What comes with it is anybody's: the handler parses it before it believes it. */
export interface HandledSignal {
  readonly name: string;
  /** For Temporal's UI. */
  readonly description: string;
  readonly handle: (message: unknown) => void;
  /** Where the same message may come as an update too: the answer to that. */
  readonly answer?: (message: unknown) => unknown;
}

/** What arrives at a workflow. */
export interface Inbox {
  /**
   * Whether it is time to continue as new, as it was when the last message came. Not as it is: a local activity's result may
   * reach the workflow one task later than it does at replay (docs/decisions/0002-at-once-then-patiently.md), and what
   * follows from it must not depend on the task. A message is in the same task both times.
   */
  readonly isHistoryLong: boolean;
  /** How many messages this run has heard. */
  readonly messages: number;
  /** Of a message that does not come through {@link handleSignalsInOrder}. */
  heard(): void;
}

/**
 * Registers all the signal handlers of a workflow, so that signals of different names are handled in the order of their
 * arrival. Signals that were there before the handlers, as after a start or a continue-as-new, are handed out by name as
 * each handler is registered: a barge before the silent that came first. A default handler takes all of them, in order.
 */
export function handleSignalsInOrder(signals: readonly HandledSignal[]): Inbox {
  let isHistoryLong = false;
  let messages = 0;
  const heard = (): void => {
    messages += 1;
    isHistoryLong = workflowInfo().continueAsNewSuggested;
  };
  const taking =
    <Answer>(take: (message: unknown) => Answer) =>
    (message: unknown): Answer => {
      heard();
      return take(message);
    };
  const byName = new Map(signals.map(({ name, handle }) => [name, taking(handle)]));
  setDefaultSignalHandler((name, message) => byName.get(name)?.(message));
  for (const { name, description, handle, answer } of signals) {
    setHandler(defineSignal<[unknown?]>(name), taking(handle), { description });
    if (answer !== undefined) setHandler(defineUpdate<unknown, [unknown?]>(name), taking(answer), { description });
  }
  setDefaultSignalHandler(undefined);
  return {
    get isHistoryLong() {
      return isHistoryLong;
    },
    get messages() {
      return messages;
    },
    heard,
  };
}
