import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { aFewAtATime } from './a-few-at-a-time.js';
import type { Contender } from './contest/contender.js';
import type { Ledger } from './stage/simulator-process.js';
import { isAccepted, isFinal } from './contest/service-client.js';
import type { Action } from './contest/service-client.js';
import { listen } from './contest/sessions.js';
import type { Listener } from './contest/sessions.js';

/** How much goes wrong. */
export interface FaultOptions {
  /** Processes killed in the midst of a request, over all victims and steps. */
  readonly kills: number;
  /** Lines whose hand-over is cut off, by each victim. */
  readonly lines: number;
  /** Of which a fifth lose their answers. */
  readonly starts: number;
  /** Calls that end at once. */
  readonly ends: number;
  /** That live through the outage. */
  readonly sessions: number;
  readonly outageSeconds: number;
  /** Orphans are looked for round by round; who has not found one by then has left it behind. */
  readonly graceSeconds: number;
}

/** What was counted, by its name. */
export type Counts = Readonly<Record<string, number>>;

export interface FaultRow {
  readonly scenario: string;
  readonly of: Readonly<Record<string, Counts>>;
}

type Scenario = (contender: Contender, options: FaultOptions) => Promise<Counts>;

const LIVES_AT_ONCE = 4;
/** The request is with the platform for so long, ms. */
const HELD_MS = 1_500;
const STEP_WITHIN_MS = 20_000;
/** A caller repeats what is not accepted, and waits for what is, as long as this, ms. */
const PATIENCE_MS = 150_000;
const AGAIN_MS = 250;
const SPEAKS_WITHIN_MS = 45_000;
const ON_ONE_CALL = 4;
const IN_LINE = 5;
const LATE_MS = 3_000;
/** As `test/faults/check-platform.ts` has it, ms. */
const SILENCED_WITHIN_MS = 14_000;

/** Faults whose effects are waited for: all contenders at once, for counts do not depend on the machine. */
const TOGETHER: readonly (readonly [string, Scenario])[] = [
  ['kill -9 with requests in flight', kills],
  ['kill -9 during a hand-over, five waiting', lines],
  [
    'starts whose answers are lost',
    (contender, { starts, graceSeconds }) => lostStarts(contender, starts, 0, graceSeconds),
  ],
  [
    `starts whose answers are lost, carried out ${LATE_MS / 1_000} s later`,
    (contender, { starts, graceSeconds }) => lostStarts(contender, Math.ceil(starts / 2), LATE_MS, graceSeconds),
  ],
  [`barges whose answers are lost, carried out ${LATE_MS / 1_000} s later, and then silent`, lateBarges],
];

/** What loads the machine: one after the other. */
const APART: readonly (readonly [string, Scenario])[] = [
  [
    'calls that end within a second',
    (contender, { ends, graceSeconds }) => manyEnds(contender, ends, true, graceSeconds),
  ],
  [
    'the same, every event lost',
    (contender, { ends, graceSeconds }) => manyEnds(contender, Math.max(10, Math.ceil(ends / 10)), false, graceSeconds),
  ],
  ['the platform answers 503 for a while', outage],
];

/** Plays the same faults to each contender and counts, on the platform's ledger, what is lost. */
export async function measureFaults(
  contenders: readonly Contender[],
  options: FaultOptions,
  tell: (line: string) => void,
): Promise<readonly FaultRow[]> {
  const rows: FaultRow[] = [];
  for (const [scenario, play] of TOGETHER) {
    tell(`${scenario} …`);
    const counts = await Promise.all(
      contenders.map(async (one) => {
        const result = await played(one, options, play);
        tell(`  ${one.name}: ${JSON.stringify(result)}`);
        return [one.name, result] as const;
      }),
    );
    rows.push({ scenario, of: Object.fromEntries(counts) });
  }
  for (const [scenario, play] of APART) {
    tell(`${scenario} …`);
    const counts: [string, Counts][] = [];
    for (const one of contenders) {
      const result = await played(one, options, play);
      tell(`  ${one.name}: ${JSON.stringify(result)}`);
      counts.push([one.name, result]);
    }
    rows.push({ scenario, of: Object.fromEntries(counts) });
  }
  return rows;
}

async function played(contender: Contender, options: FaultOptions, play: Scenario): Promise<Counts> {
  const before = (await contender.platform.ledger({ limit: 1 })).violations.length;
  try {
    const counts = await play(contender, options);
    const { violations } = await contender.platform.ledger({ limit: 1 });
    return { ...counts, 'violations seen by the platform': violations.length - before };
  } finally {
    await contender.platform.control('clear-faults');
    await contender.platform.control('set-event-faults');
  }
}

/** A command that got its `2xx`. */
interface Accepted {
  readonly sessionId: string;
  readonly action: Action;
  readonly commandId: string;
}

/** What a caller goes through: repeats what is not accepted, and keeps what is. */
class Caller {
  readonly accepted: Accepted[] = [];
  /** Not accepted, and sent again. */
  repeats = 0;
  /** Given up. */
  refused = 0;

  constructor(readonly contender: Contender) {}

  /** Whether it was accepted. */
  async start(interactionId: string, supervisorId: string): Promise<boolean> {
    return this.#persist(() => this.contender.service.start(interactionId, supervisorId));
  }

  /** `undefined`: refused, as the session is over. */
  async send(sessionId: string, action: Action): Promise<Accepted | undefined> {
    const commandId = randomUUID();
    if (!(await this.#persist(() => this.contender.service.command(sessionId, action, { commandId }))))
      return undefined;
    const accepted = { sessionId, action, commandId };
    this.accepted.push(accepted);
    return accepted;
  }

  /** The command's final status; `lost` where there is none. */
  async outcome({ sessionId, commandId }: Accepted, limitMs = PATIENCE_MS): Promise<string> {
    let status = 'lost';
    await within(limitMs, async () => {
      const command = await this.contender.service.outcome(sessionId, commandId);
      if (command === undefined || command === 'unknown' || !isFinal(command)) return false;
      status = command.status;
      return true;
    });
    return status;
  }

  async #persist(ask: () => Promise<{ status: number; body: unknown }>): Promise<boolean> {
    const done = await within(PATIENCE_MS, async () => {
      const answer = await ask();
      if (isAccepted(answer)) return 'accepted';
      const isForGood = answer.status === 404 || (answer.status === 409 && !isLater(answer.body));
      if (!isForGood) this.repeats += 1;
      return isForGood ? 'refused' : false;
    });
    if (done !== 'accepted') this.refused += 1;
    return done === 'accepted';
  }
}

/** `409`s that go by. */
function isLater(body: unknown): boolean {
  const text = JSON.stringify(body);
  return text.includes('session.pending') || text.includes('session.ending');
}

/** Accepted commands that nobody knows of any more, or that are said to be applied and are not on the ledger. */
async function lostOf(caller: Caller, commands: readonly Accepted[], legsOf: (sessionId: string) => Ledger['legs']) {
  let lost = 0;
  for (const one of commands) {
    const status = await caller.outcome(one, 5_000);
    const legs = legsOf(one.sessionId);
    const isOnLedger =
      one.action === 'stop'
        ? legs.every(({ endedAt }) => endedAt !== null)
        : legs.some(({ modes }) => modes.some(({ mode }) => mode === one.action));
    if (status === 'lost' || (status === 'applied' && !isOnLedger)) lost += 1;
  }
  return lost;
}

const STEPS = (['start', 'state', 'barge', 'whisper', 'silent', 'stop'] as const).flatMap((action) =>
  (['execution', 'answer'] as const).map((before) => ({ action, before })),
);

/** As `test/faults/kills.test.ts`: lives from start to stop, and at each step somebody is killed. */
async function kills(contender: Contender, { kills: count, graceSeconds }: FaultOptions): Promise<Counts> {
  const { platform, service, victims } = contender;
  const caller = new Caller(contender);
  const lives: { interactionId: string; sessionId: string }[] = [];
  let isOver = false;
  let stuck = 0;
  const live = async (): Promise<void> => {
    while (!isOver) {
      const interactionId = await platform.call();
      const sessionId = `session~${interactionId}~anna`;
      lives.push({ interactionId, sessionId });
      if (!(await caller.start(interactionId, 'anna'))) continue;
      const state = await within(PATIENCE_MS, async () => {
        const session = await service.session(sessionId);
        return session !== undefined && session.state !== 'PENDING' && session.state;
      });
      if (state === false) stuck += 1;
      if (state === false || state === 'TERMINATED') continue;
      for (const action of ['barge', 'whisper', 'silent', 'stop'] as const) {
        const accepted = await caller.send(sessionId, action);
        if (accepted === undefined) break;
        await caller.outcome(accepted);
      }
    }
  };
  const living = Promise.all(Array.from({ length: LIVES_AT_ONCE }, live));
  // It is looked at below; until then it must not fail the process.
  living.catch(() => undefined);
  let inTheMiddle = 0;
  for (let n = 0; n < count; n += 1) {
    const step = STEPS[(n * (count < STEPS.length ? 5 : 1)) % STEPS.length];
    const victim = victims[(n + Math.floor(n / STEPS.length)) % victims.length];
    if (step === undefined || victim === undefined) throw new Error('Expected a step and a victim');
    if (await killDuring(contender, { action: step.action }, step.before, victim)) inTheMiddle += 1;
  }
  isOver = true;
  await living;
  await sleep(HELD_MS * 2);

  const ledger = await settled(contender, lives, graceSeconds);
  const legsOn = (interactionId: string) => ledger.legs.filter((leg) => leg.interactionId === interactionId);
  const legsOf = (sessionId: string) => legsOn(sessionId.split('~')[1] ?? '');
  return {
    kills: count,
    'of which in the midst of a request': inTheMiddle,
    sessions: lives.length,
    'commands accepted': caller.accepted.length,
    'sent again by the caller': caller.repeats,
    'given up by the caller': caller.refused,
    'accepted and lost': await lostOf(caller, caller.accepted, legsOf),
    'sessions stuck in PENDING': stuck,
    'legs made twice': lives.reduce((sum, { interactionId }) => sum + Math.max(0, legsOn(interactionId).length - 1), 0),
    'legs left behind': ledger.live,
    'two speakers at once': twoAtOnce(ledger.legs),
  };
}

/** Holds a request at the platform, and kills while it is there; whether one was. */
async function killDuring(
  { platform, ...contender }: Contender,
  match: object,
  before: 'execution' | 'answer',
  victim: string,
): Promise<boolean> {
  const fault = await platform.control('add-fault', {
    match,
    effect: { kind: 'delay', ms: HELD_MS, before },
    times: 1,
  });
  const id = typeof fault === 'object' && fault !== null && 'id' in fault ? fault.id : undefined;
  const isHit = await within(STEP_WITHIN_MS, async () => {
    const left = await platform.faults();
    return !left.some((one) => one.id === id && one.hits === 0);
  });
  if (!isHit) await platform.control('remove-fault', { id });
  await contender.kill(victim);
  return isHit;
}

/** One speaks, five wait, and who passes the channel on is killed; then each that speaks goes silent again. */
async function lines(contender: Contender, { lines: perVictim, graceSeconds }: FaultOptions): Promise<Counts> {
  const { platform, victims } = contender;
  const caller = new Caller(contender);
  const counts = { queued: 0, spoke: 0, expired: 0, lost: 0, overtaken: 0, locked: 0, live: 0, two: 0 };
  for (const victim of victims.flatMap((one) => Array.from({ length: perVictim }, () => one))) {
    const interactionId = await platform.call();
    const everybody: Listener[] = [];
    for (let n = 0; n <= IN_LINE; n += 1) everybody.push(await listen(contender, interactionId, `supervisor-${n}`));
    const inLine: Accepted[] = [];
    for (const { sessionId } of everybody) {
      const accepted = await caller.send(sessionId, 'barge');
      if (accepted !== undefined) inLine.push(accepted);
      await inLineOrSpeaking(contender, sessionId);
    }
    const [first, ...waiting] = everybody;
    if (first === undefined) throw new Error('Expected a speaker, got none');
    const isKilled = killDuring(contender, { action: 'barge', interactionId }, 'execution', victim);
    await caller.send(first.sessionId, 'silent');
    await isKilled;

    const done = new Set([first.leg]);
    const order: string[] = [];
    await within(SPEAKS_WITHIN_MS + HELD_MS, async () => {
      const { legs } = await platform.ledger({ interactionId, limit: 1 });
      const speaker = legs.find(({ modes }) => modes.at(-1)?.mode === 'barge');
      const who = everybody.find(({ leg }) => leg === speaker?.monitorSessionId);
      if (who !== undefined && !done.has(who.leg)) {
        done.add(who.leg);
        order.push(who.leg);
        await caller.send(who.sessionId, 'silent');
      }
      return done.size === everybody.length;
    });
    for (const accepted of inLine.slice(1)) {
      const status = await caller.outcome(accepted, 30_000);
      const leg = everybody.find(({ sessionId }) => sessionId === accepted.sessionId)?.leg;
      const hasSpoken = leg !== undefined && order.includes(leg);
      if (hasSpoken) counts.spoke += 1;
      if (status === 'expired' && !hasSpoken) counts.expired += 1;
      if (status === 'lost' || (status === 'applied' && !hasSpoken)) counts.lost += 1;
    }
    counts.queued += inLine.length - 1;
    const wanted = waiting.map(({ leg }) => leg).filter((leg) => order.includes(leg));
    counts.overtaken += wanted.filter((leg, place) => order[place] !== leg).length;

    for (const { sessionId } of everybody) await caller.send(sessionId, 'silent');
    const zoe = await listen(contender, interactionId, 'zoe');
    const barge = await caller.send(zoe.sessionId, 'barge');
    if (barge === undefined || (await caller.outcome(barge, SPEAKS_WITHIN_MS)) !== 'applied') counts.locked += 1;
    for (const { sessionId } of [...everybody, zoe]) await caller.send(sessionId, 'stop');
    const { legs, live } = await settled(contender, [{ interactionId }], graceSeconds);
    counts.live += live;
    counts.two += twoAtOnce(legs);
  }
  return {
    kills: victims.length * perVictim,
    'accepted into the line': counts.queued,
    'spoke in their turn': counts.spoke,
    'told that they had waited in vain': counts.expired,
    'accepted and lost': counts.lost,
    overtaken: counts.overtaken,
    'sent again by the caller': caller.repeats,
    'channels locked': counts.locked,
    'legs left behind': counts.live,
    'two speakers at once': counts.two,
  };
}

async function inLineOrSpeaking({ service }: Contender, sessionId: string): Promise<void> {
  await within(SPEAKS_WITHIN_MS, async () => {
    const session = await service.session(sessionId);
    return session?.state === 'BARGE' || (session !== undefined && session.waiting !== null);
  });
}

/** As `test/faults/lost-starts.test.ts`: several on the same call at the same time. */
async function lostStarts(
  contender: Contender,
  count: number,
  executeAfterMs: number,
  graceSeconds: number,
): Promise<Counts> {
  const { platform, service } = contender;
  const caller = new Caller(contender);
  await platform.control('add-fault', {
    match: { action: 'start' },
    effect: { kind: 'lost-answer', executeAfterMs },
    probability: 0.2,
  });
  const calls: string[] = [];
  for (let n = 0; n < Math.ceil(count / ON_ONE_CALL); n += 1) calls.push(await platform.call());
  const wanted = calls
    .flatMap((interactionId) => Array.from({ length: ON_ONE_CALL }, (_, n) => ({ interactionId, name: `s-${n}` })))
    .slice(0, count);
  const owned: (string | null)[] = [];
  let failed = 0;
  await Promise.all(
    chunks(wanted, 8).map(async (some) => {
      for (const { interactionId, name } of some) {
        const sessionId = `session~${interactionId}~${name}`;
        await caller.start(interactionId, name);
        const session = await within(PATIENCE_MS, async () => {
          const now = await service.session(sessionId);
          return now !== undefined && now.state !== 'PENDING' && now;
        });
        if (session !== false && session.state === 'SILENT') owned.push(session.monitorSessionId);
        else failed += 1;
      }
    }),
  );
  await platform.control('clear-faults');
  // What is late is there by now.
  await sleep(executeAfterMs + HELD_MS);
  const { legs: made } = await platform.ledger({ limit: 1 });
  const mine = made.filter(({ interactionId }) => calls.includes(interactionId));
  for (const { interactionId, name } of wanted) await caller.send(`session~${interactionId}~${name}`, 'stop');
  const { live } = await settled(
    contender,
    calls.map((interactionId) => ({ interactionId })),
    graceSeconds,
  );
  let lost = 0;
  for (const interactionId of calls) {
    const { requests } = await platform.ledger({ interactionId, action: 'start' });
    lost += requests.filter(({ status }) => status === 'lost').length;
  }
  return {
    starts: count,
    'answers lost': lost,
    'sessions that did not come about': failed,
    'legs made twice': mine.length - new Set(owned).size,
    'legs that two sessions have': owned.length - new Set(owned).size,
    'sent again by the caller': caller.repeats,
    'legs left behind': live,
  };
}

/**
 * Who speaks without the right to (`test/faults/check-platform.ts`): a barge that takes effect behind a `silent` that was
 * applied, longer than Earshot gives itself to notice.
 */
async function lateBarges(contender: Contender, { sessions: count, graceSeconds }: FaultOptions): Promise<Counts> {
  const { platform, service } = contender;
  const caller = new Caller(contender);
  const all = await aFewAtATime(Array.from({ length: count }), async () =>
    listen(contender, await platform.call(), 'anna'),
  );
  for (const { interactionId } of all) {
    const effect = { kind: 'lost-answer', executeAfterMs: LATE_MS };
    await platform.control('add-fault', { match: { action: 'barge', interactionId }, effect });
  }
  const unsure = await Promise.all(
    all.map(async ({ sessionId }) => {
      const barge = await caller.send(sessionId, 'barge');
      const silent = await caller.send(sessionId, 'silent');
      if (barge !== undefined) await caller.outcome(barge);
      return silent === undefined || (await caller.outcome(silent)) !== 'applied';
    }),
  );
  await sleep(LATE_MS + SILENCED_WITHIN_MS);
  const { legs } = await platform.ledger({ limit: 1 });
  const speaking = all.filter(({ leg }) => {
    const life = legs.find(({ monitorSessionId }) => monitorSessionId === leg);
    return life !== undefined && life.endedAt === null && life.modes.at(-1)?.mode !== 'silent';
  });
  let unnoticed = 0;
  for (const { sessionId } of speaking) if ((await service.session(sessionId))?.state === 'SILENT') unnoticed += 1;
  for (const { sessionId } of all) await caller.send(sessionId, 'stop');
  const { live } = await settled(contender, all, graceSeconds);
  return {
    sessions: count,
    'silent commands not applied': unsure.filter(Boolean).length,
    'legs that speak after all': speaking.length,
    'of which their sessions show SILENT': unnoticed,
    'sent again by the caller': caller.repeats,
    'legs left behind': live,
  };
}

/** As `test/faults/ends.test.ts`. */
async function manyEnds(contender: Contender, count: number, areTold: boolean, graceSeconds: number): Promise<Counts> {
  const { platform, service } = contender;
  if (!areTold)
    await platform.control('set-event-faults', {
      dropProbability: 1,
      topics: ['interaction.telephony.ended', 'interaction.telephony.monitor'],
    });
  const calls: string[] = [];
  for (let n = 0; n < count; n += 1) calls.push(await platform.call());
  await Promise.all(
    chunks(calls, 16).map(async (some) => {
      for (const interactionId of some) await listen(contender, interactionId, 'anna');
    }),
  );
  const sinceMs = performance.now();
  await Promise.all(
    chunks(calls, 16).map(async (some) => {
      for (const interactionId of some) await platform.control('end-interaction', { interactionId });
    }),
  );
  const endedWithinMs = performance.now() - sinceMs;
  const open = new Set(calls);
  let slowestMs = 0;
  await within(graceSeconds * 1_000, async () => {
    await aFewAtATime([...open], async (interactionId) => {
      const askedAtMs = performance.now();
      const session = await service.session(`session~${interactionId}~anna`);
      slowestMs = Math.max(slowestMs, performance.now() - askedAtMs);
      if (session?.state === 'TERMINATED') open.delete(interactionId);
    });
    return open.size === 0;
  });
  const allOverMs = performance.now() - sinceMs;
  const { live } = await settled(
    contender,
    calls.map((interactionId) => ({ interactionId })),
    graceSeconds,
  );
  return {
    calls: count,
    'ended within, ms': Math.round(endedWithinMs),
    'all sessions over after, ms': Math.round(allOverMs),
    'slowest GET meanwhile, ms': Math.round(slowestMs),
    'sessions that go on': open.size,
    'legs left behind': live,
  };
}

/** As `test/faults/bad-days.test.ts`: a third is to stop, a third to whisper, and five begin. */
async function outage(
  contender: Contender,
  { sessions: count, outageSeconds, graceSeconds }: FaultOptions,
): Promise<Counts> {
  const { platform, service } = contender;
  const caller = new Caller(contender);
  const calls: string[] = [];
  const all = await aFewAtATime(Array.from({ length: count }), async () => {
    const interactionId = await platform.call();
    calls.push(interactionId);
    return listen(contender, interactionId, 'anna');
  });
  const third = (part: number): Listener[] => all.filter((_, n) => n % 3 === part);
  await platform.control('add-fault', { match: {}, effect: { kind: 'status', status: 503 }, times: 1_000_000 });
  const since = (await platform.ledger({ limit: 10_000 })).nextSince;
  const lastBefore = await lastSeq(contender, since);
  const begun: string[] = [];
  for (let n = 0; n < 5; n += 1) begun.push(await platform.call());
  const asked = Promise.all([
    ...third(0).map(({ sessionId }) => caller.send(sessionId, 'stop')),
    ...third(1).map(({ sessionId }) => caller.send(sessionId, 'whisper')),
    ...begun.map((interactionId) => caller.start(interactionId, 'anna')),
  ]);
  asked.catch(() => undefined);
  await sleep(outageSeconds * 1_000);
  const requests = (await lastSeq(contender, lastBefore)) - lastBefore;
  await platform.control('clear-faults');
  const sinceMs = performance.now();
  await asked;

  const outcomes = await Promise.all(caller.accepted.map((one) => caller.outcome(one)));
  let failedStarts = 0;
  for (const interactionId of begun) {
    const state = await within(PATIENCE_MS, async () => {
      const session = await service.session(`session~${interactionId}~anna`);
      return session !== undefined && session.state !== 'PENDING' && session.state;
    });
    if (state !== 'SILENT') failedStarts += 1;
  }
  let lostSessions = 0;
  for (const { sessionId } of [...third(1), ...third(2)]) {
    const accepted = await caller.send(sessionId, 'silent');
    if (accepted === undefined || (await caller.outcome(accepted)) !== 'applied') lostSessions += 1;
  }
  const normalAfterMs = performance.now() - sinceMs;
  const during = caller.accepted.slice(0, outcomes.length);
  const { legs } = await platform.ledger({ limit: 1 });
  const legsOf = (sessionId: string) => legs.filter(({ interactionId }) => sessionId.includes(interactionId));
  const lost = await lostOf(caller, during, legsOf);
  for (const interactionId of [...calls, ...begun]) await caller.send(`session~${interactionId}~anna`, 'stop');
  const rest = await settled(
    contender,
    [...calls, ...begun].map((interactionId) => ({ interactionId })),
    graceSeconds,
  );
  return {
    'outage, s': outageSeconds,
    sessions: count,
    'commands accepted': during.length,
    'accepted and told that they failed': outcomes.filter((status) => status !== 'applied' && status !== 'lost').length,
    'accepted and lost': lost,
    'sent again by the caller': caller.repeats,
    'requests a second during it': Math.round((requests / outageSeconds) * 10) / 10,
    'normal after, ms': Math.round(normalAfterMs),
    'sessions lost': lostSessions,
    'starts that came to nothing': failedStarts,
    'legs made twice': begun.reduce(
      (sum, id) => sum + Math.max(0, rest.legs.filter((leg) => leg.interactionId === id).length - 1),
      0,
    ),
    'legs left behind': rest.live,
  };
}

/** The number of the newest request. */
async function lastSeq({ platform }: Contender, since: number): Promise<number> {
  for (let last = since; ;) {
    const { nextSince } = await platform.ledger({ since: last, limit: 10_000 });
    if (nextSince === last) return last;
    last = nextSince;
  }
}

/** Waits until no leg of the calls is live, or for as long as anybody may take to find one that is left. */
async function settled(
  { platform }: Contender,
  calls: readonly { readonly interactionId: string }[],
  graceSeconds: number,
): Promise<{ readonly legs: Ledger['legs']; readonly live: number }> {
  const ids = new Set(calls.map(({ interactionId }) => interactionId));
  let legs: Ledger['legs'] = [];
  const live = (): Ledger['legs'] => legs.filter(({ endedAt }) => endedAt === null);
  await within(graceSeconds * 1_000, async () => {
    legs = (await platform.ledger({ limit: 1 })).legs.filter(({ interactionId }) => ids.has(interactionId));
    return live().length === 0;
  });
  return { legs, live: live().length };
}

/** Pairs of legs of one call that spoke at the same time. */
function twoAtOnce(legs: Ledger['legs']): number {
  const speeches = legs.flatMap(({ interactionId, modes, endedAt }) =>
    modes.flatMap(({ mode, at }, n) => {
      if (mode === 'silent') return [];
      const to = modes[n + 1]?.at ?? endedAt;
      return [{ interactionId, legs, fromMs: Date.parse(at), toMs: to === null ? Infinity : Date.parse(to) }];
    }),
  );
  return speeches.reduce(
    (sum, one, n) =>
      sum +
      speeches
        .slice(n + 1)
        .filter(
          (other) => other.interactionId === one.interactionId && other.fromMs < one.toMs && one.fromMs < other.toMs,
        ).length,
    0,
  );
}

/** What `probe` gives, once it is not `false`; `false` after the limit. */
async function within<T>(limitMs: number, probe: () => Promise<T | false>): Promise<T | false> {
  const givenUpAtMs = performance.now() + limitMs;
  for (;;) {
    const value = await probe();
    if (value !== false || performance.now() > givenUpAtMs) return value;
    await sleep(AGAIN_MS);
  }
}

function chunks<T>(all: readonly T[], count: number): T[][] {
  const parts = Array.from({ length: count }, (): T[] => []);
  all.forEach((one, n) => parts[n % count]?.push(one));
  return parts;
}
