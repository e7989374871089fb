import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { transform } from '@swc/core';

/** The example of docs/media-client.md, which people copy. */
const EXAMPLE = /```js\n(?<code>import [^]*?)```/;

const ROOT = join(import.meta.dirname, '../..');

/** A page on 127.0.0.1, with the module as the build makes it, and what the tests do with it there. */
export interface PageServer extends AsyncDisposable {
  readonly url: string;
  /** The module's file. */
  readonly built: string;
  /** Its declarations. */
  readonly declared: string;
}

export async function startPageServer(): Promise<PageServer> {
  await mkdir(join(ROOT, '.cache'), { recursive: true });
  const folder = await mkdtemp(join(ROOT, '.cache/browser-'));
  await promisify(execFile)(
    process.execPath,
    [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'browser', '--noCheck', '--outDir', folder],
    { cwd: ROOT },
  );
  const built = await readFile(join(folder, 'browser/media-profile.js'), 'utf8');
  const declared = await readFile(join(folder, 'browser/media-profile.d.ts'), 'utf8');
  await rm(folder, { recursive: true });
  const { code } = await transform(await readFile(join(import.meta.dirname, 'loopback.ts'), 'utf8'), {
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'es6' },
  });
  const guide = await readFile(join(ROOT, 'docs/media-client.md'), 'utf8');
  const scripts = new Map([
    ['/browser/example.js', EXAMPLE.exec(guide)?.groups?.['code'] ?? ''],
    ['/browser/media-profile.js', built],
    ['/test/browser/loopback.js', code],
  ]);
  const server = createServer((request, response) => {
    const script = scripts.get(request.url ?? '');
    response.setHeader('Content-Type', script === undefined ? 'text/html' : 'text/javascript');
    response.end(script ?? '<!doctype html><script type="module" src="/test/browser/loopback.js"></script>');
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = addressOf(server.address());
  return {
    url: `http://127.0.0.1:${port}/`,
    built,
    declared,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new Error('The server has no port');
  return address;
}
