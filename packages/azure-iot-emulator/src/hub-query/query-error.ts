import { HubError } from '../hub/hub-error.ts';

/** The query makes no sense. */
export function invalidQuery(text: string): HubError {
  return new HubError('ArgumentInvalid', { text: `query: ${text}` });
}

/** Azure may know this; the emulator doesn't, and says what it is. */
export function unsupportedQuery(what: string): HubError {
  return new HubError('NotImplemented', { text: `the emulator's queries don't support ${what}` });
}
