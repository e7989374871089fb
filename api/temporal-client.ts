import { Client, Connection, makeGrpcRetryInterceptor } from '@temporalio/client';
import type { WorkflowClientInterceptor } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import { temporalConfig } from '../directory/temporal-config.js';
import type { ApiSettings } from '../domain/settings.js';
import { Retries } from './retries.js';
import { TemporalTimeout } from './temporal-problem.js';

/** Longest that one call may take before the caller is told that Temporal does not answer, ms. */
const CALL_LIMIT_MS = 5_000;

interface CallOptions {
  /** @default `callLimitMs` of the connection */
  readonly limitMs?: number;
  /** Gives up early: the process stops, or nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
}

/** Temporal as the API uses it: every call has a limit. */
export class Temporal {
  constructor(
    readonly client: Client,
    /** Where sessions and the activities of the API run. */
    readonly taskQueue: string,
    /** How long a call may take, ms. */
    readonly callLimitMs = CALL_LIMIT_MS,
  ) {}

  get namespace(): string {
    return this.client.options.namespace;
  }

  /**
   * Runs calls of the client within a limit.
   * @throws {TemporalTimeout} past it; the signal's reason if that came first; whatever the client throws.
   */
  async call<T>(work: () => Promise<T>, { limitMs = this.callLimitMs, signal }: CallOptions = {}): Promise<T> {
    signal?.throwIfAborted();
    const cut = new AbortController();
    const giveUp = (reason: unknown): void => cut.abort(reason);
    // The SDK's own retries notice a deadline only at their next attempt, up to 5 s late.
    const timer = setTimeout(giveUp, limitMs, new TemporalTimeout(`no answer within ${limitMs} ms`));
    const abandoned = (): void => giveUp(signal?.reason);
    signal?.addEventListener('abort', abandoned, { once: true });
    const gaveUp = new Promise<never>((_resolve, reject) => {
      cut.signal.addEventListener('abort', () => reject(asError(cut.signal.reason)), { once: true });
    });
    try {
      const answer = this.client.withDeadline(Date.now() + limitMs, () =>
        this.client.withAbortSignal(cut.signal, work),
      );
      return await Promise.race([answer, gaveUp]);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abandoned);
    }
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** A connection that is not yet made: it comes up with the first call, and again after every outage. */
export interface LazyConnection {
  readonly client: Client;
  /** For people: `127.0.0.1:7233`. */
  readonly address: string;
  readonly namespace: string;
  /** What the last call that failed came to, as gRPC puts it. */
  readonly lastFailure: () => string | undefined;
  readonly close: () => Promise<void>;
}

/** What all that is sent and read goes through. */
export interface OnTheWay {
  /** Every payload. */
  readonly codec?: PayloadCodec | undefined;
  /** Every call of a workflow. */
  readonly interceptor?: WorkflowClientInterceptor | undefined;
}

/**
 * Prepares the connection from everything that `@temporalio/envconfig` reads: `TEMPORAL_ADDRESS`, `TEMPORAL_API_KEY`,
 * TLS files, the profile of a configuration file. Without an address: the embedded server's.
 *
 * @param through what everything goes through on its way, by default nothing
 * @throws {CannotStart} for a configuration that can't be used.
 */
export function prepareConnection(
  settings: Pick<ApiSettings, 'temporalAddress' | 'temporalPort' | 'temporalNamespace'>,
  { codec, interceptor }: OnTheWay = {},
): LazyConnection {
  const { connectionOptions, namespace = settings.temporalNamespace } = temporalConfig();
  const { apiKey, tls, metadata } = connectionOptions;
  const address = settings.temporalAddress ?? connectionOptions.address ?? `127.0.0.1:${settings.temporalPort}`;
  const retries = new Retries();
  const connection = Connection.lazy({
    address,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(tls === undefined ? {} : { tls }),
    ...(metadata === undefined ? {} : { metadata }),
    interceptors: [makeGrpcRetryInterceptor(retries)],
    // By default a channel rests up to two minutes between attempts, long after Temporal is back.
    channelArgs: { 'grpc.initial_reconnect_backoff_ms': 200, 'grpc.max_reconnect_backoff_ms': 2_000 },
  });
  return {
    client: new Client({
      connection,
      namespace,
      ...(codec === undefined ? {} : { dataConverter: { payloadCodecs: [codec] } }),
      ...(interceptor === undefined ? {} : { interceptors: { workflow: [interceptor] } }),
    }),
    address,
    namespace,
    lastFailure: () => retries.lastFailure,
    close: async () => {
      // A retry that comes due on a closed channel throws where nobody can catch it.
      await retries.end();
      await connection.close();
    },
  };
}
