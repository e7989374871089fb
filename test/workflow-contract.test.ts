import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import {
  AWAIT_LIMIT_MS,
  awaitCommandInput,
  commandAction,
  commandSignal,
  commandStatus,
  INITIAL_MODE_COMMAND_ID,
  MAX_DURATION_SECONDS,
  START_COMMAND_ID,
  startSessionInput,
} from '../domain/commands.js';
import { WORKFLOW_FAILURE_TYPES } from '../domain/errors.js';
import { sessionWorkflowId } from '../domain/identifiers.js';
import { auditEntry } from '../domain/audit-entry.js';
import { COMMANDS_KEPT, COMMANDS_SHOWN } from '../domain/session-record.js';
import { endReason, monitorMode, sessionSnapshot, sessionState } from '../domain/session.js';
import { sessionReport } from '../domain/session-report.js';
import {
  AWAIT_COMMAND_UPDATE,
  COMMANDS_MEMO,
  CREATION_MEMO,
  DEFAULT_TASK_QUEUE,
  INTERACTION_ENDED_SIGNAL,
  MEDIA_QUALITY_SIGNAL,
  MONITOR_STATUS_SIGNAL,
  MONITORING_SESSION,
  SEARCH_ATTRIBUTE_NAMES,
  SESSION_MEMO,
  START_MEMO,
  STATE_QUERY,
} from '../domain/workflow-contract.js';
import { tableRows } from './support/markdown.js';

const page = readFileSync(new URL('../docs/workflow-contract.md', import.meta.url), 'utf8');

/** The first cells of the table with that heading, without their backquotes. */
const names = (heading: string): string[] => tableRows(page, heading).map(([name = '']) => name.replaceAll('`', ''));

test.each([
  ['field', Object.keys(startSessionInput.shape)],
  ['signal', [...commandAction.options, INTERACTION_ENDED_SIGNAL, MONITOR_STATUS_SIGNAL, MEDIA_QUALITY_SIGNAL]],
  ['payload', Object.keys(commandSignal.shape)],
  ['argument', Object.keys(awaitCommandInput.shape)],
  ['`session`', Object.keys(sessionSnapshot.shape)],
  ['state', sessionState.options],
  ['`endReason`', endReason.options],
  ['`status`', commandStatus.options],
  ['`history` type', auditEntry.options.map(({ shape }) => shape.type.value)],
  ['failure type', [...WORKFLOW_FAILURE_TYPES]],
  ['memo field', [SESSION_MEMO, COMMANDS_MEMO, START_MEMO, CREATION_MEMO]],
  ['search attribute', [...SEARCH_ATTRIBUTE_NAMES]],
])('the contract’s table of %s has what there is, and nothing else', (heading, wanted) => {
  expect(names(heading)).toEqual(wanted);
});

test('the contract’s names are the code’s', () => {
  const short = new Map(tableRows(page, 'what').map(([what = '', said = '']) => [what, said]));
  expect(short.get('workflow type')).toBe(`\`${MONITORING_SESSION}\``);
  expect(short.get('task queue')).toContain(`\`${DEFAULT_TASK_QUEUE}\`,`);
  expect(short.get('query')).toBe(`\`${STATE_QUERY}\``);
  expect(short.get('update')).toBe(`\`${AWAIT_COMMAND_UPDATE}\``);
  expect(page).toContain(`are \`{${Object.keys(sessionReport.shape).join(', ')}}\``);
  const limits = new Map(tableRows(page, 'field').map(([field = '', ...cells]) => [field, cells]));
  expect(limits.get('`mode`')?.[0]).toBe('`silent`, `whisper` or `barge`');
  expect([...monitorMode.options]).toEqual(['silent', 'whisper', 'barge']);
  expect(limits.get('`maxDurationSeconds`')).toEqual([
    'integer',
    String(MAX_DURATION_SECONDS),
    expect.stringContaining(`1–${MAX_DURATION_SECONDS},`),
  ]);
  const [commandId, waitMs] = tableRows(page, 'argument');
  expect(commandId?.[2]).toContain(`\`${START_COMMAND_ID}\``);
  expect(commandId?.[2]).toContain(`\`${INITIAL_MODE_COMMAND_ID}\``);
  expect(waitMs?.[2]).toBe(`0–${AWAIT_LIMIT_MS}`);
  expect(page).toContain(`keeps ${COMMANDS_KEPT}.`);
  expect(page).toContain(`latest ${COMMANDS_SHOWN} commands`);
});

test('the contract’s examples of workflow ids are right', () => {
  const examples = tableRows(page, '`interactionId`').map((row) => row.map((cell) => cell.slice(1, -1)));
  expect(examples.length).toBeGreaterThan(3);
  for (const [interactionId = '', supervisorId = '', workflowId] of examples) {
    expect(sessionWorkflowId(interactionId, supervisorId)).toBe(workflowId);
  }
});
