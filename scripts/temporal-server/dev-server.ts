import { setTimeout as sleep } from 'node:timers/promises';
import { SEARCH_ATTRIBUTE_NAMES } from '../../domain/workflow-contract.js';

const RETRY_EVERY_MS = 150;
const CALL_LIMIT_MS = 5_000;

/** What the embedded dev server is to be like. */
export interface DevServerOptions {
  readonly port: number;
  /** `undefined`: no page. */
  readonly uiPort: number | undefined;
  readonly namespace: string;
  /** SQLite file; `undefined`: everything is lost when the server ends. */
  readonly database: string | undefined;
}

/** The arguments of `temporal` for the embedded server. */
export function devServerArguments({ port, uiPort, namespace, database }: DevServerOptions): readonly string[] {
  return [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port)],
    ...(uiPort === undefined ? ['--headless'] : ['--ui-port', String(uiPort), '--ui-disable-news-fetch']),
    ...(namespace === 'default' ? [] : ['--namespace', namespace]),
    ...(database === undefined ? [] : ['--db-filename', database]),
    // A write-ahead log is several times faster than SQLite's default; FULL syncs it at every commit, so that what was
    // acknowledged survives a power cut too (invariant 6).
    ...(database === undefined ? [] : ['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=FULL']),
    // Only a new database gets these; the worker registers what an older one lacks.
    ...SEARCH_ATTRIBUTE_NAMES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    // A search attribute registered a moment ago must be usable at once; without eager activities a signal takes
    // twice as long to have its effect.
    ...['--dynamic-config-value', 'system.forceSearchAttributesCacheRefreshOnRead=true'],
    ...['--dynamic-config-value', 'system.enableActivityEagerExecution=true'],
    // A server of one shard hands out what it has queued 20 times a second unless told otherwise: each task of a workflow
    // waits up to 50 ms for that (measured: 48 ms between scheduled and started, 3 ms with this).
    ...['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=2000'],
    // One process needs no more than one partition of a task queue, and each costs work.
    ...['--dynamic-config-value', 'matching.numTaskqueueReadPartitions=1'],
    ...['--dynamic-config-value', 'matching.numTaskqueueWritePartitions=1'],
    ...['--log-level', 'warn', '--log-format', 'json'],
  ];
}

/** Resolves once the server at `address` answers and has the namespace; rejects when `signal` says to give up. */
export async function devServerReady(address: string, namespace: string, signal: AbortSignal): Promise<void> {
  // Loaded here, while the server boots: the client takes a while, and not every start needs it.
  const { Connection } = await import('@temporalio/client');
  for (;;) {
    signal.throwIfAborted();
    // A new one each time: a connection that was refused waits longer and longer before it tries again.
    const connection = Connection.lazy({ address });
    try {
      await connection.withDeadline(Date.now() + CALL_LIMIT_MS, () =>
        connection.workflowService.describeNamespace({ namespace }),
      );
      return;
    } catch {
      await sleep(RETRY_EVERY_MS, undefined, { signal });
    } finally {
      await connection.close();
    }
  }
}
