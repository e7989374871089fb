import type { JSX } from 'preact';
import { durationText } from '../model/words.js';
import { useServerNow } from './context.js';

interface ElapsedProps {
  /** ISO 8601. */
  readonly since: string;
  /** For those who hear the page. */
  readonly label?: string;
}

/** How long something has lasted, by the server's clock, a second at a time. */
export function Elapsed({ since, label }: ElapsedProps): JSX.Element {
  const text = durationText(useServerNow() - Date.parse(since));
  return (
    <span class="elapsed">
      {label !== undefined && <span class="unseen">{label} </span>}
      {text}
    </span>
  );
}
