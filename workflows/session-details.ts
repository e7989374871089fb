import type { SessionRecord } from '../domain/session-record.js';
import { isFinal } from '../domain/commands.js';

const LAST_EVENTS_SHOWN = 12;

/** A session in a few lines of Markdown, for people who look at it in Temporal's UI. */
export function describeSession({ session, commands, history }: SessionRecord): string {
  const facts = [
    `**${session.state}**${session.ending === null ? '' : `, ending (${session.ending.reason}) since ${session.ending.since}`}${session.endReason === null ? '' : `: ${session.endReason}`}`,
    `Supervisor ${code(session.supervisorId)} on interaction ${code(session.interactionId)}`,
    session.monitorSessionId === null ? 'No leg yet' : `Leg ${code(session.monitorSessionId)}`,
    `Exclusive channel of the interaction: ${session.bargeStatus}`,
  ];
  if (session.unansweredSince !== null) {
    facts.push(`**The platform has not answered since ${session.unansweredSince}**; it is asked again until it does`);
  }
  if (session.waiting !== null) {
    const { mode, position, expiresAt } = session.waiting;
    facts.push(`Waiting to ${mode}: position ${position}, until ${expiresAt}`);
  }
  const open = commands.filter((command) => !isFinal(command.status) && command.action !== 'start');
  if (open.length > 0) facts.push(`Under way: ${open.map((command) => command.action).join(', ')}`);

  const trail = history.slice(-LAST_EVENTS_SHOWN).map((entry) => {
    const what = [
      'action' in entry ? entry.action : undefined,
      'mode' in entry ? entry.mode : undefined,
      'status' in entry ? entry.status : undefined,
      'endReason' in entry ? entry.endReason : undefined,
      entry.actor === undefined ? undefined : `by ${code(entry.actor)}`,
      entry.reason === undefined ? undefined : `(${code(entry.reason)})`,
    ].filter((part) => part !== undefined);
    return `- ${entry.at} ${[entry.type, ...what].join(' ')}`;
  });
  return [...facts.map((fact) => `${fact}  `), '', ...trail].join('\n');
}

/** Callers' words as inline code, so that nothing in them is taken for Markdown. */
export function code(text: string): string {
  return `\`${text.replaceAll('`', "'").replaceAll(/\s+/g, ' ')}\``;
}
