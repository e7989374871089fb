import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { defaultPayloadConverter } from '@temporalio/common';
import type { Payload } from '@temporalio/common';
import proto from '@temporalio/proto';
import { EncryptionCodec } from '../../codec/encryption-codec.js';
import { payloadEncryption } from '../../codec/payload-encryption.js';
import { payloadCodec } from '../../examples/payload-codec.js';

const ROOT = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'earshot-codecs-'));
afterAll(() => rmSync(folder, { recursive: true }));

const payloadKeysFile = join(folder, 'keys');
const line = (id: string): string => `${id} ${randomBytes(32).toString('base64')}\n`;
writeFileSync(payloadKeysFile, `# of the test\n${line('k2')}\n${line('k1')}`);
const ours = new EncryptionCodec(payloadEncryption({ payloadKeysFile }));
const { Payload: message } = proto.temporal.api.common.v1;

const value = (): Payload => defaultPayloadConverter.toPayload({ supervisorId: 'Zoë', interactionId: 'int-1' });
const bytesOf = (payloads: readonly Payload[]): string[] =>
  payloads.map((payload) => Buffer.from(message.encode(payload).finish()).toString('base64'));

test('the codec of the TypeScript example reads what Earshot encrypts, and the other way round', async () => {
  const theirs = payloadCodec(payloadKeysFile, true);
  expect(bytesOf(await theirs.decode(await ours.encode([value()])))).toEqual(bytesOf([value()]));
  expect(bytesOf(await ours.decode(await theirs.encode([value()])))).toEqual(bytesOf([value()]));
  expect(await payloadCodec(payloadKeysFile, false).encode([value()])).toEqual([value()]);
  expect(await theirs.decode([value()])).toEqual([value()]);
});

/** Decodes the lines of its input by the example's codec, and encodes each again. */
const PYTHON = `
import asyncio, base64, sys
from temporalio.api.common.v1 import Payload
from payload_codec import EncryptionCodec
codec = EncryptionCodec(sys.argv[1], True)
given = [Payload.FromString(base64.b64decode(line)) for line in sys.stdin]
plain = asyncio.run(codec.decode(given))
for payload in plain + asyncio.run(codec.encode(plain)):
    print(base64.b64encode(payload.SerializeToString()).decode())
`;

function python(program: string, input = ''): { readonly status: number | null; readonly stdout: string } {
  const PYTHONPATH = `${join(ROOT, '.cache/python')}:${join(ROOT, 'examples')}`;
  return spawnSync('python3', ['-c', program, payloadKeysFile], {
    input,
    encoding: 'utf8',
    env: { ...process.env, PYTHONPATH, PYTHONDONTWRITEBYTECODE: '1' },
  });
}
const isRunnable = python('import payload_codec').status === 0;

(isRunnable ? test : test.skip)(
  'so does that of the Python example (needs python3 -m pip install --target .cache/python -r examples/requirements.txt)',
  async () => {
    const { stdout } = python(PYTHON, bytesOf(await ours.encode([value()])).join('\n'));
    const [plain = '', encrypted = ''] = stdout.trim().split('\n');
    const read = (base64: string): Payload => message.decode(Buffer.from(base64, 'base64'));
    expect(defaultPayloadConverter.fromPayload(read(plain))).toEqual({ supervisorId: 'Zoë', interactionId: 'int-1' });
    expect(bytesOf(await ours.decode([read(encrypted)]))).toEqual([plain]);
  },
);
