/**
 * Encrypts and decrypts what an Earshot with `PAYLOAD_KEYS_FILE` sends through Temporal and takes from there: to copy, like
 * the program that uses it. docs/encryption.md has the form, for other languages.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Payload, PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';

const ENCODING = 'binary/encrypted';

/**
 * The codec for a file of keys, a line each: its id and 32 bytes in base64. All of them decrypt; the first one encrypts,
 * unless that is not wanted yet.
 */
export function payloadCodec(keysFile: string, encrypts: boolean): PayloadCodec {
  const lines = readFileSync(keysFile, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([id = '']) => id !== '' && !id.startsWith('#'));
  const keys = new Map(lines.map(([id = '', secret = '']) => [id, Buffer.from(secret, 'base64')]));
  const [first] = keys;
  if (first === undefined) throw new Error(`There are no keys in ${keysFile}`);
  const [currentId, current] = first;
  return {
    encode: (payloads) =>
      Promise.resolve(encrypts ? payloads.map((payload) => encrypt(payload, currentId, current)) : payloads),
    decode: (payloads) => Promise.resolve(payloads).then((all) => all.map((payload) => decrypt(payload, keys))),
  };
}

function encrypt(payload: Payload, keyId: string, key: Buffer): Payload {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(`${ENCODING}\n${keyId}`));
  const body = cipher.update(proto.temporal.api.common.v1.Payload.encode(payload).finish());
  return {
    metadata: { encoding: Buffer.from(ENCODING), 'encryption-key-id': Buffer.from(keyId) },
    data: Buffer.concat([nonce, body, cipher.final(), cipher.getAuthTag()]),
  };
}

/** What was never encrypted stays as it is. */
function decrypt(payload: Payload, keys: ReadonlyMap<string, Buffer>): Payload {
  const textOf = (field: string): string => Buffer.from(payload.metadata?.[field] ?? []).toString();
  if (textOf('encoding') !== ENCODING) return payload;
  const keyId = textOf('encryption-key-id');
  const key = keys.get(keyId);
  if (key === undefined)
    throw new Error(`A payload is encrypted by the key ${JSON.stringify(keyId)}: there is none here`);
  const data = Buffer.from(payload.data ?? []);
  if (data.length < 28) throw new Error('A payload is too short to be encrypted');
  const decipher = createDecipheriv('aes-256-gcm', key, data.subarray(0, 12), { authTagLength: 16 });
  decipher.setAAD(Buffer.from(`${ENCODING}\n${keyId}`)).setAuthTag(data.subarray(-16));
  const plain = Buffer.concat([decipher.update(data.subarray(12, -16)), decipher.final()]);
  return proto.temporal.api.common.v1.Payload.decode(plain);
}
