import { mutexWorkflowId } from '../../domain/identifiers.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import { asked, inLine, listener, memoOf, settled } from '../support/sessions.js';
import { until } from '../support/until.js';
import { chainOf, done, ended, holder, legOf, mutexOf, runOf, SIGNALS_TAKEN, stopped } from './stage.js';
import type { Scenario } from './stage.js';

/** Sends a barge and waits until it is in line. */
async function waits(session: SessionHandle, position: number, commandId = 'wait'): Promise<void> {
  await session.signal('barge', { commandId });
  await inLine(session, position);
}

/** A mutex that takes no signal, nor any task. */
async function deafMutex({ temporal }: SessionWorld, interactionId: string) {
  const mutex = await temporal.client.workflow.start('bargeMutex', {
    workflowId: mutexWorkflowId(interactionId),
    taskQueue: 'deserted',
    args: [{ interactionId, idleMs: 0 }],
  });
  for (let n = 0; n < SIGNALS_TAKEN; n += 1) await mutex.signal('nonsense');
  return mutex;
}

/** Waits until an activity has been asked for through the task queue. */
async function throughTheQueue(session: SessionHandle, activity: string): Promise<void> {
  await until(`${activity} by the task queue`, async () => {
    const { events } = await session.fetchHistory();
    return events?.some((one) => one.activityTaskScheduledEventAttributes?.activityType?.name === activity);
  });
}

/** Turns on the exclusive channel, by the histories of sessions and of their mutex. */
export const CHANNEL: readonly Scenario[] = [
  {
    name: 'waits-and-is-granted',
    shows: 'One speaks and two wait; each is granted the channel in its turn',
    async play({ world }) {
      const interactionId = world.interaction();
      const anna = await holder(world, interactionId, 'anna');
      const [ben, cora] = [await listener(world, interactionId, 'ben'), await listener(world, interactionId, 'cora')];
      await waits(ben, 1);
      await waits(cora, 2);
      await done(anna, 'silent', 's');
      await settled(ben, 'wait');
      await inLine(cora, 1);
      await ben.signal('stop');
      await settled(cora, 'wait');
      const runs = [...(await ended(ben)), ...(await stopped(cora, anna))];
      return [...runs, await mutexOf(world, interactionId)];
    },
  },
  {
    name: 'wait-expires',
    shows: 'A wait is over before the channel is free',
    async play({ world }) {
      const interactionId = world.interaction();
      const anna = await holder(world, interactionId, 'anna');
      const ben = await listener(world, interactionId, 'ben');
      await waits(ben, 1);
      await settled(ben, 'wait');
      return [...(await stopped(ben, anna)), await mutexOf(world, interactionId)];
    },
  },
  {
    name: 'wait-superseded-and-left',
    shows: 'A newer whisper takes over the place in line, and silent leaves it',
    async play({ world }) {
      const interactionId = world.interaction();
      const anna = await holder(world, interactionId, 'anna');
      const ben = await listener(world, interactionId, 'ben');
      await waits(ben, 1);
      await ben.signal('whisper', { commandId: 'newer' });
      await settled(ben, 'wait');
      await done(ben, 'silent', 'leaves');
      return [...(await stopped(ben, anna)), await mutexOf(world, interactionId)];
    },
  },
  {
    name: 'stopped-in-line',
    shows: 'One that waits is stopped, another one’s call is over',
    async play({ world }) {
      const interactionId = world.interaction();
      const anna = await holder(world, interactionId, 'anna');
      const [ben, cora] = [await listener(world, interactionId, 'ben'), await listener(world, interactionId, 'cora')];
      await waits(ben, 1);
      await waits(cora, 2);
      const first = await stopped(ben);
      await cora.signal('interactionEnded');
      return [...first, ...(await ended(cora)), ...(await stopped(anna)), await mutexOf(world, interactionId)];
    },
  },
  {
    name: 'long-line',
    shows: 'More wait than are told at once: the others through the task queue',
    async play({ world }) {
      const interactionId = world.interaction();
      const anna = await holder(world, interactionId, 'anna');
      const line: SessionHandle[] = [];
      for (const name of ['ben', 'cora', 'dora', 'emil', 'fay', 'gus']) {
        line.push(await listener(world, interactionId, name));
      }
      for (const session of line) await session.signal('barge', { commandId: 'wait' });
      await until('all are in line', async () => {
        const places = await Promise.all(line.map(async (one) => (await memoOf(one)).waiting?.position));
        return places.every((place) => place !== undefined);
      });
      await stopped(anna);
      await until('one speaks, and the last one has moved up', async () => {
        const places = await Promise.all(line.map(async (one) => (await memoOf(one)).waiting?.position ?? 0));
        return Math.max(...places) < 6;
      });
      await stopped(...line);
      return [await mutexOf(world, interactionId)];
    },
  },
  {
    name: 'platform-keeps-the-channel',
    shows: 'Another program’s leg speaks: the command keeps the head of the line until that leg is gone',
    async play({ world }) {
      const interactionId = world.interaction();
      const anna = await listener(world, interactionId, 'anna');
      const outside = world.simulator.controls.outsideLeg({ interactionId });
      await waits(anna, 1);
      await throughTheQueue(anna, 'findContender');
      await throughTheQueue(anna, 'confirmChannelFree');
      world.simulator.controls.releaseOutsideLeg(outside);
      await settled(anna, 'wait');
      return [...(await stopped(anna)), await mutexOf(world, interactionId)];
    },
  },
  {
    name: 'waits-behind-the-platform',
    shows: 'Another program’s leg speaks for longer than the command may wait',
    async play({ world }) {
      const interactionId = world.interaction();
      const anna = await listener(world, interactionId, 'anna');
      world.simulator.controls.outsideLeg({ interactionId });
      await done(anna, 'barge', 'wait');
      return [...(await stopped(anna)), await mutexOf(world, interactionId)];
    },
  },
  {
    name: 'holder-dies',
    shows: 'Who speaks is terminated while another one waits: its leg is stopped, and the next one is granted',
    async play({ world }) {
      const interactionId = world.interaction();
      const anna = await holder(world, interactionId, 'anna');
      const ben = await listener(world, interactionId, 'ben');
      await waits(ben, 1);
      await anna.terminate();
      await settled(ben, 'wait');
      return [...(await ended(anna)), ...(await stopped(ben)), await mutexOf(world, interactionId)];
    },
  },
  {
    name: 'waiter-dies',
    shows: 'One that waits is terminated, and passed over',
    async play({ world }) {
      const interactionId = world.interaction();
      const anna = await holder(world, interactionId, 'anna');
      const [ben, cora] = [await listener(world, interactionId, 'ben'), await listener(world, interactionId, 'cora')];
      await waits(ben, 1);
      await waits(cora, 2);
      await ben.terminate();
      await done(anna, 'silent', 's');
      await settled(cora, 'wait');
      return [...(await stopped(cora, anna)), await mutexOf(world, interactionId)];
    },
  },
  {
    name: 'holder-without-a-leg',
    shows: 'The speaker’s leg is severed without a word: who waits finds nobody speaking, and has the mutex look',
    async play({ world }) {
      const interactionId = world.interaction();
      const anna = await holder(world, interactionId, 'anna');
      const ben = await listener(world, interactionId, 'ben');
      world.simulator.controls.sever({ monitorSessionId: await legOf(anna), announce: false });
      await done(ben, 'barge', 'wait');
      return [...(await ended(anna)), ...(await stopped(ben)), await mutexOf(world, interactionId)];
    },
  },
  {
    name: 'mutex-terminated',
    shows: 'The mutex is terminated: who waits gives up by itself, and who asks next starts another one',
    async play({ world }) {
      const interactionId = world.interaction();
      const anna = await holder(world, interactionId, 'anna');
      const ben = await listener(world, interactionId, 'ben');
      await waits(ben, 1);
      await world.temporal.client.workflow.getHandle(mutexWorkflowId(interactionId)).terminate();
      await settled(ben, 'wait');
      return stopped(ben, anna);
    },
  },
  {
    name: 'mutex-cannot-be-told',
    shows: 'No message reaches the mutex: requests and releases go through the task queue',
    async play({ world }) {
      const interactionId = world.interaction();
      const session = await listener(world, interactionId);
      const deaf = await deafMutex(world, interactionId);
      await session.signal('barge', { commandId: 'b' });
      await throughTheQueue(session, 'requestChannel');
      await session.signal('silent', { commandId: 's' });
      await settled(session, 's');
      await session.signal('stop');
      await throughTheQueue(session, 'releaseChannel');
      await deaf.terminate();
      return ended(session);
    },
  },
  {
    name: 'messages-of-before',
    shows: 'Releases and grants that come as updates, as workers of before sent them; with the mutex',
    async play({ world, temporal }) {
      const interactionId = world.interaction();
      const anna = await holder(world, interactionId, 'anna');
      const mutex = temporal.client.workflow.getHandle(mutexWorkflowId(interactionId));
      const { runId } = await memoOf(anna);
      await mutex.executeUpdate('releaseChannel', { args: [{ requestId: 'never-heard-of', runId }] });
      const grant = { requestId: 'never-heard-of', fence: 1, expiresAtMs: Date.now() };
      await anna.executeUpdate('channelGranted', { args: [grant] });
      await until('it speaks still', () => asked(world, interactionId, 'barge') === 1);
      return [...(await stopped(anna)), await mutexOf(world, interactionId)];
    },
  },
  {
    name: 'mutex-continues-as-new',
    shows: 'A mutex with a speaker and one that waits goes on in another run',
    async play({ brief }) {
      const interactionId = brief.interaction();
      const anna = await holder(brief, interactionId, 'anna');
      const ben = await listener(brief, interactionId, 'ben');
      await waits(ben, 1);
      const mutexId = mutexWorkflowId(interactionId);
      const mutex = brief.temporal.client.workflow.getHandle(mutexId);
      const { runId } = await mutex.describe();
      const release = { requestId: 'never-heard-of', runId: (await memoOf(anna)).runId };
      await until('another run', async () => {
        await mutex.signal('releaseChannel', release);
        return (await mutex.describe()).runId !== runId;
      });
      await done(anna, 'silent', 's');
      await settled(ben, 'wait');
      await stopped(ben, anna);
      await mutexOf(brief, interactionId);
      return [...(await chainOf(brief, mutexId, 1)), await runOf(brief, mutexId)];
    },
  },
];
