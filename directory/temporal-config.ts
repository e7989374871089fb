import { loadClientConnectConfig, loadClientConfigProfile } from '@temporalio/envconfig';
import type { ClientConnectConfig } from '@temporalio/envconfig';
import { CannotStart, CONFIGURATION_EXIT_CODE } from '../domain/cannot-start.js';

/**
 * How to reach Temporal, from everything that `@temporalio/envconfig` reads: `TEMPORAL_ADDRESS`, `TEMPORAL_API_KEY`, TLS
 * files, the profile of a configuration file.
 *
 * @throws {CannotStart} in one line, for a file that can't be used, and for half of a client certificate: the SDK would go
 * without.
 */
export function temporalConfig(): ClientConnectConfig {
  try {
    const { tls } = loadClientConfigProfile();
    if ((tls?.clientCert === undefined) !== (tls?.clientKey === undefined)) {
      const missing = tls?.clientCert === undefined ? 'CERT' : 'KEY';
      throw new Error(`the client certificate has no TEMPORAL_TLS_CLIENT_${missing}_PATH`);
    }
    return loadClientConnectConfig();
  } catch (error) {
    // The first line alone: for a file that is no TOML, the lines around the mistake follow, and one of them may be the API key.
    const [why = ''] = (error instanceof Error ? error.message : String(error)).split('\n', 1);
    throw new CannotStart(
      `The Temporal connection is configured wrongly (TEMPORAL_* or its configuration file): ${why}`,
      CONFIGURATION_EXIT_CODE,
    );
  }
}
