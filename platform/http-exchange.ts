import type { IncomingHttpHeaders } from 'node:http';
import { Pool } from 'undici';
import { AnswerCollector } from './answer-collector.js';

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** Below the base URL, from its `/` on, percent-encoded, with the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** From the sending to the answer's last byte, ms. */
  readonly answerTimeoutMs: number;
  /** A longer body is not read to its end. */
  readonly maxBodyBytes: number;
  readonly signal?: AbortSignal | undefined;
  /** Not to be written later, wall clock, ms since the epoch. */
  readonly notAfterMs?: number | undefined;
}

/**
 * What one request came to.
 * - `answer`: a status line and headers arrived. `body` is `null` where its bytes did not arrive whole (`bodyFault`
 *   says why): the status still stands.
 * - `failure`: no status arrived. With `sent: false` not a byte of the request was written, so nothing happened.
 */
export type HttpOutcome =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly body: string | null;
      readonly bodyFault: string | null;
    }
  | { readonly kind: 'failure'; readonly sent: boolean; readonly isTimeout: boolean; readonly detail: string };

export type HttpAnswer = Extract<HttpOutcome, { kind: 'answer' }>;

export interface HttpExchangeOptions {
  /** `http:` or `https:`; may have a path, which prefixes every request's. */
  readonly baseUrl: string;
  /** Connections at most; a request beyond waits for one. */
  readonly connections: number;
  /** How long a request may wait for a connection (a free one, or a new one's TCP and TLS), ms. */
  readonly connectMs: number;
}

/**
 * One HTTP exchange at a time per connection, each request written at most once: nothing here retries, follows a
 * redirect or pipelines. It knows whether a request was written, which is what tells a `start` that certainly made no
 * leg from one that may have (`design.md`, invariant 1); undici's `request` does not tell, hence its `dispatch`.
 */
export class HttpExchange {
  readonly #pool: Pool;
  readonly #prefix: string;
  readonly #connectMs: number;
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  /** @throws TypeError where `baseUrl` is no usable URL; the message does not repeat it. */
  constructor({ baseUrl, connections, connectMs }: HttpExchangeOptions) {
    const { origin, pathname } = parseBaseUrl(baseUrl);
    this.#prefix = pathname.replace(/\/+$/, '');
    this.#connectMs = connectMs;
    this.#pool = new Pool(origin, {
      connections,
      pipelining: 1,
      allowH2: false,
      connectTimeout: connectMs,
      // The deadline of each request is its own, from sending to last byte (AnswerCollector); these would only add to it.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /**
   * Sends one request.
   * @throws the reason of `signal`, where that fires first; the request may then have been sent or not.
   */
  async exchange(request: HttpRequest): Promise<HttpOutcome> {
    request.signal?.throwIfAborted();
    if (this.#closed) return { kind: 'failure', sent: false, isTimeout: false, detail: 'this client is closed' };
    const running = this.#dispatch(request);
    this.#running.add(running);
    try {
      const outcome = await running;
      if (outcome === 'aborted') request.signal?.throwIfAborted();
      else return outcome;
    } finally {
      this.#running.delete(running);
    }
    throw new Error('Expected an abort to have a reason');
  }

  /** Lets requests under way finish (each has its deadline), refuses new ones, and drops the connections. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#running);
    await this.#pool.destroy();
  }

  async #dispatch(request: HttpRequest): Promise<HttpOutcome | 'aborted'> {
    const { method, path, headers, body, signal } = request;
    const listening = new AbortController();
    const outcome = await new Promise<HttpOutcome | 'aborted'>((resolve) => {
      const collector = new AnswerCollector(request, this.#connectMs, resolve);
      signal?.addEventListener('abort', () => collector.abort(), { signal: listening.signal });
      this.#pool.dispatch({ method, path: this.#prefix + path, headers, body: body ?? null }, collector);
    });
    listening.abort();
    return outcome;
  }
}

function parseBaseUrl(baseUrl: string): URL {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (
    url === undefined ||
    !['http:', 'https:'].includes(url.protocol) ||
    [url.username, url.password, url.search, url.hash].some((part) => part !== '')
  ) {
    throw new TypeError('Expected `baseUrl` to be an http:// or https:// URL without user name, query or fragment');
  }
  return url;
}
