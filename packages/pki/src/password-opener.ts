/** Opens what one password encrypts, and keeps what it sees of weaknesses. */
export interface PasswordOpener {
  password: string;
  /** What is opened, for messages: `the PFX`. */
  subject: string;
  /** What to do about a weakness. */
  remedy: string;
  weaknesses: Set<string>;
}

/** Fewer were usual twenty years ago. */
const fewIterations = 1000;

export function tellIterations(iterations: number, { weaknesses, remedy }: PasswordOpener): void {
  if (iterations >= fewIterations) return;
  weaknesses.add(`Its password is hardened with ${iterations} iterations only, so that it is guessed fast; ${remedy}.`);
}
