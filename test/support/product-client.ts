import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { z } from 'zod';
import { commandResource, isFinal } from '../../domain/commands.js';
import type { CommandAction, CommandResource, CommandStatus } from '../../domain/commands.js';
import { sessionResource } from '../../domain/session.js';
import type { SessionResource } from '../../domain/session.js';
import type { Product } from './product.js';
import { until } from './until.js';

/** After a `kill -9` it takes Temporal over 10 s to give a dead worker's workflows to its successor. */
const OUTCOME_LIMIT_MS = 60_000;

const ledgerAnswer = z.object({
  requests: z.array(
    z.object({
      action: z.string(),
      interactionId: z.string().nullable(),
      status: z.union([z.number(), z.string()]),
    }),
  ),
  legs: z.array(
    z.object({
      monitorSessionId: z.string(),
      interactionId: z.string(),
      endedBy: z.string().nullable(),
      modes: z.array(z.object({ mode: z.string(), at: z.iso.datetime() })),
    }),
  ),
  violations: z.array(z.unknown()),
});
export type LedgerAnswer = z.infer<typeof ledgerAnswer>;

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** A caller of a running product: REST with its key, and the simulator's control surface (`SIMULATOR_CONTROL=on`). */
export class ProductClient {
  /** @param apiKey @default the one that the product has generated */
  constructor(
    private readonly product: Product,
    private readonly apiKey?: string,
  ) {}

  async rest(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await fetch(`${this.product.address('API')}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.apiKey ?? this.product.apiKey}`,
        'content-type': 'application/json',
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, headers: answer.headers, body: await answer.json() };
  }

  async control(name: string, body: unknown = {}): Promise<unknown> {
    const answer = await fetch(`${this.product.address('Platform')}/_control/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(answer.ok).toBe(true);
    return answer.status === 204 ? undefined : answer.json();
  }

  /** Connects an interaction on the simulator. */
  async connected(): Promise<string> {
    return z.object({ interactionId: z.string() }).parse(await this.control('add-interaction')).interactionId;
  }

  /** What the simulator saw of an interaction; its violations are those of all. */
  async ledger(interactionId: string): Promise<LedgerAnswer> {
    const answer = await fetch(`${this.product.address('Platform')}/_control/ledger?interactionId=${interactionId}`);
    return ledgerAnswer.parse(await answer.json());
  }

  async create(interactionId: string, supervisorId: string, wait = 30): Promise<SessionResource> {
    const { status, body } = await this.#onceThere('/v1/sessions', { interactionId, supervisorId }, wait);
    expect([200, 202]).toContain(status);
    return sessionResource.parse(body);
  }

  async sessionOf(sessionId: string): Promise<SessionResource> {
    return sessionResource.parse((await this.rest('GET', `/v1/sessions/${encodeURIComponent(sessionId)}`)).body);
  }

  /** Sends a command and waits for its outcome. */
  async command(sessionId: string, action: CommandAction): Promise<CommandStatus> {
    const path = commandsOf(sessionId);
    const { status, body } = await this.#onceThere(path, { action }, 30, randomUUID());
    expect([200, 202]).toContain(status);
    const { commandId } = z.object({ commandId: z.string() }).parse(body);
    return (await this.outcome(sessionId, commandId)).status;
  }

  /** Again, as callers are told to, while the answer is that Temporal takes too long: a busy machine's does. */
  async #onceThere(path: string, body: unknown, wait: number, key?: string): Promise<Answer> {
    const headers = { prefer: `wait=${wait}`, ...(key === undefined ? {} : { 'idempotency-key': key }) };
    return until(`an answer to ${path}`, async () => {
      const answer = await this.rest('POST', path, body, headers);
      return answer.status !== 503 && answer;
    });
  }

  /** Sends a command under an id of the caller's own, as often as it takes until it is accepted. */
  async send(sessionId: string, action: CommandAction, commandId: string, limitMs = OUTCOME_LIMIT_MS): Promise<void> {
    await until(
      `${action} of ${sessionId} accepted`,
      async () => {
        const answer = await this.rest('POST', commandsOf(sessionId), { action }, { 'idempotency-key': commandId });
        return [200, 202].includes(answer.status);
      },
      limitMs,
    );
  }

  async commandOf(sessionId: string, commandId: string): Promise<CommandResource> {
    const { status, body } = await this.rest('GET', `${commandsOf(sessionId)}/${commandId}`);
    if (status !== 200) throw new Error(`Expected a command, got ${status} ${JSON.stringify(body)}`);
    return commandResource.parse(body);
  }

  async outcome(sessionId: string, commandId: string): Promise<CommandResource> {
    return until(
      `the outcome of ${commandId} of ${sessionId}`,
      async () => {
        const command = await this.commandOf(sessionId, commandId);
        return isFinal(command.status) && command;
      },
      OUTCOME_LIMIT_MS,
    );
  }
}

function commandsOf(sessionId: string): string {
  return `/v1/sessions/${encodeURIComponent(sessionId)}/commands`;
}
