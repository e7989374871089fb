import type { JSX } from 'preact';
import type { SessionState } from '../../domain/session.js';

/** Each a path of lines in a field of 24 by 24. */
const PATHS = {
  ear: 'M7 18a4.500 4.500 0 0 0 8 1c.8-2 4-3.600 4-8a7 7 0 0 0-14 0M9 11a3 3 0 0 1 6 0c0 2.500-2.500 2.500-2.500 5',
  whisper: 'M4 5h16v10H10l-4 4v-4H4zM9 10h.01M12 10h.01M15 10h.01',
  barge: 'M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM6 11a6 6 0 0 0 12 0M12 17v4',
  leave: 'M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9',
  wait: 'M7 3h10M7 21h10M8 3c0 5 8 5 8 9s-8 4-8 9M16 3c0 5-8 5-8 9s8 4 8 9',
  connect: 'M12 3a9 9 0 1 0 9 9',
  link: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
  alert: 'M12 4l9 16H3zM12 10v4M12 17h.01',
  person: 'M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM5 20a7 7 0 0 1 14 0',
} as const;
export type IconName = keyof typeof PATHS;

export const STATE_ICONS: Readonly<Record<SessionState, IconName>> = {
  PENDING: 'connect',
  SILENT: 'ear',
  WHISPER: 'whisper',
  BARGE: 'barge',
  TERMINATED: 'leave',
};

/** Beside words that say the same, hence hidden from those who hear the page. */
export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
