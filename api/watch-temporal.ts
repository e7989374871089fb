import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ReadinessProbe } from './health.js';

/** Time between two looks, ms. */
const INTERVAL_MS = 2_000;

/**
 * Says once when Temporal goes and once when it is back, for as long as the process runs.
 * @param lastFailure why the last call failed: a certificate, perhaps, that nobody here trusts
 */
export async function watchTemporal(
  probe: ReadinessProbe,
  log: Logger,
  address: string,
  stopping: AbortSignal,
  lastFailure: () => string | undefined = () => undefined,
): Promise<void> {
  const stop = new Promise<undefined>((resolve) => {
    stopping.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  let ready: boolean | undefined;
  while (!stopping.aborted) {
    const now = await Promise.race([probe.current(), stop]);
    if (now === undefined) return;
    if (now.temporal !== ready) {
      if (now.temporal) log.info({ address, workers: now.workers }, 'temporal.ready');
      else
        log.warn(
          { address },
          `temporal.away: Temporal at ${address} cannot be used yet; answering 503 until it can: ${now.reasons.join(' ')}${inBrackets(lastFailure())}`,
        );
    }
    ready = now.temporal;
    await sleep(INTERVAL_MS, undefined, { signal: stopping }).catch(() => undefined);
  }
}

function inBrackets(text: string | undefined): string {
  return text === undefined ? '' : ` (${text})`;
}
