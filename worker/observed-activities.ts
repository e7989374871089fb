import type { Activities } from '../activities/activities.js';
import type { WorkerMetrics } from './metrics.js';

/** The activities, with those counted that clean up behind sessions. */
export function observed(activities: Activities, metrics: WorkerMetrics): Activities {
  const counted = async <Result>(part: 'sweep' | 'round', work: Promise<Result>): Promise<Result> => {
    try {
      return await work;
    } catch (error) {
      metrics.cleaningFailed(part);
      throw error;
    }
  };
  return {
    ...activities,
    async sweepEnded(endedAfter) {
      const swept = await counted('sweep', activities.sweepEnded(endedAfter));
      metrics.swept(swept);
      return swept;
    },
    async reconcile(request) {
      const round = await counted('round', activities.reconcile(request));
      // Attempts that came to nothing count too: it is late all the same.
      metrics.compared(round, Math.max(0, Date.now() - request.round));
      return round;
    },
  };
}
