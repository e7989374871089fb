import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { preferredWait } from '../../api/prefer.js';

test.each([
  [undefined, 0],
  ['', 0],
  ['wait=10', 10],
  ['WAIT = 10', 10],
  ['wait="7"', 7],
  ['respond-async, wait=5', 5],
  ['wait=5; foo=bar', 5],
  ['wait=5, wait=9', 5],
  ['wait=30', 30],
  ['wait=31', 30],
  ['wait=99999999999999999999', 30],
  ['wait=0', 0],
  ['wait', 0],
  ['wait=', 0],
  ['wait=-1', 0],
  ['wait=1.5', 0],
  ['wait=abc', 0],
  ['await=5', 0],
  ['handling=lenient', 0],
])('%j waits %d s', (header, seconds) => {
  expect(preferredWait(header)).toBe(seconds);
});

test('any header gives a whole number of seconds from 0 to 30', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `wait=${text}`),
      ),
      (header) => {
        const seconds = preferredWait(header);
        expect(Number.isInteger(seconds) && seconds >= 0 && seconds <= 30).toBe(true);
      },
    ),
  );
});
