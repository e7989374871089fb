import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { prepareConnection } from '../../api/temporal-client.js';
import type { LazyConnection } from '../../api/temporal-client.js';
import { startApi } from './api-world.js';
import type { RunningApi } from './api-world.js';

const HTML = `<!doctype html><title>Earshot</title>${'<p>who listens</p>'.repeat(100)}`;
const SCRIPT = `export const words = ${JSON.stringify('barge whisper silent '.repeat(100))};`;
const SCRIPT_PATH = '/assets/index-CjBx2r_Q.js';

let connection: LazyConnection;
let api: RunningApi;
let home = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'earshot-page-'));
  const folder = join(home, 'page');
  connection = prepareConnection({ temporalAddress: '127.0.0.1:1', temporalPort: 1, temporalNamespace: 'default' });
  api = await startApi(connection.client, { page: { folder }, callLimitMs: 50 });

  // The API runs already when the page is built.
  const unbuilt = await ask('/');
  expect(unbuilt.status).toBe(404);
  expect(unbuilt.headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(unbuilt.body.toString()).toMatch(/npm run build/);

  await mkdir(join(home, 'draft', 'assets'), { recursive: true });
  const files = {
    'index.html': HTML,
    'assets/index-CjBx2r_Q.js': SCRIPT,
    'assets/plain.css': 'p{}',
    'icon.svg': `<svg xmlns="http://www.w3.org/2000/svg">${'<g/>'.repeat(300)}</svg>`,
    'shot.png': Buffer.alloc(2_000),
    '.env': 'hidden',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(home, 'draft', name), text);
  await writeFile(join(home, 'secret'), 'outside');
  await symlink(join(home, 'secret'), join(home, 'draft', 'link.txt'));
  await rename(join(home, 'draft'), folder);
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await connection.close();
  await rm(home, { recursive: true });
});

interface Asked {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Unlike `fetch`, with the path and headers as they are given, and nothing unpacked. */
function ask(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(api.url, { path, method, headers });
    sent.once('error', reject).once('response', (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.once('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
      );
    });
    sent.end();
  });
}

test('the page is there for everybody, checked anew each time, and may load from here alone', async () => {
  const { status, headers, body } = await ask('/');
  expect([status, body.toString()]).toEqual([200, HTML]);
  expect(headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'content-length': String(HTML.length),
    'cache-control': 'no-cache',
    'content-security-policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    vary: 'Accept-Encoding',
  });
  expect(headers['permissions-policy']).toMatch(/camera=\(\).* microphone=\(\)/);
  expect(headers).not.toHaveProperty('set-cookie');
  expect((await ask('/index.html')).body.toString()).toBe(HTML);
  // What a link carries along is none of ours.
  expect((await ask('/?from=mail')).status).toBe(200);
});

test('what has its digest in its name is kept for ever, and nothing else is', async () => {
  const caching = async (path: string): Promise<string> => {
    const { headers } = await ask(path);
    return `${headers['content-type'] ?? ''}; ${headers['cache-control'] ?? ''}`;
  };
  expect(await caching(SCRIPT_PATH)).toBe('text/javascript; charset=utf-8; public, max-age=31536000, immutable');
  expect(await caching('/assets/plain.css')).toBe('text/css; charset=utf-8; no-cache');
  expect(await caching('/icon.svg')).toBe('image/svg+xml; no-cache');
  expect((await ask('/assets/index-Old4hash.js')).headers['cache-control']).toBe('no-store');
});

test.each([
  ['gzip, deflate, br, zstd', 'br'],
  ['gzip, deflate', 'gzip'],
  ['br;q=0, gzip', 'gzip'],
  ['br;q=0, gzip;q=0', undefined],
  ['*', 'br'],
  ['*;q=0, gzip', 'gzip'],
  ['identity', undefined],
  ['', undefined],
])('Accept-Encoding: %s is answered with %s', async (accepted, coding) => {
  const { headers, body } = await ask(SCRIPT_PATH, { 'Accept-Encoding': accepted });
  expect(headers['content-encoding']).toBe(coding);
  const unpack = { br: brotliDecompressSync, gzip: gunzipSync, none: (packed: Buffer) => packed }[coding ?? 'none'];
  expect(unpack?.(body).toString()).toBe(SCRIPT);
  expect(headers['content-length']).toBe(String(body.length));
  if (coding !== undefined) expect(body.length).toBeLessThan(SCRIPT.length / 4);
  expect(headers.vary).toBe('Accept-Encoding');
});

test('what packing does not make smaller comes as it is', async () => {
  for (const path of ['/assets/plain.css', '/shot.png']) {
    expect((await ask(path, { 'Accept-Encoding': 'br' })).headers).not.toHaveProperty('content-encoding');
  }
});

test('each form has a tag of its own, and who knows it is sent nothing again', async () => {
  const forms = await Promise.all(['', 'gzip', 'br'].map((coding) => ask('/', { 'Accept-Encoding': coding })));
  const tags = forms.map(({ headers }) => String(headers.etag));
  expect(new Set(tags).size).toBe(3);
  for (const tag of tags) expect(tag).toMatch(/^"[\w-]+"$/);
  const again = await ask('/', { 'Accept-Encoding': 'br', 'If-None-Match': `"x", W/${tags[2] ?? ''}` });
  expect([again.status, again.body.length, again.headers.etag]).toEqual([304, 0, tags[2]]);
  expect(again.headers).toMatchObject({ 'cache-control': 'no-cache', vary: 'Accept-Encoding' });
  expect(again.headers).not.toHaveProperty('content-encoding');
  expect((await ask('/', { 'Accept-Encoding': 'br', 'If-None-Match': tags[0] ?? '' })).status).toBe(200);
});

test('HEAD is answered as GET, without the file', async () => {
  const packed = { 'Accept-Encoding': 'gzip' };
  const [get, head] = [await ask(SCRIPT_PATH, packed), await ask(SCRIPT_PATH, packed, 'HEAD')];
  const lasting = ({ headers: { date: _date, 'x-request-id': _id, ...headers } }: Asked): unknown => headers;
  expect([head.status, head.body.length, lasting(head)]).toEqual([200, 0, lasting(get)]);
});

test('nothing but GET and HEAD is possible', async () => {
  for (const path of ['/', SCRIPT_PATH]) {
    const { status, headers } = await ask(path, {}, 'POST');
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
  }
});

test.each([
  '/.env',
  '/link.txt',
  '/../secret',
  '/assets/../../secret',
  '/assets/%2e%2e/%2e%2e/secret',
  '/..%2fsecret',
  '/assets//index-CjBx2r_Q.js',
  '/assets',
  '/assets/',
  '//index.html',
  '/INDEX.HTML',
  '/index.html%00',
  '/__proto__',
])('there is nothing at %s', async (path) => {
  const { status, body } = await ask(path);
  expect(status).toBe(404);
  expect(body.toString()).not.toContain('outside');
});

test('logs and metrics name the route, and no file', async () => {
  await ask(SCRIPT_PATH);
  await ask('/');
  expect(api.logged()).toContain('"route":"/assets/:file"');
  const metrics = await api.metrics();
  expect(metrics).toContain('route="/assets/:file"');
  expect(metrics).toContain('route="/"');
  expect(metrics).not.toContain('CjBx2r_Q');
});

test('the rest of the API is not the page’s, and without a page there is nothing at its address', async () => {
  expect((await ask('/v1/nothing')).status).toBe(401);
  expect((await ask('/livez')).headers['content-security-policy']).toBe("default-src 'none'; frame-ancestors 'none'");
  await using bare = await startApi(connection.client);
  expect(await bare.get('/')).toMatchObject({ status: 404, body: { detail: 'There is nothing at /.' } });
});
