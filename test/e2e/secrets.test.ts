/**
 * A whole run, through everything that goes well and much that goes wrong; then whatever it has left behind is searched for
 * the platform's tokens and our secrets: logs, Temporal's database with all histories and memos, answers, what was printed.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { z } from 'zod';
import { startSimulator } from '../../simulator/simulator.js';
import type { Simulator } from '../../simulator/simulator.js';
import { ProductClient } from '../support/product-client.js';
import { Product, START_LIMIT_MS } from '../support/product.js';
import { until } from '../support/until.js';

const CLIENT_SECRET = `client-secret-${randomBytes(12).toString('hex')}`;
const WEBHOOK_SECRET = `whsec_${randomBytes(32).toString('base64')}`;
const API_KEY = `api-key-${randomBytes(12).toString('hex')}`;
/** What must be found, or the search is none. */
const MARKER = `marker-${randomBytes(12).toString('hex')}`;

const folder = mkdtempSync(join(tmpdir(), 'earshot-secrets-'));
const answers: string[] = [];
let simulator: Simulator;
let wire: Wire;
let product: Product;
let client: ProductClient;

/** Stands between the product and the platform and learns every token that is issued. */
class Wire {
  readonly tokens = new Set<string>();
  /** Answers a call instead of the platform. */
  instead: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;

  private constructor(
    readonly url: string,
    private readonly server: Server,
  ) {}

  static async to(platformUrl: string): Promise<Wire> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (wire.instead?.(request, response) === true) return;
        void wire.pass(platformUrl, request, Buffer.concat(chunks), response);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('Expected a TCP address');
    const wire = new Wire(`http://127.0.0.1:${address.port}`, server);
    return wire;
  }

  async pass(platformUrl: string, request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request;
    const { authorization, 'content-type': type } = request.headers;
    const answer = await fetch(`${platformUrl}${url}`, {
      method,
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        ...(type === undefined ? {} : { 'content-type': type }),
      },
      ...(method === 'GET' ? {} : { body: new Uint8Array(body) }),
    });
    const text = await answer.text();
    if (url.endsWith('/auth/token')) {
      const token = z.object({ access_token: z.string() }).safeParse(JSON.parse(text));
      if (token.success) this.tokens.add(token.data.access_token);
    }
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(text);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

beforeAll(async () => {
  simulator = await startSimulator({
    port: 0,
    population: null,
    clientSecret: CLIENT_SECRET,
    tokenLifetimeSeconds: 10,
    rateLimit: { limit: 100_000, windowSeconds: 10 },
  });
  wire = await Wire.to(simulator.baseUrl);
  product = new Product(folder, {
    PLATFORM_BASE_URL: wire.url,
    PLATFORM_EVENTS_URL: `${simulator.baseUrl.replace('http', 'ws')}/api/v2/notifications/stream`,
    PLATFORM_CLIENT_ID: 'earshot',
    PLATFORM_CLIENT_SECRET: CLIENT_SECRET,
    PLATFORM_WEBHOOK_SECRET: WEBHOOK_SECRET,
    API_KEY,
    SWEEP_INTERVAL_SECONDS: '2',
    LOG_LEVEL: 'trace',
  });
  client = new ProductClient(product, API_KEY);
  await product.ready();
}, START_LIMIT_MS);

afterAll(async () => {
  product.killAll();
  await wire.close();
  await simulator.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A request whose answer is searched as well. */
async function rest(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const answer = await client.rest(method, path, body, headers);
  answers.push(JSON.stringify([...answer.headers]), JSON.stringify(answer.body));
  return answer;
}

async function life(supervisorId: string): Promise<string> {
  const { interactionId } = simulator.controls.addInteraction();
  const create = { interactionId, supervisorId, reason: MARKER };
  await rest('POST', '/v1/sessions', create, { prefer: 'wait=20' });
  const path = `/v1/sessions/session~${interactionId}~${supervisorId}`;
  for (const action of ['barge', 'whisper', 'silent', 'dance']) {
    await rest('POST', `${path}/commands`, { action }, { prefer: 'wait=20' });
  }
  await rest('GET', `${path}/history`);
  return path;
}

test('neither tokens nor secrets are anywhere, whatever went wrong', async () => {
  const paths = [await life('anna')];
  // Revoked, refused, repeated by a platform that knows no better.
  simulator.controls.revokeTokens();
  paths.push(await life('ben'));
  wire.instead = ({ url, headers }, response) => {
    if (url?.endsWith('/telephony/monitor') !== true) return false;
    const echo = { code: headers.authorization, message: headers.authorization, secret: CLIENT_SECRET };
    response.writeHead(400, { 'content-type': 'application/json', 'x-echo': headers.authorization ?? '' });
    response.end(JSON.stringify(echo));
    return true;
  };
  await life('mallory');
  wire.instead = ({ url }, response) => {
    if (url?.endsWith('/auth/token') !== true) return false;
    response.writeHead(401, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ code: 'invalid_client', message: `no such secret: ${CLIENT_SECRET}` }));
    return true;
  };
  simulator.controls.revokeTokens();
  await until('the trouble is shown', async () => JSON.stringify((await rest('GET', '/readyz')).body).includes('401'));
  wire.instead = undefined;
  await until(
    'there is a token again',
    async () => !JSON.stringify((await rest('GET', '/readyz')).body).includes('401'),
    60_000,
  );
  await rest('POST', '/v1/webhooks/platform', { topic: 'x' });
  await rest('GET', '/v1/interactions');
  for (const path of paths) await rest('POST', `${path}/commands`, { action: 'stop' }, { prefer: 'wait=20' });
  await rest('GET', '/v1/sessions');

  const shown = [product.output, ...answers, ...(await temporalShows())];
  await product.stop();
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const kept = files.map(({ parentPath, name }) => ({ name, bytes: readFileSync(join(parentPath, name)) }));
  const places = [...shown.map((text) => ({ name: 'shown', bytes: Buffer.from(text) })), ...kept];

  const foundIn = (text: string): string[] =>
    places.filter(({ bytes }) => bytes.includes(text)).map(({ name }) => name);
  expect(foundIn(MARKER)).toEqual(expect.arrayContaining(['shown', 'temporal.db']));
  expect(foundIn('platform.unanswering').length + foundIn('events.connected').length).toBeGreaterThan(0);
  expect(wire.tokens.size).toBeGreaterThanOrEqual(3);
  const webhookKey = WEBHOOK_SECRET.slice('whsec_'.length);
  for (const secret of [...wire.tokens, CLIENT_SECRET, WEBHOOK_SECRET, webhookKey, API_KEY]) {
    expect(foundIn(secret)).toEqual([]);
    expect(foundIn(Buffer.from(secret).toString('base64').replace(/=+$/, ''))).toEqual([]);
    expect(foundIn(encodeURIComponent(secret))).toEqual([]);
  }
}, 180_000);

/** Histories, memos, and what is under way, of every workflow. */
async function temporalShows(): Promise<string[]> {
  const connection = await Connection.connect({ address: product.address('Temporal') });
  const { workflow } = new Client({ connection });
  const texts: string[] = [];
  for await (const { workflowId, runId, memo } of workflow.list()) {
    const handle = workflow.getHandle(workflowId, runId);
    const { raw } = await handle.describe();
    const plain = (_: string, value: unknown): unknown =>
      value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : value;
    texts.push(JSON.stringify(memo), JSON.stringify(raw, plain), JSON.stringify(await handle.fetchHistory(), plain));
  }
  await connection.close();
  return texts;
}
