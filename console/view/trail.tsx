import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import type { SessionResource } from '../../domain/session.js';
import type { Model } from '../model/model.js';
import { eventWords } from '../model/words.js';
import { useStore } from './context.js';
import { Icon } from './icons.js';

interface TrailProps {
  readonly session: SessionResource;
  readonly model: Model;
}

/** What has happened to a session, for whoever wants to know, and the way to the rest of it. */
export function Trail({ session, model }: TrailProps): JSX.Element {
  const store = useStore();
  const { sessionId, runId } = session;
  const trail = model.trails.get(sessionId);
  const template = model.access.kind === 'signed-in' ? model.access.me.temporalUi : null;
  useEffect(() => () => store.closeTrail(sessionId), [store, sessionId]);
  return (
    <details
      class="trail"
      onToggle={({ currentTarget }) => {
        if (currentTarget.open) store.openTrail(session);
        else store.closeTrail(sessionId);
      }}
    >
      <summary>What has happened</summary>
      {trail === undefined && <p class="muted">Loading …</p>}
      {trail !== undefined && trail.trouble !== null && (
        <p class="trouble">
          <Icon name="alert" /> {trail.trouble.text}
        </p>
      )}
      <ol>
        {trail?.entries.toReversed().map((entry, index, { length }) => (
          <li key={length - index}>
            <time dateTime={entry.at}>{new Date(entry.at).toLocaleTimeString()}</time> {eventWords(entry)}
            {entry.actor !== undefined && <span class="muted"> by {entry.actor}</span>}
          </li>
        ))}
      </ol>
      {template !== null && (
        <a href={addressIn(template, sessionId, runId)} target="_blank" rel="noopener noreferrer">
          <Icon name="link" /> Every step in Temporal’s UI
        </a>
      )}
    </details>
  );
}

/** Temporal's UI (2.54) decodes the id of a workflow once more than it should: one that has a `%` is encoded once more, too. */
function addressIn(template: string, sessionId: string, runId: string): string {
  const id = encodeURIComponent(sessionId);
  return template
    .replace('{sessionId}', sessionId.includes('%') ? encodeURIComponent(id) : id)
    .replace('{runId}', encodeURIComponent(runId));
}
