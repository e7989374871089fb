import { z } from 'zod';
import { auditEntry } from '../../domain/audit-entry.js';
import type { SessionEvent } from '../../domain/audit-entry.js';
import { commandResource } from '../../domain/commands.js';
import type { CommandAction, CommandResource } from '../../domain/commands.js';
import { interactionResource } from '../../domain/interaction-resource.js';
import type { InteractionResource } from '../../domain/interaction-resource.js';
import { sessionResource } from '../../domain/session.js';
import type { SessionResource } from '../../domain/session.js';
import { me, signInState } from '../../domain/sign-in.js';
import type { Me, SignInRequest, SignInWay } from '../../domain/sign-in.js';
import { parsedJson } from './parsed-json.js';

/** How long one request may take, ms. */
const REQUEST_LIMIT_MS = 10_000;

/** Calls in one page of the list, and the most that the page reads. */
const PAGE_SIZE = 200;
const MOST_PAGES = 25;

/** What a problem answer says (RFC 9457). */
const problem = z.object({ code: z.string(), detail: z.string() });

/** Thrown for an answer that is a problem, and where none came. */
export class RestError extends Error {
  constructor(
    /** The problem's code; `network` where nobody answered, `unreadable` where something else did. */
    readonly code: string,
    message: string,
    /** Of HTTP; 0 where nobody answered. */
    readonly status: number,
    /** When a repeat makes sense, ms from now; `null`: the answer does not say. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
    this.name = 'RestError';
  }

  /** Whether the same request may well succeed later. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500 || this.code === 'session.ending';
  }
}

/** What the answers say for programs, and those who run them, in words for supervisors. */
const TROUBLE_WORDS: Readonly<Record<string, string>> = {
  'platform.unavailable': 'The telephony platform does not answer.',
  'workers.unavailable': 'Earshot’s workers do not answer. Whoever runs it has to look.',
  'temporal.unreachable': 'Earshot cannot reach its Temporal. Whoever runs it has to look.',
  'rate.limited': 'Too much was asked in a short time.',
  'session.ended': 'You are no longer on this call.',
  'session.superseded': 'You are no longer on this call.',
};

/** Whatever was thrown, in words for the person at the page. */
export function troubleOf(error: unknown): { readonly code: string; readonly text: string } {
  if (error instanceof RestError) return { code: error.code, text: TROUBLE_WORDS[error.code] ?? error.message };
  return { code: 'unexpected', text: 'Something unexpected went wrong in this page. Load it again.' };
}

let tellTime: (at: string) => void = () => undefined;

/** Has the server's time told with each of its answers, as HTTP says it: to the second. */
export function onServerTime(listener: (at: string) => void): void {
  tellTime = listener;
}

interface RequestOptions {
  readonly body?: object;
  readonly key?: string;
}

async function request<Answer>(
  method: 'GET' | 'POST',
  path: string,
  answer: z.ZodType<Answer>,
  { body, key }: RequestOptions = {},
): Promise<Answer> {
  const response = await send(method, path, {
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    headers: {
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(key === undefined ? {} : { 'Idempotency-Key': key }),
    },
  });
  tellTime(response.headers.get('Date') ?? '');
  // Half an answer is none: what was asked for may have been taken.
  const text = await response.text().catch(() => {
    throw unanswered();
  });
  const content = parsedJson(text);
  if (!response.ok) {
    const told = problem.safeParse(content);
    const seconds = Number(response.headers.get('Retry-After') ?? NaN);
    throw new RestError(
      told.data?.code ?? 'unreadable',
      told.data?.detail ?? `The server answered ${response.status}.`,
      response.status,
      Number.isFinite(seconds) ? seconds * 1_000 : null,
    );
  }
  const parsed = answer.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new RestError('unreadable', 'The server’s answer cannot be read: load this page again.', response.status);
}

async function send(method: string, path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, { ...init, method, cache: 'no-store', signal: AbortSignal.timeout(REQUEST_LIMIT_MS) });
  } catch {
    throw unanswered();
  }
}

function unanswered(): RestError {
  return new RestError('network', 'Earshot does not answer.', 0);
}

const NOTHING = z.unknown();
const listedInteractions = z.object({ items: z.array(interactionResource), nextCursor: z.string().nullable() });
const listedEntries = z.object({ items: z.array(auditEntry) });
const ticketAnswer = z.object({ ticket: z.string() });

/** The ways to sign in here, and who is. @throws {RestError} */
export function readSignIn(): Promise<{ readonly ways: readonly SignInWay[]; readonly me: Me | null }> {
  return request('GET', '/v1/sign-in', signInState);
}

/** @throws {RestError} `authentication.required`: the key or token is wrong */
export function signIn(credentials: SignInRequest): Promise<Me> {
  return request('POST', '/v1/sign-in', me, { body: credentials });
}

/** @throws {RestError} */
export async function signOut(): Promise<void> {
  await request('POST', '/v1/sign-out', NOTHING);
}

/** All calls that are connected, page by page. @throws {RestError} */
export async function readCalls(): Promise<InteractionResource[]> {
  const items: InteractionResource[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query: string = new URLSearchParams({
      limit: String(PAGE_SIZE),
      ...(cursor === null ? {} : { cursor }),
    }).toString();
    const listed: z.infer<typeof listedInteractions> = await request(
      'GET',
      `/v1/interactions?${query}`,
      listedInteractions,
    );
    items.push(...listed.items);
    cursor = listed.nextCursor;
    if (cursor === null) break;
  }
  return items;
}

/**
 * Asks for a session.
 * @param supervisorId whom the page shows as signed in: in another tab it may be somebody else by now, who is not meant
 * @param key repeats with it make no second one
 * @throws {RestError}
 */
export function startSession(
  interactionId: string,
  supervisorId: string | null,
  key: string,
): Promise<SessionResource> {
  const body = { interactionId, ...(supervisorId === null ? {} : { supervisorId }) };
  return request('POST', '/v1/sessions', sessionResource, { body, key });
}

/** @throws {RestError} */
export function readSession(sessionId: string, runId: string): Promise<SessionResource> {
  return request('GET', `${pathOf(sessionId)}?${new URLSearchParams({ runId }).toString()}`, sessionResource);
}

/** @param key the command's id; repeats with it are the same command @throws {RestError} */
export function sendCommand(
  { sessionId, runId }: Pick<SessionResource, 'sessionId' | 'runId'>,
  action: CommandAction,
  key: string,
): Promise<CommandResource> {
  return request('POST', `${pathOf(sessionId)}/commands`, commandResource, { body: { action, runId }, key });
}

/** @throws {RestError} */
export function readCommand(
  { sessionId, runId }: Pick<SessionResource, 'sessionId' | 'runId'>,
  commandId: string,
): Promise<CommandResource> {
  const query = new URLSearchParams({ runId }).toString();
  return request('GET', `${pathOf(sessionId)}/commands/${encodeURIComponent(commandId)}?${query}`, commandResource);
}

/** The audit trail, oldest first. @throws {RestError} */
export async function readTrail({
  sessionId,
  runId,
}: Pick<SessionResource, 'sessionId' | 'runId'>): Promise<readonly SessionEvent[]> {
  const query = new URLSearchParams({ runId }).toString();
  return (await request('GET', `${pathOf(sessionId)}/history?${query}`, listedEntries)).items;
}

/** For the WebSocket, once, within half a minute. @throws {RestError} */
export async function readTicket(): Promise<string> {
  return (await request('POST', '/v1/events/tickets', ticketAnswer)).ticket;
}

function pathOf(sessionId: string): string {
  return `/v1/sessions/${encodeURIComponent(sessionId)}`;
}
