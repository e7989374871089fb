import { heartbeat } from '@temporalio/activity';

/** Well within the shortest heartbeat timeout of those that use it (`workflows/{channel,sweep}-activities.ts`), ms. */
const HEARTBEAT_MS = 3_000;

/**
 * Shows that this worker is alive for as long as the work lasts, which is also how it hears that nobody wants it any more.
 * @param progress what another attempt goes on with
 */
export async function whileBeating<T>(work: () => Promise<T>, progress: () => unknown = () => undefined): Promise<T> {
  const alive = setInterval(() => heartbeat(progress()), HEARTBEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(alive);
  }
}
