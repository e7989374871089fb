/**
 * A QA pipeline to copy and change: listens to a share of the live calls for a while, and writes a report as JSON lines.
 *
 * It knows Earshot from outside only: the list of calls by REST, and sessions as workflows of Temporal, started by name
 * (docs/workflow-contract.md). Apart from Node 20.19 or later it needs `@temporalio/client`, `@temporalio/envconfig`, `zod`
 * and, for calls that are encrypted, `payload-codec.ts`.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  ApplicationFailure,
  CancelledFailure,
  Client,
  Connection,
  TerminatedFailure,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import type { WorkflowHandle, WorkflowIdReusePolicy } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { z } from 'zod';
import { payloadCodec } from './payload-codec.js';

const USAGE = `Listens to a share of the live calls and writes a report, one JSON object a line.

Usage: node qa-pipeline.js [options]

  --share SHARE         share of the calls to listen to, 0 to 1 (default 0.1)
  --seed TEXT           another text draws other calls (default qa)
  --listen SECONDS      how long to listen to each (default 30)
  --concurrency N       how many at a time (default 5)
  --supervisor ID       supervisorId of the sessions (default qa-bot)
  --api URL             Earshot's REST (default http://127.0.0.1:8080)
  --task-queue NAME     where Earshot's worker is (default monitoring)
  --output FILE         append the report to a file (default: standard output)
  --help

API_KEY in the environment is the key for REST. Temporal is found by TEMPORAL_ADDRESS,
TEMPORAL_NAMESPACE, TEMPORAL_API_KEY … or by Temporal's configuration file. Where Earshot
has a PAYLOAD_KEYS_FILE, set the same here.

Exit codes: 0; 1 something failed; 2 bad arguments; 130 interrupted (Ctrl-C stops the sessions first).
`;

/** How long a session may take until it listens. Earshot itself gives up after 60 s, unless it is set otherwise. */
const CONFIRM_LIMIT_SECONDS = 120;
/** How long a stop is waited for. The session goes on trying for 24 h where the platform does not answer. */
const STOP_LIMIT_SECONDS = 60;

const CTRL_C = 'interrupted';

/** Neither a call that is over nor a person who wants the bot out of it is a fault. */
const FINE = new Set(['listened', 'interaction-ended', 'leg-lost', 'stopped', 'already-running', 'done-before']);

interface Options {
  readonly share: number;
  readonly seed: string;
  readonly listenSeconds: number;
  readonly concurrency: number;
  readonly supervisorId: string;
  readonly api: string;
  readonly apiKey: string;
  readonly taskQueue: string;
  readonly output: string | undefined;
}

interface ReportLine {
  readonly sessionId: string;
  readonly runId: string | null;
  readonly interactionId: string;
  readonly supervisorId: string;
  /** When the session was started. */
  readonly startedAt: string | null;
  /** From the platform's word that the leg listens to the end. */
  readonly listenedSeconds: number;
  /**
   * `listened` as long as was asked, or the session's `endReason`; `already-running`, `done-before`: none was started;
   * `failed`: see `error`.
   */
  readonly outcome: string;
  readonly error: { readonly type: string; readonly message: string } | null;
}

const callPage = z.object({ items: z.array(z.object({ id: z.string() })), nextCursor: z.string().nullable() });
const commandOutcome = z.object({ command: z.object({ status: z.string() }) });
const sessionReport = z.object({
  session: z.object({ startedAt: z.string(), endReason: z.string() }),
  history: z.array(z.object({ type: z.string(), at: z.string(), reason: z.string().optional() })),
});
type SessionReport = z.infer<typeof sessionReport>;

/** All live calls, page by page. */
async function liveCalls({ api, apiKey }: Options): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page = new URL('/v1/interactions?status=connected&limit=200', api);
    if (cursor !== null) page.searchParams.set('cursor', cursor);
    const answer = await fetch(page, {
      headers: { authorization: `Bearer ${apiKey}` },
      signal: AbortSignal.timeout(30_000),
    });
    // An error is a problem document (RFC 9457), whose text is meant for people.
    if (!answer.ok) throw new Error(`GET ${page.pathname} answered ${answer.status}: ${await answer.text()}`);
    const { items, nextCursor } = callPage.parse(await answer.json());
    ids.push(...items.map(({ id }) => id));
    cursor = nextCursor;
  } while (cursor !== null);
  // A call may move to another page meanwhile.
  return [...new Set(ids)];
}

/** The same calls in each run and on each machine, and a smaller share is part of a larger one. */
function isSampled(interactionId: string, { seed, share }: Options): boolean {
  const hash = createHash('sha256').update(`${seed}:${interactionId}`).digest();
  return hash.readUIntBE(0, 6) < share * 2 ** 48;
}

/** The one workflow id that a session of this supervisor on this call may have. */
function sessionIdOf(interactionId: string, supervisorId: string): string {
  const encode = (id: string): string =>
    encodeURIComponent(id)
      .replaceAll(/[!~*'()]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll('%3A', ':')
      .replaceAll('%40', '@');
  return `session~${encode(interactionId)}~${encode(supervisorId)}`;
}

/** A session of this program's own. */
interface Started {
  readonly session: WorkflowHandle;
  readonly runId: string;
}

/** Starts a session, or tells why there is none to start. */
async function start(
  client: Client,
  interactionId: string,
  options: Options,
  workflowIdReusePolicy: WorkflowIdReusePolicy = 'ALLOW_DUPLICATE_FAILED_ONLY',
): Promise<Started | 'already-running' | 'done-before'> {
  const { supervisorId, taskQueue, listenSeconds } = options;
  const workflowId = sessionIdOf(interactionId, supervisorId);
  try {
    const { firstExecutionRunId: runId } = await client.workflow.start('monitoringSession', {
      workflowId,
      taskQueue,
      args: [
        {
          interactionId,
          supervisorId,
          mode: 'silent',
          reason: 'QA sample',
          // Should this program be killed, the session ends all the same.
          maxDurationSeconds: Math.ceil(listenSeconds) + CONFIRM_LIMIT_SECONDS + STOP_LIMIT_SECONDS,
        },
      ],
      // A session that runs already is somebody's: it is neither used nor replaced.
      workflowIdConflictPolicy: 'FAIL',
      workflowIdReusePolicy,
    });
    // By its run, so that no signal reaches a later session under the same id.
    return { session: client.workflow.getHandle(workflowId, runId), runId };
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  const before = client.workflow.getHandle(workflowId);
  if ((await before.describe()).status.name !== 'COMPLETED') return 'already-running';
  // Heard once is enough, but what came to nothing is tried again.
  const heard = timesOf(sessionReport.parse(await before.result())).activeAt !== undefined;
  return heard ? 'done-before' : start(client, interactionId, options, 'ALLOW_DUPLICATE');
}

/** Whether the session listens: waits for the outcome of its own first command. */
async function untilActive(session: WorkflowHandle): Promise<boolean> {
  try {
    for (;;) {
      const answer = await session.executeUpdate('awaitCommand', { args: [{ commandId: '~start', waitMs: 20_000 }] });
      const { status } = commandOutcome.parse(answer).command;
      if (status !== 'accepted') return status === 'applied';
    }
  } catch (error) {
    // It ended meanwhile; its result says how.
    if (error instanceof WorkflowNotFoundError || error instanceof WorkflowUpdateFailedError) return false;
    throw error;
  }
}

/** Listens until the time is over, the session ends or Ctrl-C, and sees the session to its end. */
async function listen(
  session: WorkflowHandle,
  { listenSeconds, supervisorId }: Options,
  interrupted: AbortSignal,
): Promise<{ readonly report: SessionReport; readonly isComplete: boolean }> {
  const over = new AbortController();
  const ended = session.result().finally(() => over.abort());
  ended.catch(() => undefined);
  const cut = AbortSignal.any([over.signal, interrupted]);
  let isComplete = false;
  try {
    const waited = pause(CONFIRM_LIMIT_SECONDS, cut).then(() => false);
    if (await Promise.race([untilActive(session), waited])) isComplete = await pause(listenSeconds, cut);
  } finally {
    const reason = isComplete ? `listened for ${listenSeconds} s` : 'the QA pipeline gave up or was interrupted';
    await stop(session, { commandId: 'qa-stop', actor: supervisorId, reason });
  }
  const late = pause(STOP_LIMIT_SECONDS, over.signal).then(() => undefined);
  const result: unknown = await Promise.race([ended, late]);
  if (result === undefined && !over.signal.aborted) {
    throw ApplicationFailure.create({
      type: 'stop-not-confirmed',
      message: `the stop is not confirmed after ${STOP_LIMIT_SECONDS} s; the session goes on trying`,
    });
  }
  return { report: sessionReport.parse(await ended), isComplete };
}

/** Once a signal is accepted it is durable: no worker needs to be up. */
async function stop(session: WorkflowHandle, payload: Readonly<Record<string, string>>): Promise<void> {
  try {
    await session.signal('stop', payload);
  } catch (error) {
    // It has ended by itself.
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

/** Resolves to `true` after that time, or to `false` as soon as the signal is given. */
async function pause(seconds: number, signal: AbortSignal): Promise<boolean> {
  return sleep(seconds * 1_000, true, { signal }).catch(() => false);
}

/** When the platform confirmed the leg, and when the session began to end; ms since the epoch. */
function timesOf({ history }: SessionReport): { readonly activeAt: number | undefined; readonly endingAt: number } {
  const at = (type: string): number | undefined => {
    const entry = history.find((one) => one.type === type);
    return entry && Date.parse(entry.at);
  };
  return { activeAt: at('session.active'), endingAt: at('session.ending') ?? NaN };
}

/** One call from start to report; never rejects. */
async function monitor(
  client: Client,
  interactionId: string,
  options: Options,
  interrupted: AbortSignal,
): Promise<ReportLine> {
  const { supervisorId } = options;
  let line: ReportLine = {
    sessionId: sessionIdOf(interactionId, supervisorId),
    runId: null,
    interactionId,
    supervisorId,
    startedAt: null,
    listenedSeconds: 0,
    outcome: 'failed',
    error: null,
  };
  try {
    const started = await start(client, interactionId, options);
    if (typeof started === 'string') return { ...line, outcome: started };
    line = { ...line, runId: started.runId };
    const { report, isComplete } = await listen(started.session, options, interrupted);
    const { startedAt, endReason } = report.session;
    const { activeAt, endingAt } = timesOf(report);
    const outcome = isComplete && endReason === 'stopped' ? 'listened' : endReason;
    const message = report.history.find(({ type }) => type === 'session.ending')?.reason ?? '';
    return {
      ...line,
      startedAt,
      listenedSeconds: activeAt === undefined ? 0 : (endingAt - activeAt) / 1_000,
      outcome,
      error: FINE.has(outcome) ? null : { type: outcome, message },
    };
  } catch (error) {
    return { ...line, ...failureOf(error) };
  }
}

function failureOf(error: unknown): Pick<ReportLine, 'outcome' | 'error'> {
  const cause = error instanceof WorkflowFailedError ? error.cause : error;
  if (!(cause instanceof Error)) return { outcome: 'failed', error: { type: 'unknown', message: String(cause) } };
  const { message } = cause;
  if (cause instanceof CancelledFailure) return { outcome: 'cancelled', error: { type: 'cancelled', message } };
  if (cause instanceof TerminatedFailure) return { outcome: 'terminated', error: { type: 'terminated', message } };
  // Earshot's own failures have a type that does not change: `invalid.request`, `session.id.mismatch`.
  const type = cause instanceof ApplicationFailure ? cause.type : undefined;
  return { outcome: 'failed', error: { type: type ?? cause.name, message } };
}

/** Where the report goes. One that can't be written any more, as when nobody reads it, ends the pipeline as Ctrl-C does. */
async function openReport(output: string | undefined, interrupt: (reason: unknown) => void): Promise<Writable> {
  const report = output === undefined ? process.stdout : createWriteStream(output, { flags: 'a' });
  if (output !== undefined) await once(report, 'open');
  return report.on('error', interrupt);
}

async function run(options: Options, interruption: AbortController): Promise<number> {
  const interrupted = interruption.signal;
  const report = await openReport(options.output, (error) => {
    if (!interrupted.aborted) say(`The report can't be written: ${messageOf(error)}`);
    interruption.abort(error);
  });
  const { connectionOptions, namespace } = loadClientConnectConfig();
  const connection = await Connection.connect(connectionOptions).catch((cause: unknown) => {
    throw new Error('Temporal does not let us in; are TEMPORAL_ADDRESS, TEMPORAL_API_KEY and TEMPORAL_TLS_* right?', {
      cause,
    });
  });
  try {
    const keysFile = process.env['PAYLOAD_KEYS_FILE'] ?? '';
    const encrypts = process.env['PAYLOAD_ENCRYPTION'] !== 'off';
    const client = new Client({
      connection,
      ...(namespace === undefined ? {} : { namespace }),
      ...(keysFile === '' ? {} : { dataConverter: { payloadCodecs: [payloadCodec(keysFile, encrypts)] } }),
    });
    const calls = await liveCalls(options);
    const sampled = calls.filter((id) => isSampled(id, options));
    const outcomes: string[] = [];
    // All listeners take from the same queue.
    const queue = sampled.values();
    const listeners = Array.from({ length: options.concurrency }, async () => {
      for (const interactionId of queue) {
        if (interrupted.aborted) return;
        const line = await monitor(client, interactionId, options, interrupted);
        outcomes.push(line.outcome);
        report.write(`${JSON.stringify(line)}\n`);
      }
    });
    await Promise.all(listeners);
    const failed = outcomes.filter((outcome) => !FINE.has(outcome)).length;
    say(`${calls.length} calls, ${sampled.length} sampled, ${outcomes.length} reported, ${failed} failed`);
    if (interrupted.aborted) return interrupted.reason === CTRL_C ? 130 : 1;
    return failed === 0 ? 0 : 1;
  } finally {
    await connection.close();
  }
}

function readOptions(): Options | 'help' {
  const { values } = parseArgs({
    options: {
      share: { type: 'string', default: '0.1' },
      seed: { type: 'string', default: 'qa' },
      listen: { type: 'string', default: '30' },
      concurrency: { type: 'string', default: '5' },
      supervisor: { type: 'string', default: 'qa-bot' },
      api: { type: 'string', default: 'http://127.0.0.1:8080' },
      'task-queue': { type: 'string', default: 'monitoring' },
      output: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const apiKey = process.env['API_KEY'] ?? '';
  if (apiKey === '') throw new Error('Expected the key for REST in the variable API_KEY');
  if (!URL.canParse(values.api)) throw new Error(`Expected --api to be a URL, got ${values.api}`);
  const concurrency = numberIn('--concurrency', values.concurrency, 1, 1_000);
  if (!Number.isInteger(concurrency)) throw new Error(`Expected --concurrency to be whole, got ${concurrency}`);
  return {
    share: numberIn('--share', values.share, 0, 1),
    seed: values.seed,
    listenSeconds: numberIn('--listen', values.listen, 1, 36_000),
    concurrency,
    supervisorId: values.supervisor,
    api: values.api,
    apiKey,
    taskQueue: values['task-queue'],
    output: values.output,
  };
}

function numberIn(name: string, text: string, least: number, most: number): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (value >= least && value <= most) return value;
  throw new Error(`Expected ${name} to be a number from ${least} to ${most}, got ${text}`);
}

/** With the cause, which is all that tells why a `fetch` failed. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function main(): Promise<number> {
  let options: Options | 'help';
  try {
    options = readOptions();
  } catch (error) {
    say(`${messageOf(error)}\nSee --help.`);
    return 2;
  }
  if (options === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // Once: a second one ends the program at once, and `maxDurationSeconds` the sessions.
    process.once(signal, () => {
      say('Stopping the sessions …');
      interruption.abort(CTRL_C);
    });
  }
  try {
    return await run(options, interruption);
  } catch (error) {
    say(messageOf(error));
    return 1;
  }
}

process.exitCode = await main();
