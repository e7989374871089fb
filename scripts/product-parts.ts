import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Environment, Settings } from '../domain/settings.js';
import { partEnvironment, withoutExternalTemporal, type PartName } from './part-environment.js';
import type { PartSpec } from './supervisor/supervised-part.js';
import { devServerArguments, devServerReady } from './temporal-server/dev-server.js';

/** Credentials of the simulator where none are set, its own defaults: it is on loopback and guards nothing real. */
const LOCAL_CLIENT = { id: 'earshot', secret: 'earshot-dev-secret' };

/** What the parts of this start are made from. */
export interface ProductPlan {
  readonly settings: Settings;
  readonly env: Environment;
  /** Absolute path of `.earshot`. */
  readonly dataDir: string;
  /** The embedded Temporal server; `undefined`: one is configured. */
  readonly temporal: { readonly executable: string; readonly port: number; readonly uiPort: number } | undefined;
  /** Port of the embedded simulator; `undefined`: a platform is configured. */
  readonly simulatorPort: number | undefined;
  readonly apiPort: number;
  /** Of the worker's metrics; `undefined`: it shows none. */
  readonly metricsPort: number | undefined;
}

/** The processes of the product in starting order. */
export function productParts(plan: ProductPlan): readonly PartSpec[] {
  const { settings, dataDir, temporal, simulatorPort } = plan;
  const given = temporal === undefined ? plan.env : withoutExternalTemporal(plan.env);
  const env = simulatorPort === undefined ? given : withoutPlatformFiles(given);
  const shared: Environment = {
    EARSHOT_DATA_DIR: dataDir,
    PORT: String(plan.apiPort),
    ...(plan.metricsPort === undefined ? {} : { WORKER_METRICS_PORT: String(plan.metricsPort) }),
    ...(temporal === undefined
      ? {}
      : {
          TEMPORAL_ADDRESS: `127.0.0.1:${temporal.port}`,
          TEMPORAL_CONFIG_FILE: join(dataDir, 'no-temporal-config.toml'),
          // Unless somebody reaches it by another address.
          TEMPORAL_UI_URL: settings.temporalUiUrl ?? `http://127.0.0.1:${temporal.uiPort}`,
        }),
    ...(simulatorPort === undefined ? {} : simulatorSettings(plan, simulatorPort)),
  };
  const node = (name: PartName, stopMs: number, after: readonly PartName[]): PartSpec => ({
    name,
    command: process.execPath,
    args: ['--enable-source-maps', fileURLToPath(new URL(`../${name}/main.js`, import.meta.url))],
    env: partEnvironment(name, env, shared),
    stopMs,
    after: after.filter((other) => other !== 'temporal' || temporal !== undefined),
  });

  const parts: PartSpec[] = [];
  if (temporal !== undefined) {
    const { executable, port, uiPort } = temporal;
    const namespace = settings.temporalNamespace;
    parts.push({
      name: 'temporal',
      command: executable,
      args: devServerArguments({ port, uiPort, namespace, database: join(dataDir, 'temporal.db') }),
      env: partEnvironment('temporal', env, {}),
      probe: (signal) => devServerReady(`127.0.0.1:${port}`, namespace, signal),
      stopMs: 10_000,
      after: [],
    });
  }
  if (simulatorPort !== undefined) parts.push(node('simulator', 5_000, []));
  const platform: readonly PartName[] = simulatorPort === undefined ? [] : ['simulator'];
  parts.push(
    node('worker', 15_000, ['temporal', ...platform]),
    node('api', 10_000 + settings.apiDrainSeconds * 1_000, ['temporal']),
  );
  return parts;
}

/** The simulator reads no files: what stood in one has been read, and is handed on as it is. */
function withoutPlatformFiles(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^PLATFORM_\w+_FILE$/.test(name)));
}

function simulatorSettings({ settings, env, dataDir, apiPort }: ProductPlan, port: number): Environment {
  const webhook = `http://${reachable(settings.host)}:${apiPort}/v1/webhooks/platform`;
  return {
    SIMULATOR_PORT: String(port),
    SIMULATOR_STATE_FILE: env['SIMULATOR_STATE_FILE'] ?? join(dataDir, 'simulator.json'),
    SIMULATOR_CONTROL: settings.simulatorControl,
    PLATFORM_BASE_URL: `http://127.0.0.1:${port}`,
    PLATFORM_CLIENT_ID: settings.platformClientId ?? LOCAL_CLIENT.id,
    PLATFORM_CLIENT_SECRET: settings.platformClientSecret ?? LOCAL_CLIENT.secret,
    // With a secret set, the events come both ways, as on a platform that is configured with the webhook.
    ...(settings.platformWebhookSecret === undefined
      ? {}
      : {
          PLATFORM_WEBHOOK_SECRET: settings.platformWebhookSecret,
          SIMULATOR_WEBHOOK_URL: env['SIMULATOR_WEBHOOK_URL'] ?? webhook,
        }),
  };
}

/** An address to connect to for an address that is listened on. */
export function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
