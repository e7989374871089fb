import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  SettingsError,
  apiSettings,
  isLoopback,
  readSettings,
  settingsTable,
  workerSettings,
  type Environment,
} from '../../domain/settings.js';

const PLATFORM = {
  PLATFORM_BASE_URL: 'https://acme.example',
  PLATFORM_CLIENT_ID: 'earshot',
  PLATFORM_CLIENT_SECRET: 'a secret',
};

function errorOf(read: () => unknown): SettingsError {
  try {
    read();
  } catch (error) {
    if (error instanceof SettingsError) return error;
    throw error;
  }
  throw new Error('Expected a SettingsError');
}

const faultNames = (env: Environment): string[] => errorOf(() => readSettings(env)).faults.map(({ name }) => name);

describe('readSettings', () => {
  it('has a default for everything that needs a value', () => {
    expect(readSettings({})).toEqual({
      port: 8080,
      rateLimitPerson: 20,
      rateLimitService: 500,
      corsOrigins: [],
      host: '127.0.0.1',
      apiDrainSeconds: 0,
      workerMetricsPort: 0,
      workerMetricsHost: '127.0.0.1',
      temporalNamespace: 'default',
      temporalPort: 7233,
      temporalUiPort: 8233,
      temporalTaskQueue: 'monitoring',
      simulatorPort: 8090,
      simulatorControl: 'off',
      sweepIntervalSeconds: 60,
      bargeWaitSeconds: 30,
      confirmTimeoutSeconds: 60,
      mediaLossPercent: 3,
      mediaJitterMs: 30,
      mediaBadSamples: 3,
      mediaGoodSamples: 12,
      mediaChangesPerMinute: 4,
      mediaPollSeconds: 10,
      logLevel: 'info',
    });
  });

  it('takes an empty or blank value for an unset one', () => {
    expect(readSettings({ PORT: '', HOST: '  ', API_KEY: '', PLATFORM_BASE_URL: '' })).toEqual(readSettings({}));
  });

  it('lists every fault at once, each with its value and what is expected', () => {
    const error = errorOf(() =>
      readSettings({
        PORT: 'http',
        WORKER_METRICS_PORT: 'off',
        SWEEP_INTERVAL_SECONDS: '0',
        TEMPORAL_ADDRESS: 'http://t',
        LOG_LEVEL: 'loud',
      }),
    );
    expect(error.code).toBe('settings.invalid');
    expect(error.message.split('\n')).toEqual([
      '4 settings are wrong:',
      '  PORT must be a whole number from 0 to 65535 (given: "http")',
      '  TEMPORAL_ADDRESS must be host:port, without a scheme or a path (given: "http://t")',
      '  SWEEP_INTERVAL_SECONDS must be a whole number from 1 to 3600 (given: "0")',
      '  LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent (given: "loud")',
    ]);
  });

  it.each(['1e3', '0x50', '-1', '80.5', '65536', '8080 8081', '٨٠', '99999999999999999999'])(
    'refuses %p for a port',
    (value) => expect(faultNames({ PORT: value })).toEqual(['PORT']),
  );

  it.each(['ftp://p', 'p.example', 'https://u:p@p.example', 'https://p?x=1', 'https://p#x', 'https://'])(
    'refuses %p for the base URL',
    (value) => expect(faultNames({ ...PLATFORM, PLATFORM_BASE_URL: value })).toEqual(['PLATFORM_BASE_URL']),
  );

  it('refuses to show a worker’s metrics beyond loopback without a key of some length', () => {
    const open = { WORKER_METRICS_HOST: '0.0.0.0' };
    expect(faultNames(open)).toEqual(['WORKER_METRICS_HOST']);
    expect(faultNames({ ...open, METRICS_KEY: 'short' })).toEqual(['METRICS_KEY']);
    expect(errorOf(() => workerSettings({ ...PLATFORM, ...open })).faults).toHaveLength(1);
    expect(readSettings({ ...open, METRICS_KEY: 'k'.repeat(16) }).workerMetricsHost).toBe('0.0.0.0');
    expect(readSettings({ ...open, WORKER_METRICS_PORT: 'off' }).workerMetricsPort).toBe('off');
    expect(faultNames({ WORKER_METRICS_PORT: '65536' })).toEqual(['WORKER_METRICS_PORT']);
    expect(faultNames({ WORKER_METRICS_PORT: '8080' })).toEqual(['WORKER_METRICS_PORT']);
  });

  it('drops the slashes at the end of the base URL', () => {
    expect(readSettings({ ...PLATFORM, PLATFORM_BASE_URL: 'http://p/a//' }).platformBaseUrl).toBe('http://p/a');
    expect(readSettings({ TEMPORAL_UI_URL: 'https://t/ui/' }).temporalUiUrl).toBe('https://t/ui');
  });

  it.each(['javascript:alert(1)', 't.example', 'https://u:p@t', 'https://t?x=1', 'https://t#x'])(
    'refuses %p for the URL of Temporal’s UI, which ends up in a link',
    (value) => expect(faultNames({ TEMPORAL_UI_URL: value })).toEqual(['TEMPORAL_UI_URL']),
  );

  it('does not run without keys where encryption is asked for, and with keys encrypts unless told', () => {
    expect(faultNames({ PAYLOAD_ENCRYPTION: 'on' })).toEqual(['PAYLOAD_KEYS_FILE']);
    for (const env of [{ PAYLOAD_ENCRYPTION: 'on' }, { PAYLOAD_ENCRYPTION: 'yes' }]) {
      expect(errorOf(() => apiSettings(env)).faults).toHaveLength(1);
      expect(errorOf(() => workerSettings({ ...PLATFORM, ...env })).faults).toHaveLength(1);
    }
    expect(readSettings({ PAYLOAD_ENCRYPTION: 'off' }).payloadEncryption).toBe('off');
    expect(apiSettings({ PAYLOAD_KEYS_FILE: '/run/keys' })).toMatchObject({ payloadKeysFile: '/run/keys' });
  });

  it('takes off or a WebSocket URL for the events', () => {
    expect(readSettings({ PLATFORM_EVENTS_URL: 'off' }).platformEventsUrl).toBe('off');
    expect(readSettings({ PLATFORM_EVENTS_URL: 'wss://p/e' }).platformEventsUrl).toBe('wss://p/e');
    expect(faultNames({ PLATFORM_EVENTS_URL: 'https://p/e' })).toEqual(['PLATFORM_EVENTS_URL']);
  });

  it('takes the secret of the Standard Webhooks example and refuses one that is too short', () => {
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
    expect(readSettings({ PLATFORM_WEBHOOK_SECRET: secret }).platformWebhookSecret).toBe(secret);
    expect(faultNames({ PLATFORM_WEBHOOK_SECRET: 'whsec_MfKQ9r8G' })).toEqual(['PLATFORM_WEBHOOK_SECRET']);
  });

  it('listens off loopback only with a key, and one that is long enough', () => {
    expect(errorOf(() => readSettings({ HOST: '0.0.0.0' })).message).toContain('set API_KEY');
    expect(faultNames({ HOST: '::', API_KEY: 'short' })).toEqual(['API_KEY']);
    expect(readSettings({ HOST: '0.0.0.0', API_KEY: 'k'.repeat(16) }).host).toBe('0.0.0.0');
    expect(faultNames({ HOST: '0.0.0.0', API_KEY: 'k'.repeat(16), METRICS_KEY: 'x' })).toEqual(['METRICS_KEY']);
    expect(readSettings({ API_KEY: 'short' }).apiKey).toBe('short');
  });

  it('wants all three of what makes a token good, and keys that nobody can swap on the way', () => {
    const tokens = {
      AUTH_JWKS_URL: 'https://id/jwks',
      AUTH_ISSUER: 'https://id/',
      AUTH_AUDIENCE: 'earshot',
    };
    expect(readSettings({ HOST: '0.0.0.0', ...tokens }).authAudience).toBe('earshot');
    expect(faultNames({ AUTH_ISSUER: 'https://id/' })).toEqual(['AUTH_JWKS_URL', 'AUTH_AUDIENCE']);
    expect(faultNames({ ...tokens, AUTH_JWKS_URL: 'http://id/jwks' })).toEqual(['AUTH_JWKS_URL']);
    const nearby = 'http://[::1]:9/jwks';
    expect(readSettings({ ...tokens, AUTH_JWKS_URL: nearby }).authJwksUrl).toBe(nearby);
  });

  it.each(['*', 'desk.example.com', 'https://desk.example.com/', 'https://d, https://e/x'])(
    'refuses %p for origins',
    (value) => expect(faultNames({ CORS_ORIGINS: value })).toEqual(['CORS_ORIGINS']),
  );

  it('takes several origins', () => {
    expect(readSettings({ CORS_ORIGINS: 'https://d http://e:81' }).corsOrigins).toEqual(['https://d', 'http://e:81']);
  });

  it('wants the credentials of a configured platform', () => {
    expect(faultNames({ PLATFORM_BASE_URL: 'https://p' })).toEqual(['PLATFORM_CLIENT_ID', 'PLATFORM_CLIENT_SECRET']);
  });

  it('refuses one port for two parts, defaults included, but not for parts that are not run', () => {
    expect(faultNames({ PORT: '8090' })).toEqual(['SIMULATOR_PORT']);
    expect(faultNames({ TEMPORAL_PORT: '9000', TEMPORAL_UI_PORT: '9000' })).toEqual(['TEMPORAL_UI_PORT']);
    expect(readSettings({ PORT: '8090', ...PLATFORM }).port).toBe(8090);
    expect(readSettings({ PORT: '7233', TEMPORAL_ADDRESS: 't:7233' }).port).toBe(7233);
    expect(readSettings({ PORT: '0', TEMPORAL_PORT: '0', SIMULATOR_PORT: '0' }).port).toBe(0);
  });

  it('never shows a secret, whatever else is wrong', () => {
    const secrets = settingsTable().filter(({ secret }) => secret);
    expect(secrets.map(({ name }) => name)).toEqual([
      'API_KEY',
      'METRICS_KEY',
      'PLATFORM_CLIENT_SECRET',
      'PLATFORM_WEBHOOK_SECRET',
      'REDIS_URL',
    ]);
    fc.assert(
      fc.property(fc.stringMatching(/^[g-z]{12,40}[\x01\x7f ][g-z]{12,40}$/), (value) => {
        const env = Object.fromEntries(secrets.map(({ name }) => [name, value]));
        const error = errorOf(() => readSettings({ ...env, HOST: '0.0.0.0', PORT: 'x' }));
        expect(error.faults.length).toBeGreaterThanOrEqual(3);
        expect(`${error.message}${JSON.stringify(error)}${error.stack ?? ''}`).not.toContain(value.slice(0, 12));
      }),
    );
    expect(errorOf(() => readSettings({ PLATFORM_EVENTS_URL: 'ws://u:hunter2@p' })).message).not.toContain('hunter2');
  });

  it('either returns settings or a SettingsError with a fault for each bad one, for any environment', () => {
    const names = settingsTable().map(({ name }) => name);
    const environment = fc.dictionary(fc.constantFrom(...names), fc.string({ unit: 'binary' }));
    fc.assert(
      fc.property(environment, (env) => {
        try {
          readSettings(env);
        } catch (error) {
          if (!(error instanceof SettingsError)) throw error;
          expect(error.faults.length).toBeGreaterThan(0);
          for (const { name } of error.faults) expect(names).toContain(name);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('what a process may know', () => {
  const everything = { ...PLATFORM, API_KEY: 'key', PLATFORM_WEBHOOK_SECRET: `whsec_${'a'.repeat(32)}` };

  it('gives the API nothing of the platform but the webhook secret', () => {
    const settings = apiSettings(everything);
    expect(Object.keys(settings).filter((name) => name.startsWith('platform'))).toEqual(['platformWebhookSecret']);
    expect(apiSettings({ TEMPORAL_UI_URL: 'https://t' }).temporalUiUrl).toBe('https://t');
  });

  it('looks at no setting of others', () => {
    expect(apiSettings({ PLATFORM_BASE_URL: 'nonsense', SIMULATOR_PORT: 'x' }).port).toBe(8080);
    expect(workerSettings({ ...PLATFORM, PORT: 'x', HOST: '0.0.0.0' }).platformClientId).toBe('earshot');
  });

  it('refuses an API off loopback without a key', () => {
    expect(errorOf(() => apiSettings({ HOST: '0.0.0.0' })).faults.map(({ name }) => name)).toEqual(['HOST']);
  });

  it('requires the platform for a worker, which gets neither key nor webhook secret', () => {
    const missing = errorOf(() => workerSettings({})).faults.map(({ name, message }) => `${name} ${message}`);
    expect(missing).toEqual(Object.keys(PLATFORM).map((name) => `${name} is required and not set`));
    expect(workerSettings(everything)).not.toHaveProperty('apiKey');
    expect(workerSettings(everything)).not.toHaveProperty('platformWebhookSecret');
  });
});

describe('settingsTable', () => {
  it('names every setting with a meaning, and defaults that are what an unset one gives', () => {
    const rows = settingsTable();
    for (const row of rows) expect(row.meaning).not.toBe('');
    const defaults = Object.fromEntries(rows.map(({ name, fallback }) => [name, fallback]));
    expect(readSettings(defaults)).toEqual(readSettings({}));
  });
});

it.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['127.0.0.1.example', false],
  ['10.0.0.1', false],
])('isLoopback(%p) is %p', (host, expected) => expect(isLoopback(host)).toBe(expected));

describe('a secret in a file', () => {
  const reads = (files: Readonly<Record<string, string>>) => (path: string) => {
    const text = files[path];
    if (text === undefined) throw new Error(`ENOENT: no such file or directory, open '${path}'`);
    return text;
  };
  const faultsOf = (env: Environment, files: Readonly<Record<string, string>> = {}) =>
    errorOf(() => readSettings(env, reads(files))).faults;

  it('counts as if it were set, without the line’s end', () => {
    const files = reads({ '/a': 'a-key-of-some-length\n', '/r': ' redis://r:6379\n', '/p': 'a secret' });
    expect(apiSettings({ HOST: '0.0.0.0', API_KEY_FILE: '/a', REDIS_URL_FILE: '/r' }, files)).toMatchObject({
      apiKey: 'a-key-of-some-length',
      redisUrl: 'redis://r:6379',
    });
    const { PLATFORM_CLIENT_SECRET: _, ...platform } = PLATFORM;
    const worker = workerSettings({ ...platform, PLATFORM_CLIENT_SECRET_FILE: '/p', API_KEY_FILE: '/nowhere' }, files);
    expect(worker.platformClientSecret).toBe('a secret');
  });

  it('may be any secret, and nothing else', () => {
    const secrets = settingsTable().filter(({ secret }) => secret);
    expect(secrets.length).toBeGreaterThan(4);
    for (const { name } of secrets) {
      expect(faultsOf({ [`${name}_FILE`]: '/gone' })[0]?.name).toBe(`${name}_FILE`);
    }
    expect(readSettings({ PORT_FILE: '/gone', LOG_LEVEL_FILE: '/gone' }, reads({}))).toEqual(readSettings({}));
  });

  it('is refused beside a value', () => {
    expect(faultsOf({ API_KEY: 'key', API_KEY_FILE: '/a' }, { '/a': 'key' })).toEqual([
      { name: 'API_KEY_FILE', message: 'is set, and API_KEY is too: set one of them' },
    ]);
    expect(readSettings({ API_KEY: ' ', API_KEY_FILE: '/a' }, reads({ '/a': 'key' })).apiKey).toBe('key');
    expect(readSettings({ API_KEY: 'key', API_KEY_FILE: ' ' }, reads({})).apiKey).toBe('key');
  });

  it('that is not there or empty is told, and not what follows from it', () => {
    const env = { HOST: '0.0.0.0', API_KEY_FILE: '/gone', METRICS_KEY_FILE: '/empty', PORT: 'x' };
    expect(faultsOf(env, { '/empty': '\n' })).toEqual([
      {
        name: 'API_KEY_FILE',
        message: 'names a file that can\'t be read: ENOENT: no such file or directory (given: "/gone")',
      },
      { name: 'METRICS_KEY_FILE', message: 'names a file without anything in it (given: "/empty")' },
      { name: 'PORT', message: 'must be a whole number from 0 to 65535 (given: "x")' },
    ]);
  });

  it('that is wrong is told by its own name and never shown', () => {
    const faults = faultsOf({ API_KEY_FILE: '/a', REDIS_URL_FILE: '/r' }, { '/a': 'two words', '/r': 'http://r' });
    expect(faults.map(({ name }) => name)).toEqual(['API_KEY', 'REDIS_URL']);
    expect(JSON.stringify(faults)).not.toMatch(/two words|http:\/\/r/);
    const short = faultsOf({ HOST: '0.0.0.0', API_KEY_FILE: '/a' }, { '/a': 'short' });
    expect(short.map(({ name }) => name)).toEqual(['API_KEY']);
  });
});

describe('the version of a worker', () => {
  it('is read by workers alone', () => {
    const given = { WORKER_DEPLOYMENT_NAME: 'earshot', WORKER_BUILD_ID: '1.2.0+a_b-c' };
    expect(workerSettings({ ...PLATFORM, ...given })).toMatchObject({
      workerDeploymentName: 'earshot',
      workerBuildId: '1.2.0+a_b-c',
    });
    expect(apiSettings(given)).not.toHaveProperty('workerDeploymentName');
  });

  it.each(['ear.shot', 'ear:shot', 'ear shot', 'x'.repeat(101)])('cannot be of %s', (name) => {
    expect(faultNames({ WORKER_DEPLOYMENT_NAME: name })).toEqual(['WORKER_DEPLOYMENT_NAME']);
    expect(faultNames({ WORKER_BUILD_ID: `${name}: ${name}` })).toEqual(['WORKER_BUILD_ID']);
  });
});
