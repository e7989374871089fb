import { expect, test } from '@jest/globals';
import { SampleMemory, ToldSamples } from '../../api/sample-memory.js';
import { samplesMessage } from '../../domain/notifications.js';
import type { LegSample } from '../../domain/notifications.js';
import { snapshot } from '../support/snapshot.js';

/** The nth of a leg, 5 s apart. */
function sample(id: string, n: number, over: Partial<LegSample> = {}): LegSample {
  return {
    sessionId: `session~${id}~anna`,
    monitorSessionId: `ms-${id}`,
    sampledAt: new Date(n * 5_000).toISOString(),
    packetLoss: 0.01,
    jitterMs: n,
    roundTripMs: 30,
    quality: 'good',
    ...over,
  };
}

const numbers = (memory: SampleMemory, id: string): unknown[] =>
  memory.of(`session~${id}~anna`).map((text) => samplesMessage.shape.samples.element.parse(JSON.parse(text)).jitterMs);

test('of a session the latest sixty are remembered, each once', () => {
  const memory = new SampleMemory();
  for (let n = 0; n < 100; n += 1) {
    expect(memory.add(sample('a', n))).toBeDefined();
    expect(memory.add(sample('a', n))).toBeUndefined();
  }
  expect(numbers(memory, 'a')).toEqual(Array.from({ length: 60 }, (_, n) => 40 + n));
  memory.forget('session~a~anna');
  expect(memory.of('session~a~anna')).toEqual([]);
});

test('of very many sessions each has the same share, and what was forgotten makes room', () => {
  const memory = new SampleMemory();
  const ids = Array.from({ length: 5_000 }, (_, n) => String(n));
  for (let n = 0; n < 60; n += 1) memory.add(sample('silent', n));
  for (let n = 0; n < 10; n += 1) for (const id of ids) memory.add(sample(id, n));
  // 30,000 among 5,001.
  expect(numbers(memory, 'silent')).toEqual([55, 56, 57, 58, 59]);
  for (const id of ['0', '2500', '4999']) expect(numbers(memory, id)).toEqual([5, 6, 7, 8, 9]);
  for (const id of ids.slice(1)) memory.forget(`session~${id}~anna`);
  for (let n = 10; n < 100; n += 1) memory.add(sample('0', n));
  expect(numbers(memory, '0')).toHaveLength(60);
});

test('of an earlier session under the same id nothing is left', () => {
  const memory = new SampleMemory();
  memory.add(sample('a', 1));
  memory.add(sample('a', 2, { monitorSessionId: 'ms-next' }));
  expect(numbers(memory, 'a')).toEqual([2]);
});

test('a message has what concerns its reader, as the schema says, and is none where nothing does', () => {
  const memory = new SampleMemory();
  const told = ['a', 'b'].flatMap((id) => {
    const text = memory.add(sample(id, 1, id === 'a' ? { quality: null } : {}));
    return text === undefined ? [] : [{ session: snapshot({ sessionId: `session~${id}~anna` }), text }];
  });
  const message = new ToldSamples('2026-11-27T00:00:00.000Z', told);
  const idsFor = (...concerned: string[]): unknown => {
    const text = message.textFor(({ sessionId }) => concerned.includes(sessionId));
    return text === undefined ? text : samplesMessage.parse(JSON.parse(text)).samples;
  };
  const [a, b] = ['a', 'b'].map((id) => {
    const { sessionId, sampledAt, packetLoss, jitterMs, roundTripMs, quality } = sample(id, 1);
    const measures = { sessionId, sampledAt, packetLoss, jitterMs, roundTripMs };
    return id === 'a' ? measures : { ...measures, quality };
  });
  expect(idsFor('session~a~anna', 'session~b~anna')).toEqual([a, b]);
  expect(idsFor('session~b~anna')).toEqual([b]);
  expect(idsFor('session~c~anna')).toBeUndefined();
});
