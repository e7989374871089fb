import { loadClientConnectConfig } from '@temporalio/envconfig';
import { Connection } from '@temporalio/client';
import { messageOf } from '../system-error.js';

const CONNECT_LIMIT_MS = 5_000;

/** Whether the environment names a Temporal server, so that none is embedded. */
export function isTemporalConfigured(env: Readonly<Record<string, string | undefined>>): boolean {
  return ['TEMPORAL_ADDRESS', 'TEMPORAL_PROFILE', 'TEMPORAL_CONFIG_FILE'].some((name) => (env[name] ?? '') !== '');
}

/** The configured server's address, and what is wrong with it in one line, if anything. */
export interface ExternalServer {
  readonly address: string;
  readonly problem?: string;
}

/** Connects once to the Temporal server that the environment (`@temporalio/envconfig`) names, and looks at its namespace. */
export async function checkExternalServer(): Promise<ExternalServer> {
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
  const { address = 'localhost:7233' } = connectionOptions;
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ ...connectionOptions, connectTimeout: CONNECT_LIMIT_MS });
  } catch (error) {
    return {
      address,
      problem: `Temporal at ${address} can't be reached (${lineOf(error)}): start it, set TEMPORAL_ADDRESS to another one, or unset it for an embedded one`,
    };
  }
  try {
    await connection.withDeadline(Date.now() + CONNECT_LIMIT_MS, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
    return { address };
  } catch (error) {
    // Only an answer that says so: a key may well be good for everything but this look.
    if (!/not found/i.test(lineOf(error))) return { address };
    const problem = `Temporal at ${address} has no namespace ${namespace}: create it (temporal operator namespace create --namespace ${namespace}) or set TEMPORAL_NAMESPACE`;
    return { address, problem };
  } finally {
    await connection.close();
  }
}

function lineOf(error: unknown): string {
  const message = messageOf(error);
  return message.split('\n', 1)[0] ?? message;
}
