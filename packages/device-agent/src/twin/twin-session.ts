import type { JsonObject } from './merge-patch.ts';

/** What the twin needs of a connection. A request that is never answered has to end the session, or be rejected. */
export interface TwinSession {
  /** Both sections with their `$version`. @throws {TwinRefusedError} */
  getTwin(): Promise<{ readonly desired: JsonObject; readonly reported: JsonObject }>;
  /** Resolves with the new `$version`. @throws {TwinRefusedError} */
  report(patch: JsonObject): Promise<number>;
}

/** The hub has answered a twin request with something else than success. */
export class TwinRefusedError extends Error {
  override readonly name = 'TwinRefusedError';
  /** 400, 429 or 5xx ("Communicate with an IoT hub using MQTT", twin). */
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, detail: string, retryAfterMs?: number) {
    super(`status ${status}${detail && `: ${detail}`}`);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may succeed later. */
  get isTransient(): boolean {
    return this.status === 429 || this.status >= 500;
  }
}
