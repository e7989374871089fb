/**
 * The exclusive channel against everything that can go wrong with it, all at once: random supervisors on a random call
 * who barge, whisper, fall silent, stop, die and come back, with a real Temporal that resets sessions and takes their worker
 * away, and a platform that loses, delays and refuses. What must hold afterwards (`design.md`, rules 1, 3, 4, 6 and 10) is
 * asserted on what the platform's ledger and Temporal's histories say.
 *
 * A handful of scenarios is part of `npm test`; `npm run faults` plays 200. Which ones is random; a failure prints the
 * settings that play them again, see `run-settings.ts`. They run in real time, so the same scenario need not fail
 * twice: `EARSHOT_FAULT_TIMELINE=on` has the first failure tell all that happened.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { testBundle } from '../support/workflow-bundle.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionWorld } from '../support/session-world.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { comeToRest, letNewcomerSpeak, stopAll } from './at-rest.js';
import { Call } from './call.js';
import { orderFaults } from './check-order.js';
import { outcomeFaults } from './check-outcomes.js';
import { platformFaults } from './check-platform.js';
import { replayFaults } from './check-replay.js';
import { evidenceOf } from './evidence.js';
import type { Evidence } from './evidence.js';
import { readRunSettings } from './run-settings.js';
import { anyBatch } from './scenario.js';
import type { Batch, Scenario } from './scenario.js';
import { Tally } from './tally.js';
import { timelineOf } from './timeline.js';

const { runs, atOnce, seed, path, timeline } = readRunSettings();
const batches = Math.ceil(runs / atOnce);

/** No batch takes longer, ms. */
const BATCH_LIMIT_MS = 150_000;

const tally = new Tally();
const workflowBundle = testBundle();
let temporal: TestTemporal;
let world: SessionWorld;

beforeAll(async () => {
  // A history counts as long after 100 events, so that mutexes and sessions continue as new in the midst of it all.
  temporal = await startTemporal({ 'limit.historyCount.suggestContinueAsNew': 100 });
  world = await createSessionWorld(temporal, {
    bargeWaitSeconds: 3,
    timeouts: { commandMs: 800, readMs: 800 },
    // The limit is per client, and all calls share one.
    simulator: { rateLimit: { limit: 1_000_000, windowSeconds: 10 } },
  });
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
});

test(
  'whatever happens, one leg speaks at a time, turns are taken in order, and nothing stays locked or without an outcome',
  async () => {
    const property = fc.asyncProperty(anyBatch(atOnce), async (batch) => {
      const faults = await playBatch(batch);
      if (faults.length > 0) throw new Error(faults.join('\n\n'));
    });
    const found = await fc.check(property, {
      numRuns: batches,
      // A smaller scenario in real time is another one, and takes as long.
      endOnFailure: true,
      ...(seed === undefined ? {} : { seed }),
      ...(path === undefined ? {} : { path }),
    });
    if (runs > atOnce || found.failed) process.stderr.write(`seed ${found.seed}: ${tally.toString()}\n`);
    if (found.failed) {
      const replay = `EARSHOT_FAULT_SEED=${found.seed} EARSHOT_FAULT_PATH=${found.counterexamplePath ?? ''} EARSHOT_FAULT_AT_ONCE=${atOnce}`;
      const cause = found.errorInstance;
      throw new Error(`${replay}\n${cause instanceof Error ? cause.message : String(cause)}`);
    }
    expect(world.simulator.ledger.violations()).toEqual([]);
    expect(tally.countOf('turns granted')).toBeGreaterThan(runs);
  },
  60_000 + batches * BATCH_LIMIT_MS,
);

/** What went wrong with each scenario, and with the replay of all. */
async function playBatch({ scenarios, workerAway }: Batch): Promise<string[]> {
  const away = takeWorkerAway(workerAway);
  const played = await Promise.allSettled(scenarios.map(playScenario));
  await away;
  const done = played.filter((one) => one.status === 'fulfilled').map(({ value }) => value);
  const faults = played.map((one) => (one.status === 'fulfilled' ? one.value.fault : String(one.reason)));
  const replay = await replayFaults(
    done.map(({ evidence }) => evidence),
    await workflowBundle,
  );
  return [...faults, ...replay].filter((fault) => fault !== undefined);
}

async function takeWorkerAway(away: Batch['workerAway']): Promise<void> {
  if (away === undefined) return;
  await sleep(away.afterMs);
  await world.stopWorker();
  await sleep(away.forMs);
  await world.startWorker();
}

async function playScenario(scenario: Scenario): Promise<{ evidence: Evidence; fault: string | undefined }> {
  const call = new Call(world);
  await call.play(scenario);
  const faults = [...(await comeToRest(call)), ...(await letNewcomerSpeak(call)), ...(await stopAll(call))];
  const evidence = await evidenceOf(world, call.interactionId, call.sessions);
  faults.push(...platformFaults(evidence), ...orderFaults(evidence), ...outcomeFaults(evidence));
  tally.add(call, evidence);
  if (faults.length === 0) return { evidence, fault: undefined };
  const all = [`On ${call.interactionId}:`, ...faults, JSON.stringify(scenario)];
  return { evidence, fault: [...all, ...(timeline ? [timelineOf(evidence)] : [])].join('\n') };
}
