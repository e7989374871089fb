import { createReadStream, createWriteStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';

/** One file of a zip archive. */
export interface ZipMember {
  readonly name: string;
  /** 0: stored, 8: deflated. */
  readonly method: number;
  readonly crc: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  readonly headerOffset: number;
}

const END_RECORD = 0x06054b50;
const CENTRAL_HEADER = 0x02014b50;
const LOCAL_HEADER = 0x04034b50;
const END_RECORD_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const LOCAL_HEADER_BYTES = 30;

/**
 * Lists a zip archive by its central directory.
 *
 * @throws if the file is no zip, is cut short, or needs zip64 (over 4 GiB).
 */
export async function listZip(path: string): Promise<readonly ZipMember[]> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const tail = await bytesAt(file, Math.max(0, size - END_RECORD_BYTES - MAX_COMMENT_BYTES), size);
    const end = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
    if (end < 0 || tail.length - end < END_RECORD_BYTES || tail.readUInt32LE(end) !== END_RECORD) {
      throw new Error(`${path} is not a complete zip archive`);
    }
    const count = tail.readUInt16LE(end + 10);
    const directoryBytes = tail.readUInt32LE(end + 12);
    const directoryOffset = tail.readUInt32LE(end + 16);
    if (count === 0xffff || directoryOffset === 0xffffffff) throw new Error(`${path} is a zip64 archive`);
    return members(await bytesAt(file, directoryOffset, directoryOffset + directoryBytes), count, path);
  } finally {
    await file.close();
  }
}

/**
 * Writes one file of a zip archive to `destination`, as a stream: it may be larger than memory allows.
 *
 * @throws if the archive has no such file or its content doesn't match its checksum; `destination` is useless then.
 */
export async function extractFromZip(path: string, name: string, destination: string): Promise<void> {
  const member = (await listZip(path)).find((candidate) => candidate.name === name);
  if (member === undefined) throw new Error(`${path} holds no ${name}`);
  const start = await contentOffset(path, member);
  let crc = 0;
  let bytes = 0;
  const checksum = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      crc = crc32(chunk, crc);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const out = createWriteStream(destination);
  if (member.compressedBytes === 0) {
    await pipeline([], checksum, out);
  } else {
    const content = createReadStream(path, { start, end: start + member.compressedBytes - 1 });
    await (member.method === 8
      ? pipeline(content, createInflateRaw(), checksum, out)
      : pipeline(content, checksum, out));
  }
  if (crc !== member.crc || bytes !== member.bytes) throw new Error(`${name} in ${path} is damaged`);
}

function members(directory: Buffer, count: number, path: string): ZipMember[] {
  const found: ZipMember[] = [];
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== CENTRAL_HEADER) {
      throw new Error(`${path} has a damaged directory`);
    }
    const nameBytes = directory.readUInt16LE(at + 28);
    const method = directory.readUInt16LE(at + 10);
    const name = directory.toString('utf8', at + 46, at + 46 + nameBytes);
    if (method !== 0 && method !== 8) throw new Error(`${name} in ${path} is packed in an unknown way (${method})`);
    found.push({
      name,
      method,
      crc: directory.readUInt32LE(at + 16),
      compressedBytes: directory.readUInt32LE(at + 20),
      bytes: directory.readUInt32LE(at + 24),
      headerOffset: directory.readUInt32LE(at + 42),
    });
    at += 46 + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return found;
}

/** The local header repeats the name and may have another extra field than the directory: only it knows its length. */
async function contentOffset(path: string, { name, headerOffset }: ZipMember): Promise<number> {
  const file = await open(path);
  try {
    const header = await bytesAt(file, headerOffset, headerOffset + LOCAL_HEADER_BYTES);
    if (header.length < LOCAL_HEADER_BYTES || header.readUInt32LE(0) !== LOCAL_HEADER) {
      throw new Error(`${name} in ${path} is damaged`);
    }
    return headerOffset + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  } finally {
    await file.close();
  }
}

async function bytesAt(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const length = end - start;
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, start);
  return buffer.subarray(0, bytesRead);
}
