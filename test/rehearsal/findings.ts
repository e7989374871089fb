import type { Client } from '@temporalio/client';
import type { Simulator } from '../../simulator/simulator.js';
import { speechesOf } from '../faults/speech.js';
import type { Load } from './load.js';

/** What a mixed run came to. */
export interface Findings {
  /** Whatever must not be. */
  readonly faults: readonly string[];
  /** For the report. */
  readonly figures: Readonly<Record<string, number | string>>;
}

/** `WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND` of Temporal's API. */
const UNHANDLED_COMMAND = 1;

/** @param titles which revision a worker is of, by its process id */
export async function findingsOf(
  client: Client,
  simulator: Simulator,
  load: Load,
  titles: ReadonlyMap<number, string>,
): Promise<Findings> {
  const faults = [...load.faults, ...platformFaults(simulator)];
  const tasks = new Map<string, number>();
  let runs = 0;
  let mixed = 0;
  let failedTasks = 0;
  let refusedTasks = 0;
  let timedOutTasks = 0;
  let running = 0;
  for await (const { workflowId, runId, status, type } of client.workflow.list()) {
    runs += 1;
    const isStanding = ['interactionSweep', 'platformEvents', 'tokenKeeper', 'bargeMutex'].includes(type);
    if (status.name === 'RUNNING' && !isStanding) {
      running += 1;
      faults.push(`${workflowId} runs still`);
    }
    if (['FAILED', 'TIMED_OUT', 'TERMINATED'].includes(status.name))
      faults.push(`${workflowId} ${runId} has ${status.name}`);
    const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    const by = new Set<string>();
    for (const event of events ?? []) {
      const { workflowTaskFailedEventAttributes: failed, workflowTaskCompletedEventAttributes: completed } = event;
      // Refused because a signal had arrived meanwhile, as a run's end may be: it is done again.
      if (failed && Number(failed.cause) === UNHANDLED_COMMAND) refusedTasks += 1;
      else if (failed) {
        failedTasks += 1;
        faults.push(`${workflowId} ${runId}: a task failed: ${failed.failure?.message ?? String(failed.cause)}`);
      }
      if (event.workflowTaskTimedOutEventAttributes) timedOutTasks += 1;
      if (!completed) continue;
      const title = titles.get(Number.parseInt(completed.identity ?? '', 10)) ?? 'unknown';
      by.add(title);
      tasks.set(title, (tasks.get(title) ?? 0) + 1);
    }
    if (by.size > 1) mixed += 1;
  }
  return {
    faults,
    figures: {
      sessions: load.sessions,
      calls: load.interactionIds.length,
      'commands accepted': load.accepted,
      outcomes: [...load.outcomes].map(([status, count]) => `${count} ${status}`).join(', '),
      'lists of calls': load.lists,
      'runs of workflows': runs,
      'workflow tasks': [...tasks].map(([title, count]) => `${count} by ${title}`).join(', '),
      'runs with tasks of both': mixed,
      'workflow tasks failed': failedTasks,
      'refused for a newer signal': refusedTasks,
      'workflow tasks timed out': timedOutTasks,
      'sessions left running': running,
      'legs made': simulator.ledger.legs().length,
      'legs left behind': simulator.ledger.legs({ live: true }).length,
      'violations seen by the platform': simulator.ledger.violations().length,
      'two speakers at once': twoAtOnce(simulator).length,
      'accepted and lost': load.faults.length,
    },
  };
}

function platformFaults(simulator: Simulator): string[] {
  const left = simulator.ledger
    .legs({ live: true })
    .map(({ monitorSessionId }) => `the leg ${monitorSessionId} is live`);
  const violations = simulator.ledger.violations().map((one) => `the platform saw ${JSON.stringify(one)}`);
  return [...left, ...violations, ...twoAtOnce(simulator)];
}

function twoAtOnce({ ledger }: Simulator): string[] {
  const calls = new Set(ledger.legs().map(({ interactionId }) => interactionId));
  return [...calls].flatMap((interactionId) => {
    const speeches = speechesOf(ledger.legs({ interactionId })).sort((one, other) => one.fromMs - other.fromMs);
    return speeches.flatMap((speech, index) =>
      speeches
        .slice(index + 1)
        .filter((other) => other.fromMs < speech.toMs)
        .map((other) => `${other.monitorSessionId} speaks while ${speech.monitorSessionId} does`),
    );
  });
}
