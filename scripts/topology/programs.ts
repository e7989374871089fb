import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CannotStart } from '../../domain/cannot-start.js';

/** The programs that stand for the images. */
export interface Programs {
  /** Folder of `temporal-server` and `temporal-sql-tool`, built from Temporal's module. */
  readonly temporal: string;
  /** Folder of Temporal's schemas, `postgresql` among them. */
  readonly schemas: string;
  /** Folder of `postgres`, `initdb` and `pg_isready`. */
  readonly postgres: string;
  readonly redisServer: string;
  readonly haproxy: string;
}

/**
 * Finds them, and builds what is to be built, some minutes the first time.
 *
 * @throws {CannotStart} naming all that is missing, and how to get it
 */
export function findPrograms(root: string, tell: (line: string) => void): Programs {
  const missing: string[] = [];
  const found = (name: string, install: string): string => {
    const path = which(name);
    if (path === undefined) missing.push(`${name}: ${install}`);
    return path ?? name;
  };
  const go = found('go', 'install Go 1.26 or later (https://go.dev/dl), which builds Temporal’s server');
  const redisServer = found('redis-server', 'apt-get install redis-server');
  const haproxy = found('haproxy', 'apt-get install haproxy');
  const postgres = postgresFolder();
  if (postgres === undefined) missing.push('postgres 12 or later: apt-get install postgresql');
  if (postgres !== undefined && isRoot())
    found('setpriv', 'apt-get install util-linux; PostgreSQL does not run as root');
  if (missing.length > 0 || postgres === undefined) {
    throw new CannotStart(['The topology needs what this machine lacks:', ...missing].join('\n  '));
  }
  const temporal = buildTemporal(go, root, tell);
  return { temporal, schemas: schemasOf(go, root), postgres, redisServer, haproxy };
}

/** Whether PostgreSQL must be run as somebody else. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function buildTemporal(go: string, root: string, tell: (line: string) => void): string {
  const module = join(root, 'deploy', 'temporal-server');
  const version = versionOf(go, module);
  const folder = join(root, '.cache', `temporal-server-${version}`);
  if (existsSync(folder)) return folder;
  tell(`Building Temporal’s server ${version} …`);
  const draft = `${folder}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  try {
    const { status } = spawnSync(go, ['build', '-trimpath', '-buildvcs=false', '-o', `${draft}/`, 'tool'], {
      cwd: module,
      stdio: ['ignore', 2, 2],
    });
    if (status !== 0) throw new CannotStart('Temporal’s server could not be built: see above');
    // As they are called in the images.
    renameSync(join(draft, 'server'), join(draft, 'temporal-server'));
    renameSync(join(draft, 'sql'), join(draft, 'temporal-sql-tool'));
    renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}

function versionOf(go: string, module: string): string {
  return execFileSync(go, ['list', '-m', '-f', '{{.Version}}', 'go.temporal.io/server'], {
    cwd: module,
    encoding: 'utf8',
  }).trim();
}

function schemasOf(go: string, root: string): string {
  const cwd = join(root, 'deploy', 'temporal-server');
  // Built from the cache, it may not be unpacked.
  execFileSync(go, ['mod', 'download', 'go.temporal.io/server'], { cwd, stdio: ['ignore', 2, 2] });
  const folder = execFileSync(go, ['list', '-m', '-f', '{{.Dir}}', 'go.temporal.io/server'], { cwd, encoding: 'utf8' });
  return join(folder.trim(), 'schema');
}

/** Debian keeps it off the PATH, each version in a folder of its own. */
function postgresFolder(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).filter((name) => Number(name) >= 12) : [];
  const newest = versions.toSorted((one, other) => Number(other) - Number(one))[0];
  if (newest !== undefined) return join(debian, newest, 'bin');
  return which('postgres')?.replace(/\/postgres$/, '');
}

function which(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':').concat('/usr/sbin', '/sbin');
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}
