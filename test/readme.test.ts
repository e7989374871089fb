import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { commandStatus } from '../domain/commands.js';
import { endReason, sessionState } from '../domain/session.js';
import { settingsTable } from '../domain/settings.js';
import { TRACING_VARIABLES } from '../domain/tracing-settings.js';
import { tableRows } from './support/markdown.js';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

const rows = (heading: string): string[][] => tableRows(readme, heading);

test('the README’s table of settings is the schema’s', () => {
  expect(rows('setting').map(([name, fallback, meaning]) => ({ name, fallback, meaning }))).toEqual(
    settingsTable().map(({ name, fallback, meaning }) => ({
      name: `\`${name}\``,
      fallback: fallback === '' ? '' : `\`${fallback}\``,
      meaning,
    })),
  );
});

test('the README’s table of OpenTelemetry’s variables has those that are looked at', () => {
  const names = rows('of OpenTelemetry').map(([name]) => name);
  expect(names.toSorted()).toEqual(TRACING_VARIABLES.map((name) => `\`${name}\``).toSorted());
});

test('the README explains every state, every end reason and every outcome of a command', () => {
  expect(rows('state').map(([name]) => name)).toEqual(sessionState.options.map((state) => `\`${state}\``));
  expect(rows('`endReason`').map(([name]) => name)).toEqual(endReason.options.map((reason) => `\`${reason}\``));
  expect(rows('`status`').map(([name]) => name)).toEqual(commandStatus.options.map((status) => `\`${status}\``));
});
