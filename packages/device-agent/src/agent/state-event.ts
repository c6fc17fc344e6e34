import { asAgentError, type DeviceAgentError } from '../errors.ts';

/** What an agent tells of its own state, the application's data apart. */
export type StateEvent =
  /**
   * The database was no database any more and has been moved, whole; the agent has begun a new one. What the old one held is
   * lost to it: docs/reconnecting.md says what that means.
   */
  | {
      readonly type: 'state-set-aside';
      /** Absolute path. */
      readonly file: string;
      readonly reason: string;
    }
  /** Something for the next start couldn't be written; the agent goes on with it in memory. */
  | { readonly type: 'state-failed'; readonly error: DeviceAgentError };

/** Writes what is in memory too: where the disk doesn't take it, that is told, and no reason to do without a connection. */
export function writeOrTell(write: () => void, onEvent: (event: StateEvent) => void): void {
  try {
    write();
  } catch (cause) {
    onEvent({ type: 'state-failed', error: asAgentError(cause, 'It goes on; look at the disk of this device.') });
  }
}
