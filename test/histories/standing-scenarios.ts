import { INTERACTION_SWEEP_ID, PLATFORM_EVENTS_ID, ROUND_MEMO, SWEEP_NOW, SWEEP_SETTINGS } from '../../domain/sweep.js';
import { tokenKeeperId } from '../../domain/token-keeper.js';
import { listener } from '../support/sessions.js';
import { until } from '../support/until.js';
import { chainOf, keeperId, runOf, TOKEN_KEEPER } from './stage.js';
import type { Scenario } from './stage.js';

/** The workflows of which there is one each, and the short ones. */
export const STANDING: readonly Scenario[] = [
  {
    name: 'sweep',
    shows: 'Rounds and sweeps that find a call’s end and an orphaned leg, go on when lists fail, and continue as new',
    async play({ brief }) {
      const { controls, ledger } = brief.simulator;
      const interactionId = brief.interaction();
      const session = await listener(brief, interactionId);
      const other = brief.interaction();
      await brief.platform.startMonitor({ interactionId: other });
      controls.endInteraction({ interactionId, announce: false });
      await session.result();
      controls.addFault({ match: { action: 'interactions' }, effect: { kind: 'status', status: 503 }, times: 3 });
      await until('the orphan is stopped', () => ledger.legs({ interactionId: other, live: true }).length === 0);
      await brief.temporal.client.workflow
        .getHandle(INTERACTION_SWEEP_ID)
        .signal(SWEEP_SETTINGS, { intervalMs: 1_000 });
      return chainOf(brief, INTERACTION_SWEEP_ID, 2);
    },
  },
  {
    name: 'sweep-at-once',
    shows: 'Events may have been missed: sweep and round begin at once',
    async play({ tended }) {
      const sweep = tended.temporal.client.workflow.getHandle(INTERACTION_SWEEP_ID);
      const roundOf = async () => (await sweep.describe()).memo?.[ROUND_MEMO];
      const before = await until('the first round', roundOf);
      await sweep.signal(SWEEP_NOW, {});
      await until('another one', async () => (await roundOf()) !== before);
      await until('it is at rest', async () => ((await sweep.describe()).raw.pendingActivities ?? []).length === 0);
      await until(
        'its task is done',
        async () => ((await sweep.describe()).raw.pendingWorkflowTask ?? undefined) === undefined,
      );
      return [await runOf(tended, INTERACTION_SWEEP_ID)];
    },
  },
  {
    name: 'token-keeper',
    shows: 'Tokens are replaced, through a failure, until the history is long; and the last run ends with its worker',
    async play({ brief }) {
      const workflowId = keeperId(brief);
      const runs = await chainOf(brief, workflowId, 1);
      brief.simulator.controls.addFault({
        match: { action: 'token' },
        effect: { kind: 'status', status: 503 },
        times: 3,
      });
      await until('the failure is shown', async () => {
        const { events } = await brief.temporal.client.workflow.getHandle(workflowId).fetchHistory();
        return (events?.length ?? 0) > 15;
      });
      await brief.stopWorker();
      await brief.startWorker();
      await brief.temporal.client.workflow.getHandle(workflowId).result();
      return [...runs, await runOf(brief, workflowId)];
    },
  },
  {
    name: 'token-keeper-of-the-killed',
    shows: 'A worker that never takes up what it is asked',
    async play({ world, temporal }) {
      const workerId = 'killed';
      const keeper = await temporal.client.workflow.start(TOKEN_KEEPER, {
        workflowId: tokenKeeperId(workerId),
        taskQueue: world.taskQueue,
        args: [{ workerId }],
      });
      await keeper.result();
      return [await runOf(world, tokenKeeperId(workerId))];
    },
  },
  {
    name: 'platform-events',
    shows: 'The listener to the platform’s events, which another worker has taken over, and is no longer wanted',
    async play({ tended }) {
      await tended.stopWorker();
      await tended.startWorker();
      // It works: an event ends a session.
      const interactionId = tended.interaction();
      const session = await listener(tended, interactionId);
      tended.simulator.controls.endInteraction({ interactionId });
      await session.result();
      const events = tended.temporal.client.workflow.getHandle(PLATFORM_EVENTS_ID);
      await events.cancel();
      await events.result().catch(() => undefined);
      return [await runOf(tended, PLATFORM_EVENTS_ID)];
    },
  },
  {
    name: 'list-of-interactions',
    shows: 'One read of the API on servers without standalone activities, and one that the platform refuses',
    async play({ world, temporal }) {
      const list = (id: string, input: unknown) =>
        temporal.client.workflow.start('listInteractions', {
          workflowId: id,
          taskQueue: world.taskQueue,
          args: [input],
        });
      const good = await list('list-good', { status: 'connected', pageSize: 5 });
      const bad = await list('list-bad', { status: 'connected', pageSize: 5, cursor: 'no-cursor' });
      await Promise.all([good.result(), bad.result().catch(() => undefined)]);
      return [await runOf(world, 'list-good'), await runOf(world, 'list-bad')];
    },
  },
];
