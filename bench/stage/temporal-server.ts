import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '../../scripts/ports.js';
import { devServerArguments, devServerReady } from '../../scripts/temporal-server/dev-server.js';
import { provisionTemporalCli } from '../../scripts/temporal-server/provision.js';
import type { CleanUp } from '../clean-up.js';

/** Where everything runs. */
export const NAMESPACE = 'default';

const BOOT_LIMIT_MS = 30_000;

/**
 * A Temporal server of its own, on a free port, with the arguments that the product gives to its own but for the database:
 * in memory. Resolves once it answers.
 */
export async function startTemporal(cleanUp: CleanUp): Promise<{ readonly address: string; readonly pid: number }> {
  const { path } = await provisionTemporalCli({ tell: (line) => process.stderr.write(`${line}\n`) });
  const port = await freePort();
  const options = { port, uiPort: undefined, namespace: NAMESPACE, database: undefined };
  const server = spawn(path, devServerArguments(options), { stdio: 'ignore' });
  // There is nothing in it to save, and it must not stay, however this process ends.
  const kill = (): void => void server.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(server, 'exit');
  cleanUp.add(async () => {
    process.off('exit', kill);
    kill();
    await exited;
  });

  const address = `127.0.0.1:${port}`;
  const endedEarly = exited.then(() => Promise.reject(new Error("Temporal's server ended during its start")));
  endedEarly.catch(() => undefined);
  await Promise.race([devServerReady(address, NAMESPACE, AbortSignal.timeout(BOOT_LIMIT_MS)), endedEarly]);
  if (server.pid === undefined) throw new Error("Temporal's server has no process id");
  return { address, pid: server.pid };
}
