import { Worker } from '@temporalio/worker';
import type { BundleOptions } from '../../worker/workflow-bundle.js';
import { quietRuntime } from '../support/temporal.js';
import { testBundle } from '../support/workflow-bundle.js';
import { replayable } from './corpus.js';
import type { Recorded } from './corpus.js';

/** Of an error that may tell a whole history, characters. */
const LONGEST = 600;

/** A sink, which nobody listens to. */
const NOBODY = () => undefined;
const SINKS = { sessions: { announce: { fn: NOBODY }, told: { fn: NOBODY } } };

/** Replays recordings, as a worker does that takes sessions over; what is wrong with each, and what is to be done about it. */
export async function replayFaults(recordings: readonly Recorded[], bundle: BundleOptions = {}): Promise<string[]> {
  quietRuntime();
  const workflowBundle = await testBundle(bundle);
  const runs = recordings.flatMap((recorded) => recorded.runs.map((run) => ({ recorded, run })));
  const faults: string[] = [];
  const histories = runs.map(({ run }) => replayable(run));
  // One after the other, in this order: what tells two runs of one workflow apart is nothing but that.
  let at = 0;
  for await (const { error } of Worker.runReplayHistories({ workflowBundle, sinks: SINKS }, histories)) {
    const replayed = runs[at];
    at += 1;
    if (error !== undefined && replayed !== undefined) faults.push(explained(replayed.recorded, error));
  }
  if (at !== runs.length) faults.push(`Expected ${runs.length} runs to be replayed, got ${at}`);
  return faults;
}

function explained({ version, name, shows }: Recorded, error: Error): string {
  return [
    `${version}/${name} (“${shows}”) cannot be replayed any more: ${error.message.slice(0, LONGEST)}`,
    `Sessions that run while this is deployed have such histories; they would fail, and their supervisors hear silence.`,
    `Keep doing what they have done: if (patched('…')) the new way, else the old one (docs/upgrades.md).`,
    `Do not record ${version} anew: production has sessions of ${version}, whatever the file says.`,
  ].join('\n');
}
