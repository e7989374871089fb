import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { WorkflowHandle } from '@temporalio/client';
import proto from '@temporalio/proto';
import { z } from 'zod';

/** Where recorded histories are: a folder for each version that has recorded some. */
export const CORPUS = join('test', 'histories');
const FILE = '.json.gz';

const event = z.looseObject({ eventType: z.string() });
const recordedRun = z.object({
  workflowId: z.string(),
  history: z.object({ events: z.array(event).min(1) }),
});
const recording = z.object({
  /** What it is there for, in one sentence. */
  shows: z.string(),
  runs: z.array(recordedRun).min(1),
});
export type RecordedRun = z.infer<typeof recordedRun>;
export type Recording = z.infer<typeof recording>;

/** A recording and where it is from. */
export interface Recorded extends Recording {
  readonly version: string;
  readonly name: string;
}

/** Not needed to replay a history, and different with each machine. */
const LEFT_OUT = new Set([
  ...['identity', 'taskId', 'version', 'workerVersion', 'binaryChecksum', 'requestId', 'meteringMetadata'],
  ...['historySizeBytes', 'stackTrace', 'source', 'userMetadata'],
  // What a memo was changed to is half of a history, and no workflow reads it back but from its start.
  'upsertedMemo',
]);

/** Version of the product, as `package.json` has it. */
export function productVersion(): string {
  return z.object({ version: z.string() }).parse(JSON.parse(readFileSync('package.json', 'utf8'))).version;
}

/** Versions that have recorded histories. */
export function recordedVersions(): string[] {
  return readdirSync(CORPUS, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

/** What a version has recorded, by name. */
export function recordingsOf(version: string): Recorded[] {
  const folder = join(CORPUS, version);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(FILE))
    .sort()
    .map((file) => {
      const content: unknown = JSON.parse(gunzipSync(readFileSync(join(folder, file))).toString());
      return { version, name: file.slice(0, -FILE.length), ...recording.parse(unfolded(content)) };
    });
}

/** Keeps a recording; never over another one. */
export function keep({ version, name, ...content }: Recorded): void {
  const folder = join(CORPUS, version);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}${FILE}`), gzipSync(JSON.stringify(folded(content), null, 1), { level: 9 }), {
    flag: 'wx',
  });
}

/** The history of a run as it is kept: what replaying it takes, and nothing of the machine that made it. */
export async function recordedRunOf({ workflowId, fetchHistory }: BoundHandle): Promise<RecordedRun> {
  const json: unknown = JSON.parse(JSON.stringify(await fetchHistory()), (key, value: unknown) =>
    LEFT_OUT.has(key) ? undefined : key === 'nanos' ? toMs(value) : value,
  );
  const run = recordedRun.parse({ workflowId, history: json });
  // What a run ended with is not compared either.
  return { workflowId, history: { events: run.history.events.map(withoutResult) } };
}

const END_ATTRIBUTES = ['workflowExecutionCompletedEventAttributes', 'workflowExecutionContinuedAsNewEventAttributes'];
const RESULT = new Set(['result', 'input', 'memo']);

function withoutResult(one: z.infer<typeof event>): z.infer<typeof event> {
  const [name] = END_ATTRIBUTES.filter((attributes) => attributes in one);
  if (name === undefined) return one;
  const attributes = z.record(z.string(), z.unknown()).parse(one[name]);
  return { ...one, [name]: Object.fromEntries(Object.entries(attributes).filter(([key]) => !RESULT.has(key))) };
}

/** Workflows see milliseconds. */
function toMs(nanos: unknown): unknown {
  return typeof nanos === 'number' ? nanos - (nanos % 1_000_000) : nanos;
}

/**
 * As `Worker.runReplayHistories` takes it. Not by the SDK's own `historyFromJSON`, which fails with “type must be a Type” where npm
 * has installed more than one copy of protobufjs (1.24).
 */
export function replayable({ workflowId, history }: RecordedRun): { workflowId: string; history: unknown } {
  return { workflowId, history: proto.temporal.api.history.v1.History.fromObject(history) };
}

/** A handle's id and its one call that is needed. */
export interface BoundHandle {
  readonly workflowId: string;
  readonly fetchHistory: WorkflowHandle['fetchHistory'];
}

const PLAIN_JSON = Buffer.from('json/plain').toString('base64');
const payload = z.strictObject({ metadata: z.strictObject({ encoding: z.literal(PLAIN_JSON) }), data: z.string() });
const foldedPayload = z.strictObject({ json: z.unknown() });

/** Payloads as what is in them: can be read by people, and packed well. */
function folded(value: unknown): unknown {
  const found = payload.safeParse(value);
  if (found.success) return { json: parsed(Buffer.from(found.data.data, 'base64').toString()) };
  return mapped(value, folded);
}

function unfolded(value: unknown): unknown {
  const found = foldedPayload.safeParse(value);
  if (found.success && isJsonAlone(value)) {
    const data = Buffer.from(JSON.stringify(found.data.json)).toString('base64');
    return { metadata: { encoding: PLAIN_JSON }, data };
  }
  return mapped(value, unfolded);
}

function parsed(json: string): unknown {
  return JSON.parse(json);
}

function isJsonAlone(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'json' in value;
}

function mapped(value: unknown, change: (part: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map(change);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]: [string, unknown]) => [key, change(part)]));
}

const started = z.object({ workflowType: z.object({ name: z.string() }) });
const named = z.object({ name: z.string() });

/** What is in a run, for the index: its type, how many events it has, how it ends, and what it does and hears. */
export interface RunContents {
  readonly type: string;
  readonly events: number;
  /** `completed`, `failed`, `cancelled`, `terminated`, `continued-as-new`, or `open`. */
  readonly end: string;
  /** Activities through the task queue, by name. */
  readonly activities: ReadonlySet<string>;
  /** Local activities, by name. */
  readonly localActivities: ReadonlySet<string>;
  readonly signals: ReadonlySet<string>;
  readonly updates: ReadonlySet<string>;
}

const ENDS = new Map(
  ['COMPLETED', 'FAILED', 'CANCELED', 'TERMINATED', 'CONTINUED_AS_NEW'].map((end) => [
    `EVENT_TYPE_WORKFLOW_EXECUTION_${end}`,
    end.toLowerCase().replaceAll('_', '-').replace('canceled', 'cancelled'),
  ]),
);

export function contentsOf({ history: { events } }: RecordedRun): RunContents {
  const each = <Found>(schema: z.ZodType<Found>, field: string): Found[] =>
    events.flatMap((one) => {
      const found = schema.safeParse(one[field]);
      return found.success ? [found.data] : [];
    });
  const [first] = each(started, 'workflowExecutionStartedEventAttributes');
  const scheduled = each(z.object({ activityType: named }), 'activityTaskScheduledEventAttributes');
  const signals = each(z.object({ signalName: z.string() }), 'workflowExecutionSignaledEventAttributes');
  const updates = each(
    z.object({ acceptedRequest: z.object({ input: named }) }),
    'workflowExecutionUpdateAcceptedEventAttributes',
  );
  const markers = each(localActivity, 'markerRecordedEventAttributes');
  return {
    type: first?.workflowType.name ?? '',
    events: events.length,
    end: ENDS.get(events.at(-1)?.eventType ?? '') ?? 'open',
    activities: new Set(scheduled.map(({ activityType }) => activityType.name)),
    localActivities: new Set(markers),
    signals: new Set(signals.map(({ signalName }) => signalName)),
    updates: new Set(updates.map(({ acceptedRequest }) => acceptedRequest.input.name)),
  };
}

/** The name of the local activity that a marker of the SDK's core stands for. */
const localActivity = z
  .object({
    markerName: z.literal('core_local_activity'),
    details: z.object({ data: z.object({ payloads: z.tuple([z.object({ data: z.string() })]) }) }),
  })
  .transform(({ details }) => {
    const [{ data }] = details.data.payloads;
    return z.object({ activity_type: z.string() }).parse(JSON.parse(Buffer.from(data, 'base64').toString()))
      .activity_type;
  });

/** A row of a version's index: what a recording shows, and its runs. */
export function indexRow({ name, shows, runs }: Recording & { readonly name: string }): [string, string, string] {
  const told = runs.map(contentsOf).map(({ type, events, end }) => `${type} (${events} events, ${end})`);
  return [`\`${name}\``, shows, told.join(', ')];
}

/** The page that goes with a version's recordings. */
export function indexPage(version: string, recordings: readonly Recorded[]): string {
  const rows = recordings.map(indexRow).map((row) => `| ${row.join(' | ')} |`);
  return [
    `# Histories of ${version}`,
    '',
    'Recorded by `npm run histories`, replayed by `test/histories/replay.test.ts`; see [docs/upgrades.md](../../../docs/upgrades.md).',
    `\`zcat test/histories/${version}/{name}.json.gz\` shows one.`,
    '',
    '| name | shows | runs |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
