/**
 * The platform on its bad days: tokens that expire and are revoked, a low rate limit, outages. What must hold: no command
 * fails of a token, the limit is kept, a stop does not wait for a flood of starts, and no session is lost.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { forEachOfMany } from '../../directory/a-few-at-a-time.js';
import type { CommandAction } from '../../domain/commands.js';
import { commandOutcome } from '../../domain/session-report.js';
import { AWAIT_COMMAND_UPDATE } from '../../domain/workflow-contract.js';
import { PlatformError } from '../../platform/platform-error.js';
import { figure, percentile } from '../support/figures.js';
import { createSessionWorld } from '../support/session-world.js';
import type { SessionHandle, SessionWorld } from '../support/session-world.js';
import { memoOf } from '../support/sessions.js';
import { startTemporal } from '../support/temporal.js';
import type { TestTemporal } from '../support/temporal.js';
import { until } from '../support/until.js';
import { readRunSettings } from './run-settings.js';

const { sessions: count, burst, tokenSeconds, outageSeconds } = readRunSettings();
const TOKEN_LIFETIME_SECONDS = Math.min(40, tokenSeconds / 4);
const LIMIT_MS = 120_000 + (count + burst) * 1_000;
const AMPLE = { limit: 1_000_000, windowSeconds: 10 };

let temporal: TestTemporal;
let world: SessionWorld;

beforeAll(async () => {
  temporal = await startTemporal();
  world = await createSessionWorld(temporal, {
    cleaning: { intervalMs: 5_000, followsEvents: true },
    keepsTokens: true,
    simulator: { rateLimit: AMPLE, tokenLifetimeSeconds: TOKEN_LIFETIME_SECONDS, ledgerRequests: 500_000 },
  });
});

afterEach(() => {
  world.simulator.controls.clearFaults();
  world.simulator.controls.setRateLimit({ ...AMPLE, headers: true });
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await temporal.teardown();
  expect(world.simulator.ledger.violations()).toEqual([]);
});

const statuses = (since: number, status: number) =>
  world.simulator.ledger.requests({ since }).filter((request) => request.status === status).length;
const tokenRequests = (since: number) => world.simulator.ledger.requests({ since, action: 'token' }).length;
const lastRequest = () => world.simulator.ledger.requests().at(-1)?.seq ?? 0;

async function begin(howMany: number): Promise<SessionHandle[]> {
  const sessions: SessionHandle[] = [];
  await forEachOfMany(
    Array.from({ length: howMany }, () => world.interaction()),
    async (interactionId) => void sessions.push(await world.start({ interactionId, supervisorId: 'anna' })),
  );
  return sessions;
}

async function listening(sessions: readonly SessionHandle[]): Promise<void> {
  await forEachOfMany(sessions, (session) =>
    until(`${session.workflowId} listens`, async () => (await memoOf(session)).state === 'SILENT', LIMIT_MS),
  );
}

/** Sends a command and waits for what comes of it. */
async function command(session: SessionHandle, action: CommandAction, commandId: string): Promise<string> {
  await session.signal(action, { commandId });
  const outcome = await session.executeUpdate<unknown, [unknown]>(AWAIT_COMMAND_UPDATE, {
    args: [{ commandId, waitMs: 30_000 }],
  });
  return commandOutcome.parse(outcome).command.status;
}

/** As an activity does it: what the gate has no room for soon comes back. */
async function look(interactionId: string): Promise<void> {
  for (;;) {
    try {
      await world.platform.monitorState(interactionId, { importance: 'mode' });
      return;
    } catch (error) {
      if (!(error instanceof PlatformError) || error.fault.kind !== 'throttled') throw error;
      await sleep(error.fault.retryAfterMs ?? 100);
    }
  }
}

async function stopAll(sessions: readonly SessionHandle[], { isLast = true } = {}): Promise<void> {
  await forEachOfMany(sessions, async (session) => {
    await session.signal('stop');
    await session.result();
  });
  if (isLast) expect(world.simulator.ledger.legs({ live: true })).toEqual([]);
}

test(
  'tokens expire all the time, and no command fails of it',
  async () => {
    const sessions = await begin(count);
    await listening(sessions);
    const since = lastRequest();
    const untilMs = performance.now() + tokenSeconds * 1_000;
    const tally = new Map<string, number>();
    let commands = 0;
    while (performance.now() < untilMs) {
      await forEachOfMany(sessions, async (session) => {
        const n = (commands += 1);
        const status = await command(session, n % 3 === 0 ? 'silent' : 'whisper', `t${n}`);
        tally.set(status, (tally.get(status) ?? 0) + 1);
      });
    }
    expect([...tally.keys()]).toEqual(['applied']);
    const asked = tokenRequests(since);
    expect(asked).toBeLessThanOrEqual((tokenSeconds + 30) / (TOKEN_LIFETIME_SECONDS / 2) + 4);
    expect(statuses(since, 401)).toBe(0);
    figure(
      `token lifetime ${TOKEN_LIFETIME_SECONDS} s, ${count} sessions, ${tokenSeconds} s`,
      `${commands} commands, 0 failed; ${asked} token requests, 0 answers 401`,
    );
    await stopAll(sessions);
  },
  LIMIT_MS + tokenSeconds * 2_000,
);

test(
  'all tokens are revoked while many calls are in flight: one request for another, and no call fails',
  async () => {
    // None is replaced because it is old.
    world.simulator.controls.setTokenLifetime({ seconds: 3_600 });
    world.simulator.controls.revokeTokens();
    const sessions = await begin(Math.min(100, count));
    await listening(sessions);
    world.simulator.controls.addFault({
      match: { action: ['state', 'whisper'] },
      effect: { kind: 'delay', ms: 100, before: 'answer' },
      times: 100_000,
    });
    const since = lastRequest();
    const half = sessions.length / 2;
    const outcomes = sessions.slice(0, half).map((session, n) => command(session, 'whisper', `r${n}`));
    await until('calls are in flight', () => lastRequest() > since);
    world.simulator.controls.revokeTokens();
    // However fast the first were over, these come with the revoked token.
    outcomes.push(...sessions.slice(half).map((session, n) => command(session, 'whisper', `s${n}`)));
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['applied']));
    expect(statuses(since, 401)).toBeGreaterThan(0);
    expect(tokenRequests(since)).toBeLessThanOrEqual(2);
    world.simulator.controls.clearFaults();

    await until('no call is under way', () => world.simulator.ledger.requests({ status: 'open' }).length === 0);

    // And calls that are all sent with a token that has just been revoked.
    const again = lastRequest();
    const interactionId = world.interaction();
    world.simulator.controls.revokeTokens();
    await Promise.all(Array.from({ length: 100 }, () => look(interactionId)));
    const refused = statuses(again, 401);
    expect(refused).toBeGreaterThanOrEqual(30);
    expect(tokenRequests(again)).toBe(1);
    figure(
      'revocation with 100 calls in flight',
      `${refused} answered 401 at once, ${tokenRequests(again)} token request, 0 calls failed`,
    );
    world.simulator.controls.setTokenLifetime({ seconds: TOKEN_LIFETIME_SECONDS });
    world.simulator.controls.revokeTokens();
    await stopAll(sessions);
  },
  LIMIT_MS,
);

test(
  'a flood of starts keeps to the limit, and stops do not wait for it',
  async () => {
    const stopOne = async (session: SessionHandle): Promise<number> => {
      const sinceMs = performance.now();
      await session.signal('stop');
      await session.result();
      return performance.now() - sinceMs;
    };
    const some = Math.ceil(burst / 10);
    const early = await begin(some * 3);
    await listening(early);
    const idleMs: number[] = [];
    for (const session of early.slice(0, some)) idleMs.push(await stopOne(session));
    // The same flood without a limit: what the machine makes of it.
    const unlimited = await begin(burst);
    const loadedMs: number[] = [];
    for (const session of early.slice(some, 2 * some)) loadedMs.push(await stopOne(session));
    await listening(unlimited);
    await stopAll([...unlimited], { isLast: false });

    world.simulator.controls.setRateLimit({ limit: 20, windowSeconds: 1, headers: true });
    const since = lastRequest();
    const sinceMs = performance.now();
    const flood = await begin(burst);
    const busyMs: number[] = [];
    for (const session of early.slice(2 * some)) busyMs.push(await stopOne(session));
    await listening(flood);
    const tookMs = performance.now() - sinceMs;
    const refused = statuses(since, 429);
    const made = world.simulator.ledger.requests({ since }).length;
    figure(
      `${burst} starts at once at 20 requests/s`,
      `all listen after ${Math.round(tookMs / 100) / 10} s, ${made} requests, ${refused} over the limit; ` +
        `stop p50/p99 ${percentile(busyMs, 0.5)}/${percentile(busyMs, 0.99)} ms beside it, ` +
        `${percentile(loadedMs, 0.5)}/${percentile(loadedMs, 0.99)} ms beside the same without a limit, ` +
        `${percentile(idleMs, 0.5)}/${percentile(idleMs, 0.99)} ms idle`,
    );
    // A window that the platform begins while ours is not over yet.
    expect(refused).toBeLessThanOrEqual(Math.ceil(made * 0.01));
    for (const session of flood) expect((await memoOf(session)).state).toBe('SILENT');
    world.simulator.controls.setRateLimit({ ...AMPLE, headers: true });
    await stopAll(flood);
  },
  LIMIT_MS * 2,
);

test.each(['503', 'hanging connections'] as const)(
  'an outage with %s loses no session, is not hammered, and is over soon after it is over',
  async (kind) => {
    const sessions = await begin(count);
    await listening(sessions);
    const [stopping = [], speaking = [], rest = []] = [0, 1, 2].map((part) =>
      sessions.filter((_, n) => n % 3 === part),
    );
    world.simulator.controls.addFault({
      match: {},
      effect: kind === '503' ? { kind: 'status', status: 503 } : { kind: 'hang', execute: false, forMs: 20_000 },
      times: 1_000_000,
    });
    const since = lastRequest();
    await forEachOfMany(stopping, (session) => session.signal('stop'));
    await forEachOfMany(speaking, (session) => session.signal('whisper', { commandId: 'o' }));
    const begun = await begin(5);
    const overAtMs = performance.now() + outageSeconds * 1_000;
    const [patient] = stopping;
    if (patient === undefined) throw new Error('Expected a session that stops');
    await until('a session says since when', async () => (await memoOf(patient)).unansweredSince !== null);
    await until('the outage is over', () => performance.now() >= overAtMs, outageSeconds * 1_000 + 5_000);
    const asked = world.simulator.ledger.requests({ since }).length;
    world.simulator.controls.clearFaults();

    const sinceMs = performance.now();
    await forEachOfMany(stopping, (session) => session.result());
    await listening(begun);
    await forEachOfMany([...speaking, ...rest], async (session) => {
      expect(await command(session, 'silent', 'after')).toBe('applied');
    });
    const normalAfterMs = performance.now() - sinceMs;
    for (const session of [...speaking, ...rest, ...begun]) {
      expect(await memoOf(session)).toMatchObject({ endReason: null, unansweredSince: null });
    }
    figure(
      `outage of ${outageSeconds} s (${kind}) with ${count} sessions`,
      `0 lost, ${(asked / outageSeconds).toFixed(2)} requests/s during it, normal after ${Math.round(normalAfterMs / 100) / 10} s`,
    );
    await stopAll([...speaking, ...rest, ...begun]);
  },
  LIMIT_MS + outageSeconds * 2_000,
);
