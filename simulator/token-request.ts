import { z } from 'zod';
import { apiError, invalidRequest, type ApiAnswer } from './api-answer.js';
import type { TokenStore } from './token-store.js';

const formSchema = z.object({ grant_type: z.string(), client_id: z.string(), client_secret: z.string() });

/** What came of a token request; the parts that the ledger may keep beside the answer. */
export interface TokenOutcome {
  readonly answer: ApiAnswer;
  readonly tokenNumber: number | null;
}

/** `client_id` of a token request's body, if it has one. */
export function clientIdOfForm(body: string): string | null {
  return new URLSearchParams(body).get('client_id');
}

/** `POST /api/v2/auth/token` (`platform-api.md`, Token). */
export function issueToken(tokens: TokenStore, contentType: string | undefined, body: string): TokenOutcome {
  const refuse = (answer: ApiAnswer): TokenOutcome => ({ answer, tokenNumber: null });
  if (contentType?.split(';')[0]?.trim().toLowerCase() !== 'application/x-www-form-urlencoded') {
    return refuse(invalidRequest('Expected a body of type application/x-www-form-urlencoded.'));
  }
  const form = formSchema.safeParse(Object.fromEntries(new URLSearchParams(body)));
  if (!form.success) return refuse(invalidRequest(z.prettifyError(form.error)));
  if (form.data.grant_type !== 'client_credentials') {
    return refuse(apiError(400, 'unsupported_grant_type', 'Expected grant_type client_credentials.'));
  }
  const granted = tokens.issue(form.data.client_id, form.data.client_secret);
  if (granted === null) return refuse(apiError(401, 'invalid_client', 'Unknown client or wrong secret.'));
  return {
    answer: {
      status: 200,
      body: { access_token: granted.accessToken, token_type: 'bearer', expires_in: tokens.lifetimeSeconds },
    },
    tokenNumber: granted.issued.number,
  };
}
