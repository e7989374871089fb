import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { PLATFORM_EVENTS_ID } from '../../domain/sweep.js';
import { figure, spread } from '../support/figures.js';
import { replayEveryHistory } from '../support/replay.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionWorld } from '../support/session-world.js';
import { asked, legsGone, listed, listener, memoOf, reached, settled, stopped } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

/** Longer than this file runs: what is found out here, an event has told, or a sweep that an event stream asked for. */
const NEVER_MS = 3_600_000;

let temporal: TestTemporal;
let world: SessionWorld;

beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal, { cleaning: { intervalMs: NEVER_MS, followsEvents: true } });
  await connected();
});

afterEach(() => world.simulator.controls.clearFaults());

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
  expect(world.simulator.ledger.violations()).toEqual([]);
});

const shift = z.object({ connectedAt: z.string().nullable(), connections: z.number(), events: z.number() });

/** What the holder of the connection shows of itself in Temporal's UI, once it has one. */
async function connected(differentlyFrom?: z.infer<typeof shift>): Promise<z.infer<typeof shift>> {
  return until('the event stream is open', async () => {
    const { raw } = await temporal.client.workflow.getHandle(PLATFORM_EVENTS_ID).describe();
    const data = raw.pendingActivities?.[0]?.heartbeatDetails?.payloads?.[0]?.data;
    if (!data) return false;
    const shown = shift.parse(JSON.parse(Buffer.from(data).toString()));
    return shown.connectedAt !== null && shown.connectedAt !== differentlyFrom?.connectedAt && shown;
  });
}

describe('an event', () => {
  test('of a call’s end ends its sessions at once', async () => {
    const tookMs: number[] = [];
    for (let n = 0; n < 10; n += 1) {
      const interactionId = world.interaction();
      const session = await listener(world, interactionId);
      await listed(session);
      const sinceMs = performance.now();
      world.simulator.controls.endInteraction({ interactionId });
      expect((await session.result()).session.endReason).toBe('interaction-ended');
      tookMs.push(performance.now() - sinceMs);
      expect(legsGone(world, interactionId)).toBe(1);
    }
    figure('session closed after its call ended, by the event stream', spread(tookMs));
  });

  test('of a call’s end finds a session that lists do not show yet', async () => {
    const interactionId = world.interaction();
    const session = await world.start({ interactionId, supervisorId: 'anna' });
    await reached(session, 'SILENT');
    world.simulator.controls.endInteraction({ interactionId });
    expect((await session.result()).session.endReason).toBe('interaction-ended');
    expect(legsGone(world, interactionId)).toBe(1);
  });

  test('that a leg is active confirms it at once, however seldom the session looks', async () => {
    const interactionId = world.interaction();
    // Later than the first looks; the next ones come seconds later.
    world.simulator.controls.addLegFault({ interactionId, effect: 'activate', afterMs: 4_200 });
    const session = await world.start({ interactionId, supervisorId: 'anna' });
    const leg = await until('its leg is active', () => {
      const [made] = world.simulator.ledger.legs({ interactionId });
      return made?.activeAt ?? undefined;
    });
    await reached(session, 'SILENT');
    expect(Date.now() - Date.parse(leg)).toBeLessThan(1_500);
    await stopped(session);
  });

  test('of another leg, or from the past, changes nothing', async () => {
    const interactionId = world.interaction();
    const session = await listener(world, interactionId);
    const { monitorSessionId } = await memoOf(session);
    const before = await memoOf(session);
    const looks = asked(world, interactionId, 'state');
    const news = { mode: 'silent', bargeStatus: 'inactive' };
    await session.signal('monitorStatus', { ...news, monitorSessionId: 'ms-another’s', status: 'terminated' });
    await session.signal('monitorStatus', { ...news, monitorSessionId, status: 'pending' });
    await until('it has looked', () => asked(world, interactionId, 'state') > looks);
    await session.signal('barge', { commandId: 'b' });
    expect(await settled(session, 'b')).toMatchObject({ status: 'applied' });
    expect((await memoOf(session)).monitorSessionId).toBe(before.monitorSessionId);
    await stopped(session);
  });

  test('of a leg that was severed ends its session as lost', async () => {
    const interactionId = world.interaction();
    const session = await listener(world, interactionId);
    await listed(session);
    world.simulator.controls.sever({ interactionId });
    expect((await session.result()).session.endReason).toBe('leg-lost');
  });

  test('that another program’s leg fell silent lets a command through that waited for it', async () => {
    const interactionId = world.interaction();
    const session = await listener(world, interactionId);
    const outside = world.simulator.controls.outsideLeg({ interactionId });
    await session.signal('barge', { commandId: 'b' });
    await until('it waits', async () => (await memoOf(session)).waiting !== null);
    await listed(session);
    world.simulator.controls.releaseOutsideLeg({ ...outside, how: 'silent' });
    expect(await settled(session, 'b')).toMatchObject({ status: 'applied' });
    await stopped(session);
  });

  test('may come twice, late and in any order', async () => {
    world.simulator.controls.setEventFaults({ duplicateProbability: 1, reorderProbability: 0.5, delayMs: 200 });
    const interactionIds = Array.from({ length: 20 }, () => world.interaction());
    const sessions = await Promise.all(interactionIds.map((interactionId) => listener(world, interactionId)));
    for (const interactionId of interactionIds) world.simulator.controls.endInteraction({ interactionId });
    for (const session of sessions) {
      expect((await session.result()).session.endReason).toBe('interaction-ended');
    }
    for (const interactionId of interactionIds) expect(legsGone(world, interactionId)).toBe(1);
  });
});

describe('the connection', () => {
  test('comes back when it is dropped, and what was missed meanwhile is found out at once', async () => {
    const interactionId = world.interaction();
    const session = await listener(world, interactionId);
    const before = await connected();
    // Nobody is there to hear of it.
    world.simulator.controls.addFault({
      match: { action: 'stream' },
      effect: { kind: 'status', status: 503 },
      times: 2,
    });
    world.simulator.controls.disconnectStreams();
    world.simulator.controls.endInteraction({ interactionId });
    expect((await session.result()).session.endReason).toBe('interaction-ended');
    await connected(before);
  });

  test('is opened with another token when the platform refuses the one it has', async () => {
    const before = await connected();
    world.simulator.controls.revokeTokens();
    await connected(before);
    const interactionId = world.interaction();
    const session = await listener(world, interactionId);
    await listed(session);
    world.simulator.controls.endInteraction({ interactionId });
    await session.result();
  });

  test('is taken over by another worker when its own is shut down', async () => {
    const before = await connected();
    await world.stopWorker();
    await world.startWorker();
    await connected(before);
  });

  test('is the only one', async () => {
    const another = await temporal.client.workflow.start('platformEvents', {
      workflowId: 'another-stream',
      taskQueue: world.taskQueue,
    });
    await expect(another.result()).rejects.toMatchObject({ cause: { type: 'singleton.id.mismatch' } });
  });
});

test('every history of this file replays without a difference', async () => {
  expect(await replayEveryHistory(temporal)).toBeGreaterThan(20);
});
