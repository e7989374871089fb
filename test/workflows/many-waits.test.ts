import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WorkflowNotFoundError } from '@temporalio/client';
import { z } from 'zod';
import type { AnnouncedType } from '../../domain/announcements.js';
import { REQUEST_CHANNEL, channelRequest } from '../../domain/channel.js';
import { mutexWorkflowId } from '../../domain/identifiers.js';
import type { LegLife } from '../../simulator/ledger.js';
import { figure, median, spread } from '../support/figures.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionHandle, SessionWorld, SessionWorldOptions } from '../support/session-world.js';
import { channelOf, legsGone, memoOf, settled } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

/** More than a worker has slots for activities: watchers that took these would leave none for a stop. */
const MANY = 12;
const ACTIVITY_SLOTS = 8;
/** Who wait for the same channel. */
const LINE = 12;
/** To set so many up on a busy machine, and the whole of a test. */
const MANY_LIMIT_MS = 60_000;
const TEST_LIMIT_MS = 240_000;

/** The rate budget is another matter: here nothing is to be refused. The seed keeps the two worlds' interactions apart. */
function settings(seed: string): SessionWorldOptions {
  const rateLimit = { limit: 1_000_000, windowSeconds: 10, headers: true };
  // At once: confirming a leg that is late takes another look half a second later.
  const activationDelayMs = { min: 0, max: 0 };
  return { bargeWaitSeconds: 600, activitySlots: ACTIVITY_SLOTS, simulator: { seed, rateLimit, activationDelayMs } };
}

let temporal: TestTemporal;
let idle: SessionWorld;
let busy: SessionWorld;

beforeAll(async () => {
  temporal = await startTemporal();
  idle = await createSessionWorld(temporal, settings('idle'));
  busy = await createSessionWorld(temporal, settings('busy'));
});

afterAll(async () => {
  const violations = [idle, busy].flatMap(({ simulator }) => simulator.ledger.violations());
  for (const world of [idle, busy]) await world[Symbol.asyncDispose]();
  await temporal.teardown();
  expect(violations).toEqual([]);
});

/** A session and its leg. */
interface Speaker {
  readonly session: SessionHandle;
  readonly monitorSessionId: string;
}

/** A supervisor who listens to a call. */
async function listener(world: SessionWorld, interactionId: string, supervisorId: string): Promise<Speaker> {
  const session = await world.start({ interactionId, supervisorId });
  await announced(world, session, 'session.active');
  return until(`${session.workflowId} listens`, async () => {
    const { state, monitorSessionId } = await memoOf(session);
    return state === 'SILENT' && monitorSessionId !== null && { session, monitorSessionId };
  });
}

/** Costs neither server nor worker anything while hundreds are waited for. */
async function announced(world: SessionWorld, { workflowId }: SessionHandle, type: AnnouncedType): Promise<void> {
  await until(
    `${type} of ${workflowId}`,
    () => world.announced.some((one) => one.type === type && one.sessionId === workflowId),
    MANY_LIMIT_MS,
  );
}

async function barge({ session }: Speaker, commandId: string): Promise<void> {
  await session.signal('barge', { commandId });
  expect(await settled(session, commandId)).toMatchObject({ status: 'applied' });
}

async function stopped(...speakers: readonly Speaker[]): Promise<void> {
  await Promise.all(
    speakers.map(async ({ session }) => {
      await session.signal('stop');
      await session.result();
    }),
  );
}

function legOf({ simulator }: SessionWorld, interactionId: string, { monitorSessionId }: Speaker): LegLife {
  const leg = simulator.ledger.legs({ interactionId }).find((one) => one.monitorSessionId === monitorSessionId);
  if (leg === undefined) throw new Error(`Expected the leg ${monitorSessionId} in the ledger, got none`);
  return leg;
}

/** When the platform let the leg speak, ms since the epoch. */
async function spokeAt(world: SessionWorld, interactionId: string, speaker: Speaker): Promise<number> {
  return until(`${speaker.monitorSessionId} speaks`, () => {
    const spoke = legOf(world, interactionId, speaker).modes.find(({ mode }) => mode === 'barge');
    return spoke && Date.parse(spoke.at);
  });
}

async function endedAt(world: SessionWorld, interactionId: string, speaker: Speaker): Promise<number> {
  return until(`${speaker.monitorSessionId} ends`, () => {
    const ended = legOf(world, interactionId, speaker).endedAt;
    return ended !== null && Date.parse(ended);
  });
}

/** In as many at once as a busy API would start. */
async function forEachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const oneByOne = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: 16 }, oneByOne));
}

function timesOf<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** The watchers of a mutex that run now; those in a queue do not. */
const STARTED = 2;
const pendingWatchers = z
  .object({
    raw: z.object({
      pendingActivities: z.array(z.object({ activityType: z.object({ name: z.string() }), state: z.number() })),
    }),
  })
  .transform(({ raw }) =>
    raw.pendingActivities.filter(({ activityType, state }) => activityType.name === 'watchHolder' && state === STARTED),
  );

async function isWatched(interactionId: string): Promise<boolean> {
  const mutex = temporal.client.workflow.getHandle(mutexWorkflowId(interactionId));
  return pendingWatchers.parse(await mutex.describe()).length === 1;
}

describe('a terminated holder', () => {
  // Just as long as a person would wait before asking again; it takes a fraction of it.
  const LIMIT_MS = 5_000;

  test('loses the channel to who waits for it already, within 5 s and after its leg was stopped', async () => {
    const samples: number[] = [];
    for (let sample = 0; sample < 3; sample += 1) {
      const interactionId = idle.interaction();
      const anna = await listener(idle, interactionId, 'anna');
      const ben = await listener(idle, interactionId, 'ben');
      await barge(anna, 'a');
      await ben.session.signal('barge', { commandId: 'b' });
      await until('a watcher', () => isWatched(interactionId));

      const terminatedAt = Date.now();
      await anna.session.terminate();
      const spoke = await spokeAt(idle, interactionId, ben);
      samples.push(spoke - terminatedAt);
      expect(legOf(idle, interactionId, anna)).toMatchObject({ endedBy: 'stop' });
      expect(await endedAt(idle, interactionId, anna)).toBeLessThanOrEqual(spoke);
      await stopped(ben);
      expect(legsGone(idle, interactionId)).toBe(2);
    }
    figure('terminated holder, somebody waits: termination → next one speaks', spread(samples));
    expect(Math.max(...samples)).toBeLessThan(LIMIT_MS);
  });

  test('loses the channel to the next one who asks, within 5 s and after its leg was stopped', async () => {
    const samples: number[] = [];
    for (let sample = 0; sample < 3; sample += 1) {
      const interactionId = idle.interaction();
      const anna = await listener(idle, interactionId, 'anna');
      const ben = await listener(idle, interactionId, 'ben');
      await barge(anna, 'a');
      await anna.session.terminate();

      const askedAt = Date.now();
      await ben.session.signal('barge', { commandId: 'b' });
      const spoke = await spokeAt(idle, interactionId, ben);
      samples.push(spoke - askedAt);
      expect(legOf(idle, interactionId, anna)).toMatchObject({ endedBy: 'stop' });
      expect(await endedAt(idle, interactionId, anna)).toBeLessThanOrEqual(spoke);
      await stopped(ben);
      expect(legsGone(idle, interactionId)).toBe(2);
    }
    figure('holder terminated before anybody asked: barge → speaks', spread(samples));
    expect(Math.max(...samples)).toBeLessThan(LIMIT_MS);
  });
});

test(
  `${MANY} waits and as many watchers in progress do not hold up the stop of a session that waits for nothing`,
  async () => {
    const startedAt = performance.now();
    const interactions = timesOf(MANY, () => busy.interaction());
    await forEachOf(interactions, async (interactionId) => {
      const speaks = await busy.start({ interactionId, supervisorId: 'anna', mode: 'barge' });
      await announced(busy, speaks, 'session.mode');
      const waits = await busy.start({ interactionId, supervisorId: 'ben', mode: 'barge' });
      await announced(busy, waits, 'session.queued');
    });
    await forEachOf(interactions, async (interactionId) => {
      await until(`${interactionId} is watched`, () => isWatched(interactionId));
    });
    figure(
      `${MANY} holders, ${MANY} waiters, ${MANY} watchers: set up in, ms`,
      Math.round(performance.now() - startedAt),
    );

    const stopMs = async (world: SessionWorld): Promise<number> => {
      const interactionId = world.interaction();
      const anna = await listener(world, interactionId, 'anna');
      const sentAt = Date.now();
      await anna.session.signal('stop');
      const took = (await endedAt(world, interactionId, anna)) - sentAt;
      await anna.session.result();
      return took;
    };
    const idleMs: number[] = [];
    const busyMs: number[] = [];
    // In turns: the machine's other load weighs on both alike.
    for (let sample = 0; sample < 9; sample += 1) {
      idleMs.push(await stopMs(idle));
      busyMs.push(await stopMs(busy));
    }
    figure('stop → leg ended, idle worker', spread(idleMs));
    figure(`stop → leg ended, worker with ${MANY} waits`, spread(busyMs));
    expect(Math.max(...busyMs)).toBeLessThan(2_000);
    // Starved, it would take as long as a watcher does: seconds to minutes.
    expect(median(busyMs)).toBeLessThan(5 * Math.max(median(idleMs), 20));

    expect(interactions.filter((interactionId) => speakersOn(interactionId) !== 1)).toEqual([]);
  },
  TEST_LIMIT_MS,
);

function speakersOn(interactionId: string): number {
  return busy.simulator.ledger.legs({ interactionId, live: true }).filter(({ modes }) => modes.at(-1)?.mode === 'barge')
    .length;
}

test(
  `${LINE} supervisors wait for one channel: each has a place of its own, in the order of acceptance`,
  async () => {
    const interactionId = busy.interaction();
    const holder = await listener(busy, interactionId, 'holder');
    await barge(holder, 'first');
    const speakers = new Map<string, Speaker>();
    await forEachOf(
      timesOf(LINE, (index) => `supervisor-${index}`),
      async (supervisorId) => {
        const speaker = await listener(busy, interactionId, supervisorId);
        speakers.set(speaker.session.workflowId, speaker);
      },
    );

    const askedAt = performance.now();
    await forEachOf([...speakers.values()], ({ session }) => session.signal('barge', { commandId: 'turn' }));
    figure(`${LINE} barges on one call: all accepted after, ms`, Math.round(performance.now() - askedAt));
    for (const { session } of speakers.values()) await announced(busy, session, 'session.queued');
    figure(`${LINE} barges on one call: all know their place after, ms`, Math.round(performance.now() - askedAt));

    const line = await channelOf(busy, interactionId);
    const inOrder = line.waiting.map(({ sessionId }) => sessionId);
    expect(line.waiting.map(({ position }) => position)).toEqual(timesOf(LINE, (index) => index + 1));
    expect(new Set(inOrder)).toEqual(new Set(speakers.keys()));
    expect(inOrder).toEqual((await acceptedRequests(interactionId)).slice(1));
    await expectPlaces(inOrder);

    const handOvers: number[] = [];
    let speaking = holder;
    for (let next = 0; next < 5; next += 1) {
      const successor = speakers.get(inOrder[next] ?? '');
      if (successor === undefined) throw new Error('Expected one more in line');
      const passedOnAt = Date.now();
      await speaking.session.signal('silent');
      handOvers.push((await spokeAt(busy, interactionId, successor)) - passedOnAt);
      expect(speakersOn(interactionId)).toBe(1);
      speaking = successor;
    }
    figure(`silent → next speaks, with ${LINE} in line`, spread(handOvers));
    const left = inOrder.slice(5);
    expect((await channelOf(busy, interactionId)).waiting.map(({ sessionId }) => sessionId)).toEqual(left);
    await expectPlaces(left);

    const overAt = performance.now();
    // Severed first: the simulator holds legs that its own end of the call has not come to yet against itself.
    busy.simulator.controls.sever({ interactionId });
    busy.simulator.controls.endInteraction({ interactionId });
    await forEachOf([holder, ...speakers.values()], async ({ session }) => {
      await session.signal('interactionEnded').catch((error: unknown) => {
        // It may have found out by itself meanwhile.
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      });
      const { session: ended } = await session.result();
      expect(ended).toMatchObject({ state: 'TERMINATED', endReason: 'interaction-ended', waiting: null });
    });
    figure(`${LINE + 1} sessions of an ended call over after, ms`, Math.round(performance.now() - overAt));
    await until('nobody holds or wants the channel', async () => {
      const { holder: still, waiting } = await channelOf(busy, interactionId);
      return still === null && waiting.length === 0;
    });
    expect(legsGone(busy, interactionId)).toBe(LINE + 1);
  },
  TEST_LIMIT_MS,
);

/** The sessions whose requests the mutex has accepted, as updates or signals, in the order in which Temporal recorded them. */
async function acceptedRequests(interactionId: string): Promise<string[]> {
  const mutex = temporal.client.workflow.getHandle(mutexWorkflowId(interactionId));
  const { events } = await mutex.fetchHistory();
  const accepted = (events ?? []).flatMap((event) => {
    const signaled = event.workflowExecutionSignaledEventAttributes;
    const update = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input;
    if ((signaled?.signalName ?? update?.name) !== REQUEST_CHANNEL) return [];
    const data = (signaled?.input ?? update?.args)?.payloads?.[0]?.data;
    return [channelRequest.parse(JSON.parse(Buffer.from(data ?? []).toString())).sessionId];
  });
  // One may have been sent both ways.
  return [...new Set(accepted)];
}

/** Every session shows the place that it has. */
async function expectPlaces(inOrder: readonly string[]): Promise<void> {
  await forEachOf(
    inOrder.map((sessionId, index) => ({ sessionId, position: index + 1 })),
    async ({ sessionId, position }) => {
      const session = busy.temporal.client.workflow.getHandle(sessionId);
      await until(`${sessionId} is at ${position}`, async () => (await memoOf(session)).waiting?.position === position);
    },
  );
}
