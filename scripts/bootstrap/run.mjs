import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './install.mjs';
import { ROOT, say } from './project.mjs';

const TARGETS = {
  start: { file: 'dist/scripts/start.js', built: true },
  api: { file: 'dist/api/main.js', built: true },
  worker: { file: 'dist/worker/main.js', built: true },
  simulator: { file: 'dist/simulator/main.js', built: true },
  // Not from `dist`: the build is one of the things it checks.
  test: { file: 'scripts/test.mjs', built: false },
};

/** Installs and builds what is missing or out of date, then becomes the target, in this same process. */
export async function run(name) {
  const target = Object.hasOwn(TARGETS, name ?? '') ? TARGETS[name] : undefined;
  if (target === undefined) {
    say(`Expected one of ${Object.keys(TARGETS).join(', ')} after scripts/bootstrap.mjs, got ${name ?? 'nothing'}`);
    process.exit(1);
  }
  process.chdir(ROOT);
  try {
    await ensureInstalled();
    if (target.built) await ensureBuilt();
  } catch (error) {
    say(error.message);
    process.exit(1);
  }
  const file = join(ROOT, target.file);
  if (!existsSync(file)) {
    say(
      `${target.file} is missing after the build: is ${target.file.replace('dist/', '').replace('.js', '.ts')} there?`,
    );
    process.exit(1);
  }
  process.setSourceMapsEnabled(true);
  endWithNpm();
  process.argv = [process.argv[0], file, ...process.argv.slice(3)];
  await import(pathToFileURL(file).href);
}

/**
 * npm starts scripts through a shell that passes no signals on: `kill <npm>` would leave this process running for ever.
 * So when its parent is gone, it gets the signal that npm got.
 */
function endWithNpm() {
  if (process.env.npm_execpath === undefined) return;
  const parent = process.ppid;
  const look = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(look);
    process.kill(process.pid, 'SIGTERM');
  }, 250);
  look.unref();
}
