import { PAYLOAD_UNREADABLE } from '../domain/errors.js';

/**
 * Thrown for a payload that is encrypted and can't be read here. Its message says why, by the ids of keys, and what helps.
 * Of a workflow task it is a failure that Temporal tries again until a worker with the key comes.
 */
export class PayloadUnreadable extends Error {
  override readonly name = PAYLOAD_UNREADABLE;
  readonly code = 'payload.unreadable';

  constructor(
    message: string,
    /** As the payload names it; `undefined` where that is no id. */
    readonly keyId: string | undefined,
  ) {
    super(message);
  }
}
