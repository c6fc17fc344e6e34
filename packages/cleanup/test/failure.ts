import { CleanupError } from '../src/index.ts';

/** The CleanupError that an action ends in. */
export async function failureOf(action: () => Promise<unknown>): Promise<CleanupError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof CleanupError) return error;
    throw error;
  }
  throw new Error('It succeeded; a CleanupError was expected.');
}
