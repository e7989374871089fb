import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeCursor, encodeCursor } from '../../api/cursor.js';

const token = fc.uint8Array({ minLength: 1, maxLength: 200 });

test('a cursor is URL-safe and gives back the token of its own list', () => {
  fc.assert(
    fc.property(fc.string(), token, (list, bytes) => {
      const cursor = encodeCursor(list, bytes);
      expect(cursor).toMatch(/^[\w-]+$/);
      expect([...decodeCursor(list, cursor)]).toEqual([...bytes]);
    }),
  );
});

test('a cursor of another list is refused', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), token, (list, other, bytes) => {
      fc.pre(list !== other);
      expect(() => decodeCursor(other, encodeCursor(list, bytes))).toThrow(/cursor/);
    }),
  );
});

test('nothing but what was given is taken for a cursor', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String()), (cursor) => {
      expect(() => decodeCursor('list', cursor)).toThrow(/cursor/);
    }),
  );
});
