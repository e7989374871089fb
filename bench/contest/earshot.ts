import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runningOwner } from '../../scripts/supervisor/pid-file.js';
import { until } from '../until.js';
import { cpuMsOf } from './contender.js';
import type { Contender, ContenderOptions } from './contender.js';
import { CLIENT } from '../stage/simulator-process.js';
import { PlatformProcess } from './platform-process.js';
import { ServiceClient } from './service-client.js';

const PARTS = ['temporal', 'worker', 'api'] as const;
const LOOK_EVERY_MS = 50;

/** Earshot as `npm start` runs it: API, worker and Temporal as processes of their own, on free ports. */
export async function startEarshot(options: ContenderOptions): Promise<Contender> {
  const { folder, activationMs, waitSeconds, sweepSeconds } = options;
  const platform = await PlatformProcess.start(activationMs);
  const product = spawn(process.execPath, ['scripts/bootstrap.mjs', 'start'], {
    env: {
      ...process.env,
      PORT: '0',
      TEMPORAL_PORT: '0',
      TEMPORAL_UI_PORT: '0',
      EARSHOT_DATA_DIR: folder,
      PLATFORM_BASE_URL: platform.url,
      PLATFORM_CLIENT_ID: CLIENT.id,
      PLATFORM_CLIENT_SECRET: CLIENT.secret,
      BARGE_WAIT_SECONDS: String(waitSeconds),
      SWEEP_INTERVAL_SECONDS: String(sweepSeconds),
      RATE_LIMIT_SERVICE: '100000',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(product, 'exit');
  let printed = '';
  product.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  await until('Earshot is ready', 100, () => {
    if (product.exitCode !== null) throw new Error(`Earshot has not started:\n${printed}`);
    return printed.includes('Ctrl-C stops everything') || undefined;
  });
  const address = /^ *API {2,}([^\s,]+)/m.exec(printed)?.[1];
  if (address === undefined) throw new Error(`No address of the API in:\n${printed}`);
  const service = new ServiceClient(address, readFileSync(join(folder, 'api-key'), 'utf8').trim());
  const pidOf = (part: string): number | undefined => runningOwner(join(folder, 'run', `${part}.json`))?.pid;

  return {
    name: 'Earshot',
    service,
    platform,
    victims: ['worker', 'api', 'temporal'],
    async kill(victim) {
      const before = await until(`a running ${victim}`, LOOK_EVERY_MS, () => pidOf(victim));
      process.kill(before, 'SIGKILL');
      await until(`another ${victim}`, LOOK_EVERY_MS, () => {
        const now = pidOf(victim);
        return now !== undefined && now !== before ? true : undefined;
      });
    },
    cpuMs: () => PARTS.reduce((sum, part) => sum + cpuMsOf(pidOf(part)), 0),
    async close() {
      await service.close();
      product.kill('SIGINT');
      await exited;
      await platform.close();
    },
  };
}
