import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

/** Between two tries of what got no answer at all, and between two commands: as fast as it goes would starve the others, ms. */
const PAUSE_MS = 50;

interface Answered {
  readonly status: number;
  readonly closes: boolean;
}

/**
 * Sends commands to one session over a connection that is kept alive, one after the other, every other one waiting for its
 * outcome. What gets no answer is sent again under its key; an answer that begins and does not end is remembered.
 */
export class SteadyCaller {
  readonly accepted: string[] = [];
  readonly cutOff: string[] = [];
  /** Answers that said that their connection ends. */
  sentAway = 0;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #isOver = false;

  constructor(
    private readonly url: string,
    private readonly apiKey: string,
  ) {}

  /** Until {@link stop}; the last command is `silent`, and has its outcome. */
  async run(): Promise<void> {
    for (let n = 0; !this.#isOver; n += 1) {
      await this.#send('whisper', n % 2 === 0);
      await this.#send('silent', n % 3 === 0);
      await sleep(PAUSE_MS);
    }
    this.#agent.destroy();
  }

  stop(): void {
    this.#isOver = true;
  }

  async #send(action: string, waits: boolean): Promise<void> {
    const commandId = randomUUID();
    for (;;) {
      const answer = await this.#once(action, commandId, waits);
      if (answer?.closes === true) this.sentAway += 1;
      if (answer?.status === 200 || answer?.status === 202) {
        this.accepted.push(commandId);
        return;
      }
      await sleep(PAUSE_MS);
    }
  }

  #once(action: string, commandId: string, waits: boolean): Promise<Answered | undefined> {
    const headers = {
      authorization: `Bearer ${this.apiKey}`,
      'content-type': 'application/json',
      'idempotency-key': commandId,
      ...(waits ? { prefer: 'wait=5' } : {}),
    };
    return new Promise((resolve) => {
      const sent = request(this.url, { method: 'POST', agent: this.#agent, headers }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        answer.once('close', () => {
          const isWhole = answer.complete && z.object({}).safeParse(parsed(text)).success;
          if (!isWhole) this.cutOff.push(commandId);
          resolve(
            isWhole ? { status: answer.statusCode ?? 0, closes: answer.headers.connection === 'close' } : undefined,
          );
        });
      });
      sent.once('error', () => resolve(undefined));
      sent.end(JSON.stringify({ action }));
    });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
