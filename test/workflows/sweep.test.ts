import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { ORPHAN_AFTER_MS } from '../../domain/reconciliation.js';
import { INTERACTION_SWEEP_ID, SWEEP_NOW, SWEEP_SETTINGS, sweepReport } from '../../domain/sweep.js';
import type { SweepReport } from '../../domain/sweep.js';
import { figure } from '../support/figures.js';
import { replayEveryHistory } from '../support/replay.js';
import { resetToBeginning } from '../support/reset-session.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import { asked, channelOf, legsGone, listener, memoOf, reached, settled, stopped } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

const INTERVAL_MS = 500;

let temporal: TestTemporal;
/** No event reaches anybody here: what is found out is found out by the sweep. */
let world: SessionWorld;

beforeAll(async () => {
  // A history counts as long after 200 events, so that continue-as-new comes every few seconds.
  temporal = await startTemporal({ 'limit.historyCount.suggestContinueAsNew': 200 });
  world = await createSessionWorld(temporal, { cleaning: { intervalMs: INTERVAL_MS, followsEvents: false } });
});

afterEach(() => {
  world.simulator.controls.clearFaults();
  world.simulator.controls.setHabits({});
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
  expect(world.simulator.ledger.violations()).toEqual([]);
});

async function speaker(interactionId: string, supervisorId: string): Promise<SessionHandle> {
  const session = await listener(world, interactionId, supervisorId);
  await session.signal('barge', { commandId: 'b' });
  expect(await settled(session, 'b')).toMatchObject({ status: 'applied' });
  return session;
}

function sweep() {
  return temporal.client.workflow.getHandle(INTERACTION_SWEEP_ID);
}

async function report(): Promise<SweepReport> {
  return sweepReport.parse(await sweep().query('state'));
}

/** Sweeps and rounds that began after now, and are done. */
async function nextRounds(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const sinceMs = Date.now();
    await until('a sweep and a round are done', async () => {
      const { sweep: swept, round } = await report();
      return [swept.at, round.at].every((at) => Date.parse(at ?? '') > sinceMs);
    });
  }
}

/** Makes one of the two ways in which the sweep finds out impossible. */
function without(action: 'state' | 'interactions', interactionId?: string): void {
  world.simulator.controls.addFault({
    match: { action, ...(interactionId === undefined ? {} : { interactionId }) },
    effect: { kind: 'status', status: 503 },
    times: 10_000,
  });
}

test('where events may have been missed a sweep begins at once, however long the interval is', async () => {
  await sweep().signal(SWEEP_SETTINGS, { intervalMs: 3_600_000 });
  const lastMs = async () => Date.parse((await report()).sweep.at ?? '');
  const quietSinceMs = await until('none is due', async () => {
    const atMs = await lastMs();
    return atMs < Date.now() - 2 * INTERVAL_MS && atMs;
  });
  await sweep().signal(SWEEP_NOW, {});
  await until('another one has begun', async () => (await lastMs()) > quietSinceMs);
  await sweep().signal(SWEEP_SETTINGS, { intervalMs: INTERVAL_MS });
});

describe('a call that is over', () => {
  test('ends its sessions by the list of calls that ended, and no others', async () => {
    const interactionId = world.interaction();
    const sessions = [await listener(world, interactionId), await listener(world, interactionId, 'ben')];
    const other = await listener(world, world.interaction());
    without('state', interactionId);
    world.simulator.controls.endInteraction({ interactionId, announce: false });
    for (const session of sessions) {
      expect((await session.result()).session.endReason).toBe('interaction-ended');
    }
    expect(legsGone(world, interactionId)).toBe(2);
    const told = await world.metrics.registry.getSingleMetric('earshot_sweep_sessions_told_total')?.get();
    expect(told?.values.find(({ labels }) => labels['part'] === 'sweep')?.value).toBeGreaterThanOrEqual(2);
    await nextRounds(1);
    expect((await memoOf(other)).state).toBe('SILENT');
    await stopped(other);
  });

  test.each([200, 404, 410] as const)(
    'ends them by a look that is answered %d, where no list says so',
    async (endedStateAnswer) => {
      world.simulator.controls.setHabits({ endedStateAnswer });
      const interactionId = world.interaction();
      const session = await listener(world, interactionId);
      without('interactions');
      world.simulator.controls.endInteraction({ interactionId, announce: false });
      const { endReason } = (await session.result()).session;
      expect(endReason).toBe(endedStateAnswer === 200 ? 'leg-lost' : 'interaction-ended');
      expect(legsGone(world, interactionId)).toBe(1);
    },
  );

  test('is found however long lists fail, and however long the history gets meanwhile', async () => {
    const interactionId = world.interaction();
    const session = await listener(world, interactionId);
    without('interactions');
    const { runId } = await sweep().describe();
    await until('the sweep has gone on in another run', async () => (await sweep().describe()).runId !== runId);
    world.simulator.controls.endInteraction({ interactionId, announce: false });
    expect((await session.result()).session.endReason).toBe('interaction-ended');
  });

  test('ends them where the platform ignores since when it was asked, on pages', async () => {
    world.simulator.controls.setHabits({ ignoresEndedAfter: true });
    for (let n = 0; n < 600; n += 1) {
      world.simulator.controls.endInteraction({ interactionId: world.interaction(), announce: false });
    }
    const interactionId = world.interaction();
    const session = await listener(world, interactionId);
    without('state', interactionId);
    world.simulator.controls.endInteraction({ interactionId, announce: false });
    expect((await session.result()).session.endReason).toBe('interaction-ended');
    const { sweep: swept } = await report();
    expect(swept.pages).toBeGreaterThan(1);
  });
});

describe('a leg', () => {
  test('that was severed without a word ends its session as lost', async () => {
    const interactionId = world.interaction();
    const [anna, ben] = [await speaker(interactionId, 'anna'), await listener(world, interactionId, 'ben')];
    const { monitorSessionId } = await memoOf(anna);
    world.simulator.controls.sever({ monitorSessionId: monitorSessionId ?? '', announce: false });
    expect((await anna.result()).session.endReason).toBe('leg-lost');
    await ben.signal('barge', { commandId: 'b' });
    expect(await settled(ben, 'b')).toMatchObject({ status: 'applied' });
    await stopped(ben);
    expect(legsGone(world, interactionId)).toBe(2);
  });

  test('whose mode another program changed is shown as it is', async () => {
    const interactionId = world.interaction();
    const session = await listener(world, interactionId);
    const { monitorSessionId } = await memoOf(session);
    await world.platform.changeMode({ interactionId, monitorSessionId: monitorSessionId ?? '' }, 'whisper');
    // It speaks without the channel, which it may not: it is silenced as soon as that is seen.
    await until('it is silent again', () => {
      const [leg] = world.simulator.ledger.legs({ interactionId });
      return leg?.modes.map(({ mode }) => mode).join() === 'silent,whisper,silent';
    });
    await stopped(session);
  });

  test('of ours that nobody knows is stopped, monitored call or not; other programs’ legs stay, and those of lost starts', async () => {
    const [monitored, lonely] = [world.interaction(), world.interaction()];
    const session = await listener(world, monitored);
    const own = [
      await world.platform.startMonitor({ interactionId: monitored }),
      await world.platform.startMonitor({ interactionId: lonely }),
    ];
    const outside = [
      world.simulator.controls.outsideLeg({ interactionId: monitored }),
      world.simulator.controls.outsideLeg({ interactionId: lonely }),
    ];
    // At the same time, on another call: one that a start whose answer is lost has made is left to its session.
    const doubtful = world.interaction();
    world.simulator.controls.addFault({
      match: { action: 'start', interactionId: doubtful },
      effect: { kind: 'lost-answer' },
    });
    const adopter = await world.start({ interactionId: doubtful, supervisorId: 'anna' });
    const startedAtMs = performance.now();
    const legs = [monitored, lonely].flatMap((interactionId) => world.simulator.ledger.legs({ interactionId }));
    const endOf = (monitorSessionId: string) =>
      [monitored, lonely]
        .flatMap((interactionId) => world.simulator.ledger.legs({ interactionId }))
        .find((leg) => leg.monitorSessionId === monitorSessionId)?.endedBy;
    expect(legs).toHaveLength(5);
    await until(
      'both are stopped',
      () => own.every(({ monitorSessionId }) => endOf(monitorSessionId) === 'stop'),
      ORPHAN_AFTER_MS + 10_000,
    );
    expect(performance.now() - startedAtMs).toBeGreaterThan(ORPHAN_AFTER_MS);
    expect(outside.map(({ monitorSessionId }) => endOf(monitorSessionId))).toEqual([null, null]);
    expect((await memoOf(session)).state).toBe('SILENT');
    await stopped(session);
    await reached(adopter, 'SILENT');
    expect(world.simulator.ledger.legs({ interactionId: doubtful })).toHaveLength(1);
    await stopped(adopter);
    for (const leg of outside) world.simulator.controls.releaseOutsideLeg(leg);
  });
});

describe('a session that was terminated', () => {
  test('and another one started in its place: the new one keeps its own leg', async () => {
    const interactionId = world.interaction();
    const first = await listener(world, interactionId);
    await first.terminate();
    const second = await listener(world, interactionId);
    await until(
      'the first leg is stopped',
      () => world.simulator.ledger.legs({ interactionId })[0]?.endedBy === 'stop',
    );
    await nextRounds(2);
    expect(world.simulator.ledger.legs({ interactionId })[1]?.endedBy).toBeNull();
    await stopped(second);
    expect(legsGone(world, interactionId)).toBe(2);
  });

  test('while the platform is away: its leg is stopped when that is back', async () => {
    const interactionId = world.interaction();
    const session = await listener(world, interactionId);
    without('state');
    await session.terminate();
    await until(
      'a round has failed',
      async () => (await report()).round.trouble !== null || asked(world, interactionId, 'state') > 5,
    );
    world.simulator.controls.clearFaults();
    await until(
      'its leg is stopped',
      () => world.simulator.ledger.legs({ interactionId })[0]?.endedBy === 'stop',
      40_000,
    );
  });
});

/** What somebody does to a session in Temporal; the handle of what goes on, if anything does. */
const FATES = {
  async terminated(session: SessionHandle): Promise<undefined> {
    await session.terminate();
  },
  async cancelled(session: SessionHandle): Promise<undefined> {
    await session.cancel();
  },
  reset: (session: SessionHandle): Promise<SessionHandle> => resetToBeginning(session),
};

describe.each(['terminated', 'cancelled', 'reset'] as const)('a session that was %s from Temporal’s side', (fate) => {
  test.each(['is silent', 'speaks', 'waits'] as const)(
    'while it %s: its leg, the channel and the others',
    async (doing) => {
      const interactionId = world.interaction();
      const legs = () => world.simulator.ledger.legs({ interactionId });
      const anna = doing === 'speaks' ? undefined : await speaker(interactionId, 'anna');
      const ben =
        doing === 'speaks' ? await speaker(interactionId, 'ben') : await listener(world, interactionId, 'ben');
      if (doing === 'waits') {
        await ben.signal('barge', { commandId: 'b' });
        await until('ben is next', async () => (await memoOf(ben)).waiting?.position === 1);
      }
      const cora = await listener(world, interactionId, 'cora');
      await cora.signal('barge', { commandId: 'c' });
      await until('cora waits', async () => (await memoOf(cora)).waiting?.position === (doing === 'waits' ? 2 : 1));
      const { monitorSessionId } = await memoOf(ben);
      const legOfBen = () => legs().find((leg) => leg.monitorSessionId === monitorSessionId);

      const sinceMs = performance.now();
      const again = await FATES[fate](ben);
      if (again === undefined) {
        await until('its leg is stopped', () => legOfBen()?.endedBy === 'stop');
        figure(
          `leg of a session ${fate} while it ${doing}, stopped after, ms`,
          Math.round(performance.now() - sinceMs),
        );
      } else {
        await nextRounds(2);
        expect(legOfBen()?.endedBy).toBeNull();
        // It has its place again, or its turn.
        if (doing === 'waits') await anna?.signal('silent');
        if (doing !== 'is silent') expect(await settled(again, 'b')).toMatchObject({ status: 'applied' });
        await again.signal('silent');
      }
      await anna?.signal('silent');
      expect(await settled(cora, 'c')).toMatchObject({ status: 'applied' });
      for (const session of [anna, again, cora]) if (session !== undefined) await stopped(session);
      expect(legsGone(world, interactionId)).toBe(anna === undefined ? 2 : 3);
      await until('nothing is locked', async () => (await channelOf(world, interactionId)).holder === null);
    },
    60_000,
  );
});

describe('the sweep itself', () => {
  test('goes on in run after run', async () => {
    const { runId } = await sweep().describe();
    await until('another run', async () => (await sweep().describe()).runId !== runId);
    await nextRounds(1);
  });

  test('takes another interval from the workers, and does at once what it is asked to', async () => {
    await sweep().signal('settings', { intervalMs: 3_600_000 });
    await sweep().signal('settings', { intervalMs: 'nonsense' });
    await until('it has heard', async () => (await report()).intervalMs === 3_600_000);
    const interactionId = world.interaction();
    const session = await listener(world, interactionId);
    // What was due by the old interval has been done.
    await until('it rests', async () => (await sweep().describe()).raw.pendingActivities?.length === 0);
    world.simulator.controls.endInteraction({ interactionId, announce: false });
    await sweep().signal('sweepNow');
    expect((await session.result()).session.endReason).toBe('interaction-ended');
    await sweep().signal('settings', { intervalMs: INTERVAL_MS });
    await nextRounds(1);
  });

  test('is the only one', async () => {
    const another = await temporal.client.workflow.start('interactionSweep', {
      workflowId: 'another-sweep',
      taskQueue: world.taskQueue,
      args: [{ intervalMs: INTERVAL_MS }],
    });
    await expect(another.result()).rejects.toMatchObject({ cause: { type: 'singleton.id.mismatch' } });
  });
});

test('every history of this file replays without a difference', async () => {
  await sweep().terminate();
  expect(await replayEveryHistory(temporal)).toBeGreaterThan(20);
});
