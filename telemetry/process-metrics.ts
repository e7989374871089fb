import { collectDefaultMetrics } from 'prom-client';
import type { Registry } from 'prom-client';

/** Bounds of histograms of what a person or a program waits for, seconds: from a call to Temporal to a `Prefer: wait=30`. */
export const ANSWER_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Bounds of histograms of what may have to wait for the platform, or for other people, seconds. */
export const PATIENCE_SECONDS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** Adds what every Node process can tell of itself, `process_*` and `nodejs_*`. Once a process. */
export function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
}
