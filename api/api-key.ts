import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isCode } from './error-code.js';

/** The key of an API for which nobody has set one. */
export interface KeptKey {
  readonly key: string;
  readonly path: string;
  /** Made just now: the only time that it is shown. */
  readonly created: boolean;
}

/**
 * Reads the key that is kept in `folder`, or makes one. API processes that start at the same time agree on one key.
 *
 * @throws Error if the file can't be read or written, or holds no key.
 */
export async function keptApiKey(folder: string): Promise<KeptKey> {
  const path = join(folder, 'api-key');
  const known = await readKey(path);
  if (known !== undefined) return { key: known, path, created: false };

  await mkdir(folder, { recursive: true });
  const draft = `${path}.${randomUUID()}`;
  const key = randomBytes(32).toString('base64url');
  try {
    await writeFile(draft, `${key}\n`, { mode: 0o600, flag: 'wx' });
    // Unlike a rename, a link never replaces the key that another process has made meanwhile.
    await link(draft, path);
    return { key, path, created: true };
  } catch (error) {
    const other = isCode(error, 'EEXIST') ? await readKey(path) : undefined;
    if (other === undefined) throw error;
    return { key: other, path, created: false };
  } finally {
    await rm(draft, { force: true });
  }
}

async function readKey(path: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  const key = text.trim();
  if (!/^[\x21-\x7e]{16,512}$/.test(key)) {
    throw new Error(`${path} holds no usable key: delete it for a new one, or set API_KEY`);
  }
  return key;
}
