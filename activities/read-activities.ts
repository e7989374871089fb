import { cancellationSignal } from '@temporalio/activity';
import type { InteractionPage } from '../domain/platform-wire.js';
import type { ListInteractionsInput } from '../domain/interaction-list.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { answering } from './platform-failure.js';

/** The settings that sessions carry with them, read once at their start so that direct starters need not know them. */
export interface WorkflowSettings {
  /** Longest that a leg may take to become active, seconds (`CONFIRM_TIMEOUT_SECONDS`). */
  readonly confirmTimeoutSeconds: number;
  /** Longest that a barge or whisper waits for the exclusive channel, seconds (`BARGE_WAIT_SECONDS`). */
  readonly bargeWaitSeconds: number;
}

export interface ReadActivities {
  readSettings(): Promise<WorkflowSettings>;

  /** Does nothing: that it is done gives its workflow a task. */
  beginTask(): Promise<void>;

  /** One page of the platform's interactions, for the API, which holds no platform credentials. */
  listInteractions(input: ListInteractionsInput): Promise<InteractionPage>;
}

export function createReadActivities(platform: TelephonyPlatform, settings: WorkflowSettings): ReadActivities {
  return {
    readSettings: () => Promise.resolve(settings),

    beginTask: () => Promise.resolve(),

    listInteractions: ({ status, pageSize, cursor }) =>
      answering<InteractionPage, never>(
        () =>
          platform.listInteractions(
            { status, pageSize, ...(cursor === undefined ? {} : { cursor }) },
            // Somebody looks at a page and waits.
            { signal: cancellationSignal(), importance: 'confirm' },
          ),
        () => undefined,
      ),
  };
}
