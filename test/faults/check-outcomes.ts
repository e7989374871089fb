import { isFinal, START_COMMAND_ID } from '../../domain/commands.js';
import type { Evidence } from './evidence.js';

/** Rule 6: every command that was accepted has an outcome. */
export function outcomeFaults({ sessions }: Evidence): string[] {
  return sessions.flatMap(({ played, report }) => {
    if (played.fate === 'terminated') return [];
    return [START_COMMAND_ID, ...played.commandIds].flatMap((commandId) => {
      const command = report?.commands.find((one) => one.commandId === commandId);
      if (command === undefined) return [`${played.name} does not know ${commandId}`];
      return isFinal(command.status) ? [] : [`${played.name}: ${commandId} is ${command.status} at the end`];
    });
  });
}
