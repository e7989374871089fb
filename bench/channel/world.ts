import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { createHttpPlatform } from '../../platform/http-platform.js';
import type { TelephonyPlatform } from '../../platform/telephony-platform.js';
import { startSimulator } from '../../simulator/simulator.js';
import type { Simulator } from '../../simulator/simulator.js';
import { ensureSearchAttributes } from '../../worker/search-attributes.js';
import type { CleanUp } from '../clean-up.js';
import type { OfEach } from './exclusive-channel.js';
import { NAMESPACE, startTemporal } from '../stage/temporal-server.js';

const SECRET = 'bench-secret';

/** What both patterns share: Temporal, the platform, and the ways to them. */
export interface World {
  /** Sends the commands, over a connection like the API's. */
  readonly client: Client;
  /** For the workers. */
  readonly connection: NativeConnection;
  readonly serverVersion: string;
  readonly simulator: Simulator;
  /** To the one platform; each pattern is an OAuth client of its own, so that neither takes the other's legs for its own. */
  readonly platforms: OfEach<TelephonyPlatform>;
}

export async function openWorld(cleanUp: CleanUp): Promise<World> {
  const { address } = await startTemporal(cleanUp);
  const connection = await NativeConnection.connect({ address });
  cleanUp.add(() => connection.close());
  await ensureSearchAttributes(connection, NAMESPACE);
  const clientConnection = await Connection.connect({ address });
  cleanUp.add(() => clientConnection.close());
  const { serverVersion } = await clientConnection.workflowService.getSystemInfo({});

  const simulator = await startSimulator({
    port: 0,
    population: null,
    clientId: 'earshot',
    clientSecret: SECRET,
    otherClients: [{ clientId: 'sample', clientSecret: SECRET }],
    rateLimit: { limit: 10_000_000, windowSeconds: 10 },
    activationDelayMs: { min: 0, max: 0 },
    mediaMetricsIntervalSeconds: 0,
    // Each look at the ledger copies it: short, so that looking doesn't take the time that is measured.
    ledgerRequests: 1_000,
  });
  cleanUp.add(() => simulator.close());
  const platformAs = (clientId: string): TelephonyPlatform => {
    const platform = createHttpPlatform({ baseUrl: simulator.baseUrl, clientId, clientSecret: SECRET });
    cleanUp.add(() => platform.close());
    return platform;
  };
  const platforms = { earshot: platformAs('earshot'), sample: platformAs('sample') };

  const client = new Client({ connection: clientConnection, namespace: NAMESPACE });
  return { client, connection, serverVersion, simulator, platforms };
}
