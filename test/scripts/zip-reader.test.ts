import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { extractFromZip, listZip } from '../../scripts/temporal-server/zip-reader.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'earshot-zip-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Entry {
  readonly name: string;
  readonly content: Buffer;
  readonly stored?: boolean;
}

/** A zip as other programs write it: the local header has an extra field that the directory lacks. */
function zipOf(entries: readonly Entry[], comment = ''): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, stored = false } of entries) {
    const data = stored ? content : deflateRawSync(content);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(Buffer.byteLength(name), 26);
    local.writeUInt16LE(4, 28);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(stored ? 0 : 8, 10);
    central.writeUInt32LE(crc32(content), 16);
    central.writeUInt32LE(data.length, 20);
    central.writeUInt32LE(content.length, 24);
    central.writeUInt16LE(Buffer.byteLength(name), 28);
    central.writeUInt32LE(offset, 42);
    const body = Buffer.concat([local, Buffer.from(name), Buffer.alloc(4), data]);
    offset += body.length;
    bodies.push(body);
    directory.push(central, Buffer.from(name));
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(Buffer.byteLength(comment), 20);
  return Buffer.concat([...bodies, central, end, Buffer.from(comment)]);
}

function saved(zip: Buffer): string {
  const path = join(folder, 'archive.zip');
  writeFileSync(path, zip);
  return path;
}

describe('extractFromZip', () => {
  it('gives back any content, stored or deflated', async () => {
    const content = fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes));
    await fc.assert(
      fc.asyncProperty(content, content, fc.boolean(), async (first, second, stored) => {
        const path = saved(
          zipOf(
            [
              { name: 'a/ä', content: first, stored },
              { name: 'b', content: second },
            ],
            'comment',
          ),
        );
        const out = join(folder, 'out');
        await extractFromZip(path, 'a/ä', out);
        expect(readFileSync(out).equals(first)).toBe(true);
        await extractFromZip(path, 'b', out);
        expect(readFileSync(out).equals(second)).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  it('refuses content that does not match its checksum', async () => {
    const zip = zipOf([{ name: 'a', content: Buffer.from('hello'), stored: true }]);
    zip.writeUInt8(0x58, 36);
    await expect(extractFromZip(saved(zip), 'a', join(folder, 'out'))).rejects.toThrow('a in');
  });

  it('names a file that is not in the archive', async () => {
    const path = saved(zipOf([{ name: 'a', content: Buffer.from('x') }]));
    await expect(extractFromZip(path, 'temporal', join(folder, 'out'))).rejects.toThrow('holds no temporal');
  });
});

describe('listZip', () => {
  it('refuses an archive that is cut anywhere', async () => {
    const zip = zipOf([{ name: 'a', content: Buffer.from('some content') }]);
    for (const length of [0, 10, zip.length - 23, zip.length - 1]) {
      await expect(listZip(saved(zip.subarray(0, length)))).rejects.toThrow();
    }
  });
});
