/** An answer of the platform's API, before the headers that every answer carries. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: object;
}

/** The body of every error: a stable `code` and a sentence (`platform-api.md`, Everywhere). */
export function apiError(status: number, code: string, message: string, more: object = {}): ApiAnswer {
  return { status, body: { code, message, ...more } };
}

/** The `code` of an error answer, `null` for any other. */
export function codeOf(answer: ApiAnswer): string | null {
  return 'code' in answer.body && typeof answer.body.code === 'string' ? answer.body.code : null;
}

export const notFound = (): ApiAnswer => apiError(404, 'not.found', 'There is nothing at this address.');

export const interactionNotFound = (): ApiAnswer =>
  apiError(404, 'interaction.not.found', 'No such interaction is known.');

export const interactionEnded = (): ApiAnswer => apiError(410, 'interaction.ended', 'The interaction has ended.');

export const monitorNotFound = (): ApiAnswer => apiError(404, 'monitor.not.found', 'No such monitor leg is live.');

export const invalidRequest = (message: string): ApiAnswer => apiError(400, 'invalid.request', message);
