import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { until } from '../until.js';

/** How often Redis has its log of writes on the disk: `always` before each answer, `everysec` up to a second after it. */
export type Fsync = 'always' | 'everysec';

/** A real redis-server with an append-only file in a folder of its own. */
export class RedisServer {
  #child: ChildProcess | undefined;

  constructor(
    private readonly folder: string,
    private readonly port: number,
    private readonly fsync: Fsync,
  ) {}

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    mkdirSync(this.folder, { recursive: true });
    const persistence = ['--appendonly', 'yes', '--appendfsync', this.fsync, '--save', ''];
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder, ...persistence];
    this.#child = spawn('redis-server', args, { stdio: 'ignore' });
    this.#child.on('error', () => undefined);
    await until('Redis listens', 20, async () => ((await isListening(this.port)) ? true : undefined));
  }

  /** As in a crash: what it has not told the kernel is lost. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid === undefined || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
