import type { InteractionStatus } from './platform-wire.js';

/**
 * The activity that lists the platform's interactions for the API, which holds no platform credentials: run as a
 * standalone activity. Input {@link ListInteractionsInput}, result `interactionPage`.
 */
export const LIST_INTERACTIONS_ACTIVITY = 'listInteractions';

export interface ListInteractionsInput {
  readonly status: InteractionStatus;
  /** 1–500 (`platform-api.md`). */
  readonly pageSize: number;
  readonly cursor?: string;
}
