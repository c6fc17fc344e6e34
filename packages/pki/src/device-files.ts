import { join } from 'node:path';
import { chainToPem, describeCertificate, parseCertificates, type CertificateDetails } from './certificate.ts';
import type { DeviceCredential } from './device-certificate.ts';
import { decryptPrivateKey } from './encrypted-private-key.ts';
import { PkiError } from './errors.ts';
import { readWholeFile, writeFileSet, type FileContent } from './file-set.ts';
import { chainOfKey } from './key-chain.ts';
import { decodePfx, encodePfx, type DecodedPfx } from './pfx.ts';
import { parsePrivateKey, privateKeyToPem } from './private-key.ts';
import { checkRegistrationId } from './registration-id.ts';

/** What saveDevice takes. */
export interface SaveDeviceOptions {
  folder: string;
  /** Protects the PFX; not empty. */
  password: string;
  /** Also write the key alone, unencrypted, for a device that reads PEM; default false. */
  keyPem?: boolean;
  /** Replace files that are there; default false. */
  overwrite?: boolean;
}

/** The files of one device. */
export interface DevicePaths {
  /** `{registrationId}.pfx`: key and chain, encrypted; mode 0600. */
  pfxPath: string;
  /** `{registrationId}.chain.pem`: device, line authority, root. */
  chainPath: string;
  /** `{registrationId}.key.pem`: the key in the clear, mode 0600; undefined unless it was asked for. */
  keyPath: string | undefined;
}

/** What readCredential takes. */
export interface CredentialLocation {
  /** A PFX, or PEM with the certificates (and the key, unless it has a file of its own). */
  path: string;
  /** PEM file with the key; default: the key is in `path`. */
  keyPath?: string;
  /** Needed for a PFX and for an encrypted key. */
  password?: string;
}

/** A certificate with its key, read back. Holds the key in the clear: don't log it. */
export interface Credential extends CertificateDetails {
  /** The key's certificate, then its issuers. */
  chainPem: string;
  /** Unencrypted PKCS#8. */
  privateKeyPem: string;
  /** Of how the key is encrypted where it comes from, and of the PFX: see decodePfx. */
  weaknesses: readonly string[];
}

/**
 * Writes a device's credential: PFX and chain, and the key alone where asked. All of them or none; the folder is made
 * where it is missing.
 *
 * @throws {PkiError} ERR_PKI_FILE_EXISTS: one is there already and `overwrite` isn't true; nothing was changed
 * @throws {PkiError} ERR_PKI_FILE_WRITE, ERR_PKI_PASSWORD_EMPTY, ERR_PKI_REGISTRATION_ID_*, ERR_PKI_KEY_MISMATCH
 */
export async function saveDevice(credential: DeviceCredential, options: SaveDeviceOptions): Promise<DevicePaths> {
  const { registrationId, chainPem, privateKeyPem } = credential;
  const paths = devicePaths(registrationId, options);
  const pfx = await encodePfx({ chainPem, privateKeyPem, password: options.password, friendlyName: registrationId });
  const files: FileContent[] = [
    { path: paths.pfxPath, data: pfx, access: 'secret' },
    { path: paths.chainPath, data: chainPem, access: 'public' },
  ];
  if (paths.keyPath !== undefined) files.push({ path: paths.keyPath, data: privateKeyPem, access: 'secret' });
  await writeFileSet(files, options.overwrite ?? false);
  return paths;
}

/** @throws {PkiError} ERR_PKI_REGISTRATION_ID_* */
export function devicePaths(
  registrationId: string,
  { folder, keyPem }: Pick<SaveDeviceOptions, 'folder' | 'keyPem'>,
): DevicePaths {
  checkRegistrationId(registrationId);
  const path = (ending: string): string => join(folder, `${registrationId}.${ending}`);
  return { pfxPath: path('pfx'), chainPath: path('chain.pem'), keyPath: keyPem ? path('key.pem') : undefined };
}

/**
 * What a device's PFX holds, for who wants to know whether saveDevice was interrupted: the PFX is put in place first.
 *
 * @returns undefined: there is none that this password opens
 */
export async function readSavedDevice(
  registrationId: string,
  { folder, password }: Pick<SaveDeviceOptions, 'folder' | 'password'>,
): Promise<Credential | undefined> {
  try {
    return await readCredential({ path: devicePaths(registrationId, { folder }).pfxPath, password });
  } catch (error) {
    if (error instanceof PkiError) return undefined;
    throw error;
  }
}

/**
 * Reads a certificate and its key from a PFX, from one PEM file, or from two; ours or OpenSSL's.
 *
 * @throws {PkiError} ERR_PKI_FILE_MISSING, ERR_PKI_FILE_READ
 * @throws {PkiError} ERR_PKI_PASSWORD_WRONG, ERR_PKI_PASSWORD_EMPTY (also where one is needed and none is given)
 * @throws {PkiError} ERR_PKI_PFX_UNREADABLE, ERR_PKI_CERTIFICATE_UNREADABLE, ERR_PKI_KEY_UNREADABLE,
 * ERR_PKI_KEY_MISMATCH, ERR_PKI_ENCRYPTION_UNSUPPORTED
 */
export async function readCredential({ path, keyPath, password }: CredentialLocation): Promise<Credential> {
  const content = await readWholeFile(path);
  const text = content.toString('utf8');
  if (!text.includes('-----BEGIN ')) return describeCredential(await decodePfx(content, password ?? ''));
  const keyText = keyPath === undefined ? text : (await readWholeFile(keyPath)).toString('utf8');
  const weaknesses: string[] = [];
  const keyPem = keyText.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----')
    ? await decryptPrivateKey(keyText, password ?? '', { onWeakness: (sentence) => weaknesses.push(sentence) })
    : keyText;
  const key = parsePrivateKey(keyPem);
  const chain = chainOfKey(key, parseCertificates(text), path);
  return describeCredential({
    chainPem: chainToPem(chain),
    privateKeyPem: privateKeyToPem(key),
    weaknesses,
  });
}

function describeCredential(content: DecodedPfx): Credential {
  return { ...describeCertificate(parseCertificates(content.chainPem)[0]), ...content };
}
