import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Request, RequestHandler, Response } from 'express';
import { isCode } from './error-code.js';
import { isKnown } from './etag.js';
import { Problem } from './problem.js';
import { contextOf } from './request-context.js';

/** Where the page has been built. */
export interface Page {
  readonly folder: string;
}

/** It loads and asks nothing but what comes from here, and nothing frames it. */
const PAGE_HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  // The calls are heard by phone: the page has no use for what could listen here.
  'Permissions-Policy': [
    ...['accelerometer', 'autoplay', 'camera', 'display-capture', 'encrypted-media', 'fullscreen', 'geolocation'],
    ...['gyroscope', 'hid', 'magnetometer', 'microphone', 'midi', 'payment', 'picture-in-picture'],
    ...['publickey-credentials-get', 'screen-wake-lock', 'serial', 'usb', 'xr-spatial-tracking'],
  ]
    .map((feature) => `${feature}=()`)
    .join(', '),
};

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.map': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};

/** Packed already. */
const DENSE = ['.png', '.ico', '.woff2'];

/** Smaller files gain nothing, bytes. */
const PACKED_FROM = 512;

/** Names that change with what is in the file, as Vite writes them: `assets/index-CjBx2rTq.js`. */
const HASHED = /^\/assets\/[^/]+-[\w-]{8}\.\w+$/;

const PACK = {
  br: promisify(brotliCompress),
  gzip: promisify(gzip),
} as const;
type Coding = keyof typeof PACK;

const PACK_OPTIONS = {
  br: { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } },
  gzip: { level: constants.Z_BEST_COMPRESSION },
} as const;

/**
 * The files of the page, from memory: what a request names is looked up among the files that were there when the first one
 * came, and is never a path. Until there are any, `/` tells how to build them.
 */
export function servePage({ folder }: Page): RequestHandler {
  let files: Promise<ReadonlyMap<string, PageFile>> | undefined;
  return async (request, response, next) => {
    const reading = (files ??= readFiles(folder));
    const found = await reading.catch((error: unknown) => {
      if (files === reading) files = undefined;
      throw error;
    });
    // It may be built while this runs.
    if (found.size === 0 && files === reading) files = undefined;
    const file = found.get(request.path);
    if (file !== undefined) {
      contextOf(request).route = file.route;
      await answer(file, request, response);
    } else if (request.path === '/') {
      contextOf(request).route = '/';
      throw new Problem('not.found', 'The page is not built: `npm run build` does that, and so does `npm start`.');
    } else next();
  };
}

async function answer(file: PageFile, request: Request, response: Response): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    throw new Problem('method.not.allowed', `${request.method} is not possible here; possible: GET, HEAD.`, {
      headers: { Allow: 'GET, HEAD' },
    });
  }
  const coding = (['br', 'gzip'] as const).find((one) => request.acceptsEncodings(one) !== false);
  const { body, packedBy } = await file.as(coding);
  // Each form has its own (RFC 9110, 8.8.3.3).
  const etag = `"${file.digest}${packedBy === undefined ? '' : `-${packedBy}`}"`;
  response.set({ ...PAGE_HEADERS, 'Cache-Control': file.cacheControl, ETag: etag }).vary('Accept-Encoding');
  if (isKnown(etag, request.get('if-none-match'))) {
    response.status(304).end();
    return;
  }
  if (packedBy !== undefined) response.set('Content-Encoding', packedBy);
  response.type(file.type).send(body);
}

interface Form {
  readonly body: Buffer;
  /** `undefined`: it is as it is. */
  readonly packedBy?: Coding;
}

/** One file, in the forms in which it has been asked for. */
class PageFile {
  readonly type: string;
  readonly digest: string;
  readonly cacheControl: string;
  /** For logs and metrics: names of files would be too many. */
  readonly route: string;
  readonly #packed = new Map<Coding, Promise<Form>>();
  readonly #isPackable: boolean;

  constructor(
    path: string,
    private readonly plain: Buffer,
  ) {
    const extension = extname(path);
    this.type = TYPES[extension] ?? 'application/octet-stream';
    this.digest = createHash('sha256').update(plain).digest('base64url').slice(0, 22);
    this.cacheControl = HASHED.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache';
    this.route = path === INDEX ? '/' : `${path.slice(0, path.lastIndexOf('/'))}/:file`;
    this.#isPackable = plain.length >= PACKED_FROM && !DENSE.includes(extension);
  }

  /** Packed when first asked for, once however many ask. */
  async as(coding: Coding | undefined): Promise<Form> {
    if (coding === undefined || !this.#isPackable) return { body: this.plain };
    const packed = this.#packed.get(coding) ?? this.#pack(coding);
    this.#packed.set(coding, packed);
    return packed;
  }

  async #pack(coding: Coding): Promise<Form> {
    const body = await (coding === 'br'
      ? PACK.br(this.plain, PACK_OPTIONS.br)
      : PACK.gzip(this.plain, PACK_OPTIONS.gzip));
    return body.length < this.plain.length ? { body, packedBy: coding } : { body: this.plain };
  }
}

const INDEX = '/index.html';

/** By path, `/` included; none where there is no page yet. Links are not followed, and hidden files are none of it. */
async function readFiles(folder: string): Promise<ReadonlyMap<string, PageFile>> {
  const files = new Map<string, PageFile>();
  for (const entry of await entriesOf(folder)) {
    const file = join(entry.parentPath, entry.name);
    const path = `/${relative(folder, file).split(sep).join('/')}`;
    if (entry.isFile() && !path.includes('/.')) files.set(path, new PageFile(path, await readFile(file)));
  }
  const index = files.get(INDEX);
  return index === undefined ? new Map() : files.set('/', index);
}

async function entriesOf(folder: string): Promise<Awaited<ReturnType<typeof listed>>> {
  try {
    return await listed(folder);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function listed(folder: string) {
  return readdir(folder, { recursive: true, withFileTypes: true });
}
