import { processorMs } from '../stage/bench-process.js';
import type { PlatformProcess } from './platform-process.js';
import type { ServiceClient } from './service-client.js';

/** A whole product, running, with a platform of its own. */
export interface Contender {
  readonly name: string;
  readonly service: ServiceClient;
  readonly platform: PlatformProcess;
  /** What may be killed; each comes back by itself. */
  readonly victims: readonly string[];
  /** `kill -9`; resolves once another one runs. */
  kill(victim: string): Promise<void>;
  /** Processor time of all its processes so far, ms; not of the platform's. */
  cpuMs(): number;
  close(): Promise<void>;
}

/** How it is set up, the same for all. */
export interface ContenderOptions {
  /** A folder of its own, for its data. */
  readonly folder: string;
  /** From an accepted start to `active`, at most, ms. */
  readonly activationMs: number;
  /** How long a barge waits in line, s. */
  readonly waitSeconds: number;
  readonly sweepSeconds: number;
}

/** Processor time of a process, ms; 0 of one that is gone. */
export function cpuMsOf(pid: number | undefined): number {
  return (pid === undefined ? undefined : processorMs(pid)) ?? 0;
}
