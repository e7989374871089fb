import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { percentile } from './statistics.js';
import { until } from './until.js';

/**
 * `npm run bench:notifications`: what it costs one API process to tell a thousand listeners of a change, beside one
 * listener in the same run. The whole product runs, with its simulator, on free ports.
 */

const LISTENERS = 1_000;
const CHANGES = 50;

const message = z.object({ type: z.string(), at: z.string().optional(), sessionId: z.string().optional() });
const started = z.object({ sessionId: z.string() });
const pidFile = z.object({ pid: z.int() });
const added = z.object({ interactionId: z.string() });

const folder = mkdtempSync(join(tmpdir(), 'earshot-bench-'));
const ports = { PORT: '0', TEMPORAL_PORT: '0', TEMPORAL_UI_PORT: '0', SIMULATOR_PORT: '0' };
const product = spawn(process.execPath, ['scripts/bootstrap.mjs', 'start'], {
  env: { ...process.env, ...ports, EARSHOT_DATA_DIR: folder, SIMULATOR_CONTROL: 'on', RATE_LIMIT_SERVICE: '10000' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
let printed = '';
product.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));

try {
  await until('the product is ready', 100, () => printed.includes('Ctrl-C stops everything') || undefined);
  const api = addressOf('API');
  const key = readFileSync(join(folder, 'api-key'), 'utf8').trim();
  const { interactionId } = added.parse(await post(`${addressOf('Platform')}/_control/add-interaction`, {}, ''));
  const { sessionId } = started.parse(await post(`${api}/v1/sessions`, { interactionId, supervisorId: 'bench' }, key));

  const memory: number[] = [];
  const rows: string[] = [];
  const latencies: number[] = [];
  let heard = 0;
  const listen = (): Promise<WebSocket> =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`${api.replace('http', 'ws')}/v1/events`, {
        headers: { Authorization: `Bearer ${key}` },
      });
      socket.on('error', reject);
      socket.on('message', (data: Buffer) => {
        const told = message.parse(JSON.parse(data.toString()));
        if (told.type === 'snapshot') resolve(socket);
        if (told.type !== 'session.mode' || told.sessionId !== sessionId || told.at === undefined) return;
        heard += 1;
        latencies.push(Date.now() - Date.parse(told.at));
      });
    });

  const sockets = [await listen()];
  memory.push(memoryOfApiMb());
  for (const listeners of [1, LISTENERS]) {
    while (sockets.length < listeners)
      sockets.push(...(await Promise.all(Array.from({ length: Math.min(50, listeners - sockets.length) }, listen))));
    memory.push(memoryOfApiMb());
    latencies.length = 0;
    for (let n = 0; n < CHANGES; n += 1) {
      heard = 0;
      const action = n % 2 === 0 ? 'whisper' : 'silent';
      await post(`${api}/v1/sessions/${encodeURIComponent(sessionId)}/commands`, { action }, key);
      await until('everybody has heard', 5, () => heard === listeners || undefined);
    }
    rows.push(
      `${String(listeners).padStart(6)} listeners: p50 ${percentile(latencies, 50)} ms, p99 ${percentile(latencies, 99)} ms from the change to its arrival (${CHANGES} changes, ${latencies.length} arrivals)`,
    );
  }
  memory.push(memoryOfApiMb());
  rows.push(
    `API process: ${memory.map((mb) => `${mb.toFixed(0)} MB`).join(' → ')} (one listener; before the changes; ${LISTENERS} listeners; after the changes)`,
  );
  process.stdout.write(`${rows.join('\n')}\n`);
  for (const socket of sockets) socket.terminate();
} finally {
  product.kill('SIGINT');
  await until('the product has stopped', 100, () => product.exitCode ?? undefined);
  rmSync(folder, { recursive: true, force: true });
}

function addressOf(title: string): string {
  const address = new RegExp(`^ *${title} {2,}([^\\s,]+)`, 'm').exec(printed)?.[1];
  if (address === undefined) throw new Error(`No address of ${title} in:\n${printed}`);
  return address;
}

function memoryOfApiMb(): number {
  const { pid } = pidFile.parse(JSON.parse(readFileSync(join(folder, 'run', 'api.json'), 'utf8')));
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
}

async function post(url: string, body: unknown, key: string): Promise<unknown> {
  const headers = { 'Content-Type': 'application/json', Prefer: 'wait=10', Authorization: `Bearer ${key}` };
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
