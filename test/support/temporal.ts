import type { Client } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import type { NativeConnection } from '@temporalio/worker';
import { pino } from 'pino';
import { prepareConnection } from '../../api/temporal-client.js';
import { devServerArguments } from '../../scripts/temporal-server/dev-server.js';
import { provisionTemporalCli } from '../../scripts/temporal-server/provision.js';
import { installRuntimeLog } from '../../worker/runtime-log.js';
import { ensureSearchAttributes } from '../../worker/search-attributes.js';

const NAMESPACE = 'default';

/** A running Temporal server. */
export interface TestTemporal {
  /** As the API prepares it: the SDK's own, when it is closed, throws at a retry that comes due later. */
  readonly client: Client;
  readonly nativeConnection: NativeConnection;
  readonly namespace: string;
  /** `host:port`, for other processes. */
  readonly address: string;
  teardown(): Promise<void>;
}

let runtimeInstalled = false;

/** Once a file, before its first connection: Temporal's own log stays quiet unless `LOG_LEVEL` says otherwise. */
export function quietRuntime(): void {
  if (runtimeInstalled) return;
  runtimeInstalled = true;
  installRuntimeLog(pino({ level: process.env['LOG_LEVEL'] ?? 'silent' }));
}

/**
 * A Temporal server for a test file: the real one, in memory, on free ports.
 * @param moreArgs of the dev server
 */
export async function startTemporal(
  dynamicConfig: Readonly<Record<string, number | boolean>> = {},
  moreArgs: readonly string[] = [],
): Promise<TestTemporal> {
  quietRuntime();
  const { path } = await provisionTemporalCli();
  const extraArgs = devServerArguments({ port: 0, uiPort: undefined, namespace: NAMESPACE, database: undefined });
  const configArgs = Object.entries(dynamicConfig).flatMap(([name, value]) => [
    '--dynamic-config-value',
    `${name}=${JSON.stringify(value)}`,
  ]);
  const environment = await TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path },
      extraArgs: [...afterPort(extraArgs), ...configArgs, ...moreArgs],
    },
  });
  const { nativeConnection, address } = environment;
  await ensureSearchAttributes(nativeConnection, NAMESPACE);
  const { client, close } = prepareConnection({
    temporalAddress: address,
    temporalPort: 0,
    temporalNamespace: NAMESPACE,
  });
  return {
    client,
    nativeConnection,
    namespace: NAMESPACE,
    address,
    teardown: async () => {
      await close();
      await environment.teardown();
    },
  };
}

/** The SDK sets address, port and log itself. */
function afterPort(args: readonly string[]): string[] {
  return args.slice(args.indexOf('--search-attribute'), args.indexOf('--log-level'));
}
