import type { Request } from 'express';
import type { CommandAction } from '../domain/commands.js';
import type { MonitorMode } from '../domain/session.js';
import { role } from '../domain/sign-in.js';
import type { Role } from '../domain/sign-in.js';
import { Problem } from './problem.js';

/** All that a person may be. */
export const ROLES = role.options;

/** Somebody with a token, or who has signed in. */
export interface Person {
  readonly kind: 'person';
  /** Their supervisor id: the token's `sub`. */
  readonly id: string;
  readonly roles: readonly Role[];
  /** When the token or the sign-in expires, ms since the epoch. */
  readonly untilMs: number;
}

/** Software that has the API key, and may do everything, or a person. */
export type Caller = { readonly kind: 'service' } | Person;

/** How the audit trail names a caller that has the API key. */
export const SERVICE_ACTOR = 'service';

/** Who did it, for the audit trail and the log. */
export function actorOf(caller: Caller): string {
  return caller.kind === 'service' ? SERVICE_ACTOR : caller.id;
}

const callers = new WeakMap<Request, Caller>();

/** Notes who sent a request. */
export function setCaller(request: Request, caller: Caller): void {
  callers.set(request, caller);
}

/** Who sent a request that has been authenticated. */
export function callerOf(request: Request): Caller {
  const caller = callers.get(request);
  if (caller === undefined) throw new Error('the request has no caller: it has not been authenticated');
  return caller;
}

/** @throws {Problem} `access.denied` where none of the person's roles is among `roles` */
export function requireRole(caller: Caller, roles: readonly Role[]): void {
  if (caller.kind === 'service' || caller.roles.some((role) => roles.includes(role))) return;
  const has = caller.roles.length === 0 ? 'none of Earshot’s' : caller.roles.join(', ');
  throw denied(`This takes one of the roles ${roles.join(', ')}; the token has ${has}.`);
}

/** @throws {Problem} `access.denied` where a person who is no admin would act as somebody else */
export function requireSelf(caller: Caller, supervisorId: string): void {
  if (caller.kind === 'service' || caller.id === supervisorId || caller.roles.includes('admin')) return;
  throw denied(`${caller.id} may act as themselves only, and not as ${supervisorId}; that takes the role admin.`);
}

/** @throws {Problem} `access.denied` where somebody who may only listen would speak */
export function requireVoice(caller: Caller, action: CommandAction | MonitorMode): void {
  if (action !== 'barge' && action !== 'whisper') return;
  if (caller.kind === 'service' || caller.roles.some((role) => role !== 'qa')) return;
  throw denied(`${action} takes the role supervisor or admin; qa listens.`);
}

function denied(detail: string): Problem {
  return new Problem('access.denied', detail);
}
