import { Pool } from 'undici';
import { z } from 'zod';

/** The REST that both contenders answer: everything that the bench asks of either is here. */

const session = z.object({
  sessionId: z.string(),
  state: z.enum(['PENDING', 'SILENT', 'WHISPER', 'BARGE', 'TERMINATED']),
  monitorSessionId: z.string().nullable(),
  waiting: z.object({ position: z.number() }).nullable(),
  endReason: z.string().nullable(),
});
export type SessionView = z.infer<typeof session>;

const command = z.object({ commandId: z.string(), action: z.string(), status: z.string() });
export type CommandView = z.infer<typeof command>;

export type Action = 'barge' | 'whisper' | 'silent' | 'stop';

export interface Answer {
  /** 0: none, the connection failed. */
  readonly status: number;
  readonly body: unknown;
}

const CONNECTIONS = 200;
/** Longer than either holds an answer back, ms. */
const LIMIT_MS = 180_000;

const UNDER_WAY = new Set(['accepted', 'queued']);

export function isFinal({ status }: CommandView): boolean {
  return !UNDER_WAY.has(status);
}

export class ServiceClient {
  readonly #pool: Pool;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.#pool = new Pool(url, { connections: CONNECTIONS, pipelining: 1 });
    this.#key = key;
  }

  /** One request. Never rejects. */
  async ask(
    method: 'GET' | 'POST',
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    try {
      const answer = await this.#pool.request({
        method,
        path,
        headers: { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json', ...headers },
        body: body === undefined ? null : JSON.stringify(body),
        headersTimeout: LIMIT_MS,
        bodyTimeout: LIMIT_MS,
      });
      return { status: answer.statusCode, body: await answer.body.json() };
    } catch {
      return { status: 0, body: undefined };
    }
  }

  start(interactionId: string, supervisorId: string): Promise<Answer> {
    return this.ask('POST', '/v1/sessions', { interactionId, supervisorId });
  }

  command(
    sessionId: string,
    action: Action,
    { commandId, wait }: { commandId?: string; wait?: number } = {},
  ): Promise<Answer> {
    return this.ask(
      'POST',
      `/v1/sessions/${encodeURIComponent(sessionId)}/commands`,
      { action },
      {
        ...(commandId === undefined ? {} : { 'idempotency-key': commandId }),
        ...(wait === undefined ? {} : { prefer: `wait=${wait}` }),
      },
    );
  }

  /** `undefined`: nobody can tell just now. */
  async session(sessionId: string): Promise<SessionView | undefined> {
    const { status, body } = await this.ask('GET', `/v1/sessions/${encodeURIComponent(sessionId)}`);
    return status === 200 ? session.parse(body) : undefined;
  }

  /** `unknown`: it says that there is none. `undefined`: nobody can tell just now. */
  async outcome(sessionId: string, commandId: string): Promise<CommandView | 'unknown' | undefined> {
    const path = `/v1/sessions/${encodeURIComponent(sessionId)}/commands/${commandId}`;
    const { status, body } = await this.ask('GET', path);
    if (status === 404) return 'unknown';
    return status === 200 ? command.parse(body) : undefined;
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

export function isAccepted({ status }: Answer): boolean {
  return status === 200 || status === 202;
}
