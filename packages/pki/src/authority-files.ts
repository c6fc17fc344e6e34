import { join } from 'node:path';
import { describeAuthority, type CertificateAuthority } from './authority.ts';
import { parseCertificates } from './certificate.ts';
import { decryptPrivateKey, encryptPrivateKey } from './encrypted-private-key.ts';
import { PkiError } from './errors.ts';
import { readWholeFile, writeFileSet } from './file-set.ts';
import { chainOfKey } from './key-chain.ts';
import { importSigningKey, parsePrivateKey } from './private-key.ts';

/** Where an authority is kept. */
export interface AuthorityLocation {
  folder: string;
  /** First part of the file names: letters, digits, `.`, `_`, `-` and spaces, a letter or digit first. */
  name: string;
  /** Protects the key; not empty. */
  password: string;
}

/** The files of one authority. */
export interface AuthorityPaths {
  /** `{name}.cer.pem`: its certificate alone, as it is uploaded to Azure. */
  certificatePath: string;
  /** `{name}.chain.pem`: its certificate, then its issuers up to the root. */
  chainPath: string;
  /** `{name}.key.pem`: its key, encrypted; mode 0600. */
  keyPath: string;
}

/**
 * Writes an authority: certificate, chain, and encrypted key (see encryptPrivateKey). All of them or none; the folder is
 * made where it is missing.
 *
 * @throws {PkiError} ERR_PKI_FILE_EXISTS: one is there already and `overwrite` isn't true; nothing was changed
 * @throws {PkiError} ERR_PKI_FILE_NAME, ERR_PKI_FILE_WRITE, ERR_PKI_PASSWORD_EMPTY
 */
export async function saveAuthority(
  authority: CertificateAuthority,
  options: AuthorityLocation & { overwrite?: boolean },
): Promise<AuthorityPaths> {
  const paths = authorityPaths(options);
  const key = await encryptPrivateKey(authority.privateKey, options.password);
  await writeFileSet(
    [
      { path: paths.keyPath, data: key, access: 'secret' },
      { path: paths.certificatePath, data: authority.certificatePem, access: 'public' },
      { path: paths.chainPath, data: authority.chainPem, access: 'public' },
    ],
    options.overwrite ?? false,
  );
  return paths;
}

/**
 * Reads back what saveAuthority wrote, or the same two files (`{name}.chain.pem`, `{name}.key.pem`) made with OpenSSL.
 *
 * An expired authority is loaded; signing with it fails then.
 *
 * @throws {PkiError} ERR_PKI_FILE_MISSING, ERR_PKI_FILE_READ, ERR_PKI_FILE_NAME
 * @throws {PkiError} ERR_PKI_PASSWORD_WRONG, ERR_PKI_PASSWORD_EMPTY, ERR_PKI_ENCRYPTION_UNSUPPORTED
 * @throws {PkiError} ERR_PKI_KEY_MISMATCH: key and certificate aren't of one pair
 * @throws {PkiError} ERR_PKI_NOT_AN_AUTHORITY, ERR_PKI_CERTIFICATE_UNREADABLE, ERR_PKI_KEY_UNREADABLE
 */
export async function loadAuthority(location: AuthorityLocation): Promise<CertificateAuthority> {
  const { chainPath, keyPath } = authorityPaths(location);
  const certificates = parseCertificates((await readWholeFile(chainPath)).toString('utf8'));
  const encrypted = (await readWholeFile(keyPath)).toString('utf8');
  const key = parsePrivateKey(await decryptPrivateKey(encrypted, location.password));
  const chain = await chainOfKey(key, certificates, `${chainPath} and ${keyPath}`);
  return describeAuthority(chain, await importSigningKey(key, `"${chain[0].subject}"`));
}

function authorityPaths({ folder, name }: AuthorityLocation): AuthorityPaths {
  if (!/^[\p{L}\p{N}][\p{L}\p{N} ._-]*$/u.test(name)) {
    throw new PkiError(
      'ERR_PKI_FILE_NAME',
      `${JSON.stringify(name)} can't be the name of a file: use letters, digits, ".", "_", "-" and spaces, a letter or digit first.`,
    );
  }
  const path = (ending: string): string => join(folder, `${name}.${ending}.pem`);
  return { certificatePath: path('cer'), chainPath: path('chain'), keyPath: path('key') };
}
