import { setTimeout as sleep } from 'node:timers/promises';
import { aFewAtATime } from '../a-few-at-a-time.js';
import type { Commanded, Contestant } from './contestants.js';
import type { Stage } from './stage.js';

/** What is sent in turn, and which of it is measured. */
export interface Pattern {
  readonly modes: readonly ['barge' | 'whisper', 'silent' | 'whisper'];
  /** 0: the first of each pair, 1: the second. */
  readonly measured: readonly number[];
}

/** Those who speak change how; and those who are silent begin to speak, for which Earshot has to find out that nobody else does. */
export const PATTERNS = {
  'change of mode': { modes: ['barge', 'whisper'], measured: [0, 1] },
  'silent → barge': { modes: ['barge', 'silent'], measured: [0] },
} as const satisfies Readonly<Record<string, Pattern>>;

/** Legs that are commanded at the same time, each as soon as its last command is carried out. */
export class Crew {
  readonly #stage: Stage;
  readonly #members: readonly Commanded[];
  readonly #sent = new Map<string, number[]>();

  private constructor(stage: Stage, members: readonly Commanded[]) {
    this.#stage = stage;
    this.#members = members;
  }

  static async open(stage: Stage, contestant: Contestant, size: number): Promise<Crew> {
    const members = await aFewAtATime(
      Array.from({ length: size }, (_, index) => index),
      () => contestant.open(),
    );
    return new Crew(stage, members);
  }

  /**
   * Commands each member so many times in a row, all members at once.
   * @param thinkMs from when a command has been carried out until its member is sent the next one
   */
  async work(pattern: Pattern, times: number, thinkMs = 0): Promise<void> {
    await Promise.all(
      this.#members.map(async (member) => {
        for (let n = 0; n < times; n += 1) {
          const mode = pattern.modes[n % 2 === 0 ? 0 : 1];
          const applied = this.#stage.legs.next(member.monitorSessionId, mode);
          // Where the command is not even taken, that is what is told.
          applied.catch(() => undefined);
          const sent = this.#sent.get(member.monitorSessionId) ?? [];
          this.#sent.set(member.monitorSessionId, sent);
          sent.push(Date.now());
          await member.send(mode);
          await applied;
          if (thinkMs > 0) await sleep(thinkMs);
        }
      }),
    );
  }

  /**
   * From just before each measured command was sent until the platform had carried it out, ms, by the ledger: for each of the
   * rounds, which are given by the numbers of a member's commands.
   */
  async times(
    pattern: Pattern,
    rounds: readonly { readonly from: number; readonly to: number }[],
  ): Promise<number[][]> {
    const ofMembers = await aFewAtATime(this.#members, async ({ interactionId, monitorSessionId }) => {
      const { legs } = await this.#stage.simulator.ledger({ interactionId, limit: 1 });
      const life = legs.find((leg) => leg.monitorSessionId === monitorSessionId);
      const sent = this.#sent.get(monitorSessionId) ?? [];
      // The first is the mode that it was made in.
      const applied = life?.modes.slice(1) ?? [];
      if (applied.length !== sent.length)
        throw new Error(`${monitorSessionId}: ${sent.length} commands sent, ${applied.length} carried out`);
      return sent.map((sentAtMs, n) => Date.parse(applied[n]?.at ?? '') - sentAtMs);
    });
    return rounds.map(({ from, to }) =>
      ofMembers.flatMap((times) => times.slice(from, to).filter((_, n) => pattern.measured.includes((from + n) % 2))),
    );
  }

  async close(): Promise<void> {
    await aFewAtATime(this.#members, (member) => member.close());
  }
}
