import { mkdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { CannotStart, CONFIGURATION_EXIT_CODE } from '../domain/cannot-start.js';
import { SettingsError, doubtfulNames, readSettings, type Settings } from '../domain/settings.js';
import { checkPorts, type PortWish } from './ports.js';
import { productParts, reachable, type ProductPlan } from './product-parts.js';
import { removePidFile } from './supervisor/pid-file.js';
import { Supervisor } from './supervisor/supervisor.js';
import { SUPERVISOR_PID_FILE, takeOver } from './supervisor/take-over.js';
import { messageOf } from './system-error.js';
import { checkExternalServer, isTemporalConfigured } from './temporal-server/external-server.js';
import { provisionTemporalCli } from './temporal-server/provision.js';

/**
 * A Ctrl-C reaches this process twice when npm runs it: from the terminal and from npm. Only a later one is a person's
 * second.
 */
const SAME_SIGNAL_MS = 750;

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}

interface Folders {
  readonly data: string;
  readonly run: string;
  readonly logs: string;
}

function makeFolders(): Folders {
  // Set but empty counts as unset, as for every setting: the key must not land in the folder itself.
  const named = process.env['EARSHOT_DATA_DIR']?.trim();
  const data = resolve(named === undefined || named === '' ? '.earshot' : named);
  const folders = { data, run: join(data, 'run'), logs: join(data, 'logs') };
  try {
    // Keys and call data live here: for the owner only.
    for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new CannotStart(`${data} can't be written to (${messageOf(error)}): set EARSHOT_DATA_DIR to another folder`);
  }
  return folders;
}

async function plan(settings: Settings, dataDir: string): Promise<{ plan: ProductPlan; temporal: string }> {
  const embedsTemporal = !isTemporalConfigured(process.env);
  const embedsSimulator = settings.platformBaseUrl === undefined;
  const local = '127.0.0.1';
  const wishes: PortWish[] = [{ setting: 'PORT', hostSetting: 'HOST', host: settings.host, port: settings.port }];
  if (embedsTemporal) {
    wishes.push({ setting: 'TEMPORAL_PORT', host: local, port: settings.temporalPort });
    wishes.push({ setting: 'TEMPORAL_UI_PORT', host: local, port: settings.temporalUiPort });
  }
  if (embedsSimulator) wishes.push({ setting: 'SIMULATOR_PORT', host: local, port: settings.simulatorPort });
  if (settings.workerMetricsPort !== 'off') {
    const [host, port] = [settings.workerMetricsHost, settings.workerMetricsPort];
    wishes.push({ setting: 'WORKER_METRICS_PORT', hostSetting: 'WORKER_METRICS_HOST', host, port });
  }
  const checked = await checkPorts(wishes);
  if (!checked.ok) throw new CannotStart(checked.faults.join('\n'));
  const portOf = (setting: string): number => checked.ports.get(setting) ?? 0;
  const common = {
    settings,
    env: process.env,
    dataDir,
    apiPort: portOf('PORT'),
    metricsPort: settings.workerMetricsPort === 'off' ? undefined : portOf('WORKER_METRICS_PORT'),
    simulatorPort: embedsSimulator ? portOf('SIMULATOR_PORT') : undefined,
  };
  if (!embedsTemporal) {
    const { address, problem } = await checkExternalServer();
    if (problem !== undefined) throw new CannotStart(problem);
    return { plan: { ...common, temporal: undefined }, temporal: `${address} (configured)` };
  }
  const server = await provisionTemporalCli({ tell });
  const temporal = { executable: server.path, port: portOf('TEMPORAL_PORT'), uiPort: portOf('TEMPORAL_UI_PORT') };
  return {
    plan: { ...common, temporal },
    temporal: `${local}:${temporal.port}, CLI ${server.version}, from: ${server.origin}`,
  };
}

function addresses(product: ProductPlan, temporal: string, supervisor: Supervisor, { data, logs }: Folders): string {
  const { settings } = product;
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host;
  const api = supervisor.urlOf('api') ?? `http://${host}:${product.apiPort}`;
  const simulator = supervisor.urlOf('simulator') ?? `http://127.0.0.1:${product.simulatorPort ?? 0}`;
  const rows: [string, string][] = [
    // From 0.0.0.0 a browser takes no cookie without TLS: it is no address of this machine to it.
    ['Page', `http://${reachable(settings.host)}:${product.apiPort}/`],
    ['API', api],
    ['API key', whereTheKeyIs(settings, data)],
    ['Temporal', temporal],
  ];
  if (product.temporal) rows.push(['Temporal UI', `http://127.0.0.1:${product.temporal.uiPort}`]);
  rows.push(['Platform', settings.platformBaseUrl ?? `${simulator} (simulator)`]);
  const worker = supervisor.urlOf('worker');
  if (worker !== undefined) rows.push(['Metrics', `${api}/metrics, ${worker}/metrics`]);
  rows.push(['Data, logs', `${shortPath(data)}, ${shortPath(logs)}`]);
  return rows.map(([label, value]) => `  ${label.padEnd(13)}${value}`).join('\n');
}

function whereTheKeyIs({ apiKey, authJwksUrl }: Settings, data: string): string {
  if (apiKey !== undefined) return 'as set in API_KEY';
  return authJwksUrl === undefined ? shortPath(join(data, 'api-key')) : 'none, only tokens (AUTH_JWKS_URL)';
}

function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short === '' || short.startsWith('..') ? path : short;
}

/** Resolves with the exit code once everything has stopped. */
async function run(): Promise<number> {
  const settings = readSettings(process.env, (path) => readFileSync(path, 'utf8'));
  for (const { name, nearest } of doubtfulNames(process.env)) {
    complain(`${name} is no setting of Earshot, and is ignored (${nearest} would be one)`);
  }
  const folders = makeFolders();
  const lock = join(folders.run, SUPERVISOR_PID_FILE);
  await takeOver(folders.run, tell);
  let supervisor: Supervisor | undefined;
  try {
    const signalled = onSignals(() => supervisor?.kill());
    const outcome = await Promise.race([signalled, plan(settings, folders.data)]);
    if (outcome === 'signal') return 0;
    const parts = productParts(outcome.plan);
    tell(`Starting ${parts.map(({ name }) => name).join(', ')} …`);
    const running = new Supervisor({ parts, runDir: folders.run, logDir: folders.logs, tell });
    supervisor = running;
    // Whatever ends this process in an unforeseen way takes the parts along.
    process.on('exit', () => running.kill());
    void running.start().then(() => {
      // From the process's own beginning: installing and building count too.
      const seconds = (performance.now() / 1000).toFixed(1);
      tell(`\nEarshot is ready after ${seconds} s.\n`);
      tell(addresses(outcome.plan, outcome.temporal, running, folders));
      tell('\nCtrl-C stops everything; sessions go on at the next start.');
    });
    const end = await Promise.race([signalled, running.failure]);
    tell(end === 'signal' ? '\nStopping …' : 'Stopping the rest …');
    await running.stop();
    if (end !== 'signal') return end.exitCode;
    tell('Stopped.');
    return 0;
  } finally {
    removePidFile(lock);
  }
}

/** Resolves at the first signal to stop; `again` is called at each later one. */
function onSignals(again: () => void): Promise<'signal'> {
  return new Promise((resolveFirst) => {
    let first: number | undefined;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (first === undefined) {
          first = performance.now();
          resolveFirst('signal');
        } else if (performance.now() - first > SAME_SIGNAL_MS) {
          again();
        }
      });
    }
  });
}

function exitCodeOf(error: unknown): number {
  if (error instanceof SettingsError) return CONFIGURATION_EXIT_CODE;
  return error instanceof CannotStart ? error.exitCode : 1;
}

// A terminal that is gone, or `npm start | head`, is no reason to leave sessions without a worker.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

try {
  process.exitCode = await run();
} catch (error) {
  complain(messageOf(error));
  process.exitCode = exitCodeOf(error);
}
// A download that was given up may still hold the process open.
process.exit();
