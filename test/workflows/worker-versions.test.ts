import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { mutexWorkflowId } from '../../domain/identifiers.js';
import { LIST_INTERACTIONS_ACTIVITY } from '../../domain/interaction-list.js';
import { INTERACTION_SWEEP_ID, PLATFORM_EVENTS_ID } from '../../domain/sweep.js';
import { tokenKeeperId } from '../../domain/token-keeper.js';
import { createSessionWorker } from '../../worker/session-worker.js';
import type { SessionWorker } from '../../worker/session-worker.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionWorld } from '../support/session-world.js';
import { inLine, legsGone, listener, memoOf, reached, settled, stopped } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';
import { testBundle } from '../support/workflow-bundle.js';

/** Two builds of the same code: what is tested is where sessions go (docs/decisions/0021-worker-versioning.md). */
const DEPLOYMENT = 'earshot';
const version = (buildId: string) => ({ deploymentName: DEPLOYMENT, buildId });

let temporal: TestTemporal;
let world: SessionWorld;
let newWorker: SessionWorker;
let newWorkerIsDone: Promise<void>;

beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal, {
    deployment: version('old'),
    cleaning: { intervalMs: 3_600_000, followsEvents: true },
    keepsTokens: true,
  });
  newWorker = await createSessionWorker({
    connection: temporal.nativeConnection,
    namespace: temporal.namespace,
    taskQueue: world.taskQueue,
    platform: world.platform,
    workflowSettings: world.settings,
    deployment: version('new'),
    workflowBundle: await testBundle({ isVersioned: true }),
  });
  newWorkerIsDone = newWorker.run();
});

afterAll(async () => {
  newWorker.shutdown();
  await newWorkerIsDone;
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
  expect(world.simulator.ledger.violations()).toEqual([]);
});

/** As `temporal worker deployment set-current-version` does; refused until its workers poll all queues that the other's do. */
async function makeCurrent(buildId: string): Promise<void> {
  await until(`${buildId} is current`, async () => {
    await temporal.client.workflowService.setWorkerDeploymentCurrentVersion({
      namespace: temporal.namespace,
      ...version(buildId),
      identity: 'test',
    });
    return true;
  });
}

/** How Temporal routes a workflow: 1 pinned, 2 auto-upgrade; and the version that it is of. */
async function routing({ workflowId }: Pick<WorkflowHandle, 'workflowId'>) {
  const { raw } = await temporal.client.workflow.getHandle(workflowId).describe();
  const { behavior, deploymentVersion } = raw.workflowExecutionInfo?.versioningInfo ?? {};
  return { behavior, buildId: deploymentVersion?.buildId };
}

const PINNED = 1;
const AUTO_UPGRADE = 2;

test('workers of a version take what is there once it is made current, and sessions stay with it while others begin with the next', async () => {
  const interactionId = world.interaction();
  const anna = await world.start({ interactionId, supervisorId: 'anna' });
  await makeCurrent('old');
  await reached(anna, 'SILENT');
  await anna.signal('barge', { commandId: 'a' });
  expect(await settled(anna, 'a')).toMatchObject({ status: 'applied' });
  const mutex = { workflowId: mutexWorkflowId(interactionId) };
  const keeper = { workflowId: tokenKeeperId(`${world.taskQueue}:1`) };
  const standing = [{ workflowId: INTERACTION_SWEEP_ID }, { workflowId: PLATFORM_EVENTS_ID }, keeper];
  for (const one of [anna, mutex]) expect(await routing(one)).toEqual({ behavior: PINNED, buildId: 'old' });
  for (const one of standing) {
    await until(`${one.workflowId} is taken`, async () => (await routing(one)).buildId === 'old');
    expect(await routing(one)).toMatchObject({ behavior: AUTO_UPGRADE });
  }

  await makeCurrent('new');
  const ben = await listener(world, interactionId, 'ben');
  expect(await routing(ben)).toEqual({ behavior: PINNED, buildId: 'new' });
  // Across the versions: the one waits for the other, in a line of the old one.
  await ben.signal('barge', { commandId: 'b' });
  await inLine(ben, 1);
  await anna.signal('silent', { commandId: 's' });
  expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
  expect(await settled(anna, 's')).toMatchObject({ status: 'applied' });
  expect((await memoOf(anna)).state).toBe('SILENT');
  for (const one of [anna, mutex]) expect(await routing(one)).toEqual({ behavior: PINNED, buildId: 'old' });
  await stopped(ben, anna);
  expect(legsGone(world, interactionId)).toBe(2);

  // What the API asks of any worker finds one, and counts them.
  const list = { id: 'list', taskQueue: world.taskQueue, args: [{ status: 'connected', pageSize: 1 }] };
  await expect(
    temporal.client.activity.execute(LIST_INTERACTIONS_ACTIVITY, { ...list, scheduleToCloseTimeout: '60s' }),
  ).resolves.toBeDefined();
  const { pollers } = await temporal.client.workflowService.describeTaskQueue({
    namespace: temporal.namespace,
    taskQueue: { name: world.taskQueue },
  });
  expect(pollers.length).toBeGreaterThan(0);
});
