import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { signatureFault, webhookKeys } from '../../api/webhook-signature.js';
import type { SignedDelivery } from '../../api/webhook-signature.js';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const OTHER = 'whsec_cHJldmlvdXMtc2VjcmV0LW9mLXRoaXMtdGVzdA==';
const AT_SECONDS = 1_614_265_330;

/** The known answer of the Standard Webhooks specification. */
const known: SignedDelivery = {
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestamp: String(AT_SECONDS),
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  body: Buffer.from('{"test": 2432232314}'),
};

const check = (delivery: Partial<SignedDelivery> = {}, secrets = SECRET, nowSeconds = AT_SECONDS) =>
  signatureFault({ ...known, ...delivery }, webhookKeys(secrets), nowSeconds * 1_000);

test('the known answer of Standard Webhooks is believed', () => {
  expect(check()).toBeUndefined();
});

describe('secrets rotate', () => {
  test('any of ours will do', () => {
    expect(check({}, `${OTHER} ${SECRET}`)).toBeUndefined();
    expect(check({}, `${SECRET},${OTHER}`)).toBeUndefined();
    expect(check({}, OTHER)).toBe('wrong');
  });

  test('any of the signatures will do, and those of other versions are passed over', () => {
    expect(check({ signature: `v1,${'A'.repeat(43)}= v1a,abc ${known.signature ?? ''}` })).toBeUndefined();
    expect(check({ signature: (known.signature ?? '').replace('v1,', 'v2,') })).toBe('wrong');
  });
});

test.each([
  ['300 s old', 300, undefined],
  ['301 s old', 301, 'untimely'],
  ['300 s ahead', -300, undefined],
  ['301 s ahead', -301, 'untimely'],
] as const)('a delivery that is %s', (_name, ageSeconds, expected) => {
  expect(check({}, SECRET, AT_SECONDS + ageSeconds)).toBe(expected);
});

test.each(['id', 'timestamp', 'signature'] as const)('without %s it is not believed', (header) => {
  expect(check({ [header]: undefined })).toBe('missing');
});

test.each(['', '-1', '1.6e9', 'NaN', '99999999999999999999'])('the time %j is none', (timestamp) => {
  expect(check({ timestamp })).toBe('untimely');
});

test('no other delivery is believed, however little it differs', () => {
  fc.assert(
    fc.property(fc.nat(known.body.length - 1), fc.integer({ min: 1, max: 255 }), (index, flip) => {
      const body = Buffer.from(known.body);
      body[index] = (body[index] ?? 0) ^ flip;
      expect(check({ body })).toBe('wrong');
    }),
  );
  expect(check({ id: `${known.id ?? ''}x` })).toBe('wrong');
  expect(check({ timestamp: String(AT_SECONDS + 1) })).toBe('wrong');
});

test('signatures that are none are refused and do no harm', () => {
  fc.assert(
    fc.property(fc.string(), (signature) => {
      expect(check({ signature })).toBe('wrong');
      expect(check({ signature: `v1,${signature}` })).toBe('wrong');
    }),
  );
});

test('whatever is signed is believed by whoever has the secret, and by nobody else', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array({ minLength: 24, maxLength: 64 }), (content, key) => {
      const body = Buffer.from(content);
      const own = `whsec_${Buffer.from(key).toString('base64')}`;
      const mac = createHmac('sha256', key)
        .update(`${known.id ?? ''}.${AT_SECONDS}.`)
        .update(body)
        .digest('base64');
      expect(check({ body, signature: `v1,${mac}` }, own)).toBeUndefined();
      expect(check({ body, signature: `v1,${mac}` })).toBe('wrong');
    }),
  );
});
