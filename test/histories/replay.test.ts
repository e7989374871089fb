import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import {
  CHANNEL_BLOCKED,
  CHANNEL_EXPIRED,
  CHANNEL_GRANTED,
  CHANNEL_QUEUED,
  LOOK_AT_HOLDER,
  RELEASE_CHANNEL,
  REQUEST_CHANNEL,
} from '../../domain/channel.js';
import { commandAction } from '../../domain/commands.js';
import { SWEEP_NOW, SWEEP_SETTINGS } from '../../domain/sweep.js';
import {
  AWAIT_COMMAND_UPDATE,
  INTERACTION_ENDED_SIGNAL,
  MEDIA_QUALITY_SIGNAL,
  MONITOR_STATUS_SIGNAL,
} from '../../domain/workflow-contract.js';
import * as workflows from '../../workflows/workflows.js';
import { tableRows } from '../support/markdown.js';
import { contentsOf, CORPUS, indexRow, recordedVersions, recordingsOf } from './corpus.js';
import { replayFaults } from './replay-recordings.js';

/**
 * What no recording can be without. Whoever adds an activity, or a message, records a history that has it (docs/upgrades.md):
 * sessions that run at the next release will.
 */
const BY_THE_TASK_QUEUE = [
  ...['changeMode', 'claimLeg', 'confirmChannelFree', 'confirmLeg', 'findContender', 'followEvents', 'keepToken'],
  ...['listInteractions', 'listOurLegs', 'observeLeg', 'reconcile', 'releaseChannel', 'requestChannel', 'startLeg'],
  ...['stopLeg', 'sweepEnded', 'tellSessions', 'watchHolder', 'beginTask'],
];
const AT_ONCE = [
  ...['changeMode', 'doubtHolder', 'lookAtHolder', 'observeLeg', 'readSettings', 'releaseChannel', 'reportBlocked'],
  ...['requestChannel', 'stopLeg', 'tellSessions'],
];
const SIGNALS = [
  ...[...commandAction.options, INTERACTION_ENDED_SIGNAL, MONITOR_STATUS_SIGNAL, MEDIA_QUALITY_SIGNAL],
  ...[CHANNEL_GRANTED, CHANNEL_QUEUED, CHANNEL_EXPIRED],
  ...[REQUEST_CHANNEL, RELEASE_CHANNEL, CHANNEL_BLOCKED, LOOK_AT_HOLDER, SWEEP_NOW, SWEEP_SETTINGS],
];
const UPDATES = [AWAIT_COMMAND_UPDATE, REQUEST_CHANNEL, RELEASE_CHANNEL, CHANNEL_GRANTED];
const ENDS = ['completed', 'failed', 'cancelled', 'terminated', 'continued-as-new'];

const versions = recordedVersions();
const recordings = versions.flatMap((version) => recordingsOf(version));

// The two of the four bundles that differ most.
test.each([
  ['by the workflows of today', {}],
  ['as well with versions and traces', { isVersioned: true, isTraced: true }],
])('every history that a version has recorded is replayed %s', async (_, bundle) => {
  expect(recordings.length).toBeGreaterThan(0);
  const faults = await replayFaults(recordings, bundle);
  if (faults.length > 0) throw new Error(faults.join('\n\n'));
});

test.each(versions)('the index of %s tells what its recordings are', (version) => {
  const page = readFileSync(join(CORPUS, version, 'README.md'), 'utf8');
  expect(tableRows(page, 'name')).toEqual(recordingsOf(version).map(indexRow));
});

test('there is a history of every workflow, activity, message and end', () => {
  const contents = recordings.flatMap(({ runs }) => runs.map(contentsOf));
  const all = (part: (one: (typeof contents)[number]) => Iterable<string>) =>
    new Set(contents.flatMap((one) => [...part(one)]));
  expect({
    types: Object.keys(workflows).filter((type) => !all(({ type: name }) => [name]).has(type)),
    byTheTaskQueue: BY_THE_TASK_QUEUE.filter((name) => !all(({ activities }) => activities).has(name)),
    atOnce: AT_ONCE.filter((name) => !all(({ localActivities }) => localActivities).has(name)),
    signals: SIGNALS.filter((name) => !all(({ signals }) => signals).has(name)),
    updates: UPDATES.filter((name) => !all(({ updates }) => updates).has(name)),
    ends: ENDS.filter((name) => !all(({ end }) => [end]).has(name)),
  }).toEqual({ types: [], byTheTaskQueue: [], atOnce: [], signals: [], updates: [], ends: [] });
});

test('no history holds a secret, nor the names of a machine', () => {
  for (const { name, runs } of recordings) {
    const text = JSON.stringify(runs, (_, value: unknown) =>
      typeof value === 'string' && /^[A-Za-z0-9+/]{16,}=*$/.test(value)
        ? Buffer.from(value, 'base64').toString()
        : value,
    );
    expect({ name, found: /dev-secret|Bearer |access_token|whsec_|"identity"/.exec(text)?.[0] }).toEqual({
      name,
      found: undefined,
    });
  }
});
