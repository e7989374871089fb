import type { JSX } from 'preact';
import type { Me } from '../../domain/sign-in.js';
import type { Link } from '../model/model.js';
import { useServerNow, useStore } from './context.js';
import { Icon } from './icons.js';

interface TopBarProps {
  readonly me: Me;
  readonly link: Link;
}

export function TopBar({ me, link }: TopBarProps): JSX.Element {
  const store = useStore();
  return (
    <header class="top-bar">
      <span class="brand">Earshot</span>
      <LinkState link={link} />
      <span class="who">
        <Icon name="person" /> {me.id ?? 'API key'} <small>{me.roles.join(', ')}</small>
      </span>
      <button type="button" class="plain" onClick={() => void store.signOut()}>
        Sign out
      </button>
    </header>
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
