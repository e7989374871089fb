import type { JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { ownSessions } from '../model/rows.js';
import type { Model } from '../model/model.js';
import { STATE_WORDS } from '../model/words.js';
import type { Store } from '../service/store.js';
import { CallTable } from './call-table.js';
import { StoreContext } from './context.js';
import { Icon } from './icons.js';
import { MyCalls } from './my-calls.js';
import { SignIn } from './sign-in.js';
import { TopBar } from './top-bar.js';

interface AppProps {
  readonly store: Store;
  readonly model: Model;
}

export function App({ store, model }: AppProps): JSX.Element {
  return (
    <StoreContext.Provider value={store}>
      <Page store={store} model={model} />
    </StoreContext.Provider>
  );
}

function Page({ store, model }: AppProps): JSX.Element {
  const { access, announcement } = model;
  // Whoever signs in or out is taken to the beginning of what is new, before it is drawn: focus is at no time nowhere.
  const before = useRef(access.kind);
  useLayoutEffect(() => {
    // Not of a page that was just loaded: its first stop is the way past the header.
    if (before.current !== 'unknown') document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true });
    before.current = access.kind;
  }, [access.kind]);
  if (access.kind === 'unknown') return <Splash model={model} />;
  if (access.kind === 'signed-out')
    return <SignIn access={access} onSignIn={(credentials) => void store.signIn(credentials)} />;
  const isPermitted = access.me.kind === 'service' || access.me.roles.length > 0;
  return (
    <>
      <a class="skip" href="#calls">
        Skip to the live calls
      </a>
      <TopBar me={access.me} model={model} />
      {model.isOutdated && (
        <p class="trouble outdated" role="alert">
          <Icon name="alert" /> Earshot is newer than this page: load it again to see everything.
        </p>
      )}
      <main tabIndex={-1}>{isPermitted ? <Calls model={model} /> : <NoPermission id={access.me.id} />}</main>
      {/* The number makes the same words news again. */}
      <div class="unseen" role="status" aria-live="polite">
        <span key={announcement.number}>{announcement.text}</span>
      </div>
    </>
  );
}

function Calls({ model }: { readonly model: Model }): JSX.Element {
  return (
    <>
      <MyCalls model={model} />
      <CallTable model={model} />
    </>
  );
}

function Splash({ model }: { readonly model: Model }): JSX.Element {
  const trouble = model.access.kind === 'unknown' ? model.access.trouble : null;
  return (
    <main class="splash" tabIndex={-1}>
      <h1>Earshot</h1>
      {trouble === null ? (
        <p role="status">Loading …</p>
      ) : (
        <p role="alert">
          <Icon name="alert" /> {trouble.text} Trying again …
        </p>
      )}
    </main>
  );
}

function NoPermission({ id }: { readonly id: string | null }): JSX.Element {
  return (
    <section class="empty">
      <h1>Nothing for you here yet</h1>
      <p>
        {id ?? 'You'} may not see calls: that takes one of the roles supervisor, qa or admin, which your identity
        provider gives. Ask whoever manages it, then sign in again.
      </p>
    </section>
  );
}

/** What the tab says: where we are, for whoever works in another one. */
export function titleOf(model: Model): string {
  const states = ownSessions(model).map(({ state, waiting }) =>
    waiting === null ? STATE_WORDS[state].title : 'In line',
  );
  const link = model.access.kind === 'signed-in' && model.link.kind === 'lost' ? ['No connection'] : [];
  return [...link, ...new Set(states), 'Earshot'].join(' · ');
}
