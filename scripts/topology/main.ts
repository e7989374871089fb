/**
 * The production topology of `docker-compose.yml` without containers: the same services with the same environment, natively,
 * on free ports of loopback, the simulator in place of the platform. What the tests need of `npm start`, its addresses,
 * its files of pids, its restarts, this has as well, so that they run on either.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { CannotStart } from '../../domain/cannot-start.js';
import { checkPorts } from '../ports.js';
import { removePidFile } from '../supervisor/pid-file.js';
import { Supervisor } from '../supervisor/supervisor.js';
import { SUPERVISOR_PID_FILE, takeOver } from '../supervisor/take-over.js';
import { messageOf } from '../system-error.js';
import { provisionTemporalCli } from '../temporal-server/provision.js';
import { readComposeFile } from './compose-file.js';
import { namespaceOf, replicas, TEMPORAL_PORTS, topologyParts } from './parts.js';
import { findPrograms } from './programs.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const CLIENT_ID = 'earshot';

/** What a caller may set besides the compose file: how the simulator is, and what makes waits of tests short. */
const SIMULATOR = /^SIMULATOR_(?!PORT$|STATE_FILE$|WEBHOOK_URL$)\w+$/;
const OVERRIDES =
  /^(?:API_DRAIN_SECONDS|BARGE_WAIT_SECONDS|CONFIRM_TIMEOUT_SECONDS|SWEEP_INTERVAL_SECONDS|MEDIA_\w+|RATE_LIMIT_\w+|LOG_LEVEL)$/;

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

function matching(pattern: RegExp): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value !== undefined && pattern.test(name) ? [[name, value] as const] : [],
    ),
  );
}

/** As `deploy/make-secrets.sh` makes them, and what an operator would give. */
function makeSecrets(names: readonly string[], dataDir: string): void {
  for (const name of names) {
    const path = join(dataDir, name);
    if (existsSync(path)) continue;
    const isWebhook = name === 'platform-webhook-secret';
    const value = isWebhook ? `whsec_${randomBytes(32).toString('base64')}` : randomBytes(32).toString('hex');
    // With the end of a line, as editors leave it.
    writeFileSync(path, `${value}\n`, { mode: 0o600 });
  }
}

/**
 * Below the range from which the system gives connections their ports, so that nothing takes one while its process is
 * down; nor does Temporal find room for a higher one in PostgreSQL, where it keeps them as a `smallint`.
 */
const PORTS = { from: 12_000, to: 32_000 };

/** Free ports, and those of the start before in the same folder: a cluster does not move about. */
async function portsFor(names: readonly string[], dataDir: string): Promise<Map<string, number>> {
  const file = join(dataDir, 'ports.json');
  const earlier = existsSync(file)
    ? z.record(z.string(), z.number()).parse(JSON.parse(readFileSync(file, 'utf8')))
    : {};
  const ports = new Map<string, number>();
  for (const name of names) ports.set(name, earlier[name] ?? (await freePort(new Set(ports.values()))));
  writeFileSync(file, JSON.stringify(Object.fromEntries(ports)));
  return ports;
}

async function freePort(taken: ReadonlySet<number>): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to);
    if (taken.has(port)) continue;
    if ((await checkPorts([{ setting: '', host: '127.0.0.1', port }])).ok) return port;
  }
}

async function main(): Promise<number> {
  const dataDir = resolve(process.env['EARSHOT_DATA_DIR'] ?? '.earshot/topology');
  const [runDir, logDir] = [join(dataDir, 'run'), join(dataDir, 'logs')];
  for (const folder of [dataDir, runDir, logDir]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  await takeOver(runDir, tell);
  let running: Supervisor | undefined;
  try {
    const signalled = new Promise<'signal'>((settle) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => settle('signal'));
    });
    const programs = findPrograms(ROOT, tell);
    const cli = await provisionTemporalCli({ tell });
    const draft = readComposeFile(join(ROOT, 'docker-compose.yml'), {
      PLATFORM_BASE_URL: '-',
      PLATFORM_CLIENT_ID: '-',
    });
    const apis = replicas('api', draft);
    const workers = replicas('worker', draft);
    const names = [
      ...['postgres:5432', 'temporal:7233', 'temporal:8000', 'redis:6379', 'simulator:8090', 'ingress:8443'],
      ...TEMPORAL_PORTS.map((name) => `temporal:${name}`),
      ...apis.map((name) => `${name}:8080`),
      ...workers.map((name) => `${name}:9464`),
    ];
    const ports = await portsFor(names, dataDir);
    const url = (name: string): string => `http://127.0.0.1:${ports.get(name) ?? 0}`;
    const compose = readComposeFile(join(ROOT, 'docker-compose.yml'), {
      PLATFORM_BASE_URL: url('simulator:8090'),
      PLATFORM_CLIENT_ID: CLIENT_ID,
    });
    makeSecrets(compose.secrets, dataDir);
    let onJobFailed: (line: string) => void = () => undefined;
    const jobFailed = new Promise<'failed'>((settle) => {
      onJobFailed = (line) => {
        tell(`A job failed: ${line}`);
        settle('failed');
      };
    });
    const parts = topologyParts({
      ...{ compose, programs, temporalCli: cli.path, root: ROOT, dataDir, ports },
      overrides: matching(OVERRIDES),
      simulatorEnv: { ...matching(SIMULATOR), PLATFORM_CLIENT_ID: CLIENT_ID },
      onJobFailed: (line) => onJobFailed(line),
    });
    const supervisor = new Supervisor({ parts, runDir, logDir, tell });
    running = supervisor;
    process.on('exit', () => supervisor.kill());
    tell(`Starting ${parts.map(({ name }) => name).join(', ')} …`);
    void supervisor.start().then(() => {
      tell(`\nThe topology is ready after ${(performance.now() / 1000).toFixed(1)} s.\n`);
      const metrics = [...apis.map((name) => `${name}:8080`), ...workers.map((name) => `${name}:9464`)];
      const rows: [string, string][] = [
        ['Page', `${url('ingress:8443')}/`],
        ['API', url('ingress:8443')],
        ['One API', url('api:8080')],
        ['Temporal', `127.0.0.1:${ports.get('temporal:7233') ?? 0}`],
        ['Namespace', namespaceOf(compose)],
        ['Platform', url('simulator:8090')],
        ['Metrics', metrics.map((name) => `${url(name)}/metrics`).join(', ')],
        ['Data, logs', dataDir],
      ];
      for (const [label, value] of rows) tell(`  ${label.padEnd(13)}${value}`);
      tell('\nCtrl-C stops everything; sessions go on at the next start.');
    });
    const end = await Promise.race([signalled, supervisor.failure, jobFailed]);
    tell(end === 'signal' ? '\nStopping …' : 'Stopping the rest …');
    await supervisor.stop();
    if (end === 'signal') tell('Stopped.');
    return end === 'signal' ? 0 : 1;
  } finally {
    running?.kill();
    removePidFile(join(runDir, SUPERVISOR_PID_FILE));
  }
}

process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = error instanceof CannotStart ? error.exitCode : 1;
}
process.exit();
