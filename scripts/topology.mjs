/**
 * `npm run topology`: docker-compose.yml checked with Docker's own library, then its services run natively through the
 * end-to-end and fault tests. Not part of `npm test`: it takes a quarter of an hour. The last line is `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt, WORKFLOW_BUNDLE } from './bootstrap/build.mjs';
import { ensureInstalled } from './bootstrap/install.mjs';
import { ROOT } from './bootstrap/project.mjs';

const KILLS = '12';
const counts = { passed: 0, failed: 0 };
const problems = [];
const figures = join(ROOT, '.cache', 'topology-figures.txt');

process.chdir(ROOT);
await ensureInstalled();
await ensureBuilt();
const { findPrograms } = await import('../dist/scripts/topology/programs.js');
let programs;
try {
  programs = findPrograms(ROOT, print);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}

rmSync(figures, { force: true });
step('docker-compose.yml, by Docker’s own library', composeCheck);
step('the ingress with TLS, by HAProxy', () => ingressCheck(programs.haproxy));
const env = {
  ...process.env,
  EARSHOT_TOPOLOGY: 'on',
  EARSHOT_WORKFLOW_BUNDLE: WORKFLOW_BUNDLE,
  EARSHOT_FIGURES: figures,
  EARSHOT_FAULT_KILLS: process.env.EARSHOT_FAULT_KILLS ?? KILLS,
};
jest('one of each', ['--testMatch=**/test/topology/*.topology.ts']);
jest('end to end', ['test/e2e/sessions', 'test/e2e/channel']);
// Its other tests start a worker of their own beside the one that there is.
jest('kills', ['test/faults/kills', '-t', 'no accepted command is lost']);

for (const problem of problems) print(problem);
if (existsSync(figures)) print(`\n${readFileSync(figures, 'utf8').trim()}`);
print(`\n${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed > 0 ? 1 : 0;

function composeCheck() {
  const options = {
    cwd: join(ROOT, 'deploy', 'compose-check'),
    env: { ...process.env, PLATFORM_BASE_URL: 'https://platform.example.com', PLATFORM_CLIENT_ID: 'earshot' },
    stdio: ['ignore', 'inherit', 'inherit'],
  };
  return spawnSync('go', ['run', '-buildvcs=false', '.', join(ROOT, 'docker-compose.yml')], options).status === 0;
}

/** The file as it stands, with a certificate of a minute; what it can't know here is the APIs' addresses. */
function ingressCheck(haproxy) {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-ingress-'));
  try {
    const [key, certificate, both, config] = ['key', 'certificate', 'ingress.pem', 'haproxy.cfg'].map((name) =>
      join(folder, name),
    );
    const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost'];
    spawnSync('openssl', [...made, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
    writeFileSync(both, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'));
    const text = readFileSync(join(ROOT, 'deploy', 'ingress', 'haproxy.cfg'), 'utf8');
    writeFileSync(config, text.replace('/run/secrets/ingress.pem', both));
    const { status, stderr } = spawnSync(haproxy, ['-c', '-f', config], { encoding: 'utf8' });
    if (status !== 0) process.stderr.write(stderr);
    return status === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function step(name, work) {
  const started = performance.now();
  const ok = work();
  counts[ok ? 'passed' : 'failed'] += 1;
  if (!ok) problems.push(`FAILED ${name}: see above`);
  report(name, ok, started);
}

function jest(name, args) {
  const started = performance.now();
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  const file = join(ROOT, '.cache', `topology-${name.replaceAll(' ', '-')}.json`);
  rmSync(file, { force: true });
  const program = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  const options = ['--experimental-vm-modules', '--no-warnings=ExperimentalWarning', program, '--maxWorkers=1'];
  spawnSync(process.execPath, [...options, '--json', `--outputFile=${file}`, ...args], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const failedBefore = counts.failed;
  const results = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).testResults : [];
  if (results.length === 0) {
    counts.failed += 1;
    problems.push(`FAILED ${name}: jest ended without results, see above`);
  }
  for (const { message, assertionResults } of results) {
    if (assertionResults.length === 0) {
      counts.failed += 1;
      problems.push(`FAILED ${name}: ${message.trim().split('\n', 1)[0]}`);
    }
    for (const { status, fullName } of assertionResults) {
      // What `-t` leaves out is `pending`.
      if (status === 'passed') counts.passed += 1;
      else if (status === 'failed') {
        counts.failed += 1;
        problems.push(`FAILED ${name}: ${fullName}`);
      }
    }
  }
  report(name, counts.failed === failedBefore, started);
}

function report(name, ok, started) {
  print(`${ok ? 'ok    ' : 'FAILED'} ${name}, ${((performance.now() - started) / 1000).toFixed(0)} s`);
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
