import { describe, expect, it } from '@jest/globals';
import { readSettings } from '../../domain/settings.js';
import { productParts } from '../../scripts/product-parts.js';
import type { PartSpec } from '../../scripts/supervisor/supervised-part.js';

const WEBHOOK_SECRET = `whsec_${'a'.repeat(32)}`;

function partsFor(env: Record<string, string>, embedded = true): Record<string, PartSpec> {
  const parts = productParts({
    settings: readSettings(env),
    env,
    dataDir: '/data',
    temporal: embedded ? { executable: '/bin/temporal', port: 7001, uiPort: 7002 } : undefined,
    simulatorPort: embedded ? 7003 : undefined,
    apiPort: 7004,
    metricsPort: 7005,
  });
  return Object.fromEntries(parts.map((part) => [part.name, part]));
}

const TOKENS = { AUTH_AUDIENCE: 'a', AUTH_ISSUER: 'i', AUTH_JWKS_URL: 'https://id/jwks' };

const CONFIGURED = {
  PLATFORM_BASE_URL: 'https://p',
  PLATFORM_CLIENT_ID: 'id',
  PLATFORM_CLIENT_SECRET: 'hush',
  TEMPORAL_ADDRESS: 'cloud:7233',
  TEMPORAL_API_KEY: 'cloud-key',
};

describe('the parts of the product', () => {
  it('are four when nothing is configured, and two when everything is', () => {
    expect(Object.keys(partsFor({}))).toEqual(['temporal', 'simulator', 'worker', 'api']);
    expect(partsFor({})['worker']?.after).toEqual(['temporal', 'simulator']);
    expect(Object.keys(partsFor(CONFIGURED, false))).toEqual(['worker', 'api']);
    expect(partsFor(CONFIGURED, false)['worker']?.after).toEqual([]);
  });

  it('see only the settings that are their business', () => {
    const env = {
      API_KEY: 'key',
      PLATFORM_WEBHOOK_SECRET: WEBHOOK_SECRET,
      ...TOKENS,
      RATE_LIMIT_PERSON: '9',
      CORS_ORIGINS: 'https://d',
      PAYLOAD_KEYS_FILE: '/keys',
      PATH: '/bin',
      HOME: '/',
    };
    const seen = Object.fromEntries(
      Object.entries(partsFor(env)).map(([name, part]) => [name, Object.keys(part.env).sort()]),
    );
    const everyone = ['EARSHOT_DATA_DIR', 'HOME', 'PATH'];
    expect(seen['temporal']).toEqual(['HOME', 'PATH']);
    expect(seen['simulator']).toEqual(
      [...everyone, 'PLATFORM_CLIENT_ID', 'PLATFORM_CLIENT_SECRET', 'PLATFORM_WEBHOOK_SECRET']
        .concat(['SIMULATOR_CONTROL', 'SIMULATOR_PORT', 'SIMULATOR_STATE_FILE', 'SIMULATOR_WEBHOOK_URL'])
        .sort(),
    );
    expect(seen['worker']).toEqual(
      [...everyone, 'PAYLOAD_KEYS_FILE', 'PLATFORM_BASE_URL', 'PLATFORM_CLIENT_ID', 'PLATFORM_CLIENT_SECRET']
        .concat(['TEMPORAL_ADDRESS', 'TEMPORAL_CONFIG_FILE', 'WORKER_METRICS_PORT'])
        .sort(),
    );
    expect(seen['api']).toEqual(
      [
        ...everyone,
        ...Object.keys(TOKENS),
        'API_KEY',
        'CORS_ORIGINS',
        'PAYLOAD_KEYS_FILE',
        'PLATFORM_WEBHOOK_SECRET',
        'PORT',
        'RATE_LIMIT_PERSON',
      ]
        .concat(['TEMPORAL_ADDRESS', 'TEMPORAL_CONFIG_FILE', 'TEMPORAL_UI_URL'])
        .sort(),
    );
  });

  it('tell the API where Temporal’s UI is, as it is set or as it is embedded', () => {
    const told = (env: Record<string, string>, embedded = true): unknown =>
      partsFor(env, embedded)['api']?.env['TEMPORAL_UI_URL'];
    expect(told({})).toBe('http://127.0.0.1:7002');
    expect(told({ TEMPORAL_UI_URL: 'https://temporal.example.com/' })).toBe('https://temporal.example.com');
    expect(told({ TEMPORAL_UI_URL: ' ' })).toBe('http://127.0.0.1:7002');
    expect(told(CONFIGURED, false)).toBeUndefined();
  });

  it('are given the time that the API drains in, besides', () => {
    expect(partsFor({})['api']?.stopMs).toBe(10_000);
    expect(partsFor({ API_DRAIN_SECONDS: '20' })['api']?.stopMs).toBe(30_000);
  });

  it('never give the API the credentials of a configured platform', () => {
    const { api, worker } = partsFor(CONFIGURED, false);
    expect(JSON.stringify(api?.env)).not.toContain('hush');
    expect(worker?.env['PLATFORM_CLIENT_SECRET']).toBe('hush');
    expect(worker?.env['TEMPORAL_API_KEY']).toBe('cloud-key');
  });

  it('see the files of secrets as they see the secrets', () => {
    const files = {
      API_KEY_FILE: '/a',
      METRICS_KEY_FILE: '/m',
      REDIS_URL_FILE: '/r',
      PLATFORM_CLIENT_SECRET_FILE: '/p',
      PLATFORM_WEBHOOK_SECRET_FILE: '/w',
    };
    const { PLATFORM_CLIENT_SECRET: _, ...configured } = CONFIGURED;
    const parts = productParts({
      settings: readSettings({ ...configured, ...files }, (path) => (path === '/w' ? WEBHOOK_SECRET : `redis:${path}`)),
      env: { ...configured, ...files },
      dataDir: '/data',
      temporal: undefined,
      simulatorPort: undefined,
      apiPort: 7004,
      metricsPort: undefined,
    });
    const seen = parts.map(({ name, env }) => [name, Object.keys(env).filter((key) => key.endsWith('_FILE'))]);
    expect(Object.fromEntries(seen)).toEqual({
      worker: ['METRICS_KEY_FILE', 'REDIS_URL_FILE', 'PLATFORM_CLIENT_SECRET_FILE'],
      api: ['API_KEY_FILE', 'METRICS_KEY_FILE', 'REDIS_URL_FILE', 'PLATFORM_WEBHOOK_SECRET_FILE'],
    });
  });

  it('hand the simulator what stood in files, which it reads none of', () => {
    const env = { PLATFORM_CLIENT_SECRET_FILE: '/p', PLATFORM_WEBHOOK_SECRET_FILE: '/w' };
    const parts = productParts({
      settings: readSettings(env, (path) => (path === '/w' ? WEBHOOK_SECRET : 'hush')),
      env,
      dataDir: '/data',
      temporal: { executable: '/bin/temporal', port: 7001, uiPort: 7002 },
      simulatorPort: 7003,
      apiPort: 7004,
      metricsPort: undefined,
    });
    const { simulator, worker, api } = Object.fromEntries(parts.map((part) => [part.name, part.env]));
    expect(simulator).toMatchObject({ PLATFORM_CLIENT_SECRET: 'hush', PLATFORM_WEBHOOK_SECRET: WEBHOOK_SECRET });
    expect(worker).toMatchObject({ PLATFORM_CLIENT_SECRET: 'hush' });
    expect(api).toMatchObject({ PLATFORM_WEBHOOK_SECRET: WEBHOOK_SECRET });
    const keys = [simulator, worker, api].flatMap((one) => Object.keys(one ?? {}));
    expect(keys.filter((key) => /^PLATFORM_\w+_FILE$/.test(key))).toEqual([]);
  });

  it('use the embedded Temporal even where the machine knows another one', () => {
    const { worker } = partsFor({ TEMPORAL_TLS: 'true', TEMPORAL_API_KEY: 'cloud-key', TEMPORAL_NAMESPACE: 'mine' });
    expect(worker?.env).toMatchObject({ TEMPORAL_ADDRESS: '127.0.0.1:7001', TEMPORAL_NAMESPACE: 'mine' });
    expect(Object.keys(worker?.env ?? {})).not.toContain('TEMPORAL_TLS');
    expect(JSON.stringify(worker?.env)).not.toContain('cloud-key');
  });

  it('give worker and simulator the same credentials and address', () => {
    const { simulator, worker } = partsFor({});
    expect(worker?.env['PLATFORM_BASE_URL']).toBe('http://127.0.0.1:7003');
    expect(simulator?.env['SIMULATOR_PORT']).toBe('7003');
    for (const name of ['PLATFORM_CLIENT_ID', 'PLATFORM_CLIENT_SECRET']) {
      expect(worker?.env[name]).toBe(simulator?.env[name]);
    }
  });

  it('keep Temporal’s data on disk, synced at every commit', () => {
    const args = partsFor({})['temporal']?.args.join(' ');
    expect(args).toContain(
      '--db-filename /data/temporal.db --sqlite-pragma journal_mode=WAL --sqlite-pragma synchronous=FULL',
    );
    for (const name of ['InteractionId', 'SupervisorId', 'SessionState', 'MonitorSessionId']) {
      expect(args).toContain(`--search-attribute ${name}=Keyword`);
    }
    expect(args).toContain('--ip 127.0.0.1 --port 7001 --ui-port 7002');
  });

  it('have the simulator call the API’s webhook where a secret for it is set', () => {
    const webhook = (env: Record<string, string>): unknown => partsFor(env)['simulator']?.env['SIMULATOR_WEBHOOK_URL'];
    expect(webhook({})).toBeUndefined();
    expect(webhook({ PLATFORM_WEBHOOK_SECRET: WEBHOOK_SECRET })).toBe('http://127.0.0.1:7004/v1/webhooks/platform');
    const open = { PLATFORM_WEBHOOK_SECRET: WEBHOOK_SECRET, HOST: '0.0.0.0', API_KEY: 'k'.repeat(20) };
    expect(webhook(open)).toBe('http://127.0.0.1:7004/v1/webhooks/platform');
  });
});
