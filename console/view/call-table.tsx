import { Component, createRef } from 'preact';
import type { JSX } from 'preact';
import type { SessionResource } from '../../domain/session.js';
import { isUnderWay } from '../model/controls.js';
import { ownId } from '../model/model.js';
import type { Call, Command, Model } from '../model/model.js';
import { rowsOf } from '../model/rows.js';
import { agentName, maskedCustomer } from '../model/words.js';
import type { Store } from '../service/store.js';
import { useStore } from './context.js';
import { Elapsed } from './elapsed.js';
import { FilterBar } from './filter-bar.js';
import { Icon } from './icons.js';
import { Presence } from './presence.js';

/** All live calls, and who is on them. Rows keep their places, and none goes while somebody is among them. */
export function CallTable({ model }: { readonly model: Model }): JSX.Element {
  const store = useStore();
  const rows = rowsOf(model);
  const { listing } = model;
  const own = ownId(model);
  return (
    <section class="calls" id="calls" tabIndex={-1} aria-labelledby="calls-title">
      <h2 id="calls-title">Live calls</h2>
      <FilterBar model={model} shown={rows.length} />
      {listing.kind === 'failed' && (
        <p class="trouble" role="alert">
          <Icon name="alert" /> The list of calls cannot be read: {listing.trouble.text} What is shown may be old; it is
          tried again by itself.
        </p>
      )}
      {rows.length === 0 ? (
        <Nothing model={model} />
      ) : (
        <table
          role="table"
          aria-labelledby="calls-title"
          onPointerEnter={() => store.hold('pointer', true)}
          onPointerLeave={() => store.hold('pointer', false)}
          onFocusIn={() => store.hold('focus', true)}
          onFocusOut={() => store.hold('focus', false)}
        >
          <thead role="rowgroup">
            <tr role="row">
              {['Agent', 'Customer', 'Queue', 'Duration', 'Supervisors'].map((title) => (
                <th key={title} role="columnheader" scope="col">
                  {title}
                </th>
              ))}
              <th role="columnheader" scope="col">
                <span class="unseen">What you can do</span>
              </th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {rows.map(({ call, sessions }) => (
              <CallRow
                key={call.id}
                call={call}
                sessions={sessions}
                own={own}
                command={model.commands.get(call.id)}
                isLive={model.link.kind === 'live'}
                store={store}
              />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Nothing({ model }: { readonly model: Model }): JSX.Element {
  const { listing, calls } = model;
  if (listing.kind === 'failed') return <p class="empty">No calls to show.</p>;
  if (listing.kind === 'loading') {
    return (
      <p class="empty" role="status">
        Loading the live calls …
      </p>
    );
  }
  return (
    <p class="empty">
      {calls.size === 0
        ? 'There is no live call at the moment. New ones appear here by themselves.'
        : 'No live call matches.'}
    </p>
  );
}

interface CallRowProps {
  readonly call: Call;
  readonly sessions: readonly SessionResource[];
  readonly own: string | null;
  readonly command: Command | undefined;
  readonly isLive: boolean;
  readonly store: Store;
}

/** Drawn again only when something of it has changed: there may be hundreds. */
class CallRow extends Component<CallRowProps> {
  readonly #row = createRef<HTMLTableRowElement>();

  override shouldComponentUpdate(next: CallRowProps): boolean {
    const { call, sessions, own, command, isLive } = this.props;
    return (
      call !== next.call ||
      sessions !== next.sessions ||
      own !== next.own ||
      command !== next.command ||
      isLive !== next.isLive
    );
  }

  /** Whoever is still in it with the keyboard then finds themselves at the list, and not nowhere. */
  override componentWillUnmount(): void {
    if (this.#row.current?.contains(document.activeElement) === true) document.getElementById('calls')?.focus();
  }

  override render(): JSX.Element {
    const { call, sessions, own } = this.props;
    const mine = sessions.find(({ supervisorId }) => supervisorId === own);
    const isGone = call.goneAtMs !== null;
    return (
      <tr
        ref={this.#row}
        role="row"
        data-call={call.id}
        class={[mine === undefined ? '' : 'mine', isGone ? 'gone' : ''].join(' ').trim()}
      >
        <th role="rowheader" scope="row">
          {agentName(call.agentId)}
        </th>
        <td role="cell" data-label="Customer">
          {maskedCustomer(call.customer)}
        </td>
        <td role="cell" data-label="Queue">
          {call.queueName ?? '–'}
        </td>
        <td role="cell" data-label="Duration" class="number">
          {isGone ? 'Over' : call.startedAt === null ? '–' : <Elapsed since={call.startedAt} />}
        </td>
        <td role="cell" data-label="Supervisors">
          {sessions.length > 0 && (
            <ul class="presences">
              {sessions.map((session) => (
                <Presence key={session.sessionId} session={session} isOwn={session.supervisorId === own} />
              ))}
            </ul>
          )}
        </td>
        <td role="cell" class="do">
          {this.#button(mine, isGone)}
        </td>
      </tr>
    );
  }

  /** One button whatever it is for: whoever is on it with the keyboard stays there. */
  #button(mine: SessionResource | undefined, isGone: boolean): JSX.Element {
    const { call, command, isLive, store } = this.props;
    const agent = agentName(call.agentId);
    const isAsked = mine === undefined && command?.action === 'start' && isUnderWay(command);
    const isPossible = mine !== undefined || (!isAsked && isLive && !isGone);
    const press = (): void => {
      if (mine !== undefined) focusOn(mine);
      else if (isPossible) store.listenTo(call.id);
    };
    return (
      <>
        <button
          type="button"
          class={mine === undefined ? '' : 'plain'}
          data-action={mine === undefined ? 'listen' : 'controls'}
          aria-disabled={!isPossible}
          aria-busy={isAsked}
          onClick={press}
        >
          {mine === undefined && <Icon name={isAsked ? 'connect' : 'ear'} />}
          {mine !== undefined ? 'Controls' : isAsked ? 'Asked for …' : 'Listen'}
          <span class="unseen">
            {mine === undefined ? ' to' : ' of'} the call of {agent}
          </span>
        </button>
        {mine === undefined && command?.status === 'unsent' && (
          <small class="trouble" role="alert">
            {command.trouble?.text}
          </small>
        )}
      </>
    );
  }
}

function focusOn({ sessionId }: SessionResource): void {
  const title = document.getElementById(`title-${sessionId}`);
  title?.focus();
  title?.closest('article')?.scrollIntoView({ block: 'nearest' });
}
