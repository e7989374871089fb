/**
 * `npm run histories`: records what the version of `package.json` has not recorded yet, by real sessions on a real Temporal
 * server and the simulator, and writes the version's index. What has been recorded stays as it is (docs/upgrades.md).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, test } from '@jest/globals';
import { CHANNEL } from './channel-scenarios.js';
import { CORPUS, indexPage, keep, productVersion, recordingsOf } from './corpus.js';
import { replayFaults } from './replay-recordings.js';
import { BAD_DAYS, SESSIONS } from './session-scenarios.js';
import { openStage } from './stage.js';
import type { Scenario, Stage } from './stage.js';
import { STANDING } from './standing-scenarios.js';

const LIMIT_MS = 180_000;

const version = productVersion();
const known = new Set(recordingsOf(version).map(({ name }) => name));
const missing = [...SESSIONS, ...BAD_DAYS, ...CHANNEL, ...STANDING].filter(({ name }) => !known.has(name));

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});

afterAll(async () => {
  await stage[Symbol.asyncDispose]();
  mkdirSync(join(CORPUS, version), { recursive: true });
  const index = join(CORPUS, version, 'README.md');
  writeFileSync(index, indexPage(version, recordingsOf(version)));
  process.stderr.write(`${missing.length} recorded, ${known.size} there already: ${index}\n`);
});

if (missing.length === 0) test('nothing is missing', () => undefined);
for (const scenario of missing) test(scenario.name, () => record(scenario), LIMIT_MS);

async function record({ name, shows, play }: Scenario): Promise<void> {
  const recorded = { version, name, shows, runs: [...(await play(stage))] };
  // What cannot be replayed by the very code that made it says nothing of any other.
  const faults = await replayFaults([recorded]);
  if (faults.length > 0) throw new Error(faults.join('\n'));
  keep(recorded);
}
