import type { JSX, RefObject } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { CommandAction } from '../../domain/commands.js';
import type { SessionResource } from '../../domain/session.js';
import { controlsOf, speakerBefore } from '../model/controls.js';
import type { Control } from '../model/controls.js';
import type { Command, Model } from '../model/model.js';
import { useStore } from './context.js';
import { Icon } from './icons.js';
import type { IconName } from './icons.js';

const ICONS: Readonly<Record<CommandAction, IconName>> = {
  silent: 'ear',
  whisper: 'whisper',
  barge: 'barge',
  stop: 'leave',
};

/** How long the question whether to barge in stands, ms: forgotten, it must not be answered by a slip of the hand. */
const QUESTION_MS = 10_000;

/** What is pressed right after the question appears was pressed for the button before, ms. */
const TOO_SOON_MS = 400;

interface ControlsProps {
  readonly session: SessionResource;
  readonly sessions: readonly SessionResource[];
  readonly command: Command | undefined;
  readonly model: Model;
}

/** Listen, whisper, barge in, leave: what is possible, and why the rest is not. The customer hears a barge: that is asked twice. */
export function Controls({ session, sessions, command, model }: ControlsProps): JSX.Element {
  const store = useStore();
  const [isAsking, ask] = useState(false);
  const bargeButton = useRef<HTMLButtonElement>(null);
  const id = useId();
  const roles = model.access.kind === 'signed-in' ? model.access.me.roles : [];
  const controls = controlsOf({ session, sessions, command, roles, link: model.link });
  const isBargePossible = controls.some(({ action, isPossible }) => action === 'barge' && isPossible);
  const press = ({ action, isPossible }: Control): void => {
    if (!isPossible) return;
    if (action === 'barge') ask(true);
    else {
      ask(false);
      store.command(session, action);
    }
  };
  // A question that cannot be answered is over: back by itself, it would take the focus of whoever types elsewhere.
  useLayoutEffect(() => {
    if (!isBargePossible) ask(false);
  }, [isBargePossible]);
  const answer = (isYes: boolean): void => {
    ask(false);
    if (isYes) store.command(session, 'barge');
  };
  return (
    <div class="controls" role="group" aria-label="What you do on this call">
      {controls.map((control) => (
        <ControlButton
          key={control.action}
          control={control}
          hintId={`${id}-${control.action}`}
          buttonRef={control.action === 'barge' ? bargeButton : null}
          onPress={() => press(control)}
        />
      ))}
      {isAsking && isBargePossible && (
        <BargeQuestion speaker={speakerBefore({ session, sessions })} asker={bargeButton} onAnswer={answer} />
      )}
    </div>
  );
}

interface ControlButtonProps {
  readonly control: Control;
  readonly hintId: string;
  readonly buttonRef: RefObject<HTMLButtonElement | null> | null;
  readonly onPress: () => void;
}

/** It stays focusable while it cannot be used, so that everybody can find out why. */
function ControlButton({ control, hintId, buttonRef, onPress }: ControlButtonProps): JSX.Element {
  const { action, label, hint, isPossible, isCurrent, isAsked } = control;
  return (
    <div class="control">
      <button
        type="button"
        ref={buttonRef}
        class={`action action-${action}`}
        data-action={action}
        aria-pressed={action === 'stop' ? undefined : isCurrent}
        aria-disabled={!isPossible}
        aria-busy={isAsked}
        aria-describedby={hintId}
        onClick={onPress}
      >
        <Icon name={isAsked ? 'connect' : ICONS[action]} />
        {label}
      </button>
      <small id={hintId}>{hint}</small>
    </div>
  );
}

interface BargeQuestionProps {
  /** Where focus goes back to. */
  readonly asker: RefObject<HTMLButtonElement | null>;
  /** Who speaks now, so that there is a line to wait in. */
  readonly speaker: string | undefined;
  readonly onAnswer: (isYes: boolean) => void;
}

function BargeQuestion({ asker, speaker, onAnswer }: BargeQuestionProps): JSX.Element {
  const question = useRef<HTMLDivElement>(null);
  const yes = useRef<HTMLButtonElement>(null);
  const [askedAtMs] = useState(() => Date.now());
  useEffect(() => {
    yes.current?.focus();
    const timer = setTimeout(() => onAnswer(false), QUESTION_MS);
    return () => clearTimeout(timer);
    // Once for each question: what is drawn meanwhile does not give it more time.
  }, []);
  // Whoever has gone elsewhere stays there: what they type next must not press the button.
  useLayoutEffect(
    () => () => {
      if (question.current?.contains(document.activeElement) === true) asker.current?.focus();
    },
    [],
  );
  const onKeyDown = (event: KeyboardEvent): void => {
    // A key that is held answers nothing, however long: it was pressed before there was a question.
    if (event.repeat) event.preventDefault();
    else if (event.key === 'Escape') onAnswer(false);
  };
  return (
    <div
      ref={question}
      class="question"
      role="alertdialog"
      aria-label="Barge in?"
      aria-describedby="barge-question"
      onKeyDown={onKeyDown}
    >
      <p id="barge-question">
        <Icon name="alert" />{' '}
        {speaker === undefined
          ? 'The customer will hear you.'
          : `${speaker} speaks now. When it is your turn, the customer will hear you.`}
      </p>
      <button
        type="button"
        ref={yes}
        class="danger"
        onClick={() => {
          if (Date.now() - askedAtMs >= TOO_SOON_MS) onAnswer(true);
        }}
      >
        {speaker === undefined ? 'Barge in now' : 'Get in line'}
      </button>
      <button type="button" onClick={() => onAnswer(false)}>
        Not now
      </button>
    </div>
  );
}
