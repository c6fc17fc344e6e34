import { hash as digestOf } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { unsupported } from './encryption.ts';

/** A hundred times what tools write; about three seconds. */
const mostIterations = 1_000_000;
const iterationsInOneGo = 10_000;

/**
 * Hashes, and hashes the result, and so on: how old ways from a password to a key make guessing slower. Other work gets its
 * turn in between.
 *
 * @param subject - what is opened, for the message
 * @throws {PkiError} ERR_PKI_ENCRYPTION_UNSUPPORTED: more than a million times
 */
export async function hashRepeatedly(
  first: Buffer,
  { hash, iterations, subject }: { hash: string; iterations: number; subject: string },
): Promise<Buffer> {
  if (!Number.isSafeInteger(iterations) || iterations < 1 || iterations > mostIterations) {
    throw unsupported(
      subject,
      `it asks for ${iterations} iterations, and from 1 to ${mostIterations} are done here: more would take this machine too long`,
    );
  }
  let digest = digestOf(hash, first, 'buffer');
  for (let done = 1; done < iterations; done += 1) {
    digest = digestOf(hash, digest, 'buffer');
    if (done % iterationsInOneGo === 0) await setImmediate();
  }
  return digest;
}
