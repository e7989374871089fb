/**
 * The simulator as a process: settings from the environment, an IPC message `{type:'ready', url}` (or one log line)
 * once it listens, a graceful end on SIGTERM, SIGINT and the loss of its parent. Exit codes: 0 ended, 78 bad settings
 * (EX_CONFIG), 1 anything else.
 */
import { destination, pino } from 'pino';
import { EnvironmentError, readEnvironment, type SimulatorEnvironment } from './environment.js';
import { startSimulator, type Simulator } from './simulator.js';

const EXIT_FAILED = 1;
const EXIT_CONFIG = 78;

// Synchronous: the last line before an exit must not be lost.
const output = destination({ fd: 1, sync: true });

async function run(): Promise<void> {
  const environment = environmentOrExit();
  const log = pino({ name: 'simulator', level: environment.logLevel }, output);
  let simulator: Simulator | null = null;
  let ending = false;
  const end = (cause: string): void => {
    if (ending) return;
    ending = true;
    log.info({ cause }, 'simulator ending');
    Promise.resolve(simulator?.close()).then(
      () => process.exit(0),
      (error: unknown) => {
        log.fatal({ err: error }, 'simulator did not end cleanly');
        process.exit(EXIT_FAILED);
      },
    );
  };
  // From the first moment: a parent may die, or change its mind, while this still starts.
  process.once('SIGTERM', () => end('SIGTERM'));
  process.once('SIGINT', () => end('SIGINT'));
  process.once('disconnect', () => end('parent gone'));

  try {
    simulator = await startSimulator({ ...environment.options, log });
  } catch (error) {
    log.fatal(failureLine(error, environment));
    process.exit(EXIT_FAILED);
  }
  const { baseUrl, eventsUrl } = simulator;
  // A parent that has just gone is told by 'disconnect'; the failed message is nothing more.
  if (process.send === undefined)
    log.info({ url: baseUrl, eventsUrl, clientId: environment.options.clientId }, 'simulator ready');
  else process.send({ type: 'ready', url: baseUrl }, undefined, undefined, () => undefined);
}

function environmentOrExit(): SimulatorEnvironment {
  try {
    return readEnvironment(process.env);
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    pino({ name: 'simulator' }, output).fatal({ code: error.code, faults: error.faults }, error.message);
    process.exit(EXIT_CONFIG);
  }
}

/** One line that says what to do about it. */
function failureLine(error: unknown, { options }: SimulatorEnvironment): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return `Port ${options.port ?? 0} is taken; set SIMULATOR_PORT to a free one`;
  return `The simulator did not start: ${error instanceof Error ? error.message : String(error)}`;
}

await run();
