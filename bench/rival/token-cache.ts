import { request } from 'undici';
import { tokenAnswer } from './wire.js';

/** The guide: a refresh 30 s before the token expires. */
const EARLY_MS = 30_000;
const LIMIT_MS = 5_000;

interface Credentials {
  readonly baseUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** The access token, in memory; one request for another at a time, whoever asks. */
export class TokenCache {
  readonly #credentials: Credentials;
  #value: string | undefined;
  #underWay: Promise<string> | undefined;
  #refresh: NodeJS.Timeout | undefined;

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  /** @throws where the platform gives none */
  get(): Promise<string> {
    return this.#value === undefined ? this.#renew() : Promise.resolve(this.#value);
  }

  /** What came back with `401`; another that was fetched meanwhile stays. */
  reject(value: string): void {
    if (this.#value === value) this.#value = undefined;
  }

  #renew(): Promise<string> {
    this.#underWay ??= this.#fetch().finally(() => (this.#underWay = undefined));
    return this.#underWay;
  }

  async #fetch(): Promise<string> {
    const { baseUrl, clientId, clientSecret } = this.#credentials;
    const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
    const answer = await request(`${baseUrl}/api/v2/auth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
      headersTimeout: LIMIT_MS,
      bodyTimeout: LIMIT_MS,
    });
    const body: unknown = await answer.body.json();
    if (answer.statusCode !== 200) throw new Error(`No token: ${answer.statusCode}`);
    const { access_token: value, expires_in: seconds } = tokenAnswer.parse(body);
    this.#value = value;
    // The old one is used until the new one is there: replaced at once, as the guide has it.
    clearTimeout(this.#refresh);
    const dueInMs = Math.max(seconds * 500, seconds * 1_000 - EARLY_MS);
    this.#refresh = setTimeout(() => void this.#renew().catch(() => undefined), dueInMs).unref();
    return value;
  }
}
