/** When this release was packed, ISO 8601: `npm pack` writes it into the built file. Undefined in a clone. */
export const releasedAt: string | undefined = undefined;
