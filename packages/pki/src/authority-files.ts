import { join } from 'node:path';
import { openAuthority, type CertificateAuthority } from './authority.ts';
import { openSoftwareKey } from './custody/software-key.ts';
import { encryptPrivateKey, type KeyOpeningOptions } from './encrypted-private-key.ts';
import { PkiError } from './errors.ts';
import { readWholeFile, writeFileSet, type FileContent } from './file-set.ts';
import type { KeyDerivation } from './pbes2.ts';
import { isSoftwareKey, type SigningKey } from './signing-key.ts';

/** Where an authority is kept whose key is in a file too. */
export interface AuthorityLocation {
  folder: string;
  /** First part of the file names: letters, digits, `.`, `_`, `-` and spaces, a letter or digit first. */
  name: string;
  /** Protects the key; not empty. */
  password: string;
}

/** Where an authority is kept whose key is in an HSM or a vault. */
export interface HeldAuthorityLocation {
  folder: string;
  name: string;
  /** As opened there. */
  key: SigningKey;
}

/** The files of one authority. */
export interface AuthorityPaths {
  /** `{name}.cer.pem`: its certificate alone, as it is uploaded to Azure. */
  certificatePath: string;
  /** `{name}.chain.pem`: its certificate, then its issuers up to the root. */
  chainPath: string;
  /** `{name}.key.pem`: its key, encrypted; mode 0600. Undefined for a key that is in an HSM or a vault. */
  keyPath: string | undefined;
}

/** What saveAuthority takes. */
export interface SaveAuthorityOptions extends Omit<AuthorityLocation, 'password'> {
  /** Needed for a key in this process's memory; not empty. */
  password?: string;
  /** Default PBKDF2, see encryptPrivateKey. */
  keyDerivation?: KeyDerivation;
  /** Replace files that are there; default false. */
  overwrite?: boolean;
}

/**
 * Writes an authority: certificate, chain, and (unless it is in an HSM or a vault) encrypted key, see encryptPrivateKey. All
 * of them or none; the folder is made where it is missing.
 *
 * @throws {PkiError} ERR_PKI_FILE_EXISTS: one is there already and `overwrite` isn't true; nothing was changed
 * @throws {PkiError} ERR_PKI_FILE_NAME, ERR_PKI_FILE_WRITE, ERR_PKI_PASSWORD_EMPTY
 */
export async function saveAuthority(
  authority: CertificateAuthority,
  options: SaveAuthorityOptions,
): Promise<AuthorityPaths> {
  const { certificatePath, chainPath, keyPath } = authorityPaths(options);
  const { key, certificatePem, chainPem } = authority;
  const isInFile = isSoftwareKey(key);
  const files: FileContent[] = [
    { path: certificatePath, data: certificatePem, access: 'public' },
    { path: chainPath, data: chainPem, access: 'public' },
  ];
  if (isInFile) {
    const data = await encryptPrivateKey(key, options.password ?? '', options);
    files.unshift({ path: keyPath, data, access: 'secret' });
  }
  await writeFileSet(files, options.overwrite ?? false);
  return { certificatePath, chainPath, keyPath: isInFile ? keyPath : undefined };
}

/**
 * Reads back what saveAuthority wrote, or the same two files (`{name}.chain.pem`, `{name}.key.pem`) made with OpenSSL. With a
 * key from an HSM or a vault only the chain is read.
 *
 * An expired authority is loaded; signing with it fails then.
 *
 * @throws {PkiError} ERR_PKI_FILE_MISSING, ERR_PKI_FILE_READ, ERR_PKI_FILE_NAME
 * @throws {PkiError} ERR_PKI_PASSWORD_WRONG, ERR_PKI_PASSWORD_EMPTY, ERR_PKI_ENCRYPTION_UNSUPPORTED
 * @throws {PkiError} ERR_PKI_KEY_MISMATCH: key and certificate aren't of one pair
 * @throws {PkiError} ERR_PKI_NOT_AN_AUTHORITY, ERR_PKI_CERTIFICATE_UNREADABLE, ERR_PKI_KEY_UNREADABLE
 */
export async function loadAuthority(
  location: (AuthorityLocation & KeyOpeningOptions) | HeldAuthorityLocation,
): Promise<CertificateAuthority> {
  const { chainPath, keyPath } = authorityPaths(location);
  const chainPem = (await readWholeFile(chainPath)).toString('utf8');
  if ('key' in location) return openAuthority({ chainPem, key: location.key, source: chainPath });
  const encrypted = (await readWholeFile(keyPath)).toString('utf8');
  const key = await openSoftwareKey(encrypted, location.password, location);
  return openAuthority({ chainPem, key, source: `${chainPath} and ${keyPath}` });
}

/** @throws {PkiError} ERR_PKI_FILE_NAME */
export function authorityPaths({
  folder,
  name,
}: {
  folder: string;
  name: string;
}): Record<keyof AuthorityPaths, string> {
  if (!/^[\p{L}\p{N}][\p{L}\p{N} ._-]*$/u.test(name)) {
    throw new PkiError(
      'ERR_PKI_FILE_NAME',
      `${JSON.stringify(name)} can't be the name of a file: use letters, digits, ".", "_", "-" and spaces, a letter or digit first.`,
    );
  }
  const path = (ending: string): string => join(folder, `${name}.${ending}.pem`);
  return { certificatePath: path('cer'), chainPath: path('chain'), keyPath: path('key') };
}
