import { isFinal } from '../../domain/commands.js';
import { COMMANDS_MEMO, commandsMemo, MONITORING_SESSION } from '../../domain/workflow-contract.js';
import { resetToBeginning } from '../support/reset-session.js';
import type { SessionHandle } from '../support/session-world.js';
import { asked, listed, listener, memoOf, reached, reportOf, settled } from '../support/sessions.js';
import { until } from '../support/until.js';
import { chainOf, done, ended, holder, legOf, mutexOf, runOf, stopped } from './stage.js';
import type { Scenario, Stage } from './stage.js';

const lost = { kind: 'lost-answer' } as const;

/** The lives of single sessions, on a platform that works. */
export const SESSIONS: readonly Scenario[] = [
  {
    name: 'silent',
    shows: 'A session listens and is stopped',
    play: async ({ world }) => stopped(await listener(world, world.interaction())),
  },
  {
    name: 'all-modes',
    shows: 'Barge, whisper and silent, a command that is repeated, and a payload that is refused; with its mutex',
    async play({ world }) {
      const interactionId = world.interaction();
      const session = await listener(world, interactionId);
      await done(session, 'barge', 'b');
      await done(session, 'whisper', 'w');
      await session.signal('barge', { commandId: 'b' });
      await session.signal('silent', { commandId: 'bad id!' });
      await done(session, 'silent', 's');
      return [...(await stopped(session)), await mutexOf(world, interactionId)];
    },
  },
  {
    name: 'speaks-at-the-end',
    shows: 'A session that speaks is stopped, and gives the channel back',
    async play({ world }) {
      const interactionId = world.interaction();
      const runs = await stopped(await holder(world, interactionId, 'anna'));
      return [...runs, await mutexOf(world, interactionId)];
    },
  },
  {
    name: 'commands-in-a-row',
    shows: 'A first mode and commands that come before the leg is confirmed, carried out one by one',
    async play({ world }) {
      const interactionId = world.interaction();
      world.simulator.controls.addLegFault({ interactionId, effect: 'activate', afterMs: 1_200 });
      const session = await world.start({ interactionId, supervisorId: 'anna', mode: 'whisper' });
      await session.signal('barge', { commandId: 'b' });
      await session.signal('silent', { commandId: 's' });
      await settled(session, 's');
      return stopped(session);
    },
  },
  {
    name: 'awaited-command',
    shows: 'The update that waits for a command, answered by its outcome',
    async play({ world }) {
      const session = await listener(world, world.interaction());
      await session.signal('whisper', { commandId: 'w' });
      await session.executeUpdate('awaitCommand', { args: [{ commandId: 'w', waitMs: 20_000 }] });
      return stopped(session);
    },
  },
  {
    name: 'interaction-ended',
    shows: 'The call is over, as the platform’s event tells',
    async play({ tended }) {
      const interactionId = tended.interaction();
      const session = await listener(tended, interactionId);
      await listed(session);
      tended.simulator.controls.endInteraction({ interactionId });
      return ended(session);
    },
  },
  {
    name: 'active-by-event',
    shows: 'An event tells that the leg is active before a look does',
    async play({ tended }) {
      const interactionId = tended.interaction();
      tended.simulator.controls.addLegFault({ interactionId, effect: 'activate', afterMs: 2_000 });
      const session = await tended.start({ interactionId, supervisorId: 'anna' });
      await reached(session, 'SILENT');
      return stopped(session);
    },
  },
  {
    name: 'media-changes',
    shows: 'The leg is heard worse, and with another profile; a change that is refused',
    async play({ tended }) {
      const session = await listener(tended, tended.interaction());
      const monitorSessionId = await legOf(session);
      const heard = async (quality: string) =>
        until(`it is ${quality}`, async () => {
          tended.simulator.controls.publishMediaMetrics();
          return (await memoOf(session)).media?.quality === quality;
        });
      await heard('good');
      tended.simulator.controls.setMediaConditions({
        monitorSessionId,
        conditions: { packetLoss: 0.2, jitterMs: 60, roundTripMs: 300 },
      });
      await heard('poor');
      await session.signal('mediaQuality', { monitorSessionId, packetLoss: 'much' });
      return stopped(session);
    },
  },
  {
    name: 'stopped-while-pending',
    shows: 'Stopped before its leg is active, with commands that are held',
    async play({ world }) {
      const interactionId = world.interaction();
      world.simulator.controls.addLegFault({ interactionId, effect: 'never-active' });
      const session = await world.start({ interactionId, supervisorId: 'anna', mode: 'barge' });
      await until('the leg', () => world.simulator.ledger.legs({ interactionId, live: true }).length === 1);
      return stopped(session);
    },
  },
  {
    name: 'stopped-before-its-first-task',
    shows: 'Stopped before any worker took it',
    async play({ away }) {
      await away.stopWorker();
      const session = await away.start({ interactionId: away.interaction(), supervisorId: 'anna' });
      await session.signal('stop');
      await away.startWorker();
      return ended(session);
    },
  },
  {
    name: 'worker-away',
    shows: 'Commands that came while no worker was there, taken up by another one',
    async play({ away }) {
      const session = await listener(away, away.interaction());
      await away.stopWorker();
      await session.signal('barge', { commandId: 'b' });
      await session.signal('silent', { commandId: 's' });
      await away.startWorker();
      await settled(session, 's');
      return stopped(session);
    },
  },
  {
    name: 'cancelled',
    shows: 'The workflow is cancelled while it speaks',
    async play({ world }) {
      const session = await holder(world, world.interaction(), 'anna');
      await session.cancel();
      return ended(session);
    },
  },
  {
    name: 'max-duration',
    shows: 'Its time is over',
    async play({ world }) {
      const interactionId = world.interaction();
      return ended(await world.start({ interactionId, supervisorId: 'anna', maxDurationSeconds: 3 }));
    },
  },
  {
    name: 'refused-input',
    shows: 'Input that makes no sense, and a workflow id that is another one’s',
    async play({ temporal, world }) {
      const start = (workflowId: string, input: unknown): Promise<SessionHandle> =>
        temporal.client.workflow.start(MONITORING_SESSION, { workflowId, taskQueue: world.taskQueue, args: [input] });
      const interactionId = world.interaction();
      return ended(
        await start(`session~${interactionId}~anna`, { interactionId }),
        await start('another-id', { interactionId, supervisorId: 'ben' }),
      );
    },
  },
  {
    name: 'reset',
    shows: 'Reset to its beginning while it listens: both runs; the second one finds its leg',
    async play({ world }) {
      const session = await listener(world, world.interaction());
      await done(session, 'whisper', 'w');
      const { runId } = await session.describe();
      const successor = await resetToBeginning(session);
      await until('the successor listens', async () => (await reportOf(successor)).session.state !== 'PENDING');
      return [await runOf(world, session.workflowId, runId), ...(await stopped(successor))];
    },
  },
  {
    name: 'session-continues-as-new',
    shows: 'A session with many commands goes on in another run, while it speaks',
    async play({ brief }) {
      const session = await listener(brief, brief.interaction());
      const { workflowId } = session;
      const latest = brief.temporal.client.workflow.getHandle<never>(workflowId);
      const { runId } = await latest.describe();
      for (let n = 0; (await latest.describe()).runId === runId; n += 1) {
        await latest.signal(n % 2 === 0 ? 'barge' : 'whisper', { commandId: `c${n}` });
        await until(`c${n}`, async () => (await commandsOf(brief, workflowId)).includes(`c${n}`));
      }
      await latest.signal('stop', {});
      await latest.result();
      return [...(await chainOf(brief, workflowId, 1)), await runOf(brief, workflowId)];
    },
  },
];

/** The commands of a session's latest run that have an outcome, by their ids. */
async function commandsOf({ temporal }: Stage['world'], workflowId: string): Promise<string[]> {
  const { memo } = await temporal.client.workflow.getHandle(workflowId).describe();
  return commandsMemo.parse(memo?.[COMMANDS_MEMO] ?? []).flatMap((one) => (isFinal(one.status) ? [one.commandId] : []));
}

/** What becomes of a session whose platform does not do what it should. */
export const BAD_DAYS: readonly Scenario[] = [
  {
    name: 'not-confirmed',
    shows: 'The leg never becomes active',
    async play({ world }) {
      const interactionId = world.interaction();
      world.simulator.controls.addLegFault({ interactionId, effect: 'never-active' });
      return ended(await world.start({ interactionId, supervisorId: 'anna', mode: 'barge' }));
    },
  },
  {
    name: 'leg-lost',
    shows: 'The leg is severed, which a hint has the session find out',
    async play({ world }) {
      const interactionId = world.interaction();
      const session = await listener(world, interactionId);
      world.simulator.controls.sever({ interactionId });
      await session.signal('monitorStatus');
      return ended(session);
    },
  },
  {
    name: 'start-refused',
    shows: 'The platform forbids the leg',
    async play({ world }) {
      const interactionId = world.interaction();
      world.simulator.controls.addFault({
        match: { action: 'start', interactionId },
        effect: { kind: 'status', status: 403, code: 'missing.license' },
      });
      return ended(await world.start({ interactionId, supervisorId: 'anna' }));
    },
  },
  {
    name: 'start-throttled',
    shows: 'A start that is put off is sent again',
    async play({ world }) {
      const interactionId = world.interaction();
      world.simulator.controls.addFault({
        match: { action: 'start', interactionId },
        effect: { kind: 'status', status: 429, retryAfterSeconds: 1 },
      });
      return stopped(await listener(world, interactionId));
    },
  },
  {
    name: 'start-given-up',
    shows: 'A platform that puts every start off is given up',
    async play({ world }) {
      const interactionId = world.interaction();
      world.simulator.controls.addFault({
        match: { action: 'start', interactionId },
        effect: { kind: 'status', status: 429, retryAfterSeconds: 1 },
        times: 100,
      });
      return ended(await world.start({ interactionId, supervisorId: 'anna' }));
    },
  },
  {
    name: 'start-lost-and-found',
    shows: 'The answer to the start is lost, and the leg that it made is found',
    async play({ world }) {
      const interactionId = world.interaction();
      world.simulator.controls.addFault({ match: { action: 'start', interactionId }, effect: lost });
      return stopped(await listener(world, interactionId));
    },
  },
  {
    name: 'start-lost-and-sent-again',
    shows: 'A start that never arrived is sent again once the platform’s window is over',
    async play({ world }) {
      const interactionId = world.interaction();
      world.simulator.controls.addFault({
        match: { action: 'start', interactionId },
        effect: { kind: 'lost-request' },
      });
      return stopped(await listener(world, interactionId));
    },
  },
  {
    name: 'start-lost-for-good',
    shows: 'Nobody may look what became of a lost start, and the session is stopped meanwhile',
    async play({ world }) {
      const interactionId = world.interaction();
      world.simulator.controls.addFault({ match: { action: 'start', interactionId }, effect: lost });
      world.simulator.controls.addFault({
        match: { action: 'state', interactionId },
        effect: { kind: 'status', status: 403, code: 'missing.permission' },
        times: 10,
      });
      const session = await world.start({ interactionId, supervisorId: 'anna' });
      await until('the lost start', () => asked(world, interactionId, 'start') === 1);
      return stopped(session);
    },
  },
  {
    name: 'mode-change-through-trouble',
    shows: 'A platform that fails: a barge and a stop go through the task queue, and are done when it is back',
    async play({ world }) {
      const interactionId = world.interaction();
      const session = await listener(world, interactionId);
      const failing = (action: 'barge' | 'stop') =>
        world.simulator.controls.addFault({
          match: { action, interactionId },
          effect: { kind: 'status', status: 503 },
          times: 3,
        });
      failing('barge');
      await done(session, 'barge', 'b');
      failing('stop');
      return stopped(session);
    },
  },
  {
    name: 'mode-change-throttled',
    shows: 'A mode change that is put off waits as long as the platform asks',
    async play({ world }) {
      const interactionId = world.interaction();
      const session = await listener(world, interactionId);
      world.simulator.controls.addFault({
        match: { action: 'barge', interactionId },
        effect: { kind: 'status', status: 429, retryAfterSeconds: 1 },
      });
      await done(session, 'barge', 'b');
      return stopped(session);
    },
  },
  {
    name: 'mode-change-cut-short',
    shows: 'A stop calls off a barge that the platform keeps failing',
    async play({ world }) {
      const interactionId = world.interaction();
      const session = await listener(world, interactionId);
      world.simulator.controls.addFault({
        match: { action: 'barge', interactionId },
        effect: { kind: 'status', status: 503 },
        times: 1_000,
      });
      await session.signal('barge', { commandId: 'stuck' });
      await until('a retry', () => asked(world, interactionId, 'barge') >= 3);
      return stopped(session);
    },
  },
  {
    name: 'late-barge-silenced',
    shows: 'A barge takes effect after the channel was given back; the session looks, and silences its leg',
    async play({ world }) {
      const interactionId = world.interaction();
      const session = await listener(world, interactionId);
      world.simulator.controls.addFault({
        match: { action: 'barge', interactionId },
        effect: { kind: 'lost-answer', executeAfterMs: 3_000 },
      });
      await done(session, 'barge', 'late');
      await done(session, 'silent', 'back');
      const modes = () => world.simulator.ledger.legs({ interactionId })[0]?.modes.map(({ mode }) => mode) ?? [];
      await until('it is silenced', () => modes().join(' ').endsWith('barge silent'));
      await until('it is shown', async () => (await memoOf(session)).state === 'SILENT');
      return stopped(session);
    },
  },
  {
    name: 'platform-away',
    shows: 'The platform does not answer for a while: the leg is waited for all the same',
    async play({ world }) {
      const interactionId = world.interaction();
      const looks = world.simulator.controls.addFault({
        match: { action: 'state', interactionId },
        effect: { kind: 'status', status: 503 },
        times: 1_000,
      });
      const session = await world.start({ interactionId, supervisorId: 'anna' });
      await until('it says so', async () => (await memoOf(session)).unansweredSince !== null);
      world.simulator.controls.removeFault(looks);
      await reached(session, 'SILENT');
      return stopped(session);
    },
  },
  {
    name: 'look-through-trouble',
    shows: 'A session is told to look at its leg, and the platform does not answer at once',
    async play({ world }) {
      const interactionId = world.interaction();
      const session = await listener(world, interactionId);
      world.simulator.controls.addFault({
        match: { action: 'state', interactionId },
        effect: { kind: 'status', status: 503 },
        times: 2,
      });
      const looks = asked(world, interactionId, 'state');
      await session.signal('monitorStatus');
      await until('it was answered', () => asked(world, interactionId, 'state') >= looks + 3);
      return stopped(session);
    },
  },
  {
    name: 'strictly-placed',
    shows: 'A leg that was to be in one media server group only, and is in another one: it is stopped',
    async play({ away }) {
      const { controls } = away.simulator;
      controls.setHabits({ movesLegs: true });
      const { interactionId } = controls.addInteraction({ primaryGroupId: 'ms-group-ap-south-1' });
      const runs = await ended(await away.start({ interactionId, supervisorId: 'anna', mediaAffinity: 'strict' }));
      controls.setHabits({});
      return runs;
    },
  },
];
