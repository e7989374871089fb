import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { EventRouter } from '../../directory/event-router.js';
import { sessionWorkflowId } from '../../domain/identifiers.js';
import { parseCallEvent } from '../../domain/platform-events.js';
import type { CallEvent } from '../../domain/platform-events.js';
import { INTERACTION_ENDED_SIGNAL, MONITORING_SESSION } from '../../domain/workflow-contract.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';

let temporal: TestTemporal;

beforeAll(async () => {
  temporal = await startTemporal();
});

afterAll(() => temporal.teardown());

/** Temporal's lists lag; these show nothing until they are told to. */
class LaggingLists {
  isLagging = true;
  isBroken = false;
  readonly client: Client;

  constructor(real: Client) {
    const nothing = { query: "WorkflowId = 'nobody'" };
    const workflow = new Proxy(real.workflow, {
      get: (target, name) => {
        if (name === 'list' && this.isBroken) {
          return () => {
            throw new Error('lists are out of order');
          };
        }
        if (name === 'list' && this.isLagging) return () => target.list(nothing);
        const value: unknown = Reflect.get(target, name, target);
        return value;
      },
    });
    this.client = new Proxy(real, {
      get(target, name) {
        const value: unknown = name === 'workflow' ? workflow : Reflect.get(target, name, target);
        return value;
      },
    });
  }
}

/** A session of which only its start is known; nobody works at it. */
async function session(interactionId: string): Promise<WorkflowHandle> {
  const workflowId = sessionWorkflowId(interactionId, 'anna');
  const key = defineSearchAttributeKey('InteractionId', SearchAttributeType.KEYWORD);
  return temporal.client.workflow.start(MONITORING_SESSION, {
    workflowId,
    taskQueue: 'deserted',
    typedSearchAttributes: [{ key, value: interactionId }],
  });
}

function ended(interactionId: string): CallEvent {
  const event = parseCallEvent({
    id: `evt-${interactionId}`,
    topic: 'interaction.telephony.ended',
    timestamp: new Date().toISOString(),
    data: { interactionId, reason: 'hangup', endedAt: new Date().toISOString() },
  });
  if (event === undefined) throw new Error('Expected an event');
  return event;
}

async function signalsTo(handle: WorkflowHandle): Promise<string[]> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).flatMap(({ workflowExecutionSignaledEventAttributes: signal }) => signal?.signalName ?? []);
}

test('a session that lists do not show yet hears of it once they do', async () => {
  const lists = new LaggingLists(temporal.client);
  const router = new EventRouter(lists.client, () => undefined);
  const handle = await session('call-unlisted');
  await router.route(ended('call-unlisted'));
  expect(await signalsTo(handle)).toEqual([]);
  lists.isLagging = false;
  await until('it has heard', async () => (await signalsTo(handle)).length > 0);
  expect(await signalsTo(handle)).toEqual([INTERACTION_ENDED_SIGNAL]);
  router.close();
});

test('one that was noted hears of it at once', async () => {
  const lists = new LaggingLists(temporal.client);
  const router = new EventRouter(lists.client, () => undefined);
  const handle = await session('call-noted');
  router.note({ sessionId: handle.workflowId, interactionId: 'call-noted' });
  await router.route(ended('call-noted'));
  expect(await signalsTo(handle)).toEqual([INTERACTION_ENDED_SIGNAL]);
  router.close();
});

test('an event that cannot be looked up is not taken, and a later look that fails is repeated', async () => {
  const lists = new LaggingLists(temporal.client);
  const troubles: unknown[] = [];
  const router = new EventRouter(lists.client, (error) => troubles.push(error));
  lists.isBroken = true;
  await expect(router.route(ended('call-lost'))).rejects.toThrow('lists are out of order');
  const handle = await session('call-lost');
  await until('a later look has failed', () => troubles.length > 0);
  lists.isBroken = false;
  lists.isLagging = false;
  await until('it has heard', async () => (await signalsTo(handle)).length > 0);
  router.close();
});
