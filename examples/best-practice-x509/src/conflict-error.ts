/** Something is there already and isn't what was asked for; nothing has been changed. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError';
  readonly code = 'ERR_CONFLICT';
}
