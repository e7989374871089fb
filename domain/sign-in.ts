import { z } from 'zod';
import { externalId } from './identifiers.js';

/**
 * What a person may be. `supervisor`: reads all, monitors and speaks as themselves. `qa`: reads all, listens as themselves,
 * never speaks. `admin`: everything, for anybody.
 */
export const role = z.enum(['supervisor', 'qa', 'admin']);
export type Role = z.infer<typeof role>;

/** `key`: by the API key and a name. `token`: by a token of the identity provider. */
export const signInWay = z.enum(['key', 'token']);
export type SignInWay = z.infer<typeof signInWay>;

/**
 * Longest token that fits a cookie, characters: browsers drop cookies whose name, value and attributes take more than 4,096
 * bytes (RFC 6265, 6.1).
 */
export const COOKIE_TOKEN_MAX_LENGTH = 3_800;

/** Of somebody who has the API key, and says who they are. */
export const signInByKey = z.strictObject({ apiKey: z.string().min(1).max(512), supervisorId: externalId });

/** Of somebody whom the identity provider knows. */
export const signInByToken = z.strictObject({ token: z.string().min(1).max(COOKIE_TOKEN_MAX_LENGTH) });

/** The body of `POST /v1/sign-in`. */
export const signInRequest = z.union([signInByKey, signInByToken]);
export type SignInRequest = z.infer<typeof signInRequest>;

/** Whoever asks, as the API knows them. */
export const me = z.object({
  id: z.string().nullable(),
  kind: z.enum(['person', 'service']),
  roles: z.array(role),
  expiresAt: z.iso.datetime().nullable(),
  temporalUi: z.string().nullable(),
});
export type Me = z.infer<typeof me>;

/** Of `GET /v1/sign-in`: the ways that a deployment has, and who is signed in by the cookie; `null`: nobody, any more or yet. */
export const signInState = z.object({ ways: z.array(signInWay), me: me.nullable() });
