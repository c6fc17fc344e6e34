import type { CertificateAuthority } from '../authority.ts';
import { authorityPaths, loadAuthority } from '../authority-files.ts';
import { createSoftwareKey, openSoftwareKey } from '../custody/software-key.ts';
import { readWholeFile } from '../file-set.ts';
import type { KeyAlgorithm } from '../key-algorithm.ts';
import type { SigningKey } from '../signing-key.ts';
import type { Output } from './output.ts';
import { readPassword } from './password.ts';
import { isInToken, withToken, type TokenFlags } from './token.ts';

/** An authority, and where its key is: in a token, or encrypted in a file. */
export interface AuthorityPlace extends TokenFlags {
  folder: string;
  /** What its file names begin with. */
  name: string;
  kind: 'root' | 'line';
  passwordFile: string | undefined;
}

/** Opens an authority for as long as the work takes. */
export function withAuthority<T>(
  output: Output,
  place: AuthorityPlace,
  work: (authority: CertificateAuthority) => Promise<T>,
): Promise<T> {
  const { folder, name } = place;
  return withKey(output, place, async (key) => work(await loadAuthority({ folder, name, key })));
}

/** Opens an authority's key for as long as the work takes, and warns where old encryption is on its file. */
export async function withKey<T>(
  output: Output,
  place: AuthorityPlace,
  work: (key: SigningKey) => Promise<T>,
): Promise<T> {
  if (isInToken(place)) {
    return withToken(place, async (token) => work(await token.openKey({ label: labelOf(place) })));
  }
  const { keyPath } = authorityPaths(place);
  const password = await passwordOf(place, false);
  const encrypted = await readWholeFile(keyPath);
  const onWeakness = (sentence: string): void => output.warn(`${keyPath}: ${sentence}`);
  return work(await openSoftwareKey(encrypted.toString('utf8'), password, { onWeakness }));
}

/**
 * Makes an authority's key, and keeps it open for as long as the work takes.
 *
 * @param work - gets the key, and the password to save it with; undefined: it is in a token
 */
export async function withNewKey<T>(
  place: AuthorityPlace,
  keyAlgorithm: KeyAlgorithm,
  work: (key: SigningKey, password: string | undefined) => Promise<T>,
): Promise<T> {
  if (isInToken(place)) {
    return withToken(place, async (token) =>
      work(await token.generateKey({ label: labelOf(place), keyAlgorithm }), undefined),
    );
  }
  const password = await passwordOf(place, true);
  return work(await createSoftwareKey({ keyAlgorithm }), password);
}

function labelOf({ name, pkcs11KeyLabel = name }: AuthorityPlace): string {
  return pkcs11KeyLabel;
}

function passwordOf({ kind, name, passwordFile: file }: AuthorityPlace, isNew: boolean): Promise<string> {
  const label = kind === 'root' ? 'root' : `line "${name}"`;
  return readPassword({ name: kind, label: isNew ? `new ${label}` : label, file, isNew });
}
