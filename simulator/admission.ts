import { z } from 'zod';
import { apiError, invalidRequest, notFound, type ApiAnswer } from './api-answer.js';
import type { QueryParameters } from './api-queries.js';
import { routeOf, type Route } from './api-route.js';
import type { LedgerBook, OpenRequestEntry } from './ledger.js';
import { isModeChange, monitorCommandSchema, type MonitorCommand } from './monitor-command.js';
import type { PlatformCore } from './platform-core.js';
import type { RateLimiter } from './rate-limiter.js';
import type { RequestEffect, RequestFaults } from './request-faults.js';
import { clientIdOfForm } from './token-request.js';
import type { IssuedToken, TokenStore } from './token-store.js';

/** A request as it came in, its body read as text. */
export interface IncomingRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: QueryParameters;
  readonly authorization: string | undefined;
  readonly contentType: string | undefined;
  readonly bodyText: string;
  /** There was more body than is taken; `bodyText` is empty. */
  readonly bodyTooLarge: boolean;
}

/** What the front door makes of a request. */
export interface Admission {
  readonly entry: OpenRequestEntry;
  readonly route: Route;
  readonly rateHeaders: Readonly<Record<string, string>>;
  /** The answer if it goes no further. */
  readonly refusal: ApiAnswer | null;
  /** The fault that hits it; never one that is refused anyway, so that `times` counts what tests mean. */
  readonly effect: RequestEffect | null;
  readonly command: MonitorCommand | null;
  readonly token: IssuedToken | null;
}

/** Why a client may not monitor (`platform-api.md`: scope or licence too low). */
export const accessDenialSchema = z.enum(['missing.permission', 'missing.license']);
export type AccessDenial = z.output<typeof accessDenialSchema>;

export interface FrontDoorOptions {
  readonly core: PlatformCore;
  readonly tokens: TokenStore;
  readonly rateLimiter: RateLimiter;
  readonly faults: RequestFaults;
  readonly ledger: LedgerBook;
}

/** The query parameters that the API knows; others might be secrets and stay out of the ledger. */
const KNOWN_PARAMETERS = ['status', 'pageSize', 'cursor', 'endedAfter', 'interactionId', 'monitorSessionId'];

/** Longer bodies are not kept in the ledger: its size is counted in entries. */
const MAX_KEPT_BODY = 2_000;

const idsSchema = z.object({
  action: z.string().optional().catch(undefined),
  interactionId: z.string().optional().catch(undefined),
  monitorSessionId: z.string().optional().catch(undefined),
});

/** What every request passes, in this order: ledger, rate limit, token, address, licence, body, faults. */
export class FrontDoor {
  readonly #options: FrontDoorOptions;
  readonly #denied = new Map<string, AccessDenial>();

  constructor(options: FrontDoorOptions) {
    this.#options = options;
  }

  /** Takes the client's right to monitor away, or (`null`) gives it back. */
  setAccess(clientId: string, denial: AccessDenial | null): void {
    if (denial === null) this.#denied.delete(clientId);
    else this.#denied.set(clientId, denial);
  }

  allowAll(): void {
    this.#denied.clear();
  }

  admit(request: IncomingRequest): Admission {
    const { ledger, tokens, rateLimiter, faults } = this.#options;
    const route = routeOf(request.method, request.path);
    const body = route.name === 'command' ? jsonOrUndefined(request.bodyText) : undefined;
    const command = monitorCommandSchema.safeParse(body);
    const entry = this.#enter(request, route, body, command.data ?? null);

    const { token, valid } = tokens.judge(request.authorization);
    entry.clientId = route.name === 'token' ? this.#knownClientOf(request) : (token?.clientId ?? null);
    entry.tokenNumber = token?.number ?? null;
    const verdict = rateLimiter.take(entry.clientId ?? 'unidentified');
    if (verdict.ignoredRefusal) {
      ledger.violate({
        rule: 'rate-limit.ignored',
        detail: `${entry.clientId ?? 'unidentified'}, request ${entry.seq}`,
      });
    }
    const refusal = verdict.allowed
      ? this.#refusalOf(request, route, valid, entry.clientId, command)
      : apiError(429, 'too.many.requests', 'The rate limit is used up; see Retry-After.');
    if (refusal === null && command.data !== undefined) this.#checkCommand(command.data, entry);
    return {
      entry,
      route,
      rateHeaders: verdict.headers,
      refusal,
      effect: refusal === null ? faults.strike(entry) : null,
      command: command.data ?? null,
      token: valid ? token : null,
    };
  }

  #enter(request: IncomingRequest, route: Route, body: unknown, command: MonitorCommand | null): OpenRequestEntry {
    const query = Object.fromEntries(
      KNOWN_PARAMETERS.flatMap((name) => (request.query[name] === undefined ? [] : [[name, request.query[name]]])),
    );
    const entry = this.#options.ledger.open({
      method: request.method,
      path: request.path,
      query,
      action: command?.action ?? route.name,
    });
    const ids = idsSchema.safeParse(body).data;
    entry.interactionId = ids?.interactionId ?? route.interactionId ?? request.query['interactionId'] ?? null;
    entry.monitorSessionId = ids?.monitorSessionId ?? request.query['monitorSessionId'] ?? null;
    entry.body = request.bodyText.length <= MAX_KEPT_BODY ? (body ?? null) : '(too long to keep)';
    return entry;
  }

  #knownClientOf(request: IncomingRequest): string | null {
    const clientId = clientIdOfForm(request.bodyText);
    return clientId !== null && this.#options.tokens.hasClient(clientId) ? clientId : null;
  }

  #refusalOf(
    request: IncomingRequest,
    route: Route,
    authenticated: boolean,
    clientId: string | null,
    command: z.ZodSafeParseResult<MonitorCommand>,
  ): ApiAnswer | null {
    if (route.name !== 'token' && !authenticated) {
      return apiError(401, 'authentication.required', 'A valid bearer token is required.');
    }
    if (route.name === 'unknown') return notFound();
    if (route.wrongMethod) return apiError(405, 'method.not.allowed', 'This address takes another method.');
    const denial = this.#denied.get(clientId ?? '');
    if (denial !== undefined && (route.name === 'command' || route.name === 'state')) {
      return apiError(403, denial, 'The client may not monitor interactions.');
    }
    if (request.bodyTooLarge) return apiError(413, 'body.too.large', 'The body is too large.');
    if (route.name === 'command' && !command.success) return invalidRequest(z.prettifyError(command.error));
    return null;
  }

  /** Looked at on arrival, before any fault: that it was asked is the breach, not what came of it. */
  #checkCommand(command: MonitorCommand, entry: OpenRequestEntry): void {
    if (command.action === 'start') return;
    const { core, ledger } = this.#options;
    const leg = core.legs.get(command.monitorSessionId);
    if (leg === undefined) return;
    const detail = `${leg.monitorSessionId}, ${command.action}, request ${entry.seq}`;
    if (leg.status === 'pending' && isModeChange(command))
      ledger.violate({ rule: 'mode-change.before-active', detail });
    if (leg.clientId !== entry.clientId) ledger.violate({ rule: 'leg.of-another-client', detail });
  }
}

function jsonOrUndefined(text: string): unknown {
  try {
    return z.json().parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
