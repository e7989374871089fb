import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { ensureSearchAttributes } from '../../worker/search-attributes.js';
import { BenchProcess } from './bench-process.js';
import type { CleanUp } from '../clean-up.js';
import { LegWatch } from './leg-watch.js';
import { LoneSimulator } from './lone-simulator.js';
import { CLIENT } from './simulator-process.js';
import { NAMESPACE, startTemporal } from './temporal-server.js';

/** The key of the API under test; nobody else can reach it. */
const API_KEY = 'the-key-of-the-bench';

/** The product in its processes, as in production, and what is compared with it beside it. */
export interface Stage {
  readonly client: Client;
  readonly temporal: { readonly address: string; readonly pid: number; readonly version: string };
  readonly simulator: LoneSimulator;
  /** What the platform tells of legs. */
  readonly legs: LegWatch;
  readonly api: { readonly process: BenchProcess; readonly url: string };
  /** Starts a worker of Earshot's; the settings are those of the environment. */
  readonly startWorker: (settings?: Readonly<Record<string, string>>) => Promise<BenchProcess>;
  /** What the platform saw that must never be. */
  readonly violations: () => Promise<readonly string[]>;
  /** Sends a request to the API as its service. @throws Error on any other answer than 2xx */
  readonly post: (path: string, body: unknown, headers?: Readonly<Record<string, string>>) => Promise<unknown>;
}

/** Temporal, simulator and API; workers are started by who needs them. @param sampleEverySeconds of each leg's media; 0: none */
export async function openStage(cleanUp: CleanUp, sampleEverySeconds = 0): Promise<Stage> {
  const { address, pid } = await startTemporal(cleanUp);
  const native = await NativeConnection.connect({ address });
  await ensureSearchAttributes(native, NAMESPACE);
  await native.close();
  const connection = await Connection.connect({ address });
  cleanUp.add(() => connection.close());
  const { serverVersion } = await connection.workflowService.getSystemInfo({});

  const simulator = await LoneSimulator.start(sampleEverySeconds);
  cleanUp.add(() => simulator.close());
  const legs = await LegWatch.start(simulator, cleanUp);
  const api = await BenchProcess.start(
    {
      name: 'api',
      entry: 'api/main.js',
      env: { PORT: '0', TEMPORAL_ADDRESS: address, API_KEY, RATE_LIMIT_SERVICE: '100000' },
      readyMessage: 'api.ready',
    },
    cleanUp,
  );
  if (api.url === undefined) throw new Error('The API did not say where it answers');
  const { url } = api;
  return {
    client: new Client({ connection, namespace: NAMESPACE }),
    temporal: { address, pid, version: serverVersion },
    simulator,
    legs,
    api: { process: api, url },
    startWorker: (settings = {}) =>
      BenchProcess.start(
        {
          name: 'worker',
          entry: 'worker/main.js',
          env: {
            TEMPORAL_ADDRESS: address,
            PLATFORM_BASE_URL: simulator.url,
            PLATFORM_CLIENT_ID: CLIENT.id,
            PLATFORM_CLIENT_SECRET: CLIENT.secret,
            WORKER_METRICS_PORT: 'off',
            // Nobody may expire for having to wait on a machine that is meant to be busy.
            CONFIRM_TIMEOUT_SECONDS: '600',
            BARGE_WAIT_SECONDS: '600',
            ...settings,
          },
          readyMessage: 'worker.ready',
        },
        cleanUp,
      ),
    violations: async () => {
      const { violations } = await simulator.ledger({ limit: 1 });
      return violations.map(({ rule, detail }) => `${rule} (${detail})`);
    },
    post: async (path, body, headers = {}) => {
      const answer = await fetch(`${url}${path}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${API_KEY}`, ...headers },
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`);
      return answer.json();
    },
  };
}
