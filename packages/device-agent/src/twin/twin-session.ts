import type { JsonObject } from './merge-patch.ts';

/**
 * What the twin needs of a connection. Every request ends: with an answer, by a time-out, or with the session.
 *
 * ERR_AGENT_TWIN says that the hub won't take the same request later either; anything else is tried again, after
 * `retryAfterMs` where the error has it, as long as the session is in use.
 */
export interface TwinSession {
  /** Both sections with their `$version`. */
  getTwin(): Promise<{ readonly desired: JsonObject; readonly reported: JsonObject }>;
  /** Resolves with the new `$version`. */
  report(patch: JsonObject): Promise<number>;
}
