import type { z } from 'zod';

/** What is wrong with one field of what a caller sent. */
export interface FieldFault {
  /** Dotted path, or the name of the whole input. */
  readonly field: string;
  readonly message: string;
}

/** Most faults that one answer lists. */
const FAULTS_LISTED = 50;

/** What zod found, field by field, every unknown field by its own name (rule 9); `whole` names the input itself. */
export function fieldFaults(error: z.ZodError, whole: string): FieldFault[] {
  return error.issues
    .flatMap((issue) => {
      if (issue.code === 'unrecognized_keys') {
        return issue.keys.map((key) => ({ field: dotted([...issue.path, key]), message: 'is not known here' }));
      }
      const field = issue.path.length === 0 ? whole : dotted(issue.path);
      const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
      return [{ field, message: missing ? 'is required' : issue.message }];
    })
    .slice(0, FAULTS_LISTED);
}

/** The same in one line, for failures and trails. */
export function describeFaults(error: z.ZodError, whole: string): string {
  return fieldFaults(error, whole)
    .map(({ field, message }) => `${field}: ${message}`)
    .join('; ');
}

function dotted(path: readonly PropertyKey[]): string {
  return path.map(String).join('.');
}
