import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/** Where focus goes when what had it is gone. */
export const MY_CALLS_TITLE_ID = 'my-calls-title';

/** Of something that will go: whoever is in it with the keyboard then finds themselves at the title, and not nowhere. */
export function useFocusKept(): RefObject<HTMLElement | null> {
  const element = useRef<HTMLElement>(null);
  useLayoutEffect(
    () => () => {
      if (element.current?.contains(document.activeElement) === true)
        document.getElementById(MY_CALLS_TITLE_ID)?.focus();
    },
    [],
  );
  return element;
}
