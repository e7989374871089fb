/**
 * What the image's health check runs: exit code 0 while the process answers at `/livez`. A worker has WORKER_METRICS_PORT,
 * an API PORT.
 */
const { WORKER_METRICS_PORT, PORT } = process.env;
const port = WORKER_METRICS_PORT || PORT || '8080';

try {
  const answer = await fetch(`http://127.0.0.1:${port}/livez`, { signal: AbortSignal.timeout(4_000) });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
} catch (error) {
  process.stderr.write(`/livez at port ${port}: ${error.cause?.message ?? error.message}\n`);
  process.exitCode = 1;
}
