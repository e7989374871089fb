import type { Environment, SettingsFault } from './settings.js';

/** Reads a whole text file. @throws whatever the file system says */
export type ReadFile = (path: string) => string;

const LIKE_A_PATH = /^\.{0,2}\//;

/** What is left to be read by name, and what was wrong with files. */
export interface FromFiles {
  readonly env: Environment;
  readonly faults: readonly SettingsFault[];
}

/**
 * `env` with the secrets that stand in files: `API_KEY_FILE=/run/secrets/api-key` is `API_KEY` with what is in there, less
 * the white space around it. A file and a value for one secret are a fault: nobody could tell which of them counts.
 *
 * @param names the settings that may stand in a file
 */
export function secretsFromFiles(env: Environment, names: Iterable<string>, readFile: ReadFile): FromFiles {
  const found: Record<string, string> = {};
  const faults: SettingsFault[] = [];
  for (const name of names) {
    const path = env[fileSetting(name)]?.trim() ?? '';
    if (path === '') continue;
    const fault = (message: string): void => void faults.push({ name: fileSetting(name), message });
    if ((env[name]?.trim() ?? '') !== '') {
      fault(`is set, and ${name} is too: set one of them`);
      continue;
    }
    try {
      const text = readFile(path).trim();
      if (text === '') fault(`names a file without anything in it (given: ${JSON.stringify(path)})`);
      else found[name] = text;
    } catch (error) {
      // What follows the reason is the path; or the secret itself, where somebody has put that here.
      const [why = ''] = (error instanceof Error ? error.message : String(error)).split(',', 1);
      fault(
        `names a file that can't be read: ${why}${LIKE_A_PATH.test(path) ? ` (given: ${JSON.stringify(path)})` : ''}`,
      );
    }
  }
  return { env: { ...env, ...found }, faults };
}

/** `API_KEY` → `API_KEY_FILE`. */
export function fileSetting(name: string): string {
  return `${name}_FILE`;
}
