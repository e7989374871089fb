import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createSweepActivities } from '../../activities/sweep-activities.js';
import type { SweptPages } from '../../activities/sweep-activities.js';
import type { InteractionPage } from '../../domain/platform-wire.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { platformOf } from './platform-of.js';

let temporal: TestTemporal;

beforeAll(async () => {
  temporal = await startTemporal();
});

afterAll(() => temporal.teardown());

function call(id: string, endedAt: string | null, status: 'ended' | 'connected' = 'ended') {
  return { id, status, agentId: null, queueName: null, customer: null, startedAt: null, endedAt };
}

/** One sweep over what a platform lists, page by page. */
async function sweep(pageAfter: (cursor: string | undefined) => InteractionPage, endedAfter: string | null) {
  const asked: (string | undefined)[] = [];
  const platform = platformOf({
    listInteractions({ cursor }) {
      asked.push(cursor);
      return Promise.resolve(pageAfter(cursor));
    },
  });
  const environment = new MockActivityEnvironment({}, { client: temporal.client });
  const activities = createSweepActivities(platform);
  const found: SweptPages = await environment.run((since: string | null) => activities.sweepEnded(since), endedAfter);
  return { asked, found };
}

test('all pages are read, and one that leads back to itself is the last', async () => {
  const pages: Readonly<Record<string, InteractionPage>> = {
    first: { entities: [call('a', '2026-11-02T10:00:00Z')], nextCursor: 'second' },
    second: { entities: [call('b', '2026-11-02T10:00:05Z')], nextCursor: 'second' },
  };
  const { asked, found } = await sweep((cursor = 'first') => pages[cursor]!, null);
  expect(asked).toEqual([undefined, 'second']);
  expect(found).toEqual({ pages: 2, interactions: 2, sessionsTold: 0, newestEndAt: '2026-11-02T10:00:05.000Z' });
});

test('of a platform that lists more than it was asked for, only what has ended since counts, and what it does not date', async () => {
  const entities = [
    call('old', '2026-11-02T09:00:00Z'),
    call('new', '2026-11-02T10:00:00Z'),
    call('undated', null),
    call('garbled', 'yesterday'),
    call('running', null, 'connected'),
  ];
  const { found } = await sweep(() => ({ entities, nextCursor: null }), '2026-11-02T09:30:00Z');
  expect(found).toMatchObject({ interactions: 3, newestEndAt: '2026-11-02T10:00:00.000Z' });
});
