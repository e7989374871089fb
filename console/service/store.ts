import type { CommandAction } from '../../domain/commands.js';
import type { SessionResource } from '../../domain/session.js';
import type { Me, SignInRequest, SignInWay } from '../../domain/sign-in.js';
import { aheadMs } from '../model/clock.js';
import { isUnderWay } from '../model/controls.js';
import { EMPTY_MODEL, ownId } from '../model/model.js';
import type { Filter, Model, PageEvent } from '../model/model.js';
import { ownSessions } from '../model/rows.js';
import { reduce } from '../model/reduce.js';
import { CallList } from './call-list.js';
import { CommandLine } from './command-line.js';
import { EventStream } from './event-stream.js';
import type { StreamMessage } from './event-stream.js';
import { OwnSessions } from './own-sessions.js';
import { onServerTime, readSignIn, readTrail, RestError, signIn, signOut, troubleOf } from './rest.js';

/** How often a page that cannot reach the API tries again, ms. */
const AGAIN_MS = 2_000;

/** How soon after it should have expired a sign-in that has not is looked at again, ms. */
const EXPIRY_AGAIN_MS = 60_000;

/** How often the rows of calls that are over may go, ms. */
const SETTLE_EVERY_MS = 1_000;

/** How long after a change a trail that is shown is read again, ms: changes come in bursts. */
const TRAIL_AFTER_MS = 300;

const OVER = { code: 'expired', text: 'Your sign-in is over: it has expired, or you signed out elsewhere.' };

/**
 * The page's model and all that changes it: what the API tells, what the person does, and time. What is to be drawn is drawn
 * once a frame, however much happens in one.
 */
export class Store {
  #model: Model = EMPTY_MODEL;
  readonly #listeners = new Set<() => void>();
  #isDrawing = false;
  #stream: EventStream | undefined;
  /** Of this deployment, as it said last. */
  #ways: readonly SignInWay[] = ['key', 'token'];
  #calls: CallList | undefined;
  #commands: CommandLine | undefined;
  #own: OwnSessions | undefined;
  #settling: ReturnType<typeof setInterval> | undefined;
  /** One for each sign-in and sign-out: what was asked for in one is no news in the next. */
  #era = 0;
  readonly #tabs = new BroadcastChannel('earshot-sign-in');
  /** Until when it is known that somebody is signed in still, ms since the epoch by the server's clock. */
  #signedInUntilMs = Infinity;
  readonly #held = new Set<'pointer' | 'focus'>();
  readonly #openTrails = new Map<string, ReturnType<typeof setTimeout> | undefined>();

  get model(): Model {
    return this.#model;
  }

  /** By the server's clock, ms since the epoch. */
  get serverNowMs(): number {
    return Date.now() + aheadMs(this.#model.clock);
  }

  /** @returns ends it */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Finds out who is signed in, and begins. */
  async start(): Promise<void> {
    onServerTime((at) => {
      // What the connection tells is more exact.
      if (this.#model.clock.observed.length === 0) this.#dispatch({ type: 'heard', at, nowMs: Date.now() });
    });
    // All tabs share one cookie.
    this.#tabs.onmessage = () => void this.#askWhoItIs();
    try {
      const { ways, me } = await readSignIn();
      this.#ways = ways;
      if (me === null) this.#dispatch({ type: 'signed-out', ways, trouble: null });
      else this.#begin(me);
    } catch (error) {
      this.#dispatch({ type: 'unreachable', trouble: troubleOf(error) });
      setTimeout(() => void this.start(), AGAIN_MS);
    }
  }

  async signIn(credentials: SignInRequest): Promise<void> {
    this.#dispatch({ type: 'signing-in' });
    try {
      this.#begin(await signIn(credentials));
      this.#tabs.postMessage(null);
    } catch (error) {
      await this.#askToSignIn(troubleOf(error));
    }
  }

  /** Signs out once every leaving was accepted; where one is not, the page stays and says so. */
  async leaveAllAndSignOut(): Promise<void> {
    const sessions = ownSessions(this.#model).filter(({ ending }) => ending === null);
    const commands = this.#commands;
    if (commands === undefined) return;
    const accepted = await Promise.all(sessions.map((session) => commands.send(session, 'stop')));
    if (accepted.every(Boolean)) await this.signOut();
  }

  async signOut(): Promise<void> {
    // Whoever cannot be reached cannot be told; what is shown goes either way.
    const trouble = await signOut().then(
      () => null,
      (error: unknown) => {
        const { code, text } = troubleOf(error);
        return { code, text: `You could not be signed out, and this browser may let you in without a key. ${text}` };
      },
    );
    this.#tabs.postMessage(null);
    await this.#askToSignIn(trouble);
  }

  filter(filter: Partial<Filter>): void {
    this.#dispatch({ type: 'filtered', filter });
  }

  /** Whether somebody points at the rows, or is among them with the keyboard. */
  hold(by: 'pointer' | 'focus', isHeld: boolean): void {
    if (isHeld) this.#held.add(by);
    else this.#held.delete(by);
  }

  listenTo(interactionId: string): void {
    this.#commands?.start(interactionId, ownId(this.#model));
  }

  command(session: SessionResource, action: CommandAction): void {
    void this.#commands?.send(session, action);
  }

  /** What came of a command need not be shown any longer. */
  readOutcome(interactionId: string): void {
    this.#dispatch({ type: 'outcome-read', interactionId });
  }

  putAway(runId: string): void {
    this.#dispatch({ type: 'put-away', runId });
  }

  /** Reads the trail of a session, and again with each change until it is closed. */
  openTrail(session: SessionResource): void {
    if (this.#openTrails.has(session.sessionId)) return;
    this.#openTrails.set(session.sessionId, undefined);
    void this.#readTrail(session);
  }

  closeTrail(sessionId: string): void {
    clearTimeout(this.#openTrails.get(sessionId));
    this.#openTrails.delete(sessionId);
    this.#dispatch({ type: 'trail-closed', sessionId });
  }

  #begin(me: Me): void {
    this.#end();
    this.#dispatch({ type: 'signed-in', me });
    this.#signedInUntilMs = me.expiresAt === null ? Infinity : Date.parse(me.expiresAt);
    const era = this.#era;
    const dispatch = (event: PageEvent): void => this.#dispatch(event);
    const onRefused = (error: unknown): void => this.#heedRefusal(error, era);
    this.#commands = new CommandLine({ dispatch, onRefused });
    this.#calls = new CallList({ dispatch, onRefused });
    this.#own = new OwnSessions({ dispatch, onRefused, model: () => this.#model });
    this.#stream = new EventStream({
      told: (message) => this.#hear(message),
      live: () => this.#dispatch({ type: 'link-live' }),
      unreadable: () => this.#dispatch({ type: 'outdated' }),
      lost: (retryAtMs) => this.#dispatch({ type: 'link-lost', nowMs: Date.now(), retryAtMs }),
      refused: onRefused,
    });
    this.#settling = setInterval(() => {
      this.#dispatch({ type: 'settle', nowMs: Date.now(), isHeld: this.#held.size > 0 });
      this.#checkExpiry();
    }, SETTLE_EVERY_MS);
  }

  /** By the server's clock; whether it is over, only the server knows. */
  #checkExpiry(): void {
    if (this.serverNowMs < this.#signedInUntilMs) return;
    this.#signedInUntilMs = this.serverNowMs + EXPIRY_AGAIN_MS;
    void this.#askWhoItIs();
  }

  /**
   * Somebody may have signed in or out in another tab, or a sign-in has expired: that only the server knows, for this
   * computer's clock may be wrong.
   */
  async #askWhoItIs(): Promise<void> {
    const era = this.#era;
    const state = await readSignIn().catch(() => undefined);
    const { access } = this.#model;
    if (era !== this.#era || state === undefined || access.kind === 'unknown') return;
    const known = access.kind === 'signed-in' ? access.me.id : null;
    if (state.me !== null && state.me.id !== known) return this.#begin(state.me);
    if (state.me !== null || known === null) return;
    await this.#askToSignIn(OVER);
  }

  #end(): void {
    this.#era += 1;
    this.#stream?.close();
    this.#calls?.close();
    this.#commands?.close();
    this.#own?.close();
    clearInterval(this.#settling);
    for (const timer of this.#openTrails.values()) clearTimeout(timer);
    this.#openTrails.clear();
    this.#stream = this.#calls = this.#commands = this.#own = undefined;
  }

  async #askToSignIn(why: ReturnType<typeof troubleOf> | null): Promise<void> {
    this.#end();
    const era = this.#era;
    const trouble = withCalls(why, ownSessions(this.#model).length);
    const state = await readSignIn().catch(() => undefined);
    // Somebody has signed in meanwhile.
    if (era !== this.#era) return;
    if (state !== undefined) {
      this.#ways = state.ways;
      return this.#dispatch({ type: 'signed-out', ways: state.ways, trouble });
    }
    this.#dispatch({
      type: 'signed-out',
      ways: this.#ways,
      trouble: trouble ?? { code: 'network', text: 'Earshot does not answer.' },
    });
  }

  /** Signed out elsewhere, expired, or the key was changed. */
  #heedRefusal(error: unknown, era: number): void {
    if (era !== this.#era || !(error instanceof RestError) || error.status !== 401) return;
    void this.#askToSignIn(OVER);
  }

  #hear(message: StreamMessage): void {
    const nowMs = Date.now();
    switch (message.type) {
      case 'snapshot':
        this.#dispatch({ type: 'snapshot', sessions: message.sessions, nowMs });
        this.#own?.lookForVanished();
        for (const session of this.#model.sessions.values()) this.#heedChange(session);
        return;
      case 'heartbeat':
        return this.#dispatch({ type: 'heard', at: message.at, nowMs });
      case 'samples':
        return this.#dispatch({ type: 'sampled', samples: message.samples });
      default:
        this.#dispatch({ type: 'changed', session: message.session, nowMs });
        this.#heedChange(message.session);
    }
  }

  #heedChange(session: SessionResource): void {
    if (session.supervisorId !== ownId(this.#model)) return;
    const command = this.#model.commands.get(session.interactionId);
    if (isUnderWay(command)) this.#commands?.look(session.interactionId);
    if (!this.#openTrails.has(session.sessionId)) return;
    clearTimeout(this.#openTrails.get(session.sessionId));
    this.#openTrails.set(
      session.sessionId,
      setTimeout(() => void this.#readTrail(session), TRAIL_AFTER_MS),
    );
  }

  async #readTrail(session: SessionResource): Promise<void> {
    const { sessionId, runId, version } = session;
    const before = this.#model.trails.get(sessionId);
    const known = before?.runId === runId ? before.entries : [];
    const era = this.#era;
    try {
      const entries = await readTrail(session);
      if (this.#openTrails.has(sessionId))
        this.#dispatch({ type: 'trail-read', sessionId, trail: { runId, version, entries, trouble: null } });
    } catch (error) {
      this.#heedRefusal(error, era);
      const trouble = troubleOf(error);
      if (this.#openTrails.has(sessionId))
        this.#dispatch({ type: 'trail-read', sessionId, trail: { runId, version, entries: known, trouble } });
    }
  }

  #dispatch(event: PageEvent): void {
    const next = reduce(this.#model, event);
    if (next === this.#model) return;
    this.#model = next;
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => {
      this.#isDrawing = false;
      for (const listener of this.#listeners) listener();
    });
  }
}

/** Signing out ends no session: whoever was on a call has to know that they still are. */
function withCalls(trouble: ReturnType<typeof troubleOf> | null, calls: number): ReturnType<typeof troubleOf> | null {
  if (calls === 0) return trouble;
  const still = `You are still on ${calls === 1 ? 'a call' : `${calls} calls`}: sign in again to leave.`;
  return { code: trouble?.code ?? 'on-call', text: trouble === null ? still : `${trouble.text} ${still}` };
}
