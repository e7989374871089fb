/** The two ways to share the exclusive channel of an interaction that are measured side by side. */
export const PATTERNS = ['earshot', 'sample'] as const;
export type PatternName = (typeof PATTERNS)[number];

/** Something of each pattern. */
export type OfEach<T> = Readonly<Record<PatternName, T>>;

/** A way to share the channel. */
export interface Pattern {
  /** An interaction on which this many supervisors listen; nobody has the channel yet. */
  readonly open: (speakers: number) => Promise<Channel>;
}

/** One interaction with its supervisors. */
export interface Channel {
  readonly interactionId: string;
  /** The workflow that decides who speaks; it may not run yet. */
  readonly lockWorkflowId: string;
  readonly speakers: readonly Speaker[];
  /** Ends all its workflows. */
  readonly close: () => Promise<void>;
}

/** One supervisor's workflow and its leg. Commands resolve once Temporal has accepted the signal. */
export interface Speaker {
  readonly workflowId: string;
  readonly monitorSessionId: string;
  readonly barge: () => Promise<void>;
  readonly silent: () => Promise<void>;
  /** In line for the channel, and knows it. */
  readonly isWaiting: () => Promise<boolean>;
}
