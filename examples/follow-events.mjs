/**
 * Follows what happens to sessions, and misses nothing across broken connections:
 *
 *     API_KEY=… node examples/follow-events.mjs [http://127.0.0.1:8080]
 *
 * What it knows of a session is always what the latest message about it says; `type` tells what just happened.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';

const url = (process.argv[2] ?? 'http://127.0.0.1:8080').replace(/^http/, 'ws');
const headers = { Authorization: `Bearer ${process.env.API_KEY ?? ''}` };

/** Heartbeats come every 15 s: after two that are missing the connection is dead, whatever the network says. */
const SILENCE_LIMIT_MS = 35_000;

const sessions = new Map();
let after = '';

for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 10_000)) {
  if (await follow()) pauseMs = 100;
  await sleep(pauseMs * (0.5 + Math.random()));
}

/** One connection, to its end; whether anything was told. */
function follow() {
  return new Promise((resolve) => {
    let heard = false;
    const socket = new WebSocket(`${url}/v1/events${after && `?after=${after}`}`, { headers });
    let silence = setTimeout(() => socket.terminate(), SILENCE_LIMIT_MS);
    socket.on('message', (data) => {
      heard = true;
      clearTimeout(silence);
      silence = setTimeout(() => socket.terminate(), SILENCE_LIMIT_MS);
      const message = JSON.parse(data);
      after = `${message.epoch}:${message.seq}`;
      take(message);
    });
    socket.on('unexpected-response', (_request, response) => {
      console.error(`refused: ${response.statusCode} ${response.statusMessage}`);
      // A key that is wrong does not become right.
      if (response.statusCode === 401 || response.statusCode === 403) process.exit(1);
      socket.terminate();
    });
    socket.on('error', (error) => console.error(error.message));
    socket.on('close', () => {
      clearTimeout(silence);
      resolve(heard);
    });
  });
}

function take({ type, at, sessionId, session, sessions: all, position, expiresAt }) {
  if (type === 'heartbeat') return;
  if (type === 'snapshot') {
    sessions.clear();
    for (const one of all) sessions.set(one.sessionId, one);
    console.log(`${sessions.size} sessions run`);
    return;
  }
  if (session.state === 'TERMINATED') sessions.delete(sessionId);
  else sessions.set(sessionId, session);
  const place =
    position === undefined ? '' : ` place ${position}${expiresAt === undefined ? '' : ` until ${expiresAt}`}`;
  console.log(`${at} ${type} ${sessionId} ${session.state}${place}`);
}
