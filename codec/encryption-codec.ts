import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';
import { isKeyId } from './payload-keys.js';
import type { PayloadKey } from './payload-keys.js';
import { PayloadUnreadable } from './payload-unreadable.js';

/** `encoding` of what is encrypted: the one of Temporal's own samples, which its UI knows. */
export const ENCRYPTED = 'binary/encrypted';
const ENCODING_FIELD = 'encoding';
const KEY_FIELD = 'encryption-key-id';

const ALGORITHM = 'aes-256-gcm';
/** As NIST SP 800-38D has it for GCM, bytes. */
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;

export interface EncryptionCodecOptions {
  /** All that decrypt; the first one encrypts. */
  readonly keys: readonly PayloadKey[];
  /** Whether anything is encrypted, or only decrypted. */
  readonly encrypts: boolean;
  /**
   * Asked for each payload that can't be read: whether a value that says so takes its place. For lists, where one session
   * that can't be read must not hide all others. @default it never does, and the call fails
   */
  readonly replaces?: (trouble: PayloadUnreadable) => boolean;
}

/**
 * Encrypts payloads by AES-256-GCM, each by itself and whole, with its metadata, and decrypts them. What was never encrypted
 * passes as it is: encryption can be switched on under sessions that run (docs/encryption.md).
 *
 * What is stored: a random nonce of 12 bytes, the encrypted `Payload` message, and the tag of 16. Authenticated with it are
 * the encoding and the id of the key, which stand in clear.
 */
export class EncryptionCodec implements PayloadCodec {
  readonly #keys: ReadonlyMap<string, PayloadKey>;
  readonly #current: PayloadKey | undefined;
  readonly #replaces: (trouble: PayloadUnreadable) => boolean;

  constructor({ keys, encrypts, replaces = () => false }: EncryptionCodecOptions) {
    this.#keys = new Map(keys.map((key) => [key.id, key]));
    this.#current = encrypts ? keys[0] : undefined;
    this.#replaces = replaces;
  }

  /** Whatever comes is encrypted, also what says that it already is. */
  encode(payloads: Payload[]): Promise<Payload[]> {
    const key = this.#current;
    return Promise.resolve(key === undefined ? payloads : payloads.map((payload) => encrypted(payload, key)));
  }

  /** @throws {PayloadUnreadable} */
  decode(payloads: Payload[]): Promise<Payload[]> {
    return Promise.resolve(payloads).then((all) => all.map((payload) => this.#decodedOrReplaced(payload)));
  }

  #decodedOrReplaced(payload: Payload): Payload {
    try {
      return this.#decoded(payload);
    } catch (error) {
      if (error instanceof PayloadUnreadable && this.#replaces(error)) return inItsPlace(error);
      throw error;
    }
  }

  #decoded(payload: Payload): Payload {
    if (textOf(payload, ENCODING_FIELD) !== ENCRYPTED) return payload;
    const named = textOf(payload, KEY_FIELD) ?? '';
    const keyId = isKeyId(named) ? named : undefined;
    const key = keyId === undefined ? undefined : this.#keys.get(keyId);
    if (keyId === undefined || key === undefined) throw new PayloadUnreadable(this.#unknown(keyId), keyId);
    const plain = decrypted(payload.data ?? new Uint8Array(), key);
    if (plain === undefined) {
      throw new PayloadUnreadable(
        `A payload cannot be decrypted by the key ${keyId} that it names: it has been changed, or another process has another key of that id in its PAYLOAD_KEYS_FILE.`,
        keyId,
      );
    }
    return plain;
  }

  #unknown(keyId: string | undefined): string {
    if (keyId === undefined) return 'A payload is encrypted and does not name its key: it is not Earshot’s.';
    if (this.#keys.size === 0) {
      return `A payload is encrypted by the key ${keyId}, and this process has no keys: set PAYLOAD_KEYS_FILE.`;
    }
    return `A payload is encrypted by the key ${keyId}, and this process has only ${[...this.#keys.keys()].join(', ')}: add it to PAYLOAD_KEYS_FILE and restart.`;
  }
}

function encrypted(payload: Payload, key: PayloadKey): Payload {
  const { Payload: message } = proto.temporal.api.common.v1;
  const nonce = randomFillSync(Buffer.allocUnsafe(NONCE_LENGTH));
  const cipher = createCipheriv(ALGORITHM, key.secret, nonce, { authTagLength: TAG_LENGTH });
  cipher.setAAD(authenticated(key.id));
  const body = cipher.update(message.encode(payload).finish());
  const data = Buffer.concat([nonce, body, cipher.final(), cipher.getAuthTag()]);
  return { metadata: { [ENCODING_FIELD]: Buffer.from(ENCRYPTED), [KEY_FIELD]: Buffer.from(key.id) }, data };
}

/** `undefined` for what that key has not made. */
function decrypted(data: Uint8Array, key: PayloadKey): Payload | undefined {
  if (data.length < NONCE_LENGTH + TAG_LENGTH) return undefined;
  const end = data.length - TAG_LENGTH;
  const decipher = createDecipheriv(ALGORITHM, key.secret, data.subarray(0, NONCE_LENGTH), {
    authTagLength: TAG_LENGTH,
  });
  decipher.setAAD(authenticated(key.id)).setAuthTag(data.subarray(end));
  try {
    const plain = Buffer.concat([decipher.update(data.subarray(NONCE_LENGTH, end)), decipher.final()]);
    return proto.temporal.api.common.v1.Payload.decode(plain);
  } catch {
    return undefined;
  }
}

/** What is authenticated beside the content; neither part can hold a line feed. */
function authenticated(keyId: string): Buffer {
  return Buffer.from(`${ENCRYPTED}\n${keyId}`);
}

function textOf({ metadata }: Payload, field: string): string | undefined {
  const value = metadata?.[field];
  return value === undefined ? undefined : Buffer.from(value).toString('utf8');
}

/** What nobody takes for what they have asked for. */
function inItsPlace({ message }: PayloadUnreadable): Payload {
  return {
    metadata: { [ENCODING_FIELD]: Buffer.from('json/plain') },
    data: Buffer.from(JSON.stringify({ unreadable: message })),
  };
}
