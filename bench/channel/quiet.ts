import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { describeAll } from './channel-workflows.js';
import type { Channel } from './exclusive-channel.js';
import { until } from '../until.js';

const LOOK_EVERY_MS = 100;
const REST_MS = 100;

/**
 * Between two samples: `quiet`, until nothing is left to do, or `back to back`, as on a server where something is always
 * going on.
 */
export type Rest = 'quiet' | 'back to back';

/** Rests between two samples; where it is to be quiet, for `atLeastMs` and until it is. */
export async function rest(kind: Rest, client: Client, channel: Channel, atLeastMs: number): Promise<void> {
  if (kind === 'quiet') await untilQuiet(client, channel, atLeastMs);
}

/**
 * Waits that long at least, and until no workflow of the channel has a task to do, and nothing has happened to any of
 * them between two looks. An activity may go on: a watcher is one.
 */
export async function untilQuiet(client: Client, channel: Channel, atLeastMs: number): Promise<void> {
  await sleep(atLeastMs);
  let before: string | undefined;
  await until(`${channel.interactionId} is quiet`, LOOK_EVERY_MS, async () => {
    const workflows = await describeAll(client, channel);
    const isBusy = workflows.some((workflow) => Boolean(workflow?.raw.pendingWorkflowTask));
    const now = workflows.map((workflow) => `${workflow?.runId} ${workflow?.historyLength}`).join();
    const isQuiet = !isBusy && now === before;
    before = now;
    return isQuiet ? true : undefined;
  });
  // The looks themselves were work.
  await sleep(REST_MS);
}
