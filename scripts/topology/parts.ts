import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { PartSpec } from '../supervisor/supervised-part.js';
import { messageOf } from '../system-error.js';
import { devServerReady } from '../temporal-server/dev-server.js';
import type { ComposeFile, ComposeService } from './compose-file.js';
import { nativeIngress } from './ingress.js';
import { boundFolders, native, nativeEnvironment, type NativePlaces } from './native-names.js';
import { isRoot, type Programs } from './programs.js';

const run = promisify(execFile);

const LOOK_EVERY_MS = 200;
/** As the jobs of the compose file: `restart: on-failure:5`. */
const JOB_TRIES = 6;

/** What the parts of the topology are made from. */
export interface TopologyPlan {
  readonly compose: ComposeFile;
  readonly programs: Programs;
  /** `temporal` of the command line. */
  readonly temporalCli: string;
  /** Folder of the project. */
  readonly root: string;
  /** Folder of this start: secrets by their names, PostgreSQL's files. */
  readonly dataDir: string;
  /** `temporal:7233`, `api-2:8080`, … → the port here. */
  readonly ports: ReadonlyMap<string, number>;
  /** On top of what the compose file gives API and worker. */
  readonly overrides: Readonly<Record<string, string>>;
  readonly simulatorEnv: Readonly<Record<string, string>>;
  /** A job of the compose file failed for good. */
  readonly onJobFailed: (line: string) => void;
}

/** The processes that stand for the containers, in starting order; the first of several is called as its service. */
export function topologyParts(plan: TopologyPlan): readonly PartSpec[] {
  const apis = replicas('api', plan.compose);
  const workers = replicas('worker', plan.compose);
  return [
    postgres(plan),
    temporal(plan),
    redis(plan),
    simulator(plan),
    ...workers.map((name) => productProcess(plan, 'worker', name, { WORKER_METRICS_PORT: '9464' }, 20_000)),
    ...apis.map((name) => productProcess(plan, 'api', name, { PORT: '8080' }, 30_000)),
    ingress(plan, apis),
  ];
}

/** `api`, `api-2`, … as many as the compose file has. */
export function replicas(service: string, compose: ComposeFile): readonly string[] {
  const { replicas: count } = compose.service(service).deploy;
  return Array.from({ length: count }, (_, index) => (index === 0 ? service : `${service}-${index + 1}`));
}

function portOf({ ports }: TopologyPlan, name: string): number {
  const port = ports.get(name);
  if (port === undefined) throw new Error(`Expected a port for ${name}`);
  return port;
}

/** By what names a service finds things here. */
function placesOf({ ports, dataDir, root, programs }: TopologyPlan, service: ComposeService): NativePlaces {
  const paths = boundFolders(service, root);
  paths.set('/run/secrets', dataDir);
  paths.set('/etc/temporal/schema', programs.schemas);
  return { ports, paths };
}

/** A folder in which a program has a name of its own. */
function named(name: string, program: string, dataDir: string): string {
  const folder = join(dataDir, 'bin');
  mkdirSync(folder, { recursive: true });
  rmSync(join(folder, name), { force: true });
  symlinkSync(program, join(folder, name));
  return folder;
}

function pathWith(...folders: readonly string[]): string {
  return [...folders, process.env['PATH'] ?? '/usr/bin:/bin'].join(':');
}

function postgres(plan: TopologyPlan): PartSpec {
  const { compose, programs, dataDir } = plan;
  const folder = join(dataDir, 'postgres');
  const data = join(folder, 'main');
  const port = portOf(plan, 'postgres:5432');
  const service = compose.service('postgres');
  const user = service.environment['POSTGRES_USER'] ?? 'postgres';
  if (!existsSync(data)) initialise(plan, folder, user);
  const [, ...settings] = service.command;
  const own = [`listen_addresses=127.0.0.1`, `port=${port}`, `unix_socket_directories=`];
  const args = ['-D', data, ...settings, ...own.flatMap((setting) => ['-c', setting])];
  const schema = job(plan, 'temporal-schema', { PATH: pathWith(programs.temporal) });
  return {
    name: 'postgres',
    ...asPostgres(join(programs.postgres, 'postgres'), args),
    env: { PATH: process.env['PATH'], LANG: 'C.UTF-8' },
    probe: async (signal) => {
      const look = ['-h', '127.0.0.1', '-p', String(port), '-U', user, '-d', 'postgres'];
      await again(signal, () => run(join(programs.postgres, 'pg_isready'), look, { signal }));
      await schema(signal);
    },
    stopMs: 30_000,
    after: [],
  };
}

/** As the image does on an empty volume. */
function initialise({ programs, dataDir }: TopologyPlan, folder: string, user: string): void {
  // PostgreSQL's user must get through to its own folder, and sees nothing else.
  chmodSync(dataDir, 0o711);
  mkdirSync(folder, { mode: 0o700 });
  const password = join(folder, 'password');
  writeFileSync(password, readFileSync(join(dataDir, 'postgres-password'), 'utf8'), { mode: 0o600 });
  if (isRoot()) {
    const [uid = 0, gid = 0] = ['-u', '-g'].map((which) => Number(execFileSync('id', [which, 'postgres'])));
    for (const path of [folder, password]) chownSync(path, uid, gid);
  }
  const options = [
    '-D',
    join(folder, 'main'),
    '-U',
    user,
    `--pwfile=${password}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
  ];
  const { command, args } = asPostgres(join(programs.postgres, 'initdb'), options);
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 2], cwd: '/' });
}

function asPostgres(program: string, args: readonly string[]): { command: string; args: readonly string[] } {
  if (!isRoot()) return { command: program, args };
  return {
    command: 'setpriv',
    args: ['--reuid', 'postgres', '--regid', 'postgres', '--init-groups', program, ...args],
  };
}

function temporal(plan: TopologyPlan): PartSpec {
  const { compose, programs, temporalCli, dataDir } = plan;
  const service = compose.service('temporal');
  const places = placesOf(plan, service);
  const env = nativeEnvironment(service, places);
  const address = `127.0.0.1:${portOf(plan, 'temporal:7233')}`;
  const namespace = namespaceOf(compose);
  const namespaceJob = job(plan, 'temporal-namespace', { PATH: pathWith(named('temporal', temporalCli, dataDir)) });
  const [command = '', ...args] = service.entrypoint.map((part) => native(part, places));
  // A container has its ports to itself, and an address that its host name stands for.
  const inside = TEMPORAL_PORTS.map((name) => [name, String(portOf(plan, `temporal:${name}`))] as const);
  return {
    name: 'temporal',
    command,
    args,
    env: {
      ...env,
      PATH: pathWith(programs.temporal),
      TEMPORAL_BROADCAST_ADDRESS: '127.0.0.1',
      PROMETHEUS_ENDPOINT: `127.0.0.1:${portOf(plan, 'temporal:8000')}`,
      FRONTEND_GRPC_PORT: String(portOf(plan, 'temporal:7233')),
      ...Object.fromEntries(inside),
    },
    probe: async (signal) => {
      await namespaceJob(signal);
      await devServerReady(address, namespace, signal);
    },
    stopMs: 30_000,
    after: ['postgres'],
  };
}

/** Ports between the services of Temporal's server, by the variables that name them. */
export const TEMPORAL_PORTS = [
  'FRONTEND_HTTP_PORT',
  'FRONTEND_MEMBERSHIP_PORT',
  'HISTORY_GRPC_PORT',
  'HISTORY_MEMBERSHIP_PORT',
  'MATCHING_GRPC_PORT',
  'MATCHING_MEMBERSHIP_PORT',
  'WORKER_GRPC_PORT',
  'WORKER_MEMBERSHIP_PORT',
] as const;

/** Temporal's namespace in the compose file. */
export function namespaceOf(compose: ComposeFile): string {
  return compose.service('api').environment['TEMPORAL_NAMESPACE'] ?? 'default';
}

function redis(plan: TopologyPlan): PartSpec {
  const port = portOf(plan, 'redis:6379');
  const [, ...settings] = plan.compose.service('redis').command;
  return {
    name: 'redis',
    command: plan.programs.redisServer,
    args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', plan.dataDir, ...settings],
    env: { PATH: process.env['PATH'] },
    probe: (signal) => again(signal, () => run('redis-cli', ['-p', String(port), 'ping'], { signal })),
    stopMs: 10_000,
    after: [],
  };
}

/** Stands for the platform, which is no part of the compose file. */
function simulator(plan: TopologyPlan): PartSpec {
  const { dataDir, root, simulatorEnv, ports } = plan;
  const secret = (name: string): string => readFileSync(join(dataDir, name), 'utf8').trim();
  return {
    name: 'simulator',
    command: process.execPath,
    args: ['--enable-source-maps', join(root, 'dist', 'simulator', 'main.js')],
    env: {
      PATH: process.env['PATH'],
      ...simulatorEnv,
      SIMULATOR_PORT: String(portOf(plan, 'simulator:8090')),
      SIMULATOR_STATE_FILE: join(dataDir, 'simulator.json'),
      SIMULATOR_WEBHOOK_URL: `http://127.0.0.1:${ports.get('ingress:8443') ?? 0}/v1/webhooks/platform`,
      PLATFORM_CLIENT_SECRET: secret('platform-client-secret'),
      PLATFORM_WEBHOOK_SECRET: secret('platform-webhook-secret'),
    },
    stopMs: 5_000,
    after: [],
  };
}

function productProcess(
  plan: TopologyPlan,
  service: 'api' | 'worker',
  name: string,
  listens: Readonly<Record<string, string>>,
  stopMs: number,
): PartSpec {
  const { compose, root, overrides } = plan;
  const described = compose.service(service);
  const own = Object.fromEntries(
    Object.entries(listens).map(([variable, port]) => [variable, String(portOf(plan, `${name}:${port}`))]),
  );
  const [port = ''] = Object.values(own);
  return {
    name,
    command: process.execPath,
    args: ['--enable-source-maps', ...described.command.map((file) => join(root, file))],
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      ...nativeEnvironment(described, placesOf(plan, described)),
      ...overrides,
      ...own,
    },
    // Not by IPC: in a container nobody is at the other end, and what happens must go by Redis.
    probe: (signal) => again(signal, async () => expectOk(await fetch(`http://127.0.0.1:${port}/readyz`, { signal }))),
    stopMs,
    after: ['temporal', 'redis', 'simulator'],
  };
}

function ingress(plan: TopologyPlan, apis: readonly string[]): PartSpec {
  const { root, dataDir, programs } = plan;
  const port = portOf(plan, 'ingress:8443');
  const file = join(dataDir, 'haproxy.cfg');
  const config = readFileSync(join(root, 'deploy', 'ingress', 'haproxy.cfg'), 'utf8');
  const apiPorts = apis.map((name) => portOf(plan, `${name}:8080`));
  writeFileSync(file, nativeIngress(config, { port, apiPorts }));
  return {
    name: 'ingress',
    command: programs.haproxy,
    args: ['-db', '-f', file],
    env: { PATH: process.env['PATH'] },
    probe: (signal) => again(signal, async () => expectOk(await fetch(`http://127.0.0.1:${port}/livez`, { signal }))),
    stopMs: 5_000,
    after: [...apis],
  };
}

/** A service that runs to its end before others begin; only once, however often the part is restarted that it belongs to. */
function job(
  plan: TopologyPlan,
  name: string,
  own: Readonly<Record<string, string>>,
): (signal: AbortSignal) => Promise<void> {
  const service = plan.compose.service(name);
  const places = placesOf(plan, service);
  const [command = '', ...args] = [...service.entrypoint, ...service.command].map((part) => native(part, places));
  let isDone = false;
  return async (signal) => {
    for (let left = JOB_TRIES; !isDone; left -= 1) {
      try {
        await run(command, args, { env: { ...nativeEnvironment(service, places), ...own }, signal });
        isDone = true;
      } catch (error) {
        signal.throwIfAborted();
        if (left <= 1) {
          plan.onJobFailed(`${name}: ${messageOf(error)}`);
          throw error;
        }
        await sleep(1_000, undefined, { signal });
      }
    }
  };
}

async function again(signal: AbortSignal, look: () => Promise<unknown>): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    try {
      await look();
      return;
    } catch {
      await sleep(LOOK_EVERY_MS, undefined, { signal });
    }
  }
}

function expectOk({ ok, status }: Response): void {
  if (!ok) throw new Error(`answered ${status}`);
}
