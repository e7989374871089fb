/**
 * `npm run rehearsal`: deploys today's workers and APIs over those of an earlier revision (`EARSHOT_REHEARSAL_FROM`, else
 * the last tag, else what was there before workflows changed last) while supervisors are at work: in a rolling way without
 * versions, and by the versions of a Worker Deployment, with one roll back each (docs/upgrades.md).
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { provisionTemporalCli } from '../../scripts/temporal-server/provision.js';
import { startSimulator } from '../../simulator/simulator.js';
import type { Simulator } from '../../simulator/simulator.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';
import { findingsOf } from './findings.js';
import { Load } from './load.js';
import { API_KEY, LOGS, startPart } from './parts.js';
import type { Part } from './parts.js';
import { beforeTheLastChangeOfWorkflows, earlierRevision, lastTag, presentRevision } from './revisions.js';
import type { Revision } from './revisions.js';

const LIMIT_MS = 1_800_000;
/** Each phase of a deployment lasts until so many commands were accepted in it: a count does not depend on the machine. */
const COMMANDS = Number(process.env['EARSHOT_REHEARSAL_COMMANDS'] ?? 20);
const PHASE_LIMIT_MS = 300_000;
const DEPLOYMENT = 'earshot';

const from = process.env['EARSHOT_REHEARSAL_FROM'] ?? (await lastTag()) ?? (await beforeTheLastChangeOfWorkflows());

/** One Temporal, one platform, and the parts of two revisions. */
class Rehearsal implements AsyncDisposable {
  readonly load: Load;
  readonly titles = new Map<number, string>();
  readonly #parts: Part[] = [];

  private constructor(
    readonly temporal: TestTemporal,
    readonly simulator: Simulator,
    readonly cli: string,
  ) {
    this.load = new Load(simulator);
  }

  static async open(): Promise<Rehearsal> {
    // Whether a version has drained is found out in seconds, where it takes minutes by default.
    const temporal = await startTemporal({
      'matching.wv.VersionDrainageStatusVisibilityGracePeriod': 2,
      'matching.wv.VersionDrainageStatusRefreshInterval': 2,
    });
    const simulator = await startSimulator({
      port: 0,
      population: null,
      activationDelayMs: { min: 5, max: 100 },
      rateLimit: { limit: 100_000, windowSeconds: 10, headers: true },
    });
    return new Rehearsal(temporal, simulator, (await provisionTemporalCli()).path);
  }

  async start(revision: Revision, name: 'worker' | 'api', env: Readonly<Record<string, string>> = {}): Promise<Part> {
    const shared = { TEMPORAL_ADDRESS: this.temporal.address, LOG_LEVEL: 'info' };
    const own =
      name === 'api'
        ? { PORT: '0', API_KEY, RATE_LIMIT_SERVICE: '100000' }
        : {
            WORKER_METRICS_PORT: 'off',
            SWEEP_INTERVAL_SECONDS: '5',
            BARGE_WAIT_SECONDS: '5',
            PLATFORM_BASE_URL: this.simulator.baseUrl,
            PLATFORM_CLIENT_ID: 'earshot',
            PLATFORM_CLIENT_SECRET: 'earshot-dev-secret',
          };
    const part = await startPart(revision, name, { ...shared, ...own, ...env });
    this.#parts.push(part);
    if (name === 'worker') this.titles.set(part.pid, revision.title);
    return part;
  }

  /** Runs `temporal worker deployment …`, as docs/upgrades.md has it; again until it is taken, as a worker has to poll first. */
  async deployment(command: string, ...args: readonly string[]): Promise<string> {
    return until(`temporal worker deployment ${command}`, async () => {
      const all = ['worker', 'deployment', command, ...args, '--address', this.temporal.address];
      return (await promisify(execFile)(this.cli, all)).stdout;
    });
  }

  async setCurrent(buildId: string): Promise<void> {
    await this.deployment('set-current-version', ...version(buildId), '--yes');
  }

  async phase(title: string): Promise<void> {
    const before = this.load.accepted;
    const sinceMs = performance.now();
    await until(`${COMMANDS} commands while ${title}`, () => this.load.accepted >= before + COMMANDS, PHASE_LIMIT_MS);
    const tookSeconds = Math.round((performance.now() - sinceMs) / 1_000);
    process.stderr.write(`  ${title}: ${this.load.accepted - before} commands accepted in ${tookSeconds} s\n`);
  }

  async findings(title: string): Promise<readonly string[]> {
    await until('every leg is gone', () => this.simulator.ledger.legs({ live: true }).length === 0).catch(
      () => undefined,
    );
    const { faults, figures } = await findingsOf(this.temporal.client, this.simulator, this.load, this.titles);
    process.stderr.write(`\n${title}\n`);
    for (const [name, figure] of Object.entries(figures)) process.stderr.write(`  ${name.padEnd(34)}${figure}\n`);
    for (const fault of faults) process.stderr.write(`  FAULT ${fault}\n`);
    return faults;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of this.#parts) part.kill();
    await this.simulator.close();
    await this.temporal.teardown();
  }
}

function version(buildId: string): string[] {
  return ['--deployment-name', DEPLOYMENT, '--build-id', buildId];
}

test(
  'a rolling deployment without versions, and its roll back',
  async () => {
    await using old = await earlierRevision(from, false);
    await using now = await presentRevision();
    await using rehearsal = await Rehearsal.open();
    const { load } = rehearsal;
    process.stderr.write(`From ${old.title}; logs in ${LOGS}\n`);
    const oldWorker = await rehearsal.start(old, 'worker');
    const oldApi = await rehearsal.start(old, 'api');
    load.use(oldApi);
    load.begin();
    await rehearsal.phase('the old ones');
    const newWorker = await rehearsal.start(now, 'worker');
    const newApi = await rehearsal.start(now, 'api');
    load.use(oldApi, newApi);
    await rehearsal.phase('both');
    await oldWorker.end();
    load.use(newApi);
    await rehearsal.phase('the new ones alone');
    const backWorker = await rehearsal.start(old, 'worker');
    load.use(oldApi, newApi);
    await newWorker.end();
    await rehearsal.phase('rolled back');
    await rehearsal.start(now, 'worker');
    await backWorker.end();
    load.use(newApi);
    await oldApi.end();
    await rehearsal.phase('the new ones once more');
    await load.end();
    expect(await rehearsal.findings('Rolling, without versions')).toEqual([]);
  },
  LIMIT_MS,
);

test(
  'a deployment by versions: a ramp, all, a roll back, and the end of the old one once it has drained',
  async () => {
    await using old = await earlierRevision(from, true);
    await using now = await presentRevision();
    await using rehearsal = await Rehearsal.open();
    const { load } = rehearsal;
    const of = (buildId: string) => ({ WORKER_DEPLOYMENT_NAME: DEPLOYMENT, WORKER_BUILD_ID: buildId });
    const oldWorker = await rehearsal.start(old, 'worker', of('old'));
    const oldApi = await rehearsal.start(old, 'api');
    await rehearsal.setCurrent('old');
    load.use(oldApi);
    load.begin();
    await rehearsal.phase('old is current');
    await rehearsal.start(now, 'worker', of('new'));
    const newApi = await rehearsal.start(now, 'api');
    load.use(oldApi, newApi);
    await rehearsal.phase('new waits');
    await rehearsal.deployment('set-ramping-version', ...version('new'), '--percentage', '50', '--yes');
    await rehearsal.phase('new is ramped to 50 %');
    await rehearsal.setCurrent('new');
    await rehearsal.phase('new is current');
    await rehearsal.setCurrent('old');
    await rehearsal.phase('rolled back to old');
    await rehearsal.setCurrent('new');
    await rehearsal.phase('new is current once more');
    await load.endLongCall();
    const sinceMs = performance.now();
    const drained = await until(
      'old has drained',
      async () => {
        const told = await rehearsal.deployment('describe-version', ...version('old'));
        return /DrainageStatus +drained/i.test(told) && told;
      },
      240_000,
    );
    process.stderr.write(`${drained}  drained after ${Math.round((performance.now() - sinceMs) / 1_000)} s\n`);
    await oldWorker.end();
    load.use(newApi);
    await oldApi.end();
    await rehearsal.phase('old has ended');
    await load.end();
    expect(await rehearsal.findings('By versions')).toEqual([]);
  },
  LIMIT_MS,
);
