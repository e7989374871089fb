import { createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** A certificate and its key, as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Who signs. */
export interface Authority extends Certificate {
  /** Signs one for a server of that name, or for a client. */
  readonly issue: (name: string, use: 'server' | 'client') => Certificate;
}

const OID = {
  commonName: [0x55, 0x04, 0x03],
  basicConstraints: [0x55, 0x1d, 0x13],
  keyUsage: [0x55, 0x1d, 0x0f],
  extendedKeyUsage: [0x55, 0x1d, 0x25],
  subjectAltName: [0x55, 0x1d, 0x11],
  server: [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01],
  client: [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02],
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
} as const;

/** An element of DER (X.690): tag, length, content. */
function der(tag: number, ...parts: readonly (Uint8Array | readonly number[])[]): Buffer {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const oid = (bytes: readonly number[]): Buffer => der(0x06, bytes);
const nameOf = (text: string): Buffer =>
  sequence(der(0x31, sequence(oid(OID.commonName), der(0x0c, Buffer.from(text)))));

/** `critical`: whoever does not understand it must refuse. */
function extension(id: readonly number[], value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [der(0x01, [0xff])] : []), der(0x04, value));
}

const DAY_MS = 86_400_000;
const time = (ms: number): Buffer => {
  const digits = new Date(ms).toISOString().replaceAll(/\D/g, '');
  return der(0x17, Buffer.from(`${digits.slice(2, 14)}Z`));
};

interface Wanted {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly extensions: readonly Buffer[];
}

/** An X.509 v3 certificate (RFC 5280), signed by ECDSA over P-256. */
function certificate({ subject, issuer, publicKey, signer, extensions }: Wanted): string {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const body = sequence(
    der(0xa0, der(0x02, [2])),
    der(0x02, [0x40, ...randomBytes(8)]),
    algorithm,
    nameOf(issuer),
    sequence(time(Date.now() - DAY_MS), time(Date.now() + DAY_MS)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const whole = sequence(body, algorithm, der(0x03, [0], sign('sha256', body, signer)));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

function keyPair(): { readonly key: string; readonly privateKey: KeyObject } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/** An authority of one's own, for tests: nothing has to be installed, and nothing is left behind. */
export function certificateAuthority(issuer: string): Authority {
  const own = keyPair();
  const cert = certificate({
    subject: issuer,
    issuer,
    publicKey: createPublicKey(own.privateKey),
    signer: own.privateKey,
    extensions: [
      extension(OID.basicConstraints, sequence(der(0x01, [0xff])), true),
      // keyCertSign
      extension(OID.keyUsage, der(0x03, [2, 0x04]), true),
    ],
  });
  return {
    cert,
    key: own.key,
    issue(subject, use) {
      const { privateKey, key } = keyPair();
      const extensions = [
        // digitalSignature
        extension(OID.keyUsage, der(0x03, [7, 0x80]), true),
        extension(OID.extendedKeyUsage, sequence(oid(OID[use]))),
        extension(OID.subjectAltName, sequence(der(0x82, Buffer.from(subject)))),
      ];
      const publicKey = createPublicKey(privateKey);
      return { key, cert: certificate({ subject, issuer, publicKey, signer: own.privateKey, extensions }) };
    },
  };
}
