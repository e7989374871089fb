import { afterEach, expect, test } from '@jest/globals';
import { request } from 'node:http';
import { startMetricsServer } from '../../worker/metrics-server.js';
import type { MetricsServer } from '../../worker/metrics-server.js';
import { WorkerReadiness } from '../../worker/readiness.js';

let server: MetricsServer | undefined;
afterEach(() => server?.close());

async function start(key?: string, readiness = new WorkerReadiness()): Promise<string> {
  const page = () => Promise.resolve({ type: 'text/plain', text: 'earshot_x 1\n' });
  server = await startMetricsServer({ host: '127.0.0.1', port: 0, key, readiness, page });
  return server.url;
}

/** `fetch` names the host that it asks. */
function statusFor(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

test('without a key this machine may look, and nobody through a proxy or under another name', async () => {
  const url = await start();
  const answer = await fetch(`${url}/metrics`);
  expect([answer.status, await answer.text()]).toEqual([200, 'earshot_x 1\n']);
  expect(await statusFor(`${url}/metrics`, { Host: 'localhost:9464' })).toBe(200);
  expect(await statusFor(`${url}/metrics`, { Host: 'rebound.example:9464' })).toBe(401);
  expect(await statusFor(`${url}/metrics`, { 'X-Forwarded-For': '203.0.113.7' })).toBe(401);
});

test('with a key nobody may look without it', async () => {
  const url = `${await start('scrape-0123456789abcdef')}/metrics`;
  expect((await fetch(url)).status).toBe(401);
  expect((await fetch(url, { headers: { Authorization: 'Bearer scrape-0123456789abcdee' } })).status).toBe(401);
  expect((await fetch(url, { headers: { Authorization: 'Bearer scrape-0123456789abcdef' } })).status).toBe(200);
});

test('nothing else is there, and nothing can be done', async () => {
  const url = await start();
  expect((await fetch(`${url}/`)).status).toBe(404);
  const post = await fetch(`${url}/metrics`, { method: 'POST' });
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test('it is ready from its start until it is told to stop, while Temporal answers', async () => {
  const readiness = new WorkerReadiness();
  const url = await start(undefined, readiness);
  const ready = async () => {
    const answer = await fetch(`${url}/readyz`);
    return { status: answer.status, body: await answer.json() };
  };
  const unready = (reason: string) => ({ status: 503, body: { status: 'unready', reasons: [reason] } });
  expect(await ready()).toEqual(unready('The worker is starting.'));
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  readiness.started(() => Promise.reject(new Error('no answer')));
  expect(await ready()).toEqual(unready('Temporal does not answer.'));
  const other = new WorkerReadiness();
  other.started(() => Promise.resolve());
  expect(await other.reasonsAgainst()).toEqual([]);
  readiness.stopping();
  expect(await ready()).toEqual(unready('The worker is stopping.'));
});

test('one that is told to stop while it starts never becomes ready', async () => {
  const readiness = new WorkerReadiness();
  readiness.stopping();
  readiness.started(() => Promise.resolve());
  expect(await readiness.reasonsAgainst()).toEqual(['The worker is stopping.']);
});
