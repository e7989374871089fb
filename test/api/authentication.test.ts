import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { keptApiKey } from '../../api/api-key.js';
import { bearerOf } from '../../http/bearer-key.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'earshot-key-'));
});
afterEach(() => rm(folder, { recursive: true }));

test.each([
  [undefined, undefined],
  ['', undefined],
  ['Bearer', undefined],
  ['Bearer ', undefined],
  ['Basic abc', undefined],
  ['Bearer a b', undefined],
  ['Bearer abc', 'abc'],
  ['bearer   abc ', 'abc'],
])('%j holds the key %j', (header, key) => {
  expect(bearerOf(header)).toBe(key);
});

test('a key is made once, for its owner only, and kept', async () => {
  const first = await keptApiKey(join(folder, 'new'));
  expect(first).toMatchObject({ created: true });
  expect(Buffer.from(first.key, 'base64url')).toHaveLength(32);
  expect((await stat(first.path)).mode & 0o777).toBe(0o600);
  expect(await readFile(first.path, 'utf8')).toBe(`${first.key}\n`);
  expect(await keptApiKey(join(folder, 'new'))).toEqual({ ...first, created: false });
});

test('processes that start at once agree on one key', async () => {
  const keys = await Promise.all(Array.from({ length: 8 }, () => keptApiKey(folder)));
  expect(new Set(keys.map(({ key }) => key)).size).toBe(1);
  expect(keys.filter(({ created }) => created)).toHaveLength(1);
});

test('an empty key file is an error that says what to do, not an open door', async () => {
  await writeFile(join(folder, 'api-key'), '\n');
  await expect(keptApiKey(folder)).rejects.toThrow(/delete it for a new one, or set API_KEY/);
});
