import { createSecretKey, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { defaultPayloadConverter } from '@temporalio/common';
import type { Payload } from '@temporalio/common';
import fc from 'fast-check';
import { ENCRYPTED, EncryptionCodec } from '../../codec/encryption-codec.js';
import { PayloadUnreadable } from '../../codec/payload-unreadable.js';
import type { PayloadKey } from '../../codec/payload-keys.js';

function key(id: string): PayloadKey {
  return { id, secret: createSecretKey(randomBytes(32)) };
}

const k1 = key('k1');
const k2 = key('k2');
const codec = new EncryptionCodec({ keys: [k1, k2], encrypts: true });

const bytes = fc.uint8Array({ maxLength: 300 });
const payload: fc.Arbitrary<Payload> = fc.record({
  metadata: fc.dictionary(fc.string({ minLength: 1, maxLength: 20 }), bytes, { maxKeys: 4 }),
  data: bytes,
});

const text = (value: Uint8Array | null | undefined): string => Buffer.from(value ?? []).toString('utf8');

/** As it would be written down, to compare. */
function plain({ metadata, data }: Payload): unknown {
  const hex = (value: Uint8Array | null | undefined): string => Buffer.from(value ?? []).toString('hex');
  return [Object.entries(metadata ?? {}).map(([name, value]) => [name, hex(value)]), hex(data)];
}

async function encrypt(value: Payload, by = codec): Promise<Payload> {
  const [one] = await by.encode([value]);
  if (one === undefined) throw new Error('Expected a payload');
  return one;
}

async function troubleOf(value: Payload, by = codec): Promise<PayloadUnreadable> {
  try {
    await by.decode([value]);
  } catch (error) {
    if (error instanceof PayloadUnreadable) return error;
    throw error;
  }
  throw new Error('Expected it to be unreadable');
}

const SECRET_TEXT = 'what nobody may read';
const something = (): Payload => defaultPayloadConverter.toPayload({ reason: SECRET_TEXT });

describe('the codec', () => {
  it('gives back whatever was encrypted, with all of its metadata', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(payload, { maxLength: 3 }), async (payloads) => {
        const encoded = await codec.encode(payloads);
        expect(
          encoded.map(({ metadata }) => [text(metadata?.['encoding']), text(metadata?.['encryption-key-id'])]),
        ).toEqual(payloads.map(() => [ENCRYPTED, 'k1']));
        expect((await codec.decode(encoded)).map(plain)).toEqual(payloads.map(plain));
      }),
    );
  });

  it('shows nothing of the content, and never the same twice', async () => {
    const many = await codec.encode(Array.from({ length: 1_000 }, something));
    const nonces = new Set(
      many.map(({ data }) =>
        Buffer.from(data ?? [])
          .subarray(0, 12)
          .toString('hex'),
      ),
    );
    expect(nonces.size).toBe(1_000);
    expect(many.map(({ data }) => Buffer.from(data ?? []).toString('latin1')).join('')).not.toContain('reason');
  });

  it('passes what was never encrypted, whether or not it encrypts and has keys', async () => {
    await fc.assert(
      fc.asyncProperty(payload, async (value) => {
        fc.pre(text(value.metadata?.['encoding']) !== ENCRYPTED);
        for (const by of [codec, new EncryptionCodec({ keys: [], encrypts: false })]) {
          expect(await by.decode([value])).toEqual([value]);
        }
      }),
    );
  });

  it('only decrypts where it is told so', async () => {
    const reads = new EncryptionCodec({ keys: [k1], encrypts: false });
    const value = something();
    expect(await reads.encode([value])).toEqual([value]);
    expect((await reads.decode([await encrypt(value)])).map(plain)).toEqual([plain(value)]);
  });

  it('reads by every key, and encrypts by the first', async () => {
    const rotated = new EncryptionCodec({ keys: [k2, k1], encrypts: true });
    const old = await encrypt(something());
    expect((await rotated.decode([old])).map(plain)).toEqual([plain(something())]);
    expect(text((await encrypt(something(), rotated)).metadata?.['encryption-key-id'])).toBe('k2');
  });

  it('says which key is missing, which there are, and what to do', async () => {
    const value = await encrypt(something());
    expect(await troubleOf(value, new EncryptionCodec({ keys: [k2], encrypts: true }))).toMatchObject({
      code: 'payload.unreadable',
      keyId: 'k1',
      message:
        'A payload is encrypted by the key k1, and this process has only k2: add it to PAYLOAD_KEYS_FILE and restart.',
    });
    expect((await troubleOf(value, new EncryptionCodec({ keys: [], encrypts: false }))).message).toBe(
      'A payload is encrypted by the key k1, and this process has no keys: set PAYLOAD_KEYS_FILE.',
    );
  });

  it('does not read by another key of the same id', async () => {
    const other = new EncryptionCodec({ keys: [key('k1')], encrypts: true });
    expect((await troubleOf(await encrypt(something()), other)).message).toMatch(/cannot be decrypted by the key k1/);
  });

  it('reads nothing that was changed: a bit anywhere, an end cut off or added', async () => {
    const value = await encrypt(something());
    const data = Buffer.from(value.data ?? []);
    for (let at = 0; at < data.length; at += 1) {
      const changed = Buffer.from(data);
      changed.writeUInt8(changed.readUInt8(at) ^ (1 << (at % 8)), at);
      await troubleOf({ ...value, data: changed });
      await troubleOf({ ...value, data: data.subarray(0, at) });
      await troubleOf({ ...value, data: data.subarray(at + 1) });
    }
    await troubleOf({ ...value, data: Buffer.concat([data, Buffer.of(0)]) });
  });

  it('reads nothing whose metadata was swapped', async () => {
    const value = await encrypt(something());
    const as = (id: string): Payload => ({
      ...value,
      metadata: { ...value.metadata, 'encryption-key-id': Buffer.from(id) },
    });
    await troubleOf(as('k2'));
    // The very same key by another name: the name is authenticated.
    const renamed = new EncryptionCodec({ keys: [{ ...k1, id: 'k9' }], encrypts: true });
    await troubleOf(as('k9'), renamed);
    for (const id of ['', '__proto__', 'k1\nk1', 'x'.repeat(65), '\u001b[31m']) {
      const { message, keyId } = await troubleOf(as(id));
      // What stands there is somebody else's text, and goes into no log.
      if (keyId === undefined)
        expect(message).toBe('A payload is encrypted and does not name its key: it is not Earshot’s.');
    }
  });

  it('takes metadata from what was encrypted alone', async () => {
    const value = await encrypt(something());
    const [read] = await codec.decode([
      { ...value, metadata: { ...value.metadata, messageType: Buffer.from('another') } },
    ]);
    expect(read === undefined ? [] : Object.keys(read.metadata ?? {})).toEqual(['encoding']);
  });

  it('tells no other part of a payload when it fails', async () => {
    const trouble = await troubleOf({ ...(await encrypt(something())), data: Buffer.from(SECRET_TEXT) });
    expect(inspect(trouble)).not.toContain(SECRET_TEXT);
    expect(inspect([codec, k1], { depth: 9 })).not.toContain(k1.secret.export().toString('hex').slice(0, 8));
    expect(JSON.stringify(k1)).not.toContain(k1.secret.export().toString('base64').slice(0, 8));
  });

  it('puts a value that says why in the place of what it cannot read, where it may', async () => {
    const told: string[] = [];
    const lenient = new EncryptionCodec({
      keys: [k2],
      encrypts: true,
      replaces: ({ message }) => told.push(message) > 0,
    });
    const [read, other] = await lenient.decode([await encrypt(something()), something()]);
    expect(defaultPayloadConverter.fromPayload(read ?? {})).toEqual({ unreadable: expect.stringContaining('key k1') });
    expect(other).toEqual(something());
    expect(told).toHaveLength(1);
  });
});
