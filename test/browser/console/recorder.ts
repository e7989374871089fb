/** Runs in the page, before anything of it does: what the page shows is noted down as it is drawn. */

/** What the card of an own session showed, from a moment on. */
export interface Sighting {
  /** Ms since the epoch, by the machine's clock even where the page has another. */
  readonly atMs: number;
  readonly sessionId: string;
  /** Its heading: Listening, Whispering … */
  readonly state: string;
  /** Which button is pressed, if any. */
  readonly mode: string | null;
  /** Of what was asked for and not confirmed. */
  readonly asked: string | null;
  /** Of the place in line. */
  readonly line: string | null;
}

declare global {
  interface Window {
    readonly earshotSightings: Sighting[];
    /** What had focus when it was lost to nothing. */
    readonly earshotFocusLost: string[];
    /** How far the page's clock is ahead of the machine's. */
    readonly earshotClock: { aheadMs: number };
    /** Of the page's policy, against which something was tried. */
    readonly earshotPolicy: string[];
  }
}

export function record(aheadMs: number): void {
  const nowMs = Date.now.bind(Date);
  const clock = { aheadMs };
  class PageDate extends Date {
    static override now(): number {
      return nowMs() + clock.aheadMs;
    }

    constructor(...args: [] | [number | string | Date]) {
      super(args[0] ?? PageDate.now());
    }
  }
  const sightings: Sighting[] = [];
  const focusLost: string[] = [];
  const policy: string[] = [];
  Object.assign(window, { earshotSightings: sightings, earshotFocusLost: focusLost, earshotPolicy: policy });
  Object.assign(window, { earshotClock: clock, Date: PageDate });
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    policy.push(`${violatedDirective} ${blockedURI}`),
  );

  const latest = new Map<string, string>();
  const textOf = (card: Element, selector: string): string | null =>
    card.querySelector(selector)?.textContent.trim() ?? null;
  const look = (): void => {
    for (const card of document.querySelectorAll<HTMLElement>('article[data-session]')) {
      const sessionId = card.dataset['session'] ?? '';
      const shown = {
        sessionId,
        state: textOf(card, '.state strong') ?? textOf(card, 'strong') ?? '',
        mode: card.querySelector<HTMLElement>('[aria-pressed="true"]')?.dataset['action'] ?? null,
        asked: textOf(card, '.asked'),
        line: textOf(card, '.in-line strong'),
      };
      const text = JSON.stringify(shown);
      if (latest.get(sessionId) === text) continue;
      latest.set(sessionId, text);
      sightings.push({ atMs: nowMs(), ...shown });
    }
  };

  let focused = '';
  let isChecking = false;
  const checkFocus = (): void => {
    isChecking = false;
    const element = document.activeElement;
    if (element !== null && element !== document.body) {
      focused = `${element.tagName} ${element.className} ${element.textContent.trim().slice(0, 40)}`;
    } else if (focused !== '') {
      focusLost.push(focused);
      focused = '';
    }
  };
  // Whatever takes focus from something gives it to something else by the next frame.
  const checkFocusSoon = (): void => {
    if (isChecking) return;
    isChecking = true;
    requestAnimationFrame(checkFocus);
  };
  document.addEventListener('focusin', checkFocusSoon);
  document.addEventListener('focusout', checkFocusSoon);
  new MutationObserver(() => {
    look();
    checkFocusSoon();
  }).observe(document, { subtree: true, childList: true, attributes: true });
}
