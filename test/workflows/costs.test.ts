import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { WorkflowNotFoundError } from '@temporalio/client';
import { mutexWorkflowId, sessionWorkflowId } from '../../domain/identifiers.js';
import { freePort } from '../../scripts/ports.js';
import { startApi } from '../api/api-world.js';
import type { RunningApi } from '../api/api-world.js';
import { figure } from '../support/figures.js';
import { tableRows } from '../support/markdown.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionWorld } from '../support/session-world.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

/** What one operation costs, in things that do not depend on how fast a machine is. */
interface Cost {
  /** In the session's history, and in the mutex's. */
  readonly sessionEvents: number;
  readonly mutexEvents: number;
  /** By API and worker, all that Temporal's frontend was asked but polls. */
  readonly temporalRequests: number;
  readonly platformRequests: number;
}

/** A busy machine takes another way now and then, which costs more: as many sessions may do so before it counts. */
const TRIES = 6;

let metricsPort = 0;
let temporal: TestTemporal;
let world: SessionWorld;
let api: RunningApi;

beforeAll(async () => {
  metricsPort = await freePort();
  temporal = await startTemporal({}, ['--metrics-port', String(metricsPort)]);
  world = await createSessionWorld(temporal);
  api = await startApi(temporal.client, { taskQueue: world.taskQueue });
});

afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
});

const STEPS = [
  ['start', 'silent'],
  ['whisper, first on the call', 'whisper'],
  ['whisper → barge', 'barge'],
  ['silent', 'silent'],
  ['barge, again on the call', 'barge'],
  ['stop, speaking', 'stop'],
] as const;

test('what each operation costs is what docs/performance.md says', async () => {
  const page = await readFile(join(import.meta.dirname, '../../docs/performance.md'), 'utf8');
  const stated = tableRows(page, 'one operation').map(([name, ...cells]) => [name, ...cells.map(Number)]);
  const least = new Map<string, Cost>();
  const measured = (): (string | number)[][] =>
    STEPS.map(([name]) => {
      const cost = least.get(name);
      if (cost === undefined) return [name];
      return [name, cost.sessionEvents, cost.mutexEvents, cost.temporalRequests, cost.platformRequests];
    });
  for (let n = 0; n < TRIES && JSON.stringify(measured()) !== JSON.stringify(stated); n += 1) {
    for (const [name, cost] of await costsOfOneLife(`supervisor-${n}`)) {
      const before = least.get(name) ?? cost;
      least.set(name, {
        sessionEvents: Math.min(before.sessionEvents, cost.sessionEvents),
        mutexEvents: Math.min(before.mutexEvents, cost.mutexEvents),
        temporalRequests: Math.min(before.temporalRequests, cost.temporalRequests),
        platformRequests: Math.min(before.platformRequests, cost.platformRequests),
      });
    }
  }
  for (const [name, cost] of least) figure(`cost of ${name}`, JSON.stringify(cost));
  expect(measured()).toEqual(stated);
});

async function costsOfOneLife(supervisorId: string): Promise<Map<string, Cost>> {
  const interactionId = world.interaction();
  const sessionId = sessionWorkflowId(interactionId, supervisorId);
  const costs = new Map<string, Cost>();
  let events = { session: 0, mutex: 0 };
  let asked = { temporal: await untilQuiet(), platform: world.simulator.ledger.requests().length };
  for (const [name, mode] of STEPS) {
    if (name === 'start') await api.post('/v1/sessions', { interactionId, supervisorId });
    else await api.post(`/v1/sessions/${encodeURIComponent(sessionId)}/commands`, { action: mode });
    await until(`${name} on the platform`, () => isDone(interactionId, mode));
    const after = { temporal: await untilQuiet(), platform: world.simulator.ledger.requests().length };
    const now = { session: await eventsOf(sessionId), mutex: await eventsOf(mutexWorkflowId(interactionId)) };
    costs.set(name, {
      sessionEvents: now.session - events.session,
      mutexEvents: now.mutex - events.mutex,
      temporalRequests: after.temporal - asked.temporal,
      platformRequests: after.platform - asked.platform,
    });
    events = now;
    asked = after;
  }
  return costs;
}

function isDone(interactionId: string, mode: (typeof STEPS)[number][1]): boolean {
  const [leg] = world.simulator.ledger.legs({ interactionId });
  if (mode === 'stop') return leg?.endedAt !== null && leg !== undefined;
  return leg?.activeAt !== null && leg?.modes.at(-1)?.mode === mode;
}

async function eventsOf(workflowId: string): Promise<number> {
  try {
    ownRequests += 1;
    return (await temporal.client.workflow.getHandle(workflowId).describe()).historyLength;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 0;
    throw error;
  }
}

/** Of these, the ones that this test has sent itself. */
let ownRequests = 0;

/** Requests to Temporal once there are no more of them. The server shows what it has counted once a second. */
async function untilQuiet(): Promise<number> {
  let last: number | undefined;
  return until('nobody asks Temporal anything', async () => {
    const marks = await requests(MARK);
    await temporal.client.connection.workflowService.countWorkflowExecutions({ namespace: temporal.namespace });
    await until('the server shows its count', async () => (await requests(MARK)) > marks);
    const now = (await requests(COUNTED)) - ownRequests;
    const isQuiet = now === last;
    last = now;
    return isQuiet ? now : undefined;
  });
}

/** Nobody else counts workflows. */
const MARK = /operation="CountWorkflowExecutions"/;
/** All but polls, which are sent whether there is anything to do or not, and what workers say of themselves. */
const COUNTED = /operation="(?!Poll|CountWorkflowExecutions|DescribeNamespace|RecordWorkerHeartbeat|GetSystemInfo)/;
const SAMPLE = /^service_requests\{(.*)\} (\d+)$/gm;

async function requests(which: RegExp): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  return [...page.matchAll(SAMPLE)]
    .filter(([, labels = '']) => labels.includes('service_name="frontend"') && labels.includes('namespace="default"'))
    .filter(([, labels = '']) => which.test(labels))
    .reduce((sum, [, , count = '']) => sum + Number(count), 0);
}
