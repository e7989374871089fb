import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createReconcileActivities } from '../../activities/reconcile-activities.js';
import type { RoundRequest, RoundResult } from '../../activities/reconcile-activities.js';
import { newSessionRecord } from '../../domain/session-record.js';
import { sessionWorkflowId } from '../../domain/identifiers.js';
import type { LegState } from '../../domain/platform-wire.js';
import { INTERACTION_SWEEP, INTERACTION_SWEEP_ID, ROUND_MEMO } from '../../domain/sweep.js';
import { MONITORING_SESSION, SESSION_MEMO, START_MEMO } from '../../domain/workflow-contract.js';
import { PlatformError } from '../../platform/platform-error.js';
import type { PlatformFault } from '../../platform/platform-error.js';
import type { TelephonyPlatform } from '../../platform/telephony-platform.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';
import { platformOf } from './platform-of.js';

let temporal: TestTemporal;

beforeAll(async () => {
  temporal = await startTemporal();
});

afterAll(() => temporal.teardown());

const OURS = 'earshot';
const REQUEST: RoundRequest = { round: 0, closedSince: new Date().toISOString(), unknown: [], cursor: null };

function leg(monitorSessionId: string, clientId = OURS): LegState {
  return { monitorSessionId, status: 'active', mode: 'silent', mediaServerGroupId: null, clientId };
}

/** A platform that has these calls connected, and says of each what it is told to. */
class ManyCalls {
  readonly calls: readonly string[];
  readonly looked: string[] = [];
  readonly stopped: string[] = [];
  lists = 0;
  legsOf: (interactionId: string) => readonly LegState[] = () => [];
  /** Where the next page begins; a page has 100. */
  nextCursor = (end: number): string | null => (end < this.calls.length ? String(end) : null);
  fails: PlatformFault | undefined;
  /** What happens while a look is under way. */
  meanwhile: (interactionId: string) => Promise<void> = () => Promise.resolve();

  constructor(count: number) {
    this.calls = Array.from({ length: count }, (_, n) => `call-${n}`);
  }

  round(request: Partial<RoundRequest> = {}): Promise<RoundResult> {
    const environment = new MockActivityEnvironment({}, { client: temporal.client });
    const activities = createReconcileActivities(this.#port(), 0);
    return environment.run((asked: RoundRequest) => activities.reconcile(asked), { ...REQUEST, ...request });
  }

  #port(): TelephonyPlatform {
    const failing = (call: string): void => {
      if (this.fails !== undefined) throw new PlatformError(call, this.fails);
    };
    return platformOf({
      clientId: OURS,
      stopMonitor: ({ monitorSessionId }) => {
        this.stopped.push(monitorSessionId);
        return Promise.resolve('stopped');
      },
      monitorState: async (interactionId) => {
        await this.meanwhile(interactionId);
        failing('GET monitor state');
        this.looked.push(interactionId);
        const monitors = [...this.legsOf(interactionId)];
        return { interactionId, bargeStatus: 'inactive', bargeMonitorSessionId: null, monitors };
      },
      listInteractions: async ({ cursor = '0' }) => {
        await Promise.resolve();
        this.lists += 1;
        failing('GET interactions');
        const end = Number(cursor) + 100;
        const facts = { status: 'connected', agentId: null, queueName: null, customer: null } as const;
        const entities = this.calls
          .slice(Number(cursor), end)
          .map((id) => ({ id, ...facts, startedAt: null, endedAt: null }));
        return { entities, nextCursor: this.nextCursor(end) };
      },
    });
  }
}

test('calls that nobody monitors are all looked at, some in each round', async () => {
  const platform = new ManyCalls(1_050);
  let cursor: string | null = null;
  let rounds = 0;
  do {
    const result = await platform.round({ cursor });
    expect(result.interactions).toBeLessThanOrEqual(400);
    cursor = result.cursor;
    rounds += 1;
  } while (cursor !== null && rounds < 10);
  expect(new Set(platform.looked)).toEqual(new Set(platform.calls));
  expect(platform.looked).toHaveLength(platform.calls.length);
  expect(rounds).toBe(4);
});

test('a list that leads in circles ends the walk', async () => {
  const platform = new ManyCalls(250);
  platform.nextCursor = (end) => String(end % 200);
  expect((await platform.round()).cursor).toBeNull();
  expect(platform.lists).toBeLessThanOrEqual(3);
});

test('a cursor that the platform no longer knows begins the walk anew', async () => {
  const platform = new ManyCalls(10);
  platform.fails = { kind: 'invalid', status: 400, code: 'invalid.cursor' };
  expect((await platform.round({ cursor: '5' })).cursor).toBeNull();
});

test('a round whose platform goes away keeps what it knew, and says so', async () => {
  const unknown = [{ interactionId: 'call-1', monitorSessionId: 'ms-1', sinceMs: 1 }];
  const platform = new ManyCalls(10);
  platform.fails = { kind: 'ambiguous', detail: '503' };
  const result = await platform.round({ unknown, cursor: '100' });
  expect(result).toMatchObject({ unknown, cursor: '100', legsStopped: 0, trouble: null });
  platform.fails = { kind: 'forbidden', code: 'missing.permission' };
  const refused = await platform.round({ unknown, cursor: '100' });
  expect(refused).toMatchObject({ unknown, cursor: '100', trouble: expect.stringMatching(/refuses it/) });
  // The rest would have been in vain.
  expect(refused.calls).toBe(1);
});

test('no leg is stopped by lists that are out of date', async () => {
  const unknown = [{ interactionId: 'call-1', monitorSessionId: 'ms-1', sinceMs: 1 }];
  const platform = new ManyCalls(3);
  platform.legsOf = (interactionId) => (interactionId === 'call-1' ? [leg('ms-1')] : []);
  // The sweep whose memo would tell is not even there.
  const result = await platform.round({ unknown });
  expect(result).toMatchObject({ unknown, legsStopped: 0, trouble: expect.stringMatching(/out of date/) });
  expect(platform.stopped).toEqual([]);
});

test('a leg that nobody knows is stopped, but not one that a session has come to show meanwhile', async () => {
  await freshLists();
  const unknown = ['ms-1', 'ms-2'].map((monitorSessionId) => ({
    interactionId: 'call-late',
    monitorSessionId,
    sinceMs: 1,
  }));
  const platform = new ManyCalls(0);
  platform.legsOf = () => [leg('ms-1'), leg('ms-2')];
  platform.meanwhile = () => shown('call-late', 'ms-1', 'Running');
  expect(await platform.round({ unknown })).toMatchObject({ legsStopped: 1, unknown: [unknown[0]], trouble: null });
  expect(platform.stopped).toEqual(['ms-2']);
});

test('the leg of a session that died is stopped at once, and nobody else’s that its memo names', async () => {
  await freshLists();
  const closedSince = new Date(Date.now() - 1_000).toISOString();
  await Promise.all([shown('call-1', 'ms-foreign', 'Terminated'), shown('call-2', 'ms-own', 'Terminated')]);
  const platform = new ManyCalls(3);
  platform.legsOf = (interactionId) => {
    if (interactionId === 'call-1') return [leg('ms-foreign', 'another')];
    return interactionId === 'call-2' ? [leg('ms-own'), leg('ms-young')] : [];
  };
  const result = await platform.round({ closedSince });
  expect(new Set(platform.looked.slice(0, 2))).toEqual(new Set(['call-1', 'call-2']));
  expect(result).toMatchObject({ legsStopped: 1, sawTheDead: true });
  expect(platform.stopped).toEqual(['ms-own']);
});

test('where the platform could not be asked about the dead, the next round has to', async () => {
  const closedSince = new Date(Date.now() - 1_000).toISOString();
  await shown('call-1', 'ms-own', 'Terminated');
  const platform = new ManyCalls(1);
  platform.fails = { kind: 'ambiguous', detail: '503' };
  expect((await platform.round({ closedSince })).sawTheDead).toBe(false);
});

/** Lists as they are while a sweep runs: they show the mark of its round. */
async function freshLists(): Promise<void> {
  await temporal.client.workflow.start(INTERACTION_SWEEP, {
    workflowId: INTERACTION_SWEEP_ID,
    workflowIdConflictPolicy: 'USE_EXISTING',
    taskQueue: 'deserted',
    memo: { [ROUND_MEMO]: REQUEST.round },
  });
}

/** A session whose memo names a leg, once lists show it running or terminated. */
async function shown(interactionId: string, monitorSessionId: string, status: 'Running' | 'Terminated'): Promise<void> {
  const ids = { interactionId, supervisorId: 'mallory' };
  const workflowId = sessionWorkflowId(ids.interactionId, ids.supervisorId);
  const { session } = newSessionRecord(ids, { sessionId: workflowId, runId: '' }, new Date().toISOString());
  const handle = await temporal.client.workflow.start(MONITORING_SESSION, {
    workflowId,
    taskQueue: 'deserted',
    memo: { [SESSION_MEMO]: { ...session, monitorSessionId }, [START_MEMO]: 'resolved' },
  });
  if (status === 'Terminated') await handle.terminate();
  await until('it is listed', async () => {
    for await (const one of temporal.client.workflow.list({ query: `ExecutionStatus = '${status}'` })) {
      if (one.runId === handle.firstExecutionRunId) return true;
    }
    return false;
  });
}
