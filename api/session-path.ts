/** Where a session is found. Its id holds percent signs of its own, which the URL encodes once more. */
export function sessionPath(sessionId: string): string {
  return `/v1/sessions/${encodeURIComponent(sessionId)}`;
}

/** Where one of its commands is found. */
export function commandPath(sessionId: string, commandId: string): string {
  return `${sessionPath(sessionId)}/commands/${encodeURIComponent(commandId)}`;
}
