import { processorMs } from './bench-process.js';

/** What processors were busy with while something was done. */
export interface Effort {
  readonly seconds: number;
  /** Cores, by process. */
  readonly cores: Readonly<Record<string, number>>;
}

/** Measures processes while `work` goes on. */
export async function effortOf(pids: Readonly<Record<string, number>>, work: () => Promise<void>): Promise<Effort> {
  const used = (): readonly (readonly [string, number])[] =>
    Object.entries(pids).map(([name, pid]) => [name, processorMs(pid) ?? Number.NaN]);
  const own = process.cpuUsage();
  const before = new Map(used());
  const since = performance.now();
  await work();
  const ms = performance.now() - since;
  const { user, system } = process.cpuUsage(own);
  return {
    seconds: ms / 1_000,
    cores: {
      ...Object.fromEntries(used().map(([name, after]) => [name, (after - (before.get(name) ?? Number.NaN)) / ms])),
      driver: (user + system) / 1_000 / ms,
    },
  };
}
