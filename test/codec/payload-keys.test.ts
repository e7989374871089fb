import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { onceAMinute, payloadEncryption } from '../../codec/payload-encryption.js';
import { payloadKeys } from '../../codec/payload-keys.js';
import { PayloadUnreadable } from '../../codec/payload-unreadable.js';

const folder = mkdtempSync(join(tmpdir(), 'earshot-keys-'));
afterAll(() => rmSync(folder, { recursive: true }));

const secret = (): string => randomBytes(32).toString('base64');

function fault(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('Expected a fault');
}

test('keys are read in their order, lines for people left out', () => {
  const [first, second] = [secret(), secret()];
  const keys = payloadKeys(`# of 2026\n2026-11 ${first}\r\n\n\tk_1.old  ${second}  \n`);
  expect(keys.map(({ id, secret: { type } }) => [id, type])).toEqual([
    ['2026-11', 'secret'],
    ['k_1.old', 'secret'],
  ]);
  expect(keys.map((key) => key.secret.export().toString('base64'))).toEqual([first, second]);
});

test('a file that is wrong is refused line by line, and nothing that stands in it is shown', () => {
  const good = secret();
  const text = `k1 ${good}\nk1 ${secret()}\nk3 ${good}\nk4 ${good.slice(4)}\n${good}\nk 5 ${good}\nschlüssel ${good}`;
  const message = fault(() => payloadKeys(text));
  expect(message).toContain(
    'line 2 has the id or the key of line 1 again; line 3 has the id or the key of line 1 again',
  );
  for (const line of [4, 5, 6, 7]) expect(message).toContain(`line ${line} is not an id`);
  expect(message).not.toContain(good.slice(4, 12));
  expect(fault(() => payloadKeys('# none\n'))).toContain('it has no key');
});

test('whatever stands in a file, it is keys of 32 bytes or a fault that names the setting', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        for (const key of payloadKeys(text)) expect(key.secret.symmetricKeySize).toBe(32);
      } catch (error) {
        expect(String(error)).toContain('PAYLOAD_KEYS_FILE names a file');
      }
    }),
  );
});

test('base64 that is not the one way to write its bytes is refused: two lines would be one key', () => {
  const text = Buffer.alloc(32, 7).toString('base64');
  expect(text.at(-2)).toBe('c');
  expect(fault(() => payloadKeys(`k1 ${text.slice(0, -2)}d=`))).toContain('line 1 is not an id');
});

test('a file that anybody may write to is none to trust; others may read it, as secrets are mounted', () => {
  const payloadKeysFile = join(folder, 'keys');
  writeFileSync(payloadKeysFile, `k1 ${secret()}\n`);
  const read = (): unknown => payloadEncryption({ payloadKeysFile, payloadEncryption: 'on' });
  chmodSync(payloadKeysFile, 0o602);
  expect(fault(read)).toContain(`chmod 600 ${payloadKeysFile}`);
  chmodSync(payloadKeysFile, 0o444);
  expect(read()).toMatchObject({ keys: [{ id: 'k1' }], encrypts: true });
  expect(payloadEncryption({ payloadKeysFile })).toMatchObject({ encrypts: true });
  expect(payloadEncryption({ payloadKeysFile, payloadEncryption: 'off' })).toMatchObject({ encrypts: false });
  expect(payloadEncryption({})).toEqual({ keys: [], encrypts: false });
});

test('a file that is not there, or no file, is told in one line', () => {
  for (const payloadKeysFile of [join(folder, 'none'), folder]) {
    const message = fault(() => payloadEncryption({ payloadKeysFile, payloadEncryption: 'on' }));
    expect(message).toMatch(/^A setting is wrong:\n {2}PAYLOAD_KEYS_FILE names a file that can't be read: E\w+/);
  }
});

test('what is wrong with a key is told once, however many payloads it is of', () => {
  const told: string[] = [];
  const tell = onceAMinute(({ keyId }) => told.push(keyId ?? 'none'));
  for (let n = 0; n < 5; n += 1) for (const id of ['k1', undefined]) tell(new PayloadUnreadable('why', id));
  expect(told).toEqual(['k1', 'none']);
});
