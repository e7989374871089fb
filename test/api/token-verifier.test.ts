import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import type { TokenVerifier } from '../../api/token-verifier.js';
import { until } from '../support/until.js';
import { AUDIENCE, IdentityProvider, ISSUER } from './identity-provider.js';

const MINUTE_MS = 60_000;

let provider: IdentityProvider;
let nowMs = 0;
let troubles: unknown[] = [];
let verifier: TokenVerifier;
beforeEach(async () => {
  provider = await IdentityProvider.start();
  nowMs = 1_000_000;
  troubles = [];
  verifier = provider.verifier({ now: () => nowMs, onTrouble: (error) => troubles.push(error) });
});
afterEach(() => provider[Symbol.asyncDispose]());

const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const REFUSED = { code: 'authentication.required', status: 401 };
const UNAVAILABLE = { code: 'authentication.unavailable', status: 503 };

test('a token tells who it is, with the roles that Earshot knows', async () => {
  const token = await provider.token({ sub: 'ben', roles: ['admin', 'boss', 7, 'qa'], typ: 'at+jwt' });
  expect(await verifier.verify(token)).toMatchObject({ kind: 'person', id: 'ben', roles: ['qa', 'admin'] });
  // None of ours is none.
  expect(await verifier.verify(await provider.token({ roles: ['boss'] }))).toMatchObject({ roles: [] });
});

test.each([
  ['another issuer', { issuer: 'https://id.example.com' }, /its iss is not/],
  ['another audience', { audience: 'crm' }, /its aud is not/],
  ['its time over', { expiresInSeconds: -60 }, /has expired/],
  ['another type', { typ: 'logout+jwt' }, /another type/],
  ['a subject that is no supervisor id', { sub: 'x'.repeat(129) }, /its sub/],
  ['the name of software', { sub: 'service' }, /its sub/],
  ['roles that are no list', { roles: 'admin' }, /its roles/],
])('a token with %s is refused', async (_name, parts, message) => {
  const refused = await verifier.verify(await provider.token(parts)).catch((error: unknown) => error);
  expect(refused).toMatchObject(REFUSED);
  expect(String(refused)).toMatch(message);
});

test('a token that only somebody else can have made is refused', async () => {
  const other = await IdentityProvider.start();
  const [header = '', payload = ''] = (await provider.token()).split('.');
  const [, , signature = ''] = (await other.token()).split('.');
  const claims = { sub: 'anna', roles: ['admin'], iss: ISSUER, aud: AUDIENCE, exp: Date.now() / 1_000 + 300 };
  // By the public key as a shared secret, which a careless verifier takes.
  const secret = new TextEncoder().encode(provider.body());
  const shared = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'key-1' }).sign(secret);
  for (const forged of [
    `${header}.${payload}.${signature}`,
    `${header}.${b64(claims)}.${(await provider.token()).split('.')[2] ?? ''}`,
    `${b64({ alg: 'none', kid: 'key-1' })}.${b64(claims)}.`,
    shared,
    'a.b.c',
    '..',
  ]) {
    await expect(verifier.verify(forged)).rejects.toMatchObject(REFUSED);
  }
  await other[Symbol.asyncDispose]();
});

test('keys are fetched once for all that need them, and again when a new one appears', async () => {
  const token = await provider.token();
  expect(provider.asked).toBe(0);
  await Promise.all(Array.from({ length: 20 }, () => verifier.verify(token)));
  expect(provider.asked).toBe(1);
  // Unknown keys make no storm: within ten seconds of a fetch there is no other.
  await provider.addKey('key-2', 'RS256');
  await expect(verifier.verify(await provider.token())).rejects.toMatchObject(REFUSED);
  expect(provider.asked).toBe(1);
});

test('a key that was withdrawn is believed until the next refresh at most', async () => {
  const token = await provider.token();
  await verifier.verify(token);
  await provider.addKey('key-2', 'Ed25519');
  const newer = await provider.token();
  provider.withdrawKey('key-1');
  nowMs += 10.5 * MINUTE_MS;
  // Beside this request, which does not wait for it.
  await verifier.verify(token);
  await until('the refresh', () => verifier.verify(newer).then(() => true));
  expect(provider.asked).toBe(2);
  await expect(verifier.verify(token)).rejects.toMatchObject(REFUSED);
});

test('after a quiet time the keys are fetched before anybody is let in by them', async () => {
  const token = await provider.token();
  await verifier.verify(token);
  await provider.addKey('key-2', 'ES256');
  provider.withdrawKey('key-1');
  nowMs += 50 * MINUTE_MS;
  await expect(verifier.verify(token)).rejects.toMatchObject(REFUSED);
});

test('a provider that is down at first is asked once a second, and then let in', async () => {
  provider.status = 503;
  const token = await provider.token();
  for (let n = 0; n < 3; n += 1) await expect(verifier.verify(token)).rejects.toMatchObject(UNAVAILABLE);
  expect(provider.asked).toBe(1);
  expect(troubles).toHaveLength(1);
  provider.status = 200;
  nowMs += 1_001;
  expect(await verifier.verify(token)).toMatchObject({ id: 'anna' });
});

test('a provider that goes down later keeps nobody out for an hour, and everybody after it', async () => {
  const token = await provider.token();
  await verifier.verify(token);
  provider.body = () => 'not what it should be';
  nowMs += 59 * MINUTE_MS;
  await verifier.verify(token);
  await until('the vain refresh', () => troubles.length === 1);
  nowMs += 2 * MINUTE_MS;
  await expect(verifier.verify(token)).rejects.toMatchObject(UNAVAILABLE);
});
