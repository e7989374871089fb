import type { JSX } from 'preact';
import type { SessionResource } from '../../domain/session.js';
import type { Call, Model } from '../model/model.js';
import { ownSessions } from '../model/rows.js';
import { agentName, endWords, maskedCustomer } from '../model/words.js';
import { useStore } from './context.js';
import { MY_CALLS_TITLE_ID, useFocusKept } from './focus.js';
import { Icon } from './icons.js';
import { SessionCard } from './session-card.js';

/** Our own sessions, on top of everything else. */
export function MyCalls({ model }: { readonly model: Model }): JSX.Element {
  const sessions = ownSessions(model);
  // Who is on the call again knows that they were on it before.
  const ended = model.ended.filter(({ interactionId }) => sessions.every((one) => one.interactionId !== interactionId));
  return (
    <section class="my-calls" aria-labelledby={MY_CALLS_TITLE_ID}>
      <h2 id={MY_CALLS_TITLE_ID} tabIndex={-1}>
        My calls
      </h2>
      {sessions.length + ended.length + model.vanished.length === 0 && (
        <p class="empty">
          You are on no call. Choose Listen beside one of the live calls below: nobody on it hears you.
        </p>
      )}
      <div class="cards">
        {sessions.map((session) => (
          <SessionCard key={session.sessionId} session={session} model={model} />
        ))}
      </div>
      <div class="cards-of-ended">
        {model.vanished.map((session) => (
          <p key={session.runId} class="card ended" role="status">
            Finding out how your call with {agentName(model.calls.get(session.interactionId)?.agentId ?? null)} ended …
          </p>
        ))}
        {ended.map((session) => (
          <EndedCard
            key={session.runId}
            session={session}
            call={model.endedCalls.get(session.interactionId) ?? model.calls.get(session.interactionId)}
          />
        ))}
      </div>
    </section>
  );
}

interface EndedCardProps {
  readonly session: SessionResource;
  readonly call: Call | undefined;
}

function EndedCard({ session, call }: EndedCardProps): JSX.Element {
  const store = useStore();
  const article = useFocusKept();
  return (
    <article ref={article} class="card ended" data-session={session.sessionId} data-state="TERMINATED">
      <p>
        <Icon name="leave" /> <strong>Ended:</strong> {endWords(session.endReason)}.{' '}
        <span class="muted">
          {agentName(call?.agentId ?? null)} with {maskedCustomer(call?.customer ?? null)}
        </span>
      </p>
      <button type="button" class="plain" onClick={() => store.putAway(session.runId)}>
        Put away
      </button>
    </article>
  );
}
