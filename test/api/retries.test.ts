import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Retries } from '../../api/retries.js';

function busyFor(ms: number): void {
  const since = performance.now();
  while (performance.now() - since < ms);
}

test('ends once every planned retry is made, also one that came due while the process was busy', async () => {
  const retries = new Retries();
  let made = 0;
  for (const attempt of [1, 2]) {
    // As the SDK's interceptor does it, and interrupted in the midst of it.
    const delayMs = retries.delayFunction(attempt);
    busyFor(5);
    setTimeout(() => (made += 1), delayMs);
  }
  await nextTurn();
  busyFor(500);
  await retries.end();
  expect(made).toBe(2);
});
