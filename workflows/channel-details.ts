import type { ChannelReport } from '../domain/channel.js';
import { code } from './session-details.js';

const WAITING_SHOWN = 20;

/** An interaction's channel in a few lines of Markdown, for people who look at it in Temporal's UI. */
export function describeChannel(interactionId: string, { holder, waiting }: ChannelReport): string {
  const facts = [`Exclusive channel (barge and whisper) of interaction ${code(interactionId)}`];
  if (holder === null) facts.push('**Free**');
  else {
    const blocked = holder.blocked ? ', but a leg outside this queue has it on the platform' : '';
    facts.push(`**Granted** to ${code(holder.sessionId)} (fence ${holder.fence})${blocked}`);
  }
  const line = waiting
    .slice(0, WAITING_SHOWN)
    .map(({ position, sessionId, expiresAt }) => `- ${position}: ${code(sessionId)}, until ${expiresAt}`);
  if (waiting.length > WAITING_SHOWN) line.push(`- and ${waiting.length - WAITING_SHOWN} more`);
  return [...facts.map((fact) => `${fact}  `), '', ...line].join('\n');
}
