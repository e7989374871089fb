import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Me } from '../../domain/sign-in.js';
import type { SessionResource } from '../../domain/session.js';
import { isHeard } from '../model/model.js';
import type { Link, Model } from '../model/model.js';
import { ownSessions } from '../model/rows.js';
import { useServerNow, useStore } from './context.js';
import { Icon } from './icons.js';

interface TopBarProps {
  readonly me: Me;
  readonly model: Model;
}

export function TopBar({ me, model }: TopBarProps): JSX.Element {
  const store = useStore();
  const [isAsking, ask] = useState(false);
  const sessions = ownSessions(model).filter(({ ending }) => ending === null);
  return (
    <header class="top-bar">
      <h1 class="brand">Earshot</h1>
      <LinkState link={model.link} />
      <span class="who">
        <Icon name="person" /> <span class="name">{me.id ?? 'API key'}</span> <small>{me.roles.join(', ')}</small>
      </span>
      <button
        type="button"
        class="plain"
        aria-expanded={isAsking}
        onClick={() => {
          if (sessions.length === 0) void store.signOut();
          else ask(!isAsking);
        }}
      >
        Sign out
      </button>
      {isAsking && sessions.length > 0 && <SignOutQuestion sessions={sessions} onNo={() => ask(false)} />}
    </header>
  );
}

interface SignOutQuestionProps {
  readonly sessions: readonly SessionResource[];
  readonly onNo: () => void;
}

/** Whoever signs out stays on their calls, heard by those who hear them now: the sessions are not the page's. */
function SignOutQuestion({ sessions, onNo }: SignOutQuestionProps): JSX.Element {
  const store = useStore();
  const calls = sessions.length === 1 ? 'a call' : `${sessions.length} calls`;
  return (
    <div class="question" role="group" aria-label="Sign out?">
      <p>
        <Icon name="alert" /> You are on {calls}
        {sessions.some(isHeard) ? ', and heard there' : ''}. Signing out alone does not end that.
      </p>
      <button type="button" class="danger" onClick={() => void store.leaveAllAndSignOut()}>
        Leave and sign out
      </button>
      <button type="button" onClick={() => void store.signOut()}>
        Only sign out
      </button>
      <button type="button" onClick={onNo}>
        Stay
      </button>
    </div>
  );
}

function LinkState({ link }: { readonly link: Link }): JSX.Element {
  return (
    <span class={`link link-${link.kind}`} role="status" data-link={link.kind}>
      <span class="dot" aria-hidden="true" />
      <span>
        {link.kind === 'live' ? 'Live' : link.kind === 'connecting' ? 'Connecting …' : 'No connection'}
        {link.kind === 'lost' && <Retry retryAtMs={link.retryAtMs} />}
      </span>
    </span>
  );
}

/** Not read out: a second is no news. */
function Retry({ retryAtMs }: { readonly retryAtMs: number }): JSX.Element {
  useServerNow();
  const seconds = Math.max(0, Math.ceil((retryAtMs - Date.now()) / 1_000));
  return <span aria-hidden="true">{seconds > 0 ? `, trying again in ${seconds} s` : ', trying again …'}</span>;
}
