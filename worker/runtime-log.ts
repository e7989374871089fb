import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';

/** The watchers' worker has none on purpose. */
const NO_WORKFLOWS = 'No workflows registered, not polling for workflow tasks';

/**
 * Sends the log lines of Temporal's SDK, of workflows and of activities through pino. Once a process, before its first
 * connection.
 */
export function installRuntimeLog(log: Logger): void {
  const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;
  Runtime.install({
    logger: new DefaultLogger('TRACE', ({ level, message, meta }) => {
      if (message === NO_WORKFLOWS) return;
      const { error, ...fields } = meta ?? {};
      log[levels[level]]({ ...fields, ...(error === undefined ? {} : { err: error }) }, message);
    }),
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) },
    },
    // The process has its own, which closes the connections too.
    shutdownSignals: [],
  });
}
