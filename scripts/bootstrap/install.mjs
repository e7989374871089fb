import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, say, withLock } from './project.mjs';

/**
 * Installs the dependencies unless what is installed is what `package-lock.json` asks for. npm keeps the list of what it
 * installed in `node_modules/.package-lock.json` and writes it last, so that an interrupted install doesn't look complete.
 */
export async function ensureInstalled() {
  if (isInstalled()) return;
  await withLock(() => {
    if (isInstalled()) return;
    say('Installing dependencies (npm ci) …');
    // npm's own file where npm started us: on Windows `npm` is a batch file, and elsewhere it may be off the PATH.
    const npm = process.env.npm_execpath;
    const args = ['ci', '--include=dev', '--no-audit', '--no-fund'];
    const options = { cwd: ROOT, stdio: ['ignore', 2, 2] };
    const { status, error } = npm?.endsWith('.js')
      ? spawnSync(process.execPath, [npm, ...args], options)
      : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
    if (error !== undefined) throw new Error(`npm can't be run (${error.message}): install Node.js with npm`);
    if (status !== 0) {
      throw new Error(
        'Installing the dependencies failed (see above): check the network and npm’s registry, then again',
      );
    }
  });
}

function isInstalled() {
  const wanted = packagesOf(join(ROOT, 'package-lock.json'));
  const got = packagesOf(join(ROOT, 'node_modules', '.package-lock.json'));
  if (wanted === undefined || got === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    // The empty path is the project itself; optional packages for other platforms are rightly absent.
    if (path === '' || entry.link) return true;
    const installed = got[path];
    return installed === undefined
      ? Boolean(entry.optional || entry.devOptional || entry.peer)
      : installed.version === entry.version && installed.integrity === entry.integrity;
  });
}

function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    return undefined;
  }
}
