import { expect, test } from '@jest/globals';
import { Random } from '../../simulator/random.js';
import { Stage } from './platform-harness.js';

/** Ids, people and delays of one run; `disturb` uses other streams of randomness in between. */
async function run(seed: string, disturb = false): Promise<unknown> {
  await using stage = await Stage.open({
    seed,
    population: { connected: 4, meanDurationSeconds: 100 },
    activationDelayMs: { min: 300, max: 1500 },
  });
  const startedAtMs = stage.clock.nowMs();
  const { entities = [] } = (await stage.client.get('/api/v2/interactions')).body;
  const people = entities.map((entity) => [entity.id, entity['agentId'], entity['queueName'], entity['customer']]);
  for (const { id } of entities) {
    await stage.client.command('start', id);
    if (!disturb) continue;
    stage.call();
    stage.simulator.controls.setEventFaults({ dropProbability: 0.5 });
    stage.simulator.controls.addFault({
      match: { action: 'state' },
      effect: { kind: 'status', status: 500 },
      probability: 0.5,
    });
    await stage.client.state(id);
  }
  stage.clock.advance(2_000);
  const legs = stage.simulator.ledger
    .legs()
    .map((leg) => [leg.monitorSessionId, leg.mediaServerGroupId, Date.parse(leg.activeAt ?? '') - startedAtMs]);
  return { people, legs };
}

test('the same seed and requests give the same ids, people, groups and delays', async () => {
  expect(await run('one')).toEqual(await run('one'));
});

test('another seed gives others', async () => {
  expect(await run('one')).not.toEqual(await run('two'));
});

test('what one concern draws does not shift another', async () => {
  expect(await run('one', true)).toEqual(await run('one'));
});

test('the seeded numbers are spread evenly, also for seeds that differ little', () => {
  for (const seed of ['a', 'b', 'c']) {
    const random = new Random(seed);
    const buckets = Array<number>(10).fill(0);
    for (let draw = 0; draw < 10_000; draw += 1) {
      const bucket = Math.floor(random.next() * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    for (const count of buckets) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  }
  expect(new Random('a').hex(16)).not.toBe(new Random('b').hex(16));
});
