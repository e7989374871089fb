import { z } from 'zod';
import { commandRequest, commandResource, sessionRequest, startSessionInput } from '../domain/commands.js';
import type { ProblemCode } from '../domain/errors.js';
import { interactionResource } from '../domain/interaction-resource.js';
import { mediaFallback, sessionMedia } from '../domain/media.js';
import { interactionStatus } from '../domain/platform-wire.js';
import { auditEntry } from '../domain/audit-entry.js';
import { sessionResource, sessionState } from '../domain/session.js';
import { tokenHealth } from '../domain/token-keeper.js';
import { me, signInRequest, signInState } from '../domain/sign-in.js';
import type { Role } from '../domain/sign-in.js';
import { problemBody } from './problem.js';
import { CODEC_BODY_LIMIT, remotePayloads } from './remote-payloads.js';
import { pageLimit } from './request-input.js';

/** What REST takes and answers, operation by operation: routes, checks and the OpenAPI document all come from here. */

/** What callers send, by the name that the document gives it. */
export const REQUESTS = {
  NewSession: sessionRequest,
  NewCommand: commandRequest,
  SignIn: signInRequest,
  Payloads: remotePayloads,
} as const;

/** @param maxLength of what `encodeCursor` makes of the list's own place, characters */
const cursor = (maxLength: number) =>
  z
    .string()
    .min(1)
    .max(maxLength)
    .optional()
    .describe('The nextCursor of the answer before, with the same parameters.');
const nextCursor = z.string().nullable().describe('Of the next page; null: this is the last one.');

/** What is answered, likewise. */
export const ANSWERS = {
  Session: sessionResource,
  Media: sessionMedia,
  MediaFallback: mediaFallback,
  SessionList: z.object({ items: z.array(sessionResource), nextCursor }),
  Command: commandResource,
  AuditEntry: auditEntry,
  History: z.object({ items: z.array(auditEntry) }),
  Interaction: interactionResource,
  InteractionList: z.object({ items: z.array(interactionResource), nextCursor }),
  Ticket: z.object({ ticket: z.string(), expiresAt: z.iso.datetime() }),
  SignInState: signInState,
  Me: me,
  CodedPayloads: remotePayloads,
  Liveness: z.object({ status: z.literal('alive') }),
  Readiness: z.object({
    status: z.enum(['ready', 'unready']),
    reasons: z.array(z.string()),
    workers: z.int().nullable(),
    tokens: z.array(tokenHealth.extend({ worker: z.string() })).nullable(),
  }),
  Problem: problemBody,
} as const;

/** Of `GET /v1/sessions`. */
export const sessionListQuery = z.strictObject({
  interactionId: startSessionInput.shape.interactionId.optional(),
  supervisorId: startSessionInput.shape.supervisorId.optional(),
  state: sessionState.optional().describe('Sessions that have ended are TERMINATED.'),
  limit: pageLimit,
  cursor: cursor(1_024),
});

/** Of `GET /v1/interactions`. */
export const interactionListQuery = z.strictObject({
  status: interactionStatus.default('connected'),
  limit: pageLimit,
  cursor: cursor(2_048),
});

/** Of `GET /v1/sessions/{sessionId}`. */
export const sessionRunQuery = z.strictObject({
  runId: z.string().min(1).max(64).optional().describe('An earlier session under the same id.'),
});

/** Of an operation that takes none. */
export const noQuery = z.strictObject({});

interface Answer {
  readonly description: string;
  /** Its body; without any there is none. */
  readonly body?: keyof typeof ANSWERS;
  readonly headers?: readonly ResponseHeader[];
  /** What the answer leads to: by the operation's id, its path's parameters as runtime expressions (OpenAPI 3.1, 4.8.20.4). */
  readonly links?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export type RequestHeader = 'Prefer' | 'Idempotency-Key' | 'If-None-Match';
export type ResponseHeader = 'Location' | 'ETag' | 'Preference-Applied' | 'Set-Cookie';

/** One thing that REST can do. */
export interface Operation {
  readonly id: string;
  readonly method: 'GET' | 'POST';
  /** As OpenAPI writes it: `/v1/sessions/{sessionId}`. */
  readonly path: string;
  /** A line. */
  readonly summary: string;
  /** Whatever a caller must know besides. */
  readonly description?: string;
  readonly query?: z.ZodObject;
  readonly headers?: readonly RequestHeader[];
  readonly body?: keyof typeof REQUESTS;
  /** Largest body taken, bytes. @default 16 KiB */
  readonly bodyLimit?: number;
  readonly answers: Readonly<Record<number, Answer>>;
  /** Besides those that any operation may answer. */
  readonly problems: readonly ProblemCode[];
  /** Which people may, by role; software with the API key may everything. `anybody`: no bearer is needed; no role may be asked for at its path. */
  readonly access: readonly Role[] | 'anybody';
}

/** A person acts as themselves, and `qa` does not speak: what is asked decides as well. */
const ANY_ROLE = ['supervisor', 'qa', 'admin'] as const;

const ofItsBody = { sessionId: '$response.body#/sessionId' };
const ofItsPath = { sessionId: '$request.path.sessionId' };
const sessionLinks = { getSession: ofItsBody, sendCommand: ofItsBody, getHistory: ofItsBody };
const commandLinks = { getCommand: { ...ofItsPath, commandId: '$response.body#/commandId' } };

/** In the order of the document. */
export const OPERATIONS = [
  {
    id: 'createSession',
    method: 'POST',
    path: '/v1/sessions',
    summary: 'Start to monitor an interaction',
    description:
      'A supervisor has one session on an interaction: where it runs already, it is answered, and the body otherwise ignored. The new one is PENDING until the platform confirms its leg; Prefer: wait=N holds the answer until then. A repeat with the same Idempotency-Key is answered the session that it made, even one that has ended; a key that found a session which ran already leaves no trace.',
    headers: ['Prefer', 'Idempotency-Key'],
    body: 'NewSession',
    answers: {
      200: {
        description:
          'The session that runs already, or that the same Idempotency-Key has made; with Prefer: wait=N the new one as it is after PENDING, which may be TERMINATED: look at state and endReason.',
        body: 'Session',
        headers: ['Location', 'Preference-Applied'],
        links: sessionLinks,
      },
      202: { description: 'The new session.', body: 'Session', headers: ['Location'], links: sessionLinks },
    },
    problems: ['session.ending', 'idempotency.key.reused', 'temporal.unreachable'],
    access: ANY_ROLE,
  },
  {
    id: 'listSessions',
    method: 'GET',
    path: '/v1/sessions',
    summary: 'List sessions, newest first, ended ones included',
    description: 'May lag 2 s behind. A page may be short, or empty, though another follows.',
    query: sessionListQuery,
    answers: { 200: { description: 'A page of sessions.', body: 'SessionList' } },
    problems: ['temporal.unreachable'],
    access: ANY_ROLE,
  },
  {
    id: 'getSession',
    method: 'GET',
    path: '/v1/sessions/{sessionId}',
    summary: 'Read a session',
    query: sessionRunQuery,
    headers: ['If-None-Match'],
    answers: {
      200: { description: 'The session.', body: 'Session', headers: ['ETag'] },
      304: { description: 'It is still as its ETag in If-None-Match says.', headers: ['ETag'] },
    },
    problems: ['session.not.found', 'temporal.unreachable'],
    access: ANY_ROLE,
  },
  {
    id: 'sendCommand',
    method: 'POST',
    path: '/v1/sessions/{sessionId}/commands',
    summary: 'Barge, whisper, fall silent or stop',
    description:
      'Accepted means durable: it is carried out, or ends with a reason, whatever dies meanwhile. Prefer: wait=N holds the answer until its outcome. A repeat with the same Idempotency-Key is the same command of the same session; send its runId along, or a repeat that comes after the session’s end may reach the next one: with it, the repeat is answered as the command stands, and what was never received 409 session.superseded. stop of a session that has ended is answered applied.',
    headers: ['Prefer', 'Idempotency-Key'],
    body: 'NewCommand',
    answers: {
      200: {
        description: 'The command with its outcome, whatever that is.',
        body: 'Command',
        headers: ['Location', 'Preference-Applied'],
      },
      202: {
        description: 'The command, accepted.',
        body: 'Command',
        headers: ['Location'],
        links: commandLinks,
      },
    },
    problems: [
      'session.not.found',
      'session.ended',
      'session.superseded',
      'idempotency.key.reused',
      'temporal.unreachable',
      'workers.unavailable',
    ],
    access: ANY_ROLE,
  },
  {
    id: 'getCommand',
    method: 'GET',
    path: '/v1/sessions/{sessionId}/commands/{commandId}',
    summary: 'Read what came of a command',
    description: 'Of the session that is or was last; of an older one under the same id with its runId.',
    query: sessionRunQuery,
    answers: { 200: { description: 'The command.', body: 'Command' } },
    problems: ['session.not.found', 'command.not.found', 'temporal.unreachable', 'workers.unavailable'],
    access: ANY_ROLE,
  },
  {
    id: 'getHistory',
    method: 'GET',
    path: '/v1/sessions/{sessionId}/history',
    summary: 'Read the audit trail of a session',
    query: sessionRunQuery,
    answers: { 200: { description: 'What happened, oldest first.', body: 'History' } },
    problems: ['session.not.found', 'temporal.unreachable', 'workers.unavailable'],
    access: ANY_ROLE,
  },
  {
    id: 'listInteractions',
    method: 'GET',
    path: '/v1/interactions',
    summary: 'List the platform’s interactions, with the sessions on each',
    description: 'Up to a second old.',
    query: interactionListQuery,
    answers: { 200: { description: 'A page of interactions.', body: 'InteractionList' } },
    problems: ['temporal.unreachable', 'workers.unavailable', 'platform.unavailable'],
    access: ANY_ROLE,
  },
  {
    id: 'createTicket',
    method: 'POST',
    path: '/v1/events/tickets',
    summary: 'Get a ticket for the WebSocket',
    description:
      'For browsers, which cannot send Authorization along: GET /v1/events?ticket= takes it once, within half a minute, for whoever asked for it. What is told there stands in asyncapi.json.',
    answers: { 201: { description: 'The ticket.', body: 'Ticket' } },
    problems: [],
    access: ANY_ROLE,
  },
  {
    id: 'getSignIn',
    method: 'GET',
    path: '/v1/sign-in',
    summary: 'Ask how people sign in here, and who has',
    description: 'What a page asks first: unlike /v1/me it answers who is not signed in as well.',
    answers: {
      200: { description: 'The ways that there are, and whoever the cookie stands for.', body: 'SignInState' },
    },
    problems: ['authentication.unavailable', 'access.denied'],
    access: 'anybody',
  },
  {
    id: 'signIn',
    method: 'POST',
    path: '/v1/sign-in',
    summary: 'Sign in, for a page in a browser',
    description:
      'Either {apiKey, supervisorId}, for 12 hours and as a supervisor, or {token}, until the token expires. From then on the cookie stands for the Authorization header, which goes first where both come. Only Earshot’s own page may send it along: what changes anything has to come with Sec-Fetch-Site: same-origin, or with an Origin that is the Host.',
    body: 'SignIn',
    answers: { 200: { description: 'Who that is.', body: 'Me', headers: ['Set-Cookie'] } },
    problems: ['authentication.required', 'authentication.unavailable', 'access.denied', 'rate.limited'],
    access: 'anybody',
  },
  {
    id: 'signOut',
    method: 'POST',
    path: '/v1/sign-out',
    summary: 'Have the browser forget the sign-in',
    description: 'Whoever has kept a copy of the cookie is let in by it until it expires.',
    answers: { 204: { description: 'It has.', headers: ['Set-Cookie'] } },
    problems: ['access.denied'],
    access: 'anybody',
  },
  {
    id: 'getMe',
    method: 'GET',
    path: '/v1/me',
    summary: 'Ask who one is',
    answers: { 200: { description: 'Whoever asks.', body: 'Me' } },
    problems: [],
    access: ANY_ROLE,
  },
  {
    id: 'decodePayloads',
    method: 'POST',
    path: '/v1/codec/decode',
    summary: 'Decrypt what Temporal keeps, for its UI and command line',
    description:
      'Temporal’s protocol of codec servers: give it the address up to /v1/codec. What is not encrypted is answered as it is; what cannot be decrypted is answered as {unreadable} and the reason. Where PAYLOAD_KEYS_FILE is not set there is nothing here.',
    body: 'Payloads',
    bodyLimit: CODEC_BODY_LIMIT,
    answers: { 200: { description: 'As many payloads, in the same order.', body: 'CodedPayloads' } },
    problems: ['not.found'],
    access: ANY_ROLE,
  },
  {
    id: 'encodePayloads',
    method: 'POST',
    path: '/v1/codec/encode',
    summary: 'Encrypt what is sent to Temporal by its UI or command line',
    description: 'With PAYLOAD_ENCRYPTION=off all payloads are answered as they are.',
    body: 'Payloads',
    bodyLimit: CODEC_BODY_LIMIT,
    answers: { 200: { description: 'As many payloads, in the same order.', body: 'CodedPayloads' } },
    problems: ['not.found'],
    access: ['admin'],
  },
  {
    id: 'getLiveness',
    method: 'GET',
    path: '/livez',
    summary: 'Whether the process answers',
    answers: { 200: { description: 'It does.', body: 'Liveness' } },
    problems: [],
    access: 'anybody',
  },
  {
    id: 'getReadiness',
    method: 'GET',
    path: '/readyz',
    summary: 'Whether the process can do its work',
    answers: {
      200: { description: 'It can.', body: 'Readiness' },
      503: { description: 'It cannot, for these reasons.', body: 'Readiness' },
    },
    problems: [],
    access: 'anybody',
  },
] as const satisfies readonly Operation[];

export type OperationId = (typeof OPERATIONS)[number]['id'];
