import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { aFewAtATime } from './a-few-at-a-time.js';
import type { Contender } from './contest/contender.js';
import type { LegLife } from './stage/simulator-process.js';
import { isAccepted } from './contest/service-client.js';
import type { Action, Answer } from './contest/service-client.js';
import { listen } from './contest/sessions.js';
import type { Listener } from './contest/sessions.js';
import { percentile } from './statistics.js';
import { until } from './until.js';

/** How much is measured. */
export interface LatencyOptions {
  readonly rounds: number;
  /** Commands that are under way at the same time. */
  readonly concurrencies: readonly number[];
  /** Commands of each client in a round, three at a time, by concurrency. */
  readonly triples: (concurrency: number) => number;
  /** Starts in a round, one after the other. */
  readonly starts: number;
  readonly waiting: readonly number[];
  readonly handOvers: number;
}

/** Median over the rounds of each round's percentile, ms. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly samples: number;
}

/** One line of the table: a quantity, by contender. */
export interface LatencyRow {
  readonly title: string;
  readonly unit: 'ms';
  readonly of: Readonly<Record<string, Percentiles>>;
}

/** Processor time of the contender's own processes, ms a command. */
export interface CostRow {
  readonly title: string;
  readonly of: Readonly<Record<string, number>>;
}

export interface LatencyResult {
  readonly rows: readonly LatencyRow[];
  readonly costs: readonly CostRow[];
}

const ACTIONS = ['barge', 'whisper', 'silent'] as const;
/** A machine that is busy with other things may take long. */
const APPLIED_WITHIN_MS = 180_000;
/** Earshot tells those who have moved up a second after a hand-over, on purpose outside of it. */
const PAUSE_MS = 1_300;
const IN_LINE_EVERY_MS = 20;

/**
 * The same commands to each contender, which take turns within each round. Fails loudly where a command is not accepted, or
 * not seen on the platform.
 */
export async function measureLatency(
  contenders: readonly Contender[],
  options: LatencyOptions,
  tell: (line: string) => void,
): Promise<LatencyResult> {
  const times = new Table();
  const costs = new Table();
  const most = Math.max(...options.concurrencies);
  const worlds: World[] = [];
  for (const contender of contenders) {
    tell(`${contender.name}: sessions begin to listen …`);
    worlds.push(await openWorld(contender, most * 2, options.waiting));
  }
  tell('Warming up …');
  for (const world of worlds) await commands(world, Math.min(16, most), 2, new Table(), new Table());

  for (let round = 0; round < options.rounds; round += 1) {
    tell(`Round ${round + 1} of ${options.rounds} …`);
    // Who begins changes, so that nobody always comes first after a pause.
    const order = worlds.map((_, n) => worlds[(n + round) % worlds.length]).filter((one) => one !== undefined);
    for (const concurrency of options.concurrencies) {
      const triples = options.triples(concurrency);
      for (const world of order) {
        tell(`  ${world.contender.name}, ${concurrency} at once …`);
        await commands(world, concurrency, triples, times, costs);
      }
      for (const world of order) await outcomes(world, concurrency, Math.ceil(triples / 2), times);
    }
    for (const world of order) await starts(world, options.starts, times);
    for (const waiting of options.waiting) {
      for (const world of order) await handOvers(world, waiting, options.handOvers, times);
    }
    times.endRound();
    costs.endRound();
  }
  return { rows: times.rows(), costs: costs.means() };
}

interface World {
  readonly contender: Contender;
  /** Each on a call of its own. */
  readonly listeners: readonly Listener[];
  /** By how many wait; the first speaks. */
  readonly lines: ReadonlyMap<number, Line>;
}

interface Line {
  readonly everybody: readonly Listener[];
  holder: Listener;
}

async function openWorld(contender: Contender, count: number, sizes: readonly number[]): Promise<World> {
  const { platform, service } = contender;
  const listeners = await aFewAtATime(Array.from({ length: count }), async () =>
    listen(contender, await platform.call(), 'anna'),
  );
  const lines = new Map<number, Line>();
  for (const size of sizes) {
    const interactionId = await platform.call();
    const names = Array.from({ length: size + 1 }, (_, n) => `supervisor-${n}`);
    const everybody = await aFewAtATime(names, (name) => listen(contender, interactionId, name));
    const [first, ...others] = everybody;
    if (first === undefined) throw new Error('Expected a speaker, got none');
    const speaks = platform.next('the first speaks', APPLIED_WITHIN_MS, isIn(first, 'barge'));
    expectAccepted(contender, 'barge', await service.command(first.sessionId, 'barge'));
    await speaks;
    for (const other of others) await queueUp(contender, other);
    lines.set(size, { everybody, holder: first });
  }
  return { contender, listeners, lines };
}

/** Clients that each send one command after the other, of two sessions in turn, and wait for nothing but that it is done. */
async function commands(
  { contender, listeners }: World,
  concurrency: number,
  triples: number,
  times: Table,
  costs: Table,
): Promise<void> {
  const { platform, service, name } = contender;
  const sent: { leg: string; action: string; atMs: number; acceptedMs: number }[] = [];
  const cpuBeforeMs = contender.cpuMs();
  const client = async (n: number): Promise<void> => {
    const both = listeners.slice(2 * n, 2 * n + 2);
    for (let triple = 0; triple < triples; triple += 1) {
      for (const action of ACTIONS) {
        for (const { sessionId, leg, interactionId } of both) {
          const isDone = isIn({ leg }, action);
          const applied = platform.next(`${action} of ${name}`, APPLIED_WITHIN_MS, isDone);
          // It is looked at below; until then it must not fail the process.
          applied.catch(() => undefined);
          const atMs = Date.now();
          const sinceMs = performance.now();
          const answer = await service.command(sessionId, action);
          const acceptedMs = performance.now() - sinceMs;
          expectAccepted(contender, `${action} on ${interactionId}`, answer);
          await applied.catch(async (error: unknown) => {
            const shown = JSON.stringify(await service.session(sessionId));
            throw new Error(`${concurrency} at once, ${JSON.stringify(answer.body)}, ${shown}`, { cause: error });
          });
          sent.push({ leg, action, atMs, acceptedMs });
        }
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, n) => client(n)));
  const cpuMs = contender.cpuMs() - cpuBeforeMs;

  const { legs } = await platform.ledger({ limit: 1 });
  const lives = new Map(legs.map((life) => [life.monitorSessionId, life]));
  const title = `command, ${concurrency} at once`;
  for (const { leg, action, atMs, acceptedMs } of sent) {
    const appliedAtMs = appliedAt(lives.get(leg), action, atMs);
    if (appliedAtMs === undefined) throw new Error(`${name}: ${action} of ${leg} is not in the platform's ledger`);
    times.add(`${title}: sent → applied on the platform`, name, appliedAtMs - atMs);
    times.add(`${title}: sent → accepted (2xx)`, name, acceptedMs);
  }
  costs.add(`${title}: CPU ms a command`, name, cpuMs / sent.length);
}

/** The same, as a caller who wants to know what came of it: `Prefer: wait`. */
async function outcomes({ contender, listeners }: World, concurrency: number, triples: number, times: Table) {
  const { service, name } = contender;
  const client = async ({ sessionId }: Listener): Promise<void> => {
    for (let triple = 0; triple < triples; triple += 1) {
      for (const action of ACTIONS) {
        const sinceMs = performance.now();
        const commandId = randomUUID();
        let answer = await service.command(sessionId, action, { commandId, wait: 20 });
        // A repeat waits on; on a machine that is busy with other things it takes one.
        while (answer.status === 202) answer = await service.command(sessionId, action, { commandId, wait: 20 });
        const tookMs = performance.now() - sinceMs;
        if (answer.status !== 200) throw new Error(`${name}: no outcome of ${action}: ${JSON.stringify(answer)}`);
        times.add(`command, ${concurrency} at once: sent → outcome answered`, name, tookMs);
      }
    }
  };
  await Promise.all(listeners.slice(0, concurrency).map(client));
}

/** From just before `POST /v1/sessions` until the platform has the start. */
async function starts({ contender }: World, count: number, times: Table): Promise<void> {
  const { platform, service, name } = contender;
  const ended: Listener[] = [];
  for (let n = 0; n < count; n += 1) {
    const interactionId = await platform.call();
    const made = platform.next(`the leg of ${name}`, APPLIED_WITHIN_MS, (news) => news.interactionId === interactionId);
    const atMs = Date.now();
    const sinceMs = performance.now();
    expectAccepted(contender, 'start', await service.start(interactionId, 'anna'));
    times.add('POST /v1/sessions: sent → accepted (2xx)', name, performance.now() - sinceMs);
    const { monitorSessionId: leg } = await made;
    const { requests } = await platform.ledger({ interactionId, action: 'start' });
    const [start, second] = requests;
    if (start === undefined || second !== undefined)
      throw new Error(`${name}: Expected one start, got ${requests.length}`);
    times.add('POST /v1/sessions: sent → platform has the start', name, Date.parse(start.at) - atMs);
    ended.push({ interactionId, sessionId: `session~${interactionId}~anna`, leg });
  }
  for (const { sessionId, leg } of ended) {
    const gone = platform.next(`stop of ${name}`, APPLIED_WITHIN_MS, isOver(leg));
    expectAccepted(contender, 'stop', await service.command(sessionId, 'stop'));
    await gone;
  }
}

/** From just before the holder sends `silent` until the platform lets the next one speak; and how long nobody spoke. */
async function handOvers({ contender, lines }: World, waiting: number, count: number, times: Table): Promise<void> {
  const { platform, service, name } = contender;
  const line = lines.get(waiting);
  if (line === undefined) throw new Error(`Expected a line of ${waiting}, got none`);
  for (let n = 0; n < count; n += 1) {
    const former = line.holder;
    const { interactionId } = former;
    const next = platform.next(
      `the next of ${waiting} of ${name} speaks`,
      APPLIED_WITHIN_MS,
      (news) => news.interactionId === interactionId && news.mode === 'barge' && news.monitorSessionId !== former.leg,
    );
    const atMs = Date.now();
    expectAccepted(contender, 'silent', await service.command(former.sessionId, 'silent'));
    const { monitorSessionId: leg } = await next;
    const { legs } = await platform.ledger({ interactionId, limit: 1 });
    const lifeOf = (id: string): LegLife | undefined => legs.find(({ monitorSessionId }) => monitorSessionId === id);
    const silentAtMs = appliedAt(lifeOf(former.leg), 'silent', atMs);
    const speaksAtMs = appliedAt(lifeOf(leg), 'barge', atMs);
    const holder = line.everybody.find((one) => one.leg === leg);
    if (silentAtMs === undefined || speaksAtMs === undefined || holder === undefined)
      throw new Error(`${name}: the ledger does not have the hand-over`);
    times.add(`hand-over, ${waiting} waiting: silent sent → next one speaks`, name, speaksAtMs - atMs);
    times.add(`hand-over, ${waiting} waiting: nobody speaks`, name, speaksAtMs - silentAtMs);
    line.holder = holder;
    await queueUp(contender, former);
    await sleep(PAUSE_MS);
  }
}

async function queueUp(contender: Contender, { sessionId }: Listener): Promise<void> {
  expectAccepted(contender, 'barge', await contender.service.command(sessionId, 'barge'));
  await until(`${sessionId} of ${contender.name} is in line`, IN_LINE_EVERY_MS, async () => {
    const session = await contender.service.session(sessionId);
    return session?.waiting === null || session === undefined ? undefined : true;
  });
}

function isIn({ leg }: { readonly leg: string }, mode: Action) {
  return (news: { monitorSessionId: string; mode: string }): boolean =>
    news.monitorSessionId === leg && news.mode === mode;
}

function isOver(leg: string) {
  return (news: { monitorSessionId: string; status: string }): boolean =>
    news.monitorSessionId === leg && news.status === 'terminated';
}

/** When the leg was put into the mode, the first time since. */
function appliedAt(life: LegLife | undefined, mode: string, sinceMs: number): number | undefined {
  const change = life?.modes.find((one) => one.mode === mode && Date.parse(one.at) >= sinceMs);
  return change === undefined ? undefined : Date.parse(change.at);
}

function expectAccepted({ name }: Contender, what: string, answer: Answer): void {
  if (!isAccepted(answer)) throw new Error(`${name}: ${what} answered ${answer.status} ${JSON.stringify(answer.body)}`);
}

/** Samples by quantity and contender, round by round. */
class Table {
  readonly #rounds = new Map<string, Map<string, number[][]>>();
  #open = new Map<string, Map<string, number[]>>();

  add(title: string, contender: string, value: number): void {
    const row = this.#open.get(title) ?? new Map<string, number[]>();
    this.#open.set(title, row);
    const samples = row.get(contender) ?? [];
    row.set(contender, samples);
    samples.push(value);
  }

  endRound(): void {
    for (const [title, row] of this.#open) {
      const all = this.#rounds.get(title) ?? new Map<string, number[][]>();
      this.#rounds.set(title, all);
      for (const [contender, samples] of row) all.set(contender, [...(all.get(contender) ?? []), samples]);
    }
    this.#open = new Map();
  }

  rows(): LatencyRow[] {
    return [...this.#rounds].map(([title, row]) => ({
      title,
      unit: 'ms',
      of: Object.fromEntries([...row].map(([contender, rounds]) => [contender, percentilesOf(rounds)])),
    }));
  }

  means(): CostRow[] {
    const mean = (samples: readonly number[]): number => samples.reduce((sum, one) => sum + one, 0) / samples.length;
    return [...this.#rounds].map(([title, row]) => ({
      title,
      of: Object.fromEntries([...row].map(([contender, rounds]) => [contender, percentile(rounds.map(mean), 50)])),
    }));
  }
}

function percentilesOf(rounds: readonly (readonly number[])[]): Percentiles {
  const of = (percent: number): number =>
    percentile(
      rounds.map((samples) => percentile(samples, percent)),
      50,
    );
  const samples = rounds.reduce((sum, one) => sum + one.length, 0);
  return { p50: of(50), p95: of(95), p99: of(99), samples };
}
