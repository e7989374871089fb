/**
 * `npm test`: everything that is checked, each step timed; all steps run even when an early one fails. The last line is
 * `N passed, N failed[, N skipped]`, which counts every test and every other step as one.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { build, WORKFLOW_BUNDLE } from './bootstrap/build.mjs';
import { ROOT, withLock } from './bootstrap/project.mjs';

/** All steps together; a hung step must not hang whoever waits for the answer. */
const LIMIT_MS = 20 * 60_000;
/** Each runs the whole product, four processes and their database: two at a time are more than 2 cores can bear. */
const WHOLE_PRODUCT = ['test/e2e/', 'test/faults/kills'];
/** Take longest: sessions at work, on a Temporal server for each suite. */
const WORKFLOWS = ['test/workflows/', 'test/faults/', 'test/activities/', 'test/directory/'];
/** Need no Temporal: short, and many. With them, so that both lanes end together, a few that do. */
const LIGHT = [
  ...[
    'test/domain/',
    'test/histories/',
    'test/lint/',
    'test/platform/',
    'test/scripts/',
    'test/simulator/',
    'test/worker/',
    'test/console/',
  ],
  ...['test/operations', 'test/readme', 'test/workflow-contract', 'test/deploy/'],
  ...['test/api/events', 'test/examples/'],
];
/** Chromium works as hard as a whole product: by themselves, last, so that nobody's sessions wait behind it. */
const BROWSER = ['test/browser/'];
const IN_CI = process.env.CI === 'true';

const bin = (path) => join(ROOT, 'node_modules', path);
const OXFMT = [bin('oxfmt/bin/oxfmt'), '--check', '.'];
const OXLINT = [bin('oxlint/bin/oxlint'), '-c', 'oxlint.config.mjs', '--deny-warnings'];
const TSC = bin('typescript/bin/tsc');
/** As `npm run typecheck`. */
const TYPES = [['tsconfig.json'], ['browser', '--noEmit'], ['console'], ['test/browser']];
const JEST = ['--experimental-vm-modules', '--no-warnings=ExperimentalWarning', bin('jest/bin/jest.js'), '--json'];

const deadline = performance.now() + LIMIT_MS;
const counts = { passed: 0, failed: 0, skipped: 0 };
const problems = [];

const checks = [step('lint', () => node(OXLINT)), step('format', () => node(OXFMT)), step('types', types)];
await step('build', async () => {
  await withLock(() => build());
  // Bundling takes each suite some seconds of work.
  process.env.EARSHOT_WORKFLOW_BUNDLE = WORKFLOW_BUNDLE;
  process.env.EARSHOT_SCRIPTED_BUNDLE = await bundleScriptedSession();
  return true;
});
// Temporal's servers are many, short-lived and small here: they need not save memory.
process.env.GOGC ??= '800';
const asked = process.argv.slice(2);
if (asked.length > 0) await jestStep('tests', asked);
else {
  // Two lanes that end at about the same time; more at once than this and a slow machine's servers fall behind for minutes.
  await Promise.all([
    jestStep('workflows', [...WORKFLOWS, ...without(...WHOLE_PRODUCT)]).then(() =>
      jestStep('light', ['--maxWorkers=2', ...LIGHT]),
    ),
    jestStep('whole product', ['--maxWorkers=1', ...WHOLE_PRODUCT]).then(() =>
      jestStep('others', ['--maxWorkers=2', ...without(...WORKFLOWS, ...WHOLE_PRODUCT, ...LIGHT, ...BROWSER)]).then(
        () => jestStep('browser', ['--maxWorkers=1', ...BROWSER]),
      ),
    ),
  ]);
}
await Promise.all(checks);

for (const problem of problems) print(problem);
print('');
const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
print(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
process.exitCode = counts.failed > 0 ? 1 : 0;

async function step(name, work) {
  const started = performance.now();
  const ok = await work().catch((error) => {
    process.stderr.write(`${error.message}\n`);
    return false;
  });
  counts[ok ? 'passed' : 'failed'] += 1;
  if (!ok) problems.push(`FAILED ${name}: see above`);
  report(name, ok, started);
}

async function types() {
  let ok = true;
  for (const project of TYPES) ok = (await node([TSC, '-p', ...project])) && ok;
  return ok;
}

function without(...paths) {
  return ['--testPathIgnorePatterns', ...paths];
}

/** What the tests of the API talk to instead of a session. */
async function bundleScriptedSession() {
  const { bundleWorkflowCode } = await import('@temporalio/worker');
  const silent = () => undefined;
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(ROOT, 'test', 'api', 'scripted-session.ts'),
    logger: { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent },
  });
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  const file = join(ROOT, '.cache', 'scripted-session.cjs');
  writeFileSync(file, code);
  return file;
}

async function jestStep(name, args) {
  const started = performance.now();
  const file = join(ROOT, '.cache', `jest-results-${name.replaceAll(' ', '-')}.json`);
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  rmSync(file, { force: true });
  const exitedWell = await node([...JEST, `--outputFile=${file}`, ...args], { stdout: 'ignore' });
  const results = readResults(file);
  if (results === undefined) {
    counts.failed += 1;
    problems.push(`FAILED ${name}: jest ended without results, see above`);
    return report(name, false, started);
  }
  const failedBefore = counts.failed;
  for (const suite of results.testResults) countFile(suite);
  if (!exitedWell && counts.failed === failedBefore) {
    counts.failed += 1;
    problems.push(`FAILED ${name}: jest failed though no test did, see above`);
  }
  report(name, counts.failed === failedBefore, started);
}

function countFile({ name, message, assertionResults }) {
  const file = relative(ROOT, name);
  // A file that can't be loaded has no tests to fail.
  if (assertionResults.length === 0) {
    counts.failed += 1;
    problems.push(`FAILED ${file}: ${message.trim().split('\n', 1)[0] || 'no tests in it'}`);
  }
  for (const { status, fullName } of assertionResults) {
    if (status === 'passed') {
      counts.passed += 1;
    } else if (status === 'failed') {
      counts.failed += 1;
      problems.push(`FAILED ${file}: ${fullName}`);
    } else if (IN_CI) {
      // CI has every tool: there a skipped test is one that nobody would miss if it broke.
      counts.failed += 1;
      problems.push(`FAILED ${file}: ${fullName}: skipped, and CI skips nothing`);
    } else {
      // A test that needs a tool says so in its name: `… (needs chromium: apt-get install chromium)`.
      counts.skipped += 1;
      problems.push(`skipped ${file}: ${fullName}`);
    }
  }
}

function readResults(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Runs a Node program, shown on this terminal; resolves to whether it exited with 0 before the limit. */
function node(args, { stdout = 'inherit' } = {}) {
  return new Promise((resolve) => {
    // Detached: what a hung step has started ends with it.
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', stdout, 'inherit'], detached: true });
    const end = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It was faster.
      }
    };
    const stop = () => process.exit(1);
    process.once('SIGINT', stop).once('SIGTERM', stop).once('exit', end);
    const timer = setTimeout(
      () => {
        process.stderr.write(`\nEnded: all steps together may take ${LIMIT_MS / 60_000} minutes.\n`);
        end();
      },
      Math.max(0, deadline - performance.now()),
    );
    const settle = (ok) => {
      end();
      clearTimeout(timer);
      process.off('SIGINT', stop).off('SIGTERM', stop).off('exit', end);
      resolve(ok);
    };
    child.once('error', (error) => {
      process.stderr.write(`${error.message}\n`);
      settle(false);
    });
    child.once('close', (code) => settle(code === 0));
  });
}

function report(name, ok, started) {
  print(`${ok ? 'ok    ' : 'FAILED'} ${name.padEnd(8)} ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
