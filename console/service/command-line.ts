import { isFinal } from '../../domain/commands.js';
import type { CommandAction, CommandResource } from '../../domain/commands.js';
import type { SessionResource } from '../../domain/session.js';
import type { PageEvent } from '../model/model.js';
import { readCommand, RestError, sendCommand, startSession, troubleOf } from './rest.js';

/**
 * How long a request is repeated that nobody takes, ms. Its key makes sure that it counts once. Nobody wants to speak minutes
 * after they asked; but whoever wants to leave must get to.
 */
const PATIENCE_MS = 30_000;
const PATIENCE_TO_LEAVE_MS = 3_600_000;
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 3_000;

/** How often what became of a command is looked at where no change tells, ms. */
const LOOK_EVERY_MS = 1_500;

interface CommandLineOptions {
  readonly dispatch: (event: PageEvent) => void;
  readonly onRefused: (error: unknown) => void;
}

/** A command that was accepted, and whose outcome is not known. */
interface UnderWay {
  readonly session: SessionResource;
  readonly commandId: string;
  readonly action: CommandAction;
  timer: ReturnType<typeof setTimeout> | undefined;
  isLooking: boolean;
}

/**
 * Carries what a person asks for to the API, and finds out what came of it. Of one call, what was asked first is sent first;
 * leaving waits for nothing.
 */
export class CommandLine {
  readonly #options: CommandLineOptions;
  /** By interaction. */
  readonly #sending = new Map<string, Promise<void>>();
  readonly #underWay = new Map<string, UnderWay>();
  #isClosed = false;

  constructor(options: CommandLineOptions) {
    this.#options = options;
  }

  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#underWay.values()) clearTimeout(timer);
    this.#underWay.clear();
  }

  /** Asks for a session on a call. @param supervisorId whose */
  start(interactionId: string, supervisorId: string | null): void {
    const commandId = this.#asked(interactionId, 'start');
    void this.#inTurn(interactionId, async () => {
      const session = await this.#send(
        interactionId,
        commandId,
        () => startSession(interactionId, supervisorId, commandId),
        PATIENCE_MS,
      );
      if (session === undefined) return;
      this.#dispatch({ type: 'session-read', session, nowMs: Date.now() });
      // From here on the session itself tells.
      this.#dispatch({ type: 'answered', interactionId, command: { commandId, action: 'start', status: 'applied' } });
    });
  }

  /** Asks something of a session. Resolves once it is known whether that was accepted. */
  send(session: SessionResource, action: CommandAction): Promise<boolean> {
    const { interactionId } = session;
    const commandId = this.#asked(interactionId, action);
    const patienceMs = action === 'stop' ? PATIENCE_TO_LEAVE_MS : PATIENCE_MS;
    const carry = async (): Promise<boolean> => {
      const ask = (): Promise<CommandResource> => sendCommand(session, action, commandId);
      const command = await this.#send(interactionId, commandId, ask, patienceMs);
      if (command === undefined) return false;
      this.#dispatch({ type: 'answered', interactionId, command });
      if (!isFinal(command.status) && !this.#closed) this.#follow({ session, commandId, action });
      return true;
    };
    return action === 'stop' ? carry() : this.#inTurn(interactionId, carry);
  }

  #follow(accepted: Pick<UnderWay, 'session' | 'commandId' | 'action'>): void {
    const { interactionId } = accepted.session;
    clearTimeout(this.#underWay.get(interactionId)?.timer);
    this.#underWay.set(interactionId, { ...accepted, timer: undefined, isLooking: false });
    this.look(interactionId);
  }

  /** Something has changed: perhaps what was asked for has its outcome. */
  look(interactionId: string): void {
    const one = this.#underWay.get(interactionId);
    if (one === undefined || one.isLooking) return;
    clearTimeout(one.timer);
    void this.#look(interactionId, one);
  }

  async #look(interactionId: string, one: UnderWay): Promise<void> {
    one.isLooking = true;
    let isOver = false;
    try {
      const command = await readCommand(one.session, one.commandId);
      this.#dispatch({ type: 'answered', interactionId, command });
      isOver = isFinal(command.status);
    } catch (error) {
      this.#options.onRefused(error);
      // Nobody will ever know more of it.
      isOver = error instanceof RestError && !error.isPassing;
      if (isOver) {
        const { commandId, action } = one;
        const command = { commandId, action, status: 'failed', reason: troubleOf(error).code } as const;
        this.#dispatch({ type: 'answered', interactionId, command });
      }
    }
    one.isLooking = false;
    if (this.#underWay.get(interactionId) !== one) return;
    if (isOver || this.#closed) this.#underWay.delete(interactionId);
    else one.timer = setTimeout(() => this.look(interactionId), LOOK_EVERY_MS);
  }

  #asked(interactionId: string, action: CommandAction | 'start'): string {
    const commandId = newCommandId();
    this.#dispatch({ type: 'asked', interactionId, command: { commandId, action } });
    return commandId;
  }

  #inTurn<Outcome>(interactionId: string, carry: () => Promise<Outcome>): Promise<Outcome> {
    const before = this.#sending.get(interactionId) ?? Promise.resolve();
    const turn = before.then(carry);
    const done = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#sending.set(interactionId, done);
    void done.then(() => {
      if (this.#sending.get(interactionId) === done) this.#sending.delete(interactionId);
    });
    return turn;
  }

  /** The answer; `undefined`: it was refused, or nobody took it in time, which the page has been told. */
  async #send<Answer>(
    interactionId: string,
    commandId: string,
    ask: () => Promise<Answer>,
    patienceMs: number,
  ): Promise<Answer | undefined> {
    const untilMs = Date.now() + patienceMs;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        return await ask();
      } catch (error) {
        if (this.#closed) return undefined;
        const waitMs = (error instanceof RestError ? error.retryAfterMs : null) ?? pauseMs;
        if (!(error instanceof RestError) || !error.isPassing || Date.now() + waitMs > untilMs) {
          this.#dispatch({ type: 'unsent', interactionId, commandId, trouble: troubleOf(error) });
          this.#options.onRefused(error);
          return undefined;
        }
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  }

  #dispatch(event: PageEvent): void {
    if (!this.#isClosed) this.#options.dispatch(event);
  }

  /** It may have been closed while an answer was on its way. */
  get #closed(): boolean {
    return this.#isClosed;
  }
}

/** A key of its own for each command. `randomUUID` would be there on HTTPS and this machine only. */
function newCommandId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
