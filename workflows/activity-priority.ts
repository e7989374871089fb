import type { Priority } from '@temporalio/common';

/**
 * The order in which a worker whose slots are all taken takes up what waits for it (measured on server 1.32, which
 * keeps to it; others take them as they come). The same order as `platform/importance.ts` has for calls.
 */
export const PRIORITY = {
  release: { priorityKey: 1 },
  mode: { priorityKey: 2 },
  start: { priorityKey: 3 },
  confirm: { priorityKey: 4 },
  background: { priorityKey: 5 },
} as const satisfies Record<string, Priority>;
