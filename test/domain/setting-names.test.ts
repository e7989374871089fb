import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { editDistance, strangeNames } from '../../domain/setting-names.js';
import { apiSettings, doubtfulNames, readSettings, settingsTable, SettingsError } from '../../domain/settings.js';

const NAMES = settingsTable().map(({ name }) => name);
const strange = (env: Record<string, string>): readonly unknown[] => strangeNames(env, NAMES);

const letter = fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZ_'.split(''));
const word = fc.array(letter, { minLength: 1, maxLength: 24 }).map((letters) => letters.join(''));

/** One slip of whoever types: a letter left out, put in, exchanged, or swapped with the next one. */
const slip = fc.tuple(fc.constantFrom('out', 'in', 'other', 'swap'), fc.nat(), letter);

function slipped(name: string, [kind, place, other]: [string, number, string]): string {
  const at = place % name.length;
  const [before, here, after] = [name.slice(0, at), name.charAt(at), name.slice(at + 1)];
  if (kind === 'out') return before + after;
  if (kind === 'in') return before + other + here + after;
  if (kind === 'other') return before + other + after;
  return before + after.charAt(0) + here + after.slice(1);
}

test('no setting is strange, nor is what is not set', () => {
  fc.assert(
    fc.property(fc.subarray(NAMES), fc.string(), (names, value) => {
      expect(strange(Object.fromEntries(names.map((name) => [name, value])))).toEqual([]);
    }),
  );
  expect(strange({ PLATFORM_BASE_URLL: ' ' })).toEqual([]);
});

test('one slip in the name of a setting is found out, and the setting named', () => {
  const others = /^(?:API|AUTH|CORS|METRICS|RATE)_/;
  const long = NAMES.filter((name) => name.length >= 12 && !others.test(name));
  expect(long.length).toBeGreaterThan(20);
  fc.assert(
    fc.property(fc.constantFrom(...long), slip, (name, how) => {
      const wrong = slipped(name, how);
      fc.pre(!NAMES.includes(wrong) && wrong !== 'SIMULATOR_HOST');
      const [found] = strangeNames({ [wrong]: 'x' }, NAMES);
      expect(found).toMatchObject({ name: wrong, isMisspelt: true });
      expect(editDistance(wrong, found?.nearest ?? '')).toBe(1);
    }),
    { numRuns: 300 },
  );
});

test('one slip in what others may have too stops nobody', () => {
  expect(strange({ CORS_ORIGIN: 'x' })).toEqual([{ name: 'CORS_ORIGIN', nearest: 'CORS_ORIGINS', isMisspelt: false }]);
});

test('a process refuses to start, by whichever way its settings are read, and shows no value', () => {
  const env = { PAYLOAD_KEY_FILE: '/run/secret-place', platform_base_url: 'https://p.example' };
  for (const read of [readSettings, apiSettings]) {
    expect(() => read(env)).toThrow(
      new SettingsError([
        { name: 'PAYLOAD_KEY_FILE', message: 'is no setting: PAYLOAD_KEYS_FILE is. Rename it, or unset it' },
        { name: 'platform_base_url', message: 'is no setting: PLATFORM_BASE_URL is. Rename it, or unset it' },
      ]),
    );
  }
});

test('what may be another program’s is doubted at most, with the nearest setting', () => {
  const doubts = { TEMPORAL_HOST: 'TEMPORAL_PORT', PLATFORM_NAME: 'PLATFORM_BASE_URL', LOGLEVEL: 'LOG_LEVEL' };
  const env = Object.fromEntries(Object.keys(doubts).map((name) => [name, 'x']));
  expect(() => readSettings(env)).not.toThrow();
  expect(doubtfulNames(env).map(({ name }) => name)).toEqual(Object.keys(doubts));
  expect(doubtfulNames({ TEMPORAL_HOST: 'x' })).toEqual([
    { name: 'TEMPORAL_HOST', nearest: 'TEMPORAL_PORT', isMisspelt: false },
  ]);
});

test('whatever is called otherwise is nobody’s business here', () => {
  fc.assert(
    fc.property(fc.dictionary(word, fc.string({ minLength: 1 })), (env) => {
      const near = (name: string): boolean => NAMES.some((known) => editDistance(name, known) <= 2);
      const others = Object.entries(env).filter(
        ([name]) => !near(name) && !/^(?:AUTH|CORS|MEDIA|BARGE|SWEEP)_/.test(name),
      );
      expect(strange(Object.fromEntries(others))).toEqual([]);
    }),
  );
  const ofAMachine = { HOME: '/', HOSTNAME: 'h', HOSTS: 'h', POST: '1', PWD: '/', SHELL: 's', PORTS: '1', KEY: 'k' };
  expect(strange({ ...ofAMachine, DATABASE_URL: 'd', NODE_ENV: 'n', KUBERNETES_PORT: 'tcp://10.0.0.1:443' })).toEqual(
    [],
  );
});

test('services of a cluster that are called as our settings begin are neither settings nor mistakes', () => {
  const services = fc.constantFrom('TEMPORAL', 'TEMPORAL_UI', 'SIMULATOR', 'PLATFORM', 'EARSHOT_API', 'WORKER_METRICS');
  fc.assert(
    fc.property(services, fc.integer({ min: 1, max: 65_535 }), (service, port) => {
      const url = `tcp://10.96.0.7:${port}`;
      const env = {
        [`${service}_SERVICE_HOST`]: '10.96.0.7',
        [`${service}_SERVICE_PORT`]: String(port),
        [`${service}_SERVICE_PORT_GRPC`]: String(port),
        [`${service}_PORT`]: url,
        [`${service}_PORT_${port}_TCP`]: url,
        [`${service}_PORT_${port}_TCP_PROTO`]: 'tcp',
        [`${service}_PORT_${port}_TCP_PORT`]: String(port),
        [`${service}_PORT_${port}_TCP_ADDR`]: '10.96.0.7',
      };
      expect(strange(env)).toEqual([]);
      expect(readSettings(env)).toEqual(readSettings({}));
    }),
  );
});

test('what Temporal’s own tools read passes, and a slip in that does not', () => {
  const theirs = ['TEMPORAL_TLS_CLIENT_CERT_PATH', 'TEMPORAL_TLS_SERVER_CA_CERT_DATA', 'TEMPORAL_GRPC_META_X_TEAM'];
  const env = Object.fromEntries([...theirs, 'TEMPORAL_CLI_NAMESPACE', 'TEMPORAL_API_KEY'].map((name) => [name, 'x']));
  expect(strange(env)).toEqual([]);
  expect(strange({ TEMPORAL_TLS_CLIENT_CRT_PATH: 'x' })).toEqual([
    { name: 'TEMPORAL_TLS_CLIENT_CRT_PATH', nearest: 'TEMPORAL_TLS_CLIENT_CERT_PATH', isMisspelt: true },
  ]);
});
