import { createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { SettingsError } from '../domain/settings.js';

/** A key that payloads are encrypted with. */
export interface PayloadKey {
  /** Stands in clear beside everything that is encrypted by it. */
  readonly id: string;
  /** AES-256. As an object of Node's it shows up in no log and no dump of this process's variables. */
  readonly secret: KeyObject;
}

const ID = /^[A-Za-z0-9._-]{1,64}$/;
/** 32 bytes. */
const SECRET = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/** More than anybody has, bytes: the path may be another file's. */
const LARGEST_FILE = 65_536;

/** `S_IWOTH` of POSIX: anybody on the machine may write. */
const ANYBODY_MAY_WRITE = 0o002;

/** Whether a text is what a key may be called. */
export function isKeyId(text: string): boolean {
  return ID.test(text);
}

/**
 * Reads a file of keys: one on each line, its id and, in base64, its 32 bytes. Lines that begin with `#` are for people. The
 * first key is the one to encrypt with.
 *
 * @throws {SettingsError} naming every line that is wrong, and never what stands in it.
 */
export function readPayloadKeys(path: string): readonly PayloadKey[] {
  return payloadKeys(textOf(path));
}

/** The keys in the text of such a file. @throws {SettingsError} */
export function payloadKeys(text: string): readonly PayloadKey[] {
  const keys: PayloadKey[] = [];
  const faults: string[] = [];
  const lineOf = new Map<string, number>();
  for (const [index, content] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    const [id = '', secret = '', ...rest] = content.trim().split(/\s+/);
    if (id === '' || id.startsWith('#')) continue;
    if (!ID.test(id) || !SECRET.test(secret) || rest.length > 0) {
      faults.push(`line ${line} is not an id (letters, digits, dots, dashes) and 32 bytes in base64`);
      continue;
    }
    // Two of one id would leave it to chance what can be read, and a key that is not new is no rotation.
    const twin = lineOf.get(`id ${id}`) ?? lineOf.get(`secret ${secret}`);
    if (twin !== undefined) faults.push(`line ${line} has the id or the key of line ${twin} again`);
    lineOf.set(`id ${id}`, line).set(`secret ${secret}`, line);
    keys.push({ id, secret: createSecretKey(Buffer.from(secret, 'base64')) });
  }
  if (keys.length === 0 && faults.length === 0) faults.push('it has no key');
  if (faults.length > 0) throw wrong(`names a file that can't be used: ${faults.join('; ')}. ${HOW_TO}`);
  return keys;
}

const HOW_TO = 'Make one: (umask 077; echo "k1 $(openssl rand -base64 32)" > payload-keys)';

function textOf(path: string): string {
  try {
    const { mode, size } = statSync(path);
    // Who may put a key into it may read everything from then on. Readers are another matter: the secrets of containers
    // are mounted for all of a container's users.
    if ((mode & ANYBODY_MAY_WRITE) !== 0) throw wrong(`names a file that anybody may write to: chmod 600 ${path}`);
    if (size > LARGEST_FILE) throw wrong(`names a file of ${size} bytes, which is none of keys: ${path}`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof SettingsError) throw error;
    const [why = ''] = (error instanceof Error ? error.message : String(error)).split(',', 1);
    throw wrong(`names a file that can't be read: ${why}`);
  }
}

function wrong(message: string): SettingsError {
  return new SettingsError([{ name: 'PAYLOAD_KEYS_FILE', message }]);
}
