import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../scripts/ports.js';
import { cpuMsOf } from './contender.js';
import type { Contender, ContenderOptions } from './contender.js';
import { CLIENT } from '../stage/simulator-process.js';
import { PlatformProcess } from './platform-process.js';
import { RedisServer } from './redis-server.js';
import type { Fsync } from './redis-server.js';
import { ServiceClient } from './service-client.js';

const KEY = 'rival-key';

/** The guide's design (bench/rival/), with a Redis and a platform of its own. What is killed is started again at once. */
export async function startRival(fsync: Fsync, options: ContenderOptions): Promise<Contender> {
  const { folder, activationMs, waitSeconds, sweepSeconds } = options;
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const redisPort = await freePort(new Set([port]));
  const platform = await PlatformProcess.start(activationMs);
  const redis = new RedisServer(join(folder, 'redis'), redisPort, fsync);
  await redis.start();

  const log = openSync(join(folder, 'rival.log'), 'a');
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    child = fork(fileURLToPath(new URL('../rival/main.js', import.meta.url)), {
      env: {
        PORT: String(port),
        API_KEY: KEY,
        REDIS_URL: redis.url,
        PLATFORM_BASE_URL: platform.url,
        PLATFORM_CLIENT_ID: CLIENT.id,
        PLATFORM_CLIENT_SECRET: CLIENT.secret,
        BARGE_WAIT_SECONDS: String(waitSeconds),
        SWEEP_INTERVAL_SECONDS: String(sweepSeconds),
      },
      stdio: ['ignore', log, log, 'ipc'],
    });
    await once(child, 'message');
  };
  const end = async (): Promise<void> => {
    const one = child;
    child = undefined;
    if (one === undefined || one.exitCode !== null) return;
    const exited = once(one, 'exit');
    one.kill('SIGKILL');
    await exited;
  };
  await start();
  const service = new ServiceClient(`http://127.0.0.1:${port}`, KEY);

  return {
    name: `rival, ${fsync}`,
    service,
    platform,
    victims: ['rival', 'redis'],
    async kill(victim) {
      if (victim === 'redis') {
        await redis.kill();
        await redis.start();
      } else {
        await end();
        await start();
      }
    },
    cpuMs: () => cpuMsOf(child?.pid) + cpuMsOf(redis.pid),
    async close() {
      await service.close();
      await end();
      await redis.kill();
      await platform.close();
    },
  };
}
