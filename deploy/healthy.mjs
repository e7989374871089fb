/**
 * What the image's health check runs: exit code 0 while the process answers at `/livez`. A worker has WORKER_METRICS_PORT,
 * an API PORT.
 */
import { readFileSync } from 'node:fs';

const isWorker = readFileSync('/proc/1/cmdline', 'utf8').includes('worker/main.js');
const { WORKER_METRICS_PORT, PORT } = process.env;
const given = isWorker ? WORKER_METRICS_PORT : PORT;
// Kubernetes' own variable of a service of that name is an address.
const port = /^\d+$/.test(given ?? '') ? given : '8080';
if (isWorker && port !== given) {
  process.stderr.write('A worker whose WORKER_METRICS_PORT is not a port cannot be asked.\n');
  process.exit(0);
}

try {
  const answer = await fetch(`http://127.0.0.1:${port}/livez`, { signal: AbortSignal.timeout(4_000) });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
} catch (error) {
  process.stderr.write(`/livez at port ${port}: ${error.cause?.message ?? error.message}\n`);
  process.exitCode = 1;
}
