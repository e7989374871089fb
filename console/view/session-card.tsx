import type { JSX } from 'preact';
import type { SessionResource } from '../../domain/session.js';
import { isHeard, ownId } from '../model/model.js';
import type { Command, Model } from '../model/model.js';
import { agentName, endWords, maskedCustomer, ordinal, reasonWords, secondsLeft, STATE_WORDS } from '../model/words.js';
import { useServerNow, useStore } from './context.js';
import { Controls } from './controls.js';
import { useFocusKept } from './focus.js';
import { Elapsed } from './elapsed.js';
import { Icon, STATE_ICONS } from './icons.js';
import { Presence } from './presence.js';
import { Quality } from './quality.js';
import { Trail } from './trail.js';

interface SessionCardProps {
  readonly session: SessionResource;
  readonly model: Model;
}

/** One of our own sessions: where it stands, and what can be done. */
export function SessionCard({ session, model }: SessionCardProps): JSX.Element {
  const { sessionId, interactionId, state } = session;
  const call = model.calls.get(interactionId);
  const sessions = model.sessionsByCall.get(interactionId) ?? [];
  const others = sessions.filter(({ supervisorId }) => supervisorId !== ownId(model));
  const command = model.commands.get(interactionId);
  const titleId = `title-${sessionId}`;
  const article = useFocusKept();
  return (
    <article
      ref={article}
      class="card mine"
      data-session={sessionId}
      data-state={state}
      data-waiting={session.waiting?.position}
      aria-labelledby={titleId}
    >
      <div class="parts">
        <div class="now">
          <header>
            <h3 id={titleId} tabIndex={-1}>
              {agentName(call?.agentId ?? null)}{' '}
              <span class="muted">with {maskedCustomer(call?.customer ?? null)}</span>
            </h3>
            <p class="muted">
              {call?.queueName ?? 'No queue'}
              {call !== undefined && call.startedAt !== null && (
                <>
                  {' · '}
                  <Elapsed since={call.startedAt} label="The call has lasted" />
                </>
              )}
            </p>
          </header>
          <p class="state">
            <Icon name={session.ending === null ? STATE_ICONS[state] : 'leave'} />
            <span>
              <strong>
                {model.link.kind === 'lost' && 'Last known: '}
                {session.ending === null ? STATE_WORDS[state].title : 'Leaving'}
              </strong>
              <span>{meaningOf(session)}</span>
            </span>
          </p>
          {session.waiting !== null && <InLine session={session} />}
          {session.unansweredSince !== null && (
            <p class="trouble">
              <Icon name="alert" /> The telephony platform does not answer at the moment. Leaving is tried until it
              does, what else you ask for only for half a minute.
            </p>
          )}
          <Controls session={session} sessions={sessions} command={command} model={model} />
          <Outcome command={command} interactionId={interactionId} isLive={model.link.kind === 'live'} />
          {others.length > 0 && (
            <ul class="presences" aria-label="Others on this call">
              {others.map((other) => (
                <Presence key={other.sessionId} session={other} isOwn={false} />
              ))}
            </ul>
          )}
        </div>
        <div class="besides">
          <Quality session={session} samples={model.samples.get(sessionId) ?? []} />
          <Trail session={session} model={model} />
        </div>
      </div>
    </article>
  );
}

function InLine({ session }: { readonly session: SessionResource }): JSX.Element | null {
  const nowMs = useServerNow();
  const { waiting } = session;
  if (waiting === null) return null;
  const seconds = secondsLeft(waiting.expiresAt, nowMs);
  return (
    <p class="in-line" data-seconds={seconds}>
      <Icon name="wait" />
      <span>
        <strong>
          In line to {waiting.mode === 'barge' ? 'barge in' : 'whisper'}:{' '}
          {waiting.position === 1 ? 'you are next' : ordinal(waiting.position)}
        </strong>
        {/* Not read out every second; the place is. */}
        <span class="seconds" role="timer" aria-live="off">
          {seconds} s left, then you are out of the line and listen on
        </span>
      </span>
    </p>
  );
}

/** What it means for those on the call. Whoever leaves may be heard until the platform has confirmed it. */
function meaningOf(session: SessionResource): string {
  const { state, ending } = session;
  if (ending === null) return STATE_WORDS[state].meaning;
  const until = 'The platform has not confirmed it yet';
  return isHeard(session) ? `${until}: until it does, you may still be heard` : `${until} (${endWords(ending.reason)})`;
}

const ACTION_WORDS = {
  silent: 'Listen',
  whisper: 'Whisper',
  barge: 'Barge in',
  stop: 'Leave',
  start: 'Listen',
} as const;

interface OutcomeProps {
  readonly command: Command | undefined;
  readonly interactionId: string;
  readonly isLive: boolean;
}

/** What came of the last thing that was asked for, unless the state says it. */
function Outcome({ command, interactionId, isLive }: OutcomeProps): JSX.Element | null {
  const store = useStore();
  if (command === undefined) return null;
  const { status, action, reason, trouble } = command;
  const what = ACTION_WORDS[action];
  if (status === 'sending' || status === 'accepted') {
    const isUnsent = status === 'sending' && !isLive;
    return (
      <p class="asked" role="status" data-command={status}>
        <Icon name="connect" /> {what}:{' '}
        {isUnsent ? 'not sent yet, there is no connection; it is tried again' : 'asked for, not confirmed yet'}
      </p>
    );
  }
  if (status === 'applied' || status === 'queued' || status === 'superseded') return null;
  if (status === 'cancelled' && (reason === 'silent' || reason === null)) return null;
  const text = {
    unsent: `${trouble?.code === 'network' ? 'it may have been taken or not' : 'it was not accepted'}. ${trouble?.text ?? ''}`,
    rejected: `it was refused: ${reasonWords(reason)}.`,
    failed: `it did not work: ${reasonWords(reason)}. You can ask again.`,
    cancelled: `it was given up: ${reasonWords(reason)}.`,
    expired: 'your time in line was over before it was your turn. You can ask again.',
  }[status];
  return (
    <p class="trouble" role="alert" data-command={status}>
      <Icon name="alert" />{' '}
      <span>
        {what}: {text}
      </span>
      <button type="button" class="plain" onClick={() => store.readOutcome(interactionId)}>
        Put away
      </button>
    </p>
  );
}
