import type { JSX } from 'preact';
import type { SessionResource } from '../../domain/session.js';
import { presenceWords } from '../model/words.js';
import { Icon, STATE_ICONS } from './icons.js';

interface PresenceProps {
  readonly session: SessionResource;
  readonly isOwn: boolean;
}

/** Somebody on a call, and in which mode. */
export function Presence({ session, isOwn }: PresenceProps): JSX.Element {
  const icon = session.ending !== null ? 'leave' : session.waiting === null ? STATE_ICONS[session.state] : 'wait';
  return (
    <li class={`presence presence-${session.state.toLowerCase()}`} data-supervisor={session.supervisorId}>
      <Icon name={icon} />
      {isOwn ? 'You' : session.supervisorId} <span class="muted">{presenceWords(session)}</span>
    </li>
  );
}
