import type { WorkflowSettings } from '../../activities/read-activities.js';
import type { CleanUp } from '../clean-up.js';

/** Seconds. Nobody may expire while waiting: a queue has to keep its size for as long as it is measured. */
export const WAIT_SECONDS = 600;

export const WORKFLOW_SETTINGS: WorkflowSettings = { confirmTimeoutSeconds: 60, bargeWaitSeconds: WAIT_SECONDS };

/** A worker runs until the clean-up; one that ends before takes the process down, as nothing would go on. */
export function runInBackground(worker: { run(): Promise<void>; shutdown(): void }, cleanUp: CleanUp): void {
  const running = worker.run();
  running.catch((error: unknown) => {
    process.stderr.write(`A worker failed: ${String(error)}\n`);
    process.exit(2);
  });
  cleanUp.add(async () => {
    worker.shutdown();
    await running;
  });
}
