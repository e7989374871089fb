/**
 * What encryption costs: `npm run build && node bench/codec.mjs`. CPU of this process for a payload, encoded and decoded, medians of
 * nine rounds, beside the same payloads through a codec that does nothing; and the bytes that it adds.
 */
import { createSecretKey, randomBytes } from 'node:crypto';
import { cpus } from 'node:os';
import proto from '@temporalio/proto';
import { EncryptionCodec } from '../dist/codec/encryption-codec.js';

const keys = [{ id: 'k1', secret: createSecretKey(randomBytes(32)) }];
const codecs = {
  encrypting: new EncryptionCodec({ keys, encrypts: true }),
  idle: new EncryptionCodec({ keys: [], encrypts: false }),
};
const [ROUNDS, CALLS] = [9, 5_000];
const { Payload } = proto.temporal.api.common.v1;
const sizeOf = (payload) => Payload.encode(payload).finish().length;
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

async function cpuOf(work) {
  const before = process.cpuUsage();
  for (let n = 0; n < CALLS; n += 1) await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / CALLS;
}

const rows = [];
for (const bytes of [100, 1_000, 10_000]) {
  const plain = { metadata: { encoding: Buffer.from('json/plain') }, data: randomBytes(bytes) };
  const [sealed] = await codecs.encrypting.encode([plain]);
  const measured = { encode: [], decode: [], idle: [] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    const encode = await cpuOf(() => codecs.encrypting.encode([plain]));
    const decode = await cpuOf(() => codecs.encrypting.decode([sealed]));
    const idle = await cpuOf(() => codecs.idle.decode([plain]));
    // The first one warms up.
    if (round > 0) for (const [name, value] of Object.entries({ encode, decode, idle })) measured[name].push(value);
  }
  const us = (name) => median(measured[name]).toFixed(1);
  const [before, after] = [sizeOf(plain), sizeOf(sealed)];
  rows.push({ bytes, 'encode µs': us('encode'), 'decode µs': us('decode'), 'idle µs': us('idle'), before, after });
}
process.stdout.write(
  `${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}\n${JSON.stringify(rows, null, 1)}\n`,
);
