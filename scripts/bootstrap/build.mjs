import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, runNode, say, withLock } from './project.mjs';

/** What `tsconfig.build.json` compiles, `browser/`, which has its own `tsconfig.json`, and the page, which Vite builds. */
const FOLDERS = [
  'domain',
  'bus',
  'http',
  'directory',
  'codec',
  'telemetry',
  'tracing',
  'platform',
  'workflows',
  'activities',
  'worker',
  'api',
  'simulator',
  'examples',
  'scripts',
  'browser',
  'console',
];
/** Of a page as well. */
const SOURCES = /\.(?:tsx?|css|html|svg)$/;
const FILES = [
  'tsconfig.base.json',
  'tsconfig.build.json',
  'browser/tsconfig.json',
  'console/tsconfig.json',
  'package-lock.json',
];
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
const VITE = join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js');

const DIST = join(ROOT, 'dist');
const STAMP = join(DIST, '.earshot-build');
const BUNDLER = join(DIST, 'worker', 'build-workflow-bundle.js');
/** Where that leaves the workflows (`worker/workflow-bundle.ts`). */
export const WORKFLOW_BUNDLE = join(DIST, 'worker', 'workflow-bundle.cjs');

/** Builds `dist/` unless it was built from exactly the sources that are there. */
export async function ensureBuilt() {
  if (readStamp()?.fingerprint === fingerprint(sources())) return;
  await withLock(() => build());
}

/** Builds `dist/` if it needs to be. Not to be run twice at the same time. */
export function build() {
  const files = sources();
  const wanted = fingerprint(files);
  const stamp = readStamp();
  if (stamp?.fingerprint === wanted) return;
  say('Building …');
  // The compiler never removes what a deleted source has left behind.
  if (stamp?.files.some((file) => !files.includes(file))) rmSync(DIST, { recursive: true, force: true });
  rmSync(STAMP, { force: true });
  for (const project of ['tsconfig.build.json', 'browser']) {
    // Types are checked elsewhere; a first start waits for this.
    runNode([TSC, '-p', project, '--noCheck'], 'The build failed: see the compiler’s messages above');
  }
  runNode([VITE, 'build', '-c', 'console/vite.config.ts'], 'Building the page failed: see above');
  if (existsSync(BUNDLER)) runNode([BUNDLER], 'Bundling the workflows failed: see above');
  mkdirSync(DIST, { recursive: true });
  writeFileSync(STAMP, JSON.stringify({ fingerprint: wanted, files }));
}

function sources() {
  const inFolders = FOLDERS.flatMap((folder) =>
    existsSync(join(ROOT, folder))
      ? readdirSync(join(ROOT, folder), { recursive: true })
          .filter((file) => SOURCES.test(file))
          .map((file) => `${folder}/${file}`)
      : [],
  );
  return [...inFolders.sort(), ...FILES];
}

/** By content: the times of files say nothing after a checkout, a copy or a restored cache. */
function fingerprint(files) {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(ROOT, file)))
      .update('\0');
  return hash.digest('hex');
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(STAMP, 'utf8'));
  } catch {
    return undefined;
  }
}
