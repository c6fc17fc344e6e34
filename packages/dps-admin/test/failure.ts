import { DpsAdminError } from '../src/index.ts';

/** The DpsAdminError that an action ends in. */
export async function failureOf(action: () => Promise<unknown>): Promise<DpsAdminError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof DpsAdminError) return error;
    throw error;
  }
  throw new Error('It succeeded; a DpsAdminError was expected.');
}
