import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = process.cwd();

/** The product as it is at one revision, built. */
export interface Revision extends AsyncDisposable {
  /** For people: `950c683^ (33ad9e3)`, or `now`. */
  readonly title: string;
  /** Its `dist/`. */
  readonly dist: string;
  /** Its workers know of `WORKER_DEPLOYMENT_NAME`. */
  readonly hasVersions: boolean;
}

/** What is in the working folder. */
export async function presentRevision(): Promise<Revision> {
  await build(ROOT);
  return { title: 'now', dist: join(ROOT, 'dist'), hasVersions: true, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/**
 * What was there at an earlier revision, checked out and built in a folder of its own, with the packages of today.
 * @param versioned has its workflows say what a version means to them, where they do not yet
 */
export async function earlierRevision(name: string, versioned: boolean): Promise<Revision> {
  const { stdout } = await run('git', ['rev-parse', '--short', `${name}^{commit}`]);
  const commit = stdout.trim();
  const folder = join(mkdtempSync(join(tmpdir(), 'earshot-rehearsal-')), 'earlier');
  await run('git', ['worktree', 'add', '--detach', '--force', folder, commit]);
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const hasVersions = existsSync(join(folder, 'worker', 'deployment.ts'));
  if (versioned && !hasVersions) {
    const workflows = join(folder, 'workflows');
    renameSync(join(workflows, 'workflows.ts'), join(workflows, 'plain-workflows.ts'));
    const today = readFileSync(join('workflows', 'versioned-workflows.ts'), 'utf8');
    writeFileSync(join(workflows, 'workflows.ts'), today.replaceAll('./workflows.js', './plain-workflows.js'));
  }
  await build(folder);
  return {
    title: `${name} (${commit})`,
    dist: join(folder, 'dist'),
    hasVersions,
    [Symbol.asyncDispose]: async () => {
      await run('git', ['worktree', 'remove', '--force', folder]);
      await rm(join(folder, '..'), { recursive: true, force: true });
    },
  };
}

/** The last tag before this revision; `undefined` where there is none. */
export async function lastTag(): Promise<string | undefined> {
  try {
    return (await run('git', ['describe', '--tags', '--abbrev=0', 'HEAD'])).stdout.trim();
  } catch {
    return undefined;
  }
}

/** The commit before the one that changed workflow code last. */
export async function beforeTheLastChangeOfWorkflows(): Promise<string> {
  const { stdout } = await run('git', ['log', '-1', '--format=%h', 'HEAD', '--', 'workflows']);
  return `${stdout.trim()}^`;
}

async function build(folder: string): Promise<void> {
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const cwd = { cwd: folder };
  await run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--noCheck'], cwd);
  await run(process.execPath, [join('dist', 'worker', 'build-workflow-bundle.js')], cwd);
  if (readFileSync(join(folder, 'dist', 'worker', 'workflow-bundle.cjs')).length === 0) throw new Error('no workflows');
}
