import { spawn } from 'node:child_process';

/** How a short-lived program ended. */
export interface ProgramResult {
  /** `null`: it couldn't be started, or was ended by a signal or its time limit. */
  readonly exitCode: number | null;
  /** Both its streams together. */
  readonly output: string;
}

/** Runs a program to its end, without input; never rejects. */
export function runProgram(
  command: string,
  args: readonly string[],
  limitMs: number,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ProgramResult> {
  return new Promise((resolve) => {
    const child = spawn(command, [...args], { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: limitMs });
    const chunks: Buffer[] = [];
    const keep = (chunk: Buffer): void => void chunks.push(chunk);
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => resolve({ exitCode: null, output: error.message }));
    child.once('close', (exitCode) => resolve({ exitCode, output: Buffer.concat(chunks).toString('utf8') }));
  });
}
