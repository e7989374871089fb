import { z } from 'zod';
import type { SessionHint } from '../domain/notifications.js';
import { parseHint } from './hints.js';
import type { HintListener, HintSink, HintSource } from './hints.js';
import { parseSamples } from './samples.js';

/**
 * Hints among the processes of one `npm start`, by way of the supervisor that is the parent of them all: it hands on what a
 * part sends with `to`.
 */
const relayed = z.object({
  type: z.literal('relay'),
  to: z.literal('api'),
  hint: z.unknown().optional(),
  samples: z.string().optional().catch(undefined),
});

/** Batches of samples that may be on their way to a supervisor that is slow to take them; the next are dropped. */
const BATCHES_UNTAKEN = 8;

/**
 * Tells the supervisor that has started this process, if one has. One that is gone, or too slow, costs nobody anything.
 * @param onTaken once it is on its way, or never will be
 */
export function tellSupervisor(message: object, onTaken: () => void = () => undefined): void {
  if (process.connected) process.send?.(message, undefined, undefined, onTaken);
  else onTaken();
}

/** For a worker; `undefined` where no supervisor has started it. */
export function hintsToSupervisor(): HintSink | undefined {
  if (process.send === undefined) return undefined;
  let untaken = 0;
  return {
    publish(hint: SessionHint) {
      tellSupervisor({ type: 'relay', to: 'api', hint });
    },
    publishSamples(samples) {
      if (untaken >= BATCHES_UNTAKEN) return;
      untaken += 1;
      tellSupervisor({ type: 'relay', to: 'api', spare: true, samples }, () => (untaken -= 1));
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
    const { hint: told, samples } = relayed.safeParse(message).data ?? {};
    const hint = parseHint(told);
    if (hint !== undefined) for (const listener of listeners) listener.hint(hint);
    const batch = samples === undefined ? undefined : parseSamples(samples);
    if (batch !== undefined) for (const listener of listeners) listener.samples(batch);
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
