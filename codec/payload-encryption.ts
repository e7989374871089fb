import { DefaultFailureConverter, defaultFailureConverter } from '@temporalio/common';
import { EncryptionCodec } from './encryption-codec.js';
import { readPayloadKeys } from './payload-keys.js';
import type { PayloadKey } from './payload-keys.js';
import type { PayloadUnreadable } from './payload-unreadable.js';

/** What a process has to encrypt and decrypt with. */
export interface PayloadEncryption {
  /** The first one encrypts. */
  readonly keys: readonly PayloadKey[];
  readonly encrypts: boolean;
}

/** Nothing is encrypted, and nothing that is can be read; the error says so. */
export const NO_ENCRYPTION: PayloadEncryption = { keys: [], encrypts: false };

/**
 * As the settings have it. The file is read here, and never again.
 * @throws {SettingsError} for a file that can't be used.
 */
export function payloadEncryption({
  payloadKeysFile,
  payloadEncryption: wanted,
}: {
  readonly payloadKeysFile?: string | undefined;
  readonly payloadEncryption?: 'on' | 'off' | undefined;
}): PayloadEncryption {
  if (payloadKeysFile === undefined) return NO_ENCRYPTION;
  return { keys: readPayloadKeys(payloadKeysFile), encrypts: wanted !== 'off' };
}

/** The id of the key that encrypts; `undefined` where nothing is encrypted. */
export function encryptingKeyId({ keys, encrypts }: PayloadEncryption): string | undefined {
  return encrypts ? keys[0]?.id : undefined;
}

/** For a `Client`: what can't be read is told of, and a value that says so takes its place. */
export function clientCodec(
  encryption: PayloadEncryption,
  onUnreadable: (trouble: PayloadUnreadable) => void,
): EncryptionCodec {
  return new EncryptionCodec({
    ...encryption,
    replaces: (trouble) => {
      onUnreadable(trouble);
      return true;
    },
  });
}

/** For people who look at Temporal by its UI or its command line: they see in its place why something can't be read. */
export function remoteCodec(encryption: PayloadEncryption): EncryptionCodec {
  return clientCodec(encryption, () => undefined);
}

/**
 * Has the messages and stacks of failures encrypted as well, in this whole process, as far as they do not come out of workflow
 * code: those of activities hold what the platform said. (Temporal's SDK takes a converter of one's own only by a path that
 * it `require`s, which is of no use to modules; this one is the instance that it uses without.)
 */
export function encryptFailures(): void {
  if (defaultFailureConverter instanceof DefaultFailureConverter) {
    defaultFailureConverter.options.encodeCommonAttributes = true;
  }
}

/** How often the same trouble is told, ms. */
const TOLD_EVERY_MS = 60_000;

/** Tells of payloads that can't be read, of each key once a minute: there may be thousands. */
export function onceAMinute(tell: (trouble: PayloadUnreadable) => void): (trouble: PayloadUnreadable) => void {
  const toldAtMs = new Map<string, number>();
  return (trouble) => {
    // Whoever writes to Temporal chooses what a key is called.
    if (toldAtMs.size > 100) toldAtMs.clear();
    const key = trouble.keyId ?? '';
    const now = performance.now();
    if (now - (toldAtMs.get(key) ?? -Infinity) < TOLD_EVERY_MS) return;
    toldAtMs.set(key, now);
    tell(trouble);
  };
}
