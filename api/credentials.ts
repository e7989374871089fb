import type { TokenVerifier } from './token-verifier.js';

/** What callers may present; with neither, nobody gets in. */
export interface Credentials {
  /** The one key of the services. */
  readonly apiKey?: string | undefined;
  /** The tokens of people. */
  readonly tokens?: TokenVerifier | undefined;
  /** The setting that holds the key. @default API_KEY */
  readonly keyName?: string;
}
