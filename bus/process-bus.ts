import { z } from 'zod';
import type { SessionHint } from '../domain/notifications.js';
import { parseHint } from './hints.js';
import type { HintListener, HintSink, HintSource } from './hints.js';

/**
 * Hints among the processes of one `npm start`, by way of the supervisor that is the parent of them all: it hands on what a
 * part sends with `to`.
 */
const relayed = z.object({ type: z.literal('relay'), to: z.literal('api'), hint: z.unknown() });

/** Tells the supervisor that has started this process, if one has. One that is gone, or too slow, costs nobody anything. */
export function tellSupervisor(message: object): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** For a worker; `undefined` where no supervisor has started it. */
export function hintsToSupervisor(): HintSink | undefined {
  if (process.send === undefined) return undefined;
  return {
    publish(hint: SessionHint) {
      tellSupervisor({ type: 'relay', to: 'api', hint });
    },
    close: () => Promise.resolve(),
  };
}

/** For an API; `undefined` likewise. */
export function hintsFromSupervisor(): HintSource | undefined {
  if (process.send === undefined) return undefined;
  const listeners = new Set<HintListener>();
  // From the first: without anybody who takes them Node keeps all messages, for whoever comes.
  process.on('message', (message) => {
    if (listeners.size === 0) return;
    const hint = parseHint(relayed.safeParse(message).data?.hint);
    if (hint !== undefined) for (const listener of listeners) listener.hint(hint);
  });
  return {
    get isUp() {
      return process.connected;
    },
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
