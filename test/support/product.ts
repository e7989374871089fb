import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runningOwner } from '../../scripts/supervisor/pid-file.js';
import type { ProcessIdentity } from '../../scripts/supervisor/process-identity.js';
import { until } from './until.js';

/** A first start may install, build and fetch Temporal's server. */
export const START_LIMIT_MS = 240_000;
const STOP_LIMIT_MS = 40_000;

const PARTS = ['temporal', 'simulator', 'worker', 'api'] as const;
type Part = (typeof PARTS)[number];

/**
 * What the tests run on: `npm start`, or, for `npm run topology`, the production topology: two APIs behind an ingress, two
 * workers, Temporal's own server on PostgreSQL.
 */
export const IS_TOPOLOGY = process.env['EARSHOT_TOPOLOGY'] === 'on';

const START = IS_TOPOLOGY ? ['node', 'dist/scripts/topology/main.js'] : ['node', 'scripts/bootstrap.mjs', 'start'];

/** Other processes of the topology. */
type TopologyPart = 'postgres' | 'redis' | 'ingress' | 'api-2' | 'worker-2';

/** The whole product in a folder of its own, on free ports. */
export class Product {
  readonly child: ChildProcess;
  readonly #dataDir: string;
  #text = '';

  constructor(dataDir: string, env: Readonly<Record<string, string>> = {}, command = START) {
    const [program = '', ...args] = command;
    const embedded = { PORT: '0', TEMPORAL_PORT: '0', TEMPORAL_UI_PORT: '0', SIMULATOR_PORT: '0' };
    // The worker opens that of its metrics some seconds after it was picked, and other tests pick ports meanwhile.
    const ports = { ...embedded, WORKER_METRICS_PORT: 'off' };
    this.#dataDir = dataDir;
    this.child = spawn(program === 'node' ? process.execPath : program, args, {
      env: { ...process.env, NODE_OPTIONS: '', EARSHOT_DATA_DIR: dataDir, ...ports, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.on('data', (chunk: Buffer) => (this.#text += chunk.toString()));
    this.child.stderr?.on('data', (chunk: Buffer) => (this.#text += chunk.toString()));
  }

  /** Everything printed so far. */
  get output(): string {
    return this.#text;
  }

  /** Waits until all of it is up. */
  async ready(): Promise<void> {
    const { child } = this;
    await until(
      'ready',
      () => child.exitCode !== null || this.output.includes('Ctrl-C stops everything'),
      START_LIMIT_MS,
    );
    if (child.exitCode !== null) throw new Error(`Expected a ready Earshot, got:\n${this.output}`);
  }

  /** An address that the start printed. */
  address(title: 'Page' | 'API' | 'Platform' | 'Temporal'): string {
    const address = new RegExp(`^ *${title} {2,}([^\\s,]+)`, 'm').exec(this.output)?.[1];
    if (address === undefined) throw new Error(`No address of ${title} in:\n${this.output}`);
    return address;
  }

  /** The address of the one API that {@link kill} ends first; the same as that of all where there is one. */
  get oneApi(): string {
    return /^ *One API {2,}(\S+)/m.exec(this.output)?.[1] ?? this.address('API');
  }

  /** Temporal's namespace. */
  get namespace(): string {
    return /^ *Namespace {2,}(\S+)/m.exec(this.output)?.[1] ?? 'default';
  }

  /** The pages of metrics of all APIs, or of all workers, one after the other. */
  async metrics(part: 'api' | 'worker'): Promise<string> {
    const pages = /^ *Metrics {2,}(.+)$/m.exec(this.output)?.[1]?.split(', ') ?? [];
    const half = pages.length / 2;
    const key = join(this.#dataDir, 'metrics-key');
    const headers = existsSync(key) ? { authorization: `Bearer ${readFileSync(key, 'utf8').trim()}` } : undefined;
    const texts = (part === 'api' ? pages.slice(0, half) : pages.slice(half)).map(async (page) => {
      const answer = await fetch(page, headers === undefined ? {} : { headers });
      if (!answer.ok) throw new Error(`Expected the metrics at ${page}, got ${answer.status}`);
      return answer.text();
    });
    return (await Promise.all(texts)).join('\n');
  }

  get apiKey(): string {
    return readFileSync(join(this.#dataDir, 'api-key'), 'utf8').trim();
  }

  part(name: Part | TopologyPart): ProcessIdentity | undefined {
    return runningOwner(join(this.#dataDir, 'run', `${name}.json`));
  }

  /** The processes that run now. */
  parts(): ProcessIdentity[] {
    return PARTS.map((name) => this.part(name)).filter((part) => part !== undefined);
  }

  /** `kill -9` of a part, or a kinder signal, of all its processes one after the other; each is started again. */
  async kill(name: Part, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    await this.killOne(name, signal);
    if (IS_TOPOLOGY && (name === 'api' || name === 'worker')) await this.killOne(`${name}-2`, signal);
  }

  /** The same of a single process. */
  async killOne(name: Part | TopologyPart, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const before = await until(`a running ${name}`, () => this.part(name));
    process.kill(before.pid, signal);
    await until(`another ${name}`, () => {
      const now = this.part(name);
      return now !== undefined && now.pid !== before.pid;
    });
  }

  /** The exit code, or the signal that ended it. */
  exit(): Promise<string | number> {
    return until('the exit', () => this.child.exitCode ?? this.child.signalCode ?? undefined, STOP_LIMIT_MS);
  }

  async stop(): Promise<string | number> {
    this.child.kill('SIGINT');
    return this.exit();
  }

  /** Whatever is left of it, at once; for the end of a test. */
  killAll(): void {
    const folder = join(this.#dataDir, 'run');
    const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.json')) : [];
    const left = files.map((file) => runningOwner(join(folder, file))?.pid);
    for (const pid of [this.child.pid, ...left]) {
      try {
        if (pid !== undefined) process.kill(pid, 'SIGKILL');
      } catch {
        // It is gone already.
      }
    }
  }
}
