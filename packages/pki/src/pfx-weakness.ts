/** Opens the parts of one PFX, and keeps what it sees of weaknesses. */
export interface PfxOpener {
  password: string;
  weaknesses: Set<string>;
}

/** What to do about a weakness. */
export const slow = 'replace the file (encodePfx, or OpenSSL 3 without "-legacy")';

/** Fewer were usual twenty years ago. */
const fewIterations = 1000;

export function tellIterations(iterations: number, { weaknesses }: PfxOpener): void {
  if (iterations >= fewIterations) return;
  weaknesses.add(`Its password is hardened with ${iterations} iterations only, so that it is guessed fast; ${slow}.`);
}
