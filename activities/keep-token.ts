import { sleep } from '@temporalio/activity';
import type { TokenHealth } from '../domain/token-keeper.js';
import type { TokenReport } from '../platform/token-source.js';
import { whileBeating } from './heartbeats.js';
import { stopIfTold } from './worker-stopping.js';

/** How often a token is looked at that is not due yet, ms: calls that were refused may have replaced it. */
const LOOK_EVERY_MS = 5_000;

/** News is told at least this far apart, ms, but for the first trouble: each costs a dozen events. */
const TELL_EVERY_MS = 5_000;

/** For the queue of one worker only. */
export interface TokenActivities {
  /**
   * Keeps this worker's token fresh, and resolves as soon as there is something else to tell of it than what is shown.
   * Fails with the non-retryable `worker.stopping` when its worker ends.
   */
  keepToken(shown: TokenHealth | null): Promise<TokenHealth>;
}

/** @param keep replaces the token if it is due, and says how it is */
export function createTokenActivities(keep: () => Promise<TokenReport>): TokenActivities {
  return {
    keepToken: (shown) =>
      whileBeating(async () => {
        const tellAtMs = performance.now() + TELL_EVERY_MS;
        for (;;) {
          const { dueInMs, ...health } = await keep();
          const isNews = health.refreshedAt !== shown?.refreshedAt || health.failures !== shown.failures;
          const isFirstTrouble = health.failures > 0 && shown?.failures === 0;
          const mayTell = shown === null || isFirstTrouble || performance.now() >= tellAtMs;
          if (isNews && mayTell) return health;
          await sleep(Math.max(1, Math.min(dueInMs + 1, LOOK_EVERY_MS))).catch((error: unknown) => {
            stopIfTold({ nonRetryable: true });
            throw error;
          });
        }
      }),
  };
}
