import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { HttpOutcome, HttpRequest } from './http-exchange.js';

/**
 * Follows one request through undici and settles exactly once: with its answer, its failure, or `aborted`.
 * Two deadlines: `connectMs` until the request is written, then the request's own until the answer is whole. So the
 * time a `start` can be under way is bounded from its sending, however long it had to wait before.
 */
export class AnswerCollector implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest;
  readonly #settle: (outcome: HttpOutcome | 'aborted') => void;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #controller: Dispatcher.DispatchController | undefined;
  #head: { readonly status: number; readonly headers: IncomingHttpHeaders } | undefined;
  #deadline: NodeJS.Timeout;
  #settled = false;

  constructor(request: HttpRequest, connectMs: number, settle: (outcome: HttpOutcome | 'aborted') => void) {
    this.#request = request;
    this.#settle = settle;
    this.#deadline = setTimeout(() => this.#giveUp(`no connection within ${connectMs} ms`), connectMs);
  }

  /** Gives the exchange up: what is not written yet never will be, what is written is cut off. */
  abort(): void {
    this.#end('aborted');
    this.#controller?.abort(new Error('given up'));
  }

  /** undici is about to write the request. From here on it counts as sent. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    const { answerTimeoutMs, notAfterMs = Number.POSITIVE_INFINITY } = this.#request;
    // A timer does not count the time in which its machine was suspended.
    if (Date.now() > notAfterMs) this.#giveUp('its time was over before it could be sent');
    if (this.#settled || this.#controller !== undefined) {
      // Given up while it waited for a connection, or undici would write it again: either way it must not go out.
      controller.abort(new Error('given up'));
      return;
    }
    this.#controller = controller;
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#giveUp(`no complete answer within ${answerTimeoutMs} ms`), answerTimeoutMs);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // 1xx are announcements, the answer is still to come.
    if (status >= 200) this.#head = { status, headers };
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { maxBodyBytes } = this.#request;
    this.#bytes += chunk.length;
    if (this.#bytes > maxBodyBytes) this.#giveUp(`body longer than ${maxBodyBytes} bytes`);
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.#head === undefined) return this.#fail('the answer ended before it began');
    const body = Buffer.concat(this.#chunks).toString('utf8');
    this.#end({ kind: 'answer', ...this.#head, body, bodyFault: null });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(describe(error), /TIMEDOUT|TIMEOUT/.test(codeOf(error)));
  }

  #giveUp(detail: string): void {
    this.#fail(detail, true);
    this.#controller?.abort(new Error('given up'));
  }

  #fail(detail: string, isTimeout = false): void {
    this.#end(
      this.#head === undefined
        ? { kind: 'failure', sent: this.#controller !== undefined, isTimeout, detail }
        : { kind: 'answer', ...this.#head, body: null, bodyFault: detail },
    );
  }

  #end(outcome: HttpOutcome | 'aborted'): void {
    clearTimeout(this.#deadline);
    if (this.#settled) return;
    this.#settled = true;
    this.#settle(outcome);
  }
}

/**
 * Code and message only: other properties of undici's errors hold raw bytes of the answer, which may be a token.
 * The error itself is dropped for the same reason, not even kept as `cause`.
 */
function describe(error: Error): string {
  const code = codeOf(error);
  return error.message === '' ? code : `${code}: ${error.message}`;
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
