import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChannelQueue } from './channel-queue.js';
import { PlatformFailure } from './platform-client.js';
import type { PlatformClient } from './platform-client.js';
import { Problem } from './problem.js';
import type { Store } from './store.js';
import { STATE_OF_MODE } from './wire.js';
import type { Action, Command, Mode, MonitorState, Session, SessionRequest } from './wire.js';

/** The guide's back-off for confirming that a leg is active. */
const CONFIRM_MS = { base: 500, most: 3_000, forAll: 60_000 } as const;
/** Longer than a start may take: who asks again while it is under way waits for it, or takes over from a process that died. */
const START_LOCK_MS = 15_000;
const LOCK_EVERY_MS = 100;
/** Starts of one session whose answers are lost, at most. */
const STARTS = 3;
/** Before a start that is in doubt is looked for, ms. */
const LOOK_AFTER_MS = 500;

export function sessionIdOf({ interactionId, supervisorId }: SessionRequest): string {
  return `session~${interactionId}~${supervisorId}`;
}

/** What the API does: the guide's middleware. */
export class Sessions {
  readonly #store: Store;
  readonly #platform: PlatformClient;
  readonly #queue: ChannelQueue;

  constructor(store: Store, platform: PlatformClient, queue: ChannelQueue) {
    this.#store = store;
    this.#platform = platform;
    this.#queue = queue;
  }

  /**
   * The session, and whether it is new.
   * @throws Problem
   */
  async start(request: SessionRequest): Promise<{ session: Session; isNew: boolean }> {
    const sessionId = sessionIdOf(request);
    const startedAt = new Date().toISOString();
    const rest = { state: 'PENDING', monitorSessionId: null, startedAt, endedAt: null, endReason: null } as const;
    const holder = randomUUID();
    const name = `start:${sessionId}`;
    const isNew = await this.#store.create({ sessionId, ...request, ...rest });
    if (!isNew) {
      const running = await this.#existing(sessionId);
      if (running.monitorSessionId !== null) return { session: running, isNew: false };
    }
    while (!(await this.#store.lock(name, holder, START_LOCK_MS))) await sleep(LOCK_EVERY_MS);
    try {
      const session = await this.#existing(sessionId);
      // Somebody else has done it, or died over it.
      if (session.state === 'TERMINATED' || session.monitorSessionId !== null) return { session, isNew: false };
      const monitorSessionId = await this.#makeLeg(session, !isNew);
      this.confirm(sessionId);
      return { session: { ...session, monitorSessionId }, isNew: true };
    } catch (error) {
      throw await this.#startFailed(sessionId, error);
    } finally {
      await this.#store.unlock(name, holder);
    }
  }

  async read(sessionId: string): Promise<Session & { waiting: object | null }> {
    const session = await this.#existing(sessionId);
    const queue = await this.#store.queue(session.interactionId);
    const place = queue.findIndex((entry) => entry.sessionId === sessionId && entry.expiresAtMs > Date.now());
    const entry = queue[place];
    if (entry === undefined) return { ...session, waiting: null };
    const expiresAt = new Date(entry.expiresAtMs).toISOString();
    return { ...session, waiting: { mode: entry.mode, position: place + 1, expiresAt } };
  }

  async readCommand(sessionId: string, commandId: string): Promise<Command> {
    const command = await this.#store.command(sessionId, commandId);
    if (command === undefined) throw new Problem(404, 'command.not-found');
    const isOver = command.expiresAt !== undefined && Date.parse(command.expiresAt) <= Date.now();
    return command.status === 'queued' && isOver ? { ...command, status: 'expired' } : command;
  }

  /**
   * Carries a command out, or puts it in line.
   * @throws Problem where nothing came of it, and the caller has to send it again
   */
  async command(sessionId: string, action: Action, commandId: string): Promise<Command> {
    const interactionId = /^session~([^~]+)~/.exec(sessionId)?.[1] ?? '';
    const { session, known, waiting } = await this.#store.view(sessionId, interactionId, commandId);
    if (session === undefined) throw new Problem(404, 'session.not-found');
    if (known !== undefined) return known;
    if (session.state === 'TERMINATED') {
      if (action === 'stop') return { commandId, action, status: 'applied' };
      throw new Problem(409, 'session.ended');
    }
    // A leg that is not active yet takes no mode (the guide's first trap).
    if (session.monitorSessionId === null || (session.state === 'PENDING' && action !== 'stop'))
      throw new Problem(409, 'session.pending', 1);
    const leg = session.monitorSessionId;
    try {
      if (action === 'stop') return await this.#stop(session, leg, commandId);
      if (action === 'silent') return await this.#silence(session, leg, commandId, waiting);
      return await this.#speak(session, leg, action, commandId, waiting);
    } catch (error) {
      throw await this.#commandFailed(session, error);
    }
  }

  /** Follows a leg until it is active, in the background. */
  confirm(sessionId: string): void {
    void this.#confirm(sessionId).catch(() => undefined);
  }

  async #speak(
    session: Session,
    leg: string,
    mode: Exclude<Mode, 'silent'>,
    commandId: string,
    waiting: number,
  ): Promise<Command> {
    const speaks = await this.#look(session, leg);
    const isMine = speaks === leg;
    // Whoever waits goes first, also in the moment in which nobody speaks.
    if (!isMine && (speaks !== undefined || waiting > 0)) return this.#queue.add(session, commandId, mode);
    try {
      await this.#platform.act(session.interactionId, leg, mode);
    } catch (error) {
      if (error instanceof PlatformFailure && error.kind === 'conflict')
        return this.#queue.add(session, commandId, mode);
      throw error;
    }
    return this.#applied(session, STATE_OF_MODE[mode], commandId, mode);
  }

  async #silence(session: Session, leg: string, commandId: string, waiting: number): Promise<Command> {
    if (waiting > 0) await this.#queue.withdraw(session, 'silent');
    await this.#look(session, leg);
    await this.#platform.act(session.interactionId, leg, 'silent');
    return this.#applied(session, 'SILENT', commandId, 'silent');
  }

  async #stop(session: Session, leg: string, commandId: string): Promise<Command> {
    await this.#queue.withdraw(session, 'stopped');
    await this.#platform.act(session.interactionId, leg, 'stop').catch((error: unknown) => {
      if (!(error instanceof PlatformFailure) || error.kind !== 'gone') throw error;
    });
    await this.#store.end(session, 'stopped');
    const command = { commandId, action: 'stop', status: 'applied' } as const;
    await this.#store.record(session.sessionId, command);
    this.#queue.handOn(session.interactionId);
    return command;
  }

  async #applied(
    session: Session,
    state: Session['state'],
    commandId: string,
    action: Exclude<Action, 'stop'>,
  ): Promise<Command> {
    const command = { commandId, action, status: 'applied' } as const;
    const waiting = await this.#store.applied(session, state, command);
    if (action === 'silent' && waiting > 0) this.#queue.handOn(session.interactionId);
    return command;
  }

  /** The guide's look before each change: the leg that speaks; fails where ours is gone. */
  async #look({ interactionId }: Session, leg: string): Promise<string | undefined> {
    const state = await this.#platform.state(interactionId);
    const mine = state.monitors.find(({ monitorSessionId }) => monitorSessionId === leg);
    if (mine?.status !== 'active') throw new PlatformFailure('gone', 'monitor.not.found');
    return state.bargeStatus === 'active' ? (state.bargeMonitorSessionId ?? 'unknown') : undefined;
  }

  /** @param isInDoubt an earlier start may have made one already */
  async #makeLeg({ sessionId, interactionId }: Session, isInDoubt: boolean): Promise<string> {
    if (isInDoubt) {
      const found = await this.#adopt(sessionId, interactionId);
      if (found !== undefined) return found;
    }
    const group = await this.#platform.primaryGroup(interactionId);
    for (let n = 1; ; n += 1) {
      try {
        const made = await this.#platform.start(interactionId, group);
        // Somebody who had lost an answer may have taken it for theirs: then theirs is ours.
        const mine = (await this.#store.claimLeg(sessionId, made)) ? made : await this.#adopt(sessionId, interactionId);
        if (mine !== undefined) return mine;
      } catch (error) {
        if (!(error instanceof PlatformFailure) || error.kind !== 'in doubt') throw error;
        await sleep(LOOK_AFTER_MS);
        const found = await this.#adopt(sessionId, interactionId);
        if (found !== undefined) return found;
      }
      if (n === STARTS) throw new PlatformFailure('away', 'start.unanswered');
    }
  }

  /** A live leg of our client that no session has. */
  async #adopt(sessionId: string, interactionId: string): Promise<string | undefined> {
    const { monitors } = await this.#platform.state(interactionId);
    for (const leg of monitors.filter((one) => isLive(one) && (one.clientId ?? '') === this.#platform.clientId)) {
      if (await this.#store.claimLeg(sessionId, leg.monitorSessionId)) return leg.monitorSessionId;
    }
    return undefined;
  }

  async #confirm(sessionId: string): Promise<void> {
    const givenUpAtMs = Date.now() + CONFIRM_MS.forAll;
    for (let waitMs: number = CONFIRM_MS.base; ; waitMs = Math.min(waitMs * 2, CONFIRM_MS.most)) {
      await sleep(waitMs);
      // An event may have said so.
      const session = await this.#store.session(sessionId);
      if (session?.state !== 'PENDING' || session.monitorSessionId === null) return;
      const status = await this.#statusOf(session);
      if (status === 'active') {
        await this.#store.move(sessionId, 'SILENT', 'PENDING');
        return;
      }
      const isGone = status === 'gone' || status === 'failed' || status === 'terminated';
      if (!isGone && Date.now() < givenUpAtMs) continue;
      if (!isGone)
        await this.#platform.act(session.interactionId, session.monitorSessionId, 'stop').catch(() => undefined);
      await this.#store.end(session, 'not-confirmed');
      return;
    }
  }

  /** `undefined`: nobody can tell. */
  async #statusOf({ interactionId, monitorSessionId }: Session): Promise<string | undefined> {
    try {
      const { monitors } = await this.#platform.state(interactionId);
      return monitors.find((leg) => leg.monitorSessionId === monitorSessionId)?.status ?? 'gone';
    } catch (error) {
      return error instanceof PlatformFailure && error.kind === 'gone' ? 'gone' : undefined;
    }
  }

  async #existing(sessionId: string): Promise<Session> {
    const session = await this.#store.session(sessionId);
    if (session === undefined) throw new Problem(404, 'session.not-found');
    return session;
  }

  async #startFailed(sessionId: string, error: unknown): Promise<unknown> {
    if (!(error instanceof PlatformFailure)) return error;
    // Who sends it again has the legs looked at first, for one may have been made.
    if (error.kind === 'away') return new Problem(503, error.code, 1);
    const session = await this.#store.session(sessionId);
    if (session !== undefined) await this.#store.end(session, 'start-failed');
    return new Problem(409, error.code);
  }

  async #commandFailed(session: Session, error: unknown): Promise<unknown> {
    if (!(error instanceof PlatformFailure)) return error;
    if (error.kind === 'away' || error.kind === 'in doubt') return new Problem(503, error.code, 1);
    if (error.kind !== 'gone') return new Problem(409, error.code);
    await this.#store.end(session, 'leg-lost');
    this.#queue.handOn(session.interactionId);
    return new Problem(409, 'session.ended');
  }
}

function isLive({ status }: MonitorState['monitors'][number]): boolean {
  return status === 'pending' || status === 'active';
}
