import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import type { SessionMedia } from '../../domain/media.js';
import { MEDIA_QUALITY_SIGNAL } from '../../domain/workflow-contract.js';
import { replayEveryHistory } from '../support/replay.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import { asked, legsGone, listener, memoOf, reached, reportOf, stopped } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

const startBody = z.object({ mediaServerGroupId: z.string().optional() });

const NEVER_MS = 3_600_000;
const POLL_MS = 2_000;

const [US, US_2, EU, EU_2, AP] = [
  'ms-group-us-east-1',
  'ms-group-us-east-2',
  'ms-group-eu-central-1',
  'ms-group-eu-central-2',
  'ms-group-ap-south-1',
] as const;

let temporal: TestTemporal;
let world: SessionWorld;

beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal, {
    cleaning: { intervalMs: NEVER_MS, followsEvents: true },
    media: {
      limits: { packetLoss: 0.03, jitterMs: 30, badSamples: 3, goodSamples: 6, changesPerMinute: 60 },
      pollMs: POLL_MS,
    },
    // Samples come when a test wants them.
    simulator: { mediaMetricsIntervalSeconds: 0 },
  });
});

afterEach(() => {
  world.simulator.controls.clearFaults();
  world.simulator.controls.setHabits({});
  for (const id of [US, US_2, EU, EU_2, AP]) {
    world.simulator.controls.setMediaServerGroup({ id, state: 'available', capacity: 2_000 });
  }
});

afterAll(async () => {
  await replayEveryHistory(temporal);
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
  expect(world.simulator.ledger.violations()).toEqual([]);
});

/** A call that is carried by a group. */
const callOn = (primaryGroupId: string): string =>
  world.simulator.controls.addInteraction({ primaryGroupId }).interactionId;

async function mediaOf(session: SessionHandle): Promise<SessionMedia> {
  const { media } = await memoOf(session);
  if (media === null) throw new Error('there is no leg yet');
  return media;
}

/** One sample of every leg after the other, until that holds of what the session shows. */
async function sampledUntil(
  session: SessionHandle,
  what: string,
  holds: (media: SessionMedia) => boolean,
): Promise<SessionMedia> {
  return until(`${session.workflowId}: ${what}`, async () => {
    world.simulator.controls.publishMediaMetrics();
    const media = await mediaOf(session);
    return holds(media) && media;
  });
}

/** The groups that legs were asked for, in order; `null`: any. */
function groupsAsked(interactionId: string): (string | null)[] {
  return world.simulator.ledger
    .requests({ interactionId, action: 'start' })
    .map(({ body }) => startBody.parse(body).mediaServerGroupId ?? null);
}

const groupsOfLegs = (interactionId: string): (string | null)[] =>
  world.simulator.ledger.legs({ interactionId }).map(({ mediaServerGroupId }) => mediaServerGroupId);

/** Moves a call to another group, once nobody remembers any more where it was: an answer is as good as new for a second. */
async function moved(interactionId: string, toGroupId: string): Promise<void> {
  const lookups = world.simulator.ledger.requests({ action: 'media-server-groups', interactionId });
  const rememberedUntil = Date.parse(lookups.at(-1)?.at ?? '') + 1_100;
  await until('it is forgotten', () => Date.now() > rememberedUntil);
  world.simulator.controls.failOver({ interactionId, toGroupId });
}

describe('a leg', () => {
  test('is made where the call is carried, and is heard well', async () => {
    const interactionId = callOn(EU);
    const session = await listener(world, interactionId);
    expect(groupsOfLegs(interactionId)).toEqual([EU]);
    expect(await mediaOf(session)).toMatchObject({
      mediaServerGroupId: EU,
      affinity: 'primary',
      fallback: null,
      codec: { name: 'opus', bitrateBps: 32_000 },
      playoutDelayMs: 60,
      nackEnabled: false,
    });
    const media = await sampledUntil(session, 'it has been sampled', ({ quality }) => quality !== null);
    expect(media).toMatchObject({ quality: 'good', affinity: 'primary', playoutDelayMs: 60 });
    expect(media.packetLoss).toBeLessThan(0.01);
    await stopped(session);
  });

  test('is made nearby where that group is draining', async () => {
    world.simulator.controls.setMediaServerGroup({ id: EU, state: 'draining' });
    const interactionId = callOn(EU);
    const session = await listener(world, interactionId);
    expect(groupsAsked(interactionId)).toEqual([EU_2]);
    expect(await mediaOf(session)).toMatchObject({
      mediaServerGroupId: EU_2,
      affinity: 'same-region',
      fallback: { wanted: EU, reason: 'draining' },
      playoutDelayMs: 60,
    });
    await stopped(session);
  });

  test('is made nearby where that group is full: the refusal made none', async () => {
    world.simulator.controls.setMediaServerGroup({ id: EU, capacity: 0 });
    const interactionId = callOn(EU);
    const session = await listener(world, interactionId);
    expect(groupsAsked(interactionId)).toEqual([EU, EU_2]);
    expect(groupsOfLegs(interactionId)).toEqual([EU_2]);
    expect((await mediaOf(session)).fallback).toEqual({ wanted: EU, reason: 'unavailable' });
    await stopped(session);
    expect(legsGone(world, interactionId)).toBe(1);
  });

  test('is made anywhere where the whole region takes none, and begins with the tuned profile', async () => {
    for (const id of [EU, EU_2]) world.simulator.controls.setMediaServerGroup({ id, state: 'down' });
    const interactionId = callOn(EU);
    const session = await listener(world, interactionId);
    expect(groupsAsked(interactionId)).toEqual([null]);
    const media = await mediaOf(session);
    expect(media).toMatchObject({ affinity: 'none', fallback: { wanted: EU, reason: 'down' } });
    expect(media).toMatchObject({ playoutDelayMs: 150, nackEnabled: true, codec: { bitrateBps: 32_000 } });
    // What the platform chose is what is shown.
    expect([media.mediaServerGroupId]).toEqual(groupsOfLegs(interactionId));
    await stopped(session);
  });

  test('waits for the lookup for a moment, not longer, and is made without it', async () => {
    const interactionId = callOn(EU);
    world.simulator.controls.addFault({
      match: { action: 'media-server-groups', interactionId },
      effect: { kind: 'hang', execute: false },
    });
    const session = await listener(world, interactionId);
    const [lookup] = world.simulator.ledger.requests({ action: 'media-server-groups', interactionId });
    const [start] = world.simulator.ledger.requests({ interactionId, action: 'start' });
    expect(Date.parse(start?.at ?? '') - Date.parse(lookup?.at ?? '')).toBeGreaterThanOrEqual(400);
    expect(Date.parse(start?.at ?? '') - Date.parse(lookup?.at ?? '')).toBeLessThan(4_000);
    expect(groupsAsked(interactionId)).toEqual([null]);
    expect((await mediaOf(session)).fallback).toEqual({ wanted: null, reason: 'lookup-failed' });
    await stopped(session);
  });

  test('that the platform puts elsewhere than it said is shown where it is, and tuned for that', async () => {
    world.simulator.controls.setHabits({ movesLegs: true });
    const interactionId = callOn(EU);
    const session = await listener(world, interactionId);
    expect(groupsAsked(interactionId)).toEqual([EU]);
    const media = await mediaOf(session);
    expect([media.mediaServerGroupId]).toEqual(groupsOfLegs(interactionId));
    expect(media).toMatchObject({ affinity: 'none', playoutDelayMs: 150, fallback: { wanted: EU, reason: 'moved' } });
    await stopped(session);
  });

  test('of a call that several supervisors join together costs one lookup', async () => {
    const interactionId = callOn(US);
    const sessions = await Promise.all(['anna', 'ben', 'carla'].map((who) => listener(world, interactionId, who)));
    expect(groupsOfLegs(interactionId)).toEqual([US, US, US]);
    expect(asked(world, interactionId, 'media-server-groups')).toBe(1);
    await stopped(...sessions);
  });
});

describe('a caller’s own choice', () => {
  const start = (interactionId: string, mediaServerGroupId: string, mediaAffinity?: 'strict'): Promise<SessionHandle> =>
    world.start({
      interactionId,
      supervisorId: 'anna',
      mediaServerGroupId,
      ...(mediaAffinity === undefined ? {} : { mediaAffinity }),
    });

  test('is kept, however far it is', async () => {
    const interactionId = callOn(US);
    const session = await start(interactionId, EU);
    await reached(session, 'SILENT');
    expect(groupsAsked(interactionId)).toEqual([EU]);
    expect(await mediaOf(session)).toMatchObject({ mediaServerGroupId: EU, affinity: 'none', fallback: null });
    expect(await mediaOf(session)).toMatchObject({ playoutDelayMs: 150, nackEnabled: true });
    await stopped(session);
  });

  test('that the platform refuses is told, with where the leg is instead', async () => {
    const interactionId = callOn(US);
    const session = await start(interactionId, 'ms-group-nowhere');
    await reached(session, 'SILENT');
    expect(groupsAsked(interactionId)).toEqual(['ms-group-nowhere', US]);
    expect(await mediaOf(session)).toMatchObject({
      mediaServerGroupId: US,
      affinity: 'primary',
      fallback: { wanted: 'ms-group-nowhere', reason: 'unknown' },
    });
    const { history } = await reportOf(session);
    expect(history.find(({ type }) => type === 'leg.made')).toMatchObject({
      wantedGroupId: 'ms-group-nowhere',
      fallbackReason: 'unknown',
      mediaServerGroupId: US,
      affinity: 'primary',
    });
    await stopped(session);
  });

  test('that is strict is refused instead, and no leg is made', async () => {
    const interactionId = callOn(US);
    const session = await start(interactionId, 'ms-group-nowhere', 'strict');
    const { session: over, history } = await session.result();
    expect(over).toMatchObject({ endReason: 'start-failed', media: null });
    expect(history.find(({ type }) => type === 'session.ending')?.reason).toMatch(/ms-group-nowhere/);
    expect(groupsAsked(interactionId)).toEqual(['ms-group-nowhere']);
    expect(groupsOfLegs(interactionId)).toEqual([]);
  });

  const strictly = (interactionId: string): Promise<SessionHandle> =>
    world.start({ interactionId, supervisorId: 'anna', mediaAffinity: 'strict' });

  test('strict without a choice: where the call is carried, and a lookup that fails is tried again', async () => {
    const interactionId = callOn(AP);
    world.simulator.controls.addFault({
      match: { action: 'media-server-groups', interactionId },
      effect: { kind: 'status', status: 503 },
    });
    const session = await strictly(interactionId);
    await reached(session, 'SILENT');
    expect(groupsOfLegs(interactionId)).toEqual([AP]);
    expect(groupsAsked(interactionId)).toEqual([AP]);
    await stopped(session);
  });

  test('strict where nobody may know: no leg, and why', async () => {
    const ended = callOn(AP);
    world.simulator.controls.endInteraction({ interactionId: ended });
    expect((await (await strictly(ended)).result()).session.endReason).toBe('interaction-ended');
    const forbidden = callOn(AP);
    world.simulator.controls.addFault({
      match: { action: 'media-server-groups', interactionId: forbidden },
      effect: { kind: 'status', status: 403, code: 'missing.permission' },
    });
    expect((await (await strictly(forbidden)).result()).session.endReason).toBe('forbidden');
    expect([...groupsAsked(ended), ...groupsAsked(forbidden)]).toEqual([]);
  });

  test('strict, and put elsewhere all the same: the leg is stopped', async () => {
    world.simulator.controls.setHabits({ movesLegs: true });
    const interactionId = callOn(AP);
    const { session, history } = await (await strictly(interactionId)).result();
    expect(session).toMatchObject({ endReason: 'start-failed', state: 'TERMINATED' });
    expect(history.find(({ type }) => type === 'session.ending')?.reason).toMatch(/ms-group-ap-south-1/);
    expect(legsGone(world, interactionId)).toBe(1);
  });
});

describe('how it is heard', () => {
  test('falls back in steps, and comes back: every change is told, and costs five events', async () => {
    const interactionId = callOn(US);
    const session = await listener(world, interactionId);
    const { monitorSessionId } = await memoOf(session);
    const leg = monitorSessionId ?? '';
    await sampledUntil(session, 'good', ({ quality }) => quality === 'good');
    const eventsBefore = (await session.fetchHistory()).events?.length ?? 0;
    const versionBefore = (await memoOf(session)).version;

    world.simulator.controls.setMediaConditions({
      monitorSessionId: leg,
      conditions: { packetLoss: 0.12, jitterMs: 20, roundTripMs: 80 },
    });
    const worse = await sampledUntil(session, 'a step down', ({ codec }) => codec.bitrateBps < 32_000);
    expect(worse).toMatchObject({ playoutDelayMs: 150, nackEnabled: true });
    // The client applies it; the network is still too narrow.
    world.simulator.controls.setLegBitrate({ monitorSessionId: leg, bitrateBps: 20_000 });
    await sampledUntil(session, 'another', ({ codec }) => codec.bitrateBps === 12_000);
    world.simulator.controls.setLegBitrate({ monitorSessionId: leg, bitrateBps: 12_000 });
    await sampledUntil(session, 'heard better for it', ({ quality }) => quality !== 'poor');

    world.simulator.controls.setMediaConditions({ monitorSessionId: leg, conditions: null });
    await sampledUntil(session, 'good again, at the full bit rate', ({ quality, codec }) => {
      world.simulator.controls.setLegBitrate({ monitorSessionId: leg, bitrateBps: codec.bitrateBps });
      return quality === 'good' && codec.bitrateBps === 32_000;
    });

    const told = world.announced.filter(
      ({ type, sessionId }) => type === 'session.media' && sessionId === session.workflowId,
    );
    const steps = told.map(({ bitrateBps }) => bitrateBps).filter((bps, index, all) => bps !== all[index - 1]);
    expect(steps).toEqual([32_000, 20_000, 12_000, 20_000, 32_000]);
    const changes = (await memoOf(session)).version - versionBefore;
    const events = ((await session.fetchHistory()).events?.length ?? 0) - eventsBefore;
    expect(changes).toBe(told.length - 1);
    // Two that come together share a task.
    expect(events).toBeLessThanOrEqual(5 * changes);
    await stopped(session);
  });

  test('a call that moves to another region leaves its leg behind, which is tuned for that until it comes back', async () => {
    const interactionId = callOn(US);
    const session = await listener(world, interactionId);
    await sampledUntil(session, 'good', ({ quality }) => quality === 'good');
    await moved(interactionId, EU);
    const far = await sampledUntil(session, 'far away', ({ affinity }) => affinity === 'none');
    expect(far).toMatchObject({ mediaServerGroupId: US, playoutDelayMs: 150, nackEnabled: true });
    await moved(interactionId, US);
    await sampledUntil(session, 'at home', ({ affinity, quality }) => affinity === 'primary' && quality === 'good');
    await stopped(session);
  });

  test('is asked for where no event tells of it', async () => {
    world.simulator.controls.setEventFaults({ dropProbability: 1, topics: ['interaction.telephony.media-metrics'] });
    const interactionId = callOn(US);
    const session = await listener(world, interactionId);
    await until('it has been asked for', async () => (await mediaOf(session)).quality !== null);
    expect(asked(world, interactionId, 'media-metrics')).toBeGreaterThan(0);
    await stopped(session);
  });

  test('of a leg that is none of ours concerns nobody', async () => {
    const interactionId = callOn(US);
    world.simulator.controls.outsideLeg({ interactionId, mode: 'silent' });
    const session = await listener(world, interactionId);
    await sampledUntil(session, 'its own has been sampled', ({ quality }) => quality !== null);
    const told = world.announced.filter(
      ({ type, interactionId: id }) => type === 'session.media' && id === interactionId,
    );
    expect(told).toHaveLength(1);
    await stopped(session);
  });

  test('is told of a leg that was sampled before it was confirmed, once it is', async () => {
    const interactionId = callOn(US);
    world.simulator.controls.addLegFault({ interactionId, effect: 'activate', afterMs: 10 });
    // The session does not hear that its leg is active; samples come meanwhile.
    world.simulator.controls.setEventFaults({ dropProbability: 1, topics: ['interaction.telephony.monitor'] });
    world.simulator.controls.addFault({
      match: { action: 'state', interactionId },
      effect: { kind: 'status', status: 503 },
      times: 2,
    });
    const session = await world.start({ interactionId, supervisorId: 'anna' });
    await until('its leg is active', () => world.simulator.ledger.legs({ interactionId })[0]?.activeAt ?? undefined);
    await until('samples have come', () => {
      world.simulator.controls.publishMediaMetrics();
      return asked(world, interactionId, 'state') > 0;
    });
    await reached(session, 'SILENT');
    await sampledUntil(session, 'it is told', ({ quality }) => quality === 'good');
    await stopped(session);
  });

  test('is followed by the next worker from where the last one left it', async () => {
    const interactionId = callOn(US);
    const session = await listener(world, interactionId);
    const { monitorSessionId } = await memoOf(session);
    world.simulator.controls.setMediaConditions({
      monitorSessionId: monitorSessionId ?? '',
      conditions: { packetLoss: 0.2, jitterMs: 5, roundTripMs: 80 },
    });
    await sampledUntil(session, 'as low as it goes', ({ codec }) => codec.bitrateBps === 12_000);
    const { version } = await memoOf(session);
    await world.stopWorker();
    await world.startWorker();
    const before = asked(world, interactionId, 'media-metrics');
    // Polled, so somebody follows it again.
    await until('it is followed', () => asked(world, interactionId, 'media-metrics') >= before + 2);
    expect((await memoOf(session)).version).toBe(version);
    await stopped(session);
  });
});

describe('the signal', () => {
  const NEWS = {
    quality: 'poor',
    bitrateBps: 12_000,
    packetLoss: 0.2,
    jitterMs: 40,
    roundTripMs: 300,
    sampledAt: '2026-11-01T00:00:00.000Z',
  };

  test('is refused with its faults by name, and believed of nobody else’s leg', async () => {
    const interactionId = callOn(US);
    const session = await listener(world, interactionId);
    const { monitorSessionId } = await memoOf(session);
    await session.signal(MEDIA_QUALITY_SIGNAL, { ...NEWS, monitorSessionId: 'ms-another’s' });
    await session.signal(MEDIA_QUALITY_SIGNAL, { ...NEWS, monitorSessionId, quality: 'awful', volume: 11 });
    const { history, session: shown } = await until('it is refused', async () => {
      const report = await reportOf(session);
      return report.history.some(({ type }) => type === 'signal.refused') && report;
    });
    expect(history.find(({ type }) => type === 'signal.refused')).toMatchObject({
      signal: MEDIA_QUALITY_SIGNAL,
      reason: expect.stringMatching(/quality: .*volume: is not known here/),
    });
    expect(shown.media?.quality).not.toBe('poor');
    await stopped(session);
  });

  test('tells the same news once', async () => {
    const interactionId = callOn(US);
    const session = await listener(world, interactionId);
    const { monitorSessionId } = await memoOf(session);
    await sampledUntil(session, 'it has been sampled', ({ quality }) => quality !== null);
    for (let n = 0; n < 3; n += 1) await session.signal(MEDIA_QUALITY_SIGNAL, { ...NEWS, monitorSessionId });
    await until('it is shown', async () => (await mediaOf(session)).quality === 'poor');
    // News that says nothing of it leaves the leg where it is.
    expect((await mediaOf(session)).affinity).toBe('primary');
    const { history } = await reportOf(session);
    expect(history.filter((entry) => entry.type === 'session.media' && entry.quality === 'poor')).toHaveLength(1);
    await stopped(session);
  });
});
