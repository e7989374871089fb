import type { StartSessionInput } from '../domain/commands.js';

/** Temporal's limit for a summary, bytes, with room for the quotes and escapes of its encoding. */
const SUMMARY_BYTES = 180;

/** One line for the list of workflows in Temporal's UI. */
export function staticSummary({ interactionId, supervisorId }: StartSessionInput): string {
  return shortened(`${supervisorId} monitors ${interactionId}`, SUMMARY_BYTES);
}

/** What was asked for, as Markdown, for the workflow's page in Temporal's UI. */
export function staticDetails(input: StartSessionInput): string {
  const lines: readonly (readonly [string, string | number | undefined])[] = [
    ['Interaction', input.interactionId],
    ['Supervisor', input.supervisorId],
    ['Mode once active', input.mode ?? 'silent'],
    ['Media server group', input.mediaServerGroupId],
    ['Longest duration, seconds', input.maxDurationSeconds],
    ['Reason', input.reason],
  ];
  return lines
    .flatMap(([name, value]) => (value === undefined ? [] : [`- ${name}: ${code(String(value))}`]))
    .join('\n');
}

/** Callers' words as inline code, so that nothing in them is taken for Markdown. */
function code(text: string): string {
  return `\`${text.replaceAll('`', "'").replaceAll(/\s+/g, ' ')}\``;
}

/** Cuts at a whole character, so that the text stays within a number of UTF-8 bytes. */
function shortened(text: string, bytes: number): string {
  if (Buffer.byteLength(JSON.stringify(text)) <= bytes) return text;
  let kept = '';
  for (const character of text) {
    if (Buffer.byteLength(JSON.stringify(`${kept}${character}…`)) > bytes) break;
    kept += character;
  }
  return `${kept}…`;
}

/** Where Temporal's UI shows a session, with `{sessionId}` and `{runId}` to fill in; `undefined` where nobody knows its URL. */
export function sessionInTemporalUi(baseUrl: string | undefined, namespace: string): string | undefined {
  if (baseUrl === undefined) return undefined;
  return `${baseUrl}/namespaces/${encodeURIComponent(namespace)}/workflows/{sessionId}/{runId}`;
}
