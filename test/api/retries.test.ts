import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Retries } from '../../api/retries.js';

test('ends once every planned retry is made, also one that came due while the process was busy', async () => {
  const retries = new Retries();
  let made = 0;
  // As the SDK's interceptor does it.
  for (const attempt of [1, 2]) setTimeout(() => (made += 1), retries.delayFunction(attempt));
  await nextTurn();
  const since = performance.now();
  while (performance.now() - since < 500);
  await retries.end();
  expect(made).toBe(2);
});
