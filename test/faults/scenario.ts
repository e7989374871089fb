import fc from 'fast-check';
import type { RequestFaultInput } from '../../simulator/request-faults.js';

const SUPERVISORS = ['anna', 'ben', 'cora', 'dora', 'emil', 'fay'] as const;
/** Instead of a supervisor: whoever speaks by then. Chance alone would seldom end a turn that others wait for. */
export const SPEAKER = 'speaker';
const MODE_ACTIONS = ['barge', 'whisper', 'silent'] as const;

/** `start` is not among them: what becomes of a lost start is another story, and takes 10 s each time. */
const FAULTED_ACTIONS = ['barge', 'whisper', 'silent', 'state', 'stop'] as const;

/** A late effect is late by at most that, ms. Short, so that runs are. */
const LATEST_MS = 1_500;

type ModeAction = (typeof MODE_ACTIONS)[number];
type FaultedAction = (typeof FAULTED_ACTIONS)[number];
export type Effect = RequestFaultInput['effect'];

export interface Command {
  readonly supervisor: string;
  readonly action: ModeAction;
}

/** One thing that happens to a call and its supervisors. Where it makes no sense by then, nothing happens. */
export type Step =
  /** Sent at the same time, so that nobody knows who is first. */
  | { readonly type: 'commands'; readonly commands: readonly Command[] }
  | { readonly type: 'start'; readonly supervisor: string; readonly mode: ModeAction | undefined }
  | { readonly type: 'stop' | 'cancel' | 'terminate'; readonly supervisor: string }
  /** Temporal replays the session from `back` workflow tasks before its last one. */
  | { readonly type: 'reset'; readonly supervisor: string; readonly back: number }
  | { readonly type: 'hint'; readonly supervisor: string }
  | { readonly type: 'terminate-mutex' }
  | { readonly type: 'outside-barge'; readonly mode: 'barge' | 'whisper' }
  | { readonly type: 'outside-release'; readonly how: 'stop' | 'silent' }
  /** The next requests of a kind go wrong. */
  | { readonly type: 'fault'; readonly action: FaultedAction; readonly effect: Effect; readonly times: number }
  | { readonly type: 'pause'; readonly ms: number }
  /** The call ends; `told`: so many of its sessions hear of it at once, the others later. */
  | { readonly type: 'hang-up'; readonly announce: boolean; readonly told: number };

/** What happens on one call. */
export interface Scenario {
  readonly supervisors: readonly string[];
  /** They don't wait until they can listen. */
  readonly hasty: boolean;
  /** Faults that hit now and then, all the time. */
  readonly weather: readonly {
    readonly actions: FaultedAction[];
    readonly effect: Effect;
    readonly probability: number;
  }[];
  readonly steps: readonly Step[];
}

/** Scenarios that are played at the same time in one world, whose worker may be away for a while meanwhile. */
export interface Batch {
  readonly scenarios: readonly Scenario[];
  readonly workerAway: { readonly afterMs: number; readonly forMs: number } | undefined;
}

export function anyBatch(size: number): fc.Arbitrary<Batch> {
  return fc.record({
    scenarios: fc.array(anyScenario, { minLength: size, maxLength: size }),
    workerAway: onceIn(4, fc.record({ afterMs: fc.nat({ max: 4_000 }), forMs: fc.nat({ max: 1_200 }) })),
  });
}

/** Something that happens in one of so many cases. */
function onceIn<T>(oneIn: number, something: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 1, arbitrary: something }, { weight: oneIn - 1, arbitrary: fc.constant(undefined) });
}

const anyEffect: fc.Arbitrary<Effect> = fc.oneof(
  fc.record({ kind: fc.constant('lost-answer' as const), executeAfterMs: fc.nat({ max: LATEST_MS }) }),
  fc.constant({ kind: 'lost-answer' as const }),
  fc.constant({ kind: 'lost-request' as const }),
  fc.record({ kind: fc.constant('status' as const), status: fc.constantFrom(500, 503) }),
  fc.constantFrom(
    { kind: 'status' as const, status: 429 },
    { kind: 'status' as const, status: 429, retryAfterSeconds: 1 },
    { kind: 'status' as const, status: 409, code: 'monitor.not.active' },
  ),
  fc.record({ kind: fc.constant('status-after' as const), status: fc.constantFrom(500, 503) }),
  fc.record({
    kind: fc.constant('hang' as const),
    execute: fc.boolean(),
    executeAfterMs: fc.nat({ max: LATEST_MS }),
    forMs: fc.integer({ min: 100, max: LATEST_MS }),
  }),
  fc.record({
    kind: fc.constant('delay' as const),
    ms: fc.integer({ min: 20, max: LATEST_MS }),
    before: fc.constantFrom('execution' as const, 'answer' as const),
  }),
  fc.constant({ kind: 'garbled-answer' as const }),
);

const anyScenario: fc.Arbitrary<Scenario> = fc.integer({ min: 2, max: SUPERVISORS.length }).chain((count) => {
  const supervisors = SUPERVISORS.slice(0, count);
  return fc.record({
    supervisors: fc.constant(supervisors),
    hasty: onceIn(4, fc.constant(true)).map((is) => is ?? false),
    weather: fc.array(
      fc.record({
        actions: fc.subarray([...FAULTED_ACTIONS], { minLength: 1 }),
        effect: anyEffect,
        probability: fc.double({ min: 0.02, max: 0.3, noNaN: true }),
      }),
      { maxLength: 3 },
    ),
    steps: stepsOf(supervisors),
  });
});

function stepsOf(supervisors: readonly string[]): fc.Arbitrary<Step[]> {
  const during = fc.array(anyStep(supervisors), { minLength: 15, maxLength: 45 });
  const hangUp = fc.record({
    type: fc.constant('hang-up' as const),
    announce: fc.boolean(),
    told: fc.nat({ max: supervisors.length }),
  });
  const after = fc.tuple(hangUp, fc.array(anyStep(supervisors), { maxLength: 4 }));
  return fc
    .tuple(during, onceIn(7, after))
    .map(([steps, end]) => (end === undefined ? steps : [...steps, end[0], ...end[1]]));
}

function anyStep(supervisors: readonly string[]): fc.Arbitrary<Step> {
  const supervisor = fc.constantFrom(...supervisors);
  const supervisorOrSpeaker = fc.oneof(supervisor, fc.constant(SPEAKER));
  const command = fc.oneof(
    { weight: 5, arbitrary: fc.record({ supervisor, action: fc.constantFrom('barge', 'whisper') }) },
    { weight: 2, arbitrary: fc.record({ supervisor: supervisorOrSpeaker, action: fc.constant('silent' as const) }) },
  );
  const about = <Type extends 'stop' | 'cancel' | 'terminate'>(type: Type) =>
    fc.record({ type: fc.constant(type), supervisor: supervisorOrSpeaker });
  return fc.oneof(
    {
      weight: 18,
      arbitrary: fc.record({ type: fc.constant('commands' as const), commands: fc.tuple(command) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        type: fc.constant('commands' as const),
        commands: fc.array(command, { minLength: 2, maxLength: 5 }),
      }),
    },
    {
      weight: 16,
      arbitrary: fc.record({ type: fc.constant('pause' as const), ms: fc.integer({ min: 10, max: 700 }) }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant('fault' as const),
        action: fc.constantFrom(...FAULTED_ACTIONS),
        effect: anyEffect,
        times: fc.integer({ min: 1, max: 3 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        type: fc.constant('start' as const),
        supervisor,
        mode: fc.option(fc.constantFrom(...MODE_ACTIONS), { nil: undefined }),
      }),
    },
    { weight: 2, arbitrary: about('stop') },
    { weight: 1, arbitrary: about('cancel') },
    { weight: 2, arbitrary: about('terminate') },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('hint' as const), supervisor }) },
    {
      weight: 1,
      arbitrary: fc.oneof(
        {
          weight: 2,
          arbitrary: fc.record({
            type: fc.constant('reset' as const),
            supervisor: supervisorOrSpeaker,
            back: fc.nat({ max: 3 }),
          }),
        },
        fc.constant({ type: 'terminate-mutex' as const }),
      ),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('outside-barge' as const),
        mode: fc.constantFrom('barge' as const, 'whisper' as const),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant('outside-release' as const),
        how: fc.constantFrom('stop' as const, 'silent' as const),
      }),
    },
  );
}
