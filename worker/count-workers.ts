import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { runningTokenKeepers } from '../directory/list-filter.js';

/** A worker that comes or goes is noticed by the others within that time, ms. */
const COUNTED_EVERY_MS = 15_000;

/**
 * Tells, again and again, how many workers share the platform's rate limit: as many as have a `tokenKeeper`. What it returns
 * ends that.
 */
export function countWorkers(
  client: Client,
  taskQueue: string,
  tell: (count: number) => void,
  log: Logger,
): () => void {
  const count = async (): Promise<void> => {
    try {
      const { count: running } = await client.workflow.count(runningTokenKeepers(taskQueue));
      tell(Math.max(1, running));
    } catch (error) {
      log.warn({ err: error }, 'workers.not-counted');
    }
  };
  void count();
  const timer = setInterval(() => void count(), COUNTED_EVERY_MS);
  return () => clearInterval(timer);
}
