import type { Call } from './call.js';
import type { Evidence } from './evidence.js';

/** What all runs together went through: a test that never grants or expires anything proves nothing. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(call: Call, { sessions, requests, turns, mutexes }: Evidence): void {
    this.#count('runs', 1);
    this.#count('sessions', sessions.length);
    this.#count('sessions terminated', sessions.filter(({ played }) => played.fate === 'terminated').length);
    this.#count(
      'resets',
      sessions.reduce((sum, { played }) => sum + played.resets, 0),
    );
    this.#count(
      'continued as new',
      [...mutexes, ...sessions.map(({ chain }) => chain)].reduce((sum, { runs }) => sum + runs - 1, 0),
    );
    this.#count('mutexes terminated', call.mutexesTerminated);
    this.#count('calls hung up', call.isOver ? 1 : 0);
    this.#count('requests of the platform', requests.length);
    this.#count('requests faulted', requests.filter(({ fault }) => fault !== null).length);
    this.#count('turns', turns.length);
    this.#count('turns granted', turns.filter(({ grant }) => grant !== undefined).length);
    this.#count('turns expired in line', turns.filter(({ expiredAtMs }) => expiredAtMs !== undefined).length);
    for (const { report } of sessions) {
      for (const { action, status } of report?.commands ?? []) {
        if (action === 'start' || action === 'stop') continue;
        this.#count('commands', 1);
        this.#count(`commands ${status}`, 1);
      }
    }
  }

  countOf(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  toString(): string {
    return [...this.#counts].map(([what, count]) => `${what}: ${count}`).join(', ');
  }

  #count(what: string, by: number): void {
    this.#counts.set(what, this.countOf(what) + by);
  }
}
