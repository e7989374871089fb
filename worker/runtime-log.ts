import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import type { TelemetryOptions } from '@temporalio/worker';
import type { Logger } from 'pino';

type MetricsExporterConfig = NonNullable<TelemetryOptions['metrics']>;

/** The watchers' worker has none on purpose. */
const NO_WORKFLOWS = 'No workflows registered, not polling for workflow tasks';

/**
 * Sends the log lines of Temporal's SDK, of workflows and of activities through pino. Once a process, before its first
 * connection.
 * @param metricsAddress where the SDK is to tell its own metrics, `host:port`; throws where it cannot listen there.
 * @default nowhere
 */
export function installRuntimeLog(log: Logger, metricsAddress?: string): void {
  const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;
  Runtime.install({
    logger: new DefaultLogger('TRACE', ({ level, message, meta }) => {
      if (message === NO_WORKFLOWS) return;
      const { error, ...fields } = meta ?? {};
      log[levels[level]]({ ...fields, ...(error === undefined ? {} : { err: error }) }, message);
    }),
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) },
      ...(metricsAddress === undefined ? {} : { metrics: sdkMetrics(metricsAddress) }),
    },
    // The process has its own, which closes the connections too.
    shutdownSignals: [],
  });
}

/** By Prometheus' conventions for names and units. */
function sdkMetrics(bindAddress: string): MetricsExporterConfig {
  return {
    prometheus: { bindAddress, countersTotalSuffix: true, unitSuffix: true, useSecondsForDurations: true },
  };
}
