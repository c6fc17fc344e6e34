import { createPrivateKey, type KeyObject } from 'node:crypto';
import { OctetString } from 'asn1js';
import { PKCS8ShroudedKeyBag, type PrivateKeyInfo } from 'pkijs';
import { PkiError } from './errors.ts';
import { checkPassword, passwordBytes, wrongPassword } from './password.ts';
import { decryptPart } from './password-encryption.ts';
import type { PasswordOpener } from './password-opener.ts';
import { encryptPbes2, type KeyDerivation, type Pbes2Cost } from './pbes2.ts';
import { decodePem, encodePem } from './pem.ts';
import { noPrivateKey, parsePrivateKey, privateKeyToPem, privateKeyToPkcs8 } from './private-key.ts';
import { isSoftwareKey, type SigningKey } from './signing-key.ts';

const subject = 'the private key';
const remedy = 'encrypt it again (encryptPrivateKey, or "openssl pkcs8 -topk8" without "-v1"), or make a new key';

/**
 * Encrypts a private key: PKCS#8 under PBES2 with AES-256-CBC (RFC 8018), the password hardened as OWASP recommends today
 * with PBKDF2-HMAC-SHA-256 (600,000 iterations) or scrypt (RFC 7914; N 16384, r 8, p 5). About a tenth of a second.
 *
 * @param privateKey - an authority's key, or unencrypted PEM
 * @param options.keyDerivation - default PBKDF2; OpenSSL opens both
 * @returns PEM, label `ENCRYPTED PRIVATE KEY`
 * @throws {PkiError} ERR_PKI_PASSWORD_EMPTY, ERR_PKI_KEY_UNREADABLE
 * @throws {PkiError} ERR_PKI_KEY_NOT_EXPORTABLE: the key is in an HSM or a vault
 */
export async function encryptPrivateKey(
  privateKey: SigningKey | string,
  password: string,
  options: { keyDerivation?: KeyDerivation } = {},
): Promise<string> {
  checkPassword(password, subject);
  const key = typeof privateKey === 'string' ? parsePrivateKey(privateKey) : exportable(privateKey);
  const secret = new Uint8Array(passwordBytes(password, subject));
  try {
    const bag = await sealKeyBag(key, secret, options);
    return encodePem('ENCRYPTED PRIVATE KEY', bag.toSchema().toBER());
  } finally {
    secret.fill(0);
  }
}

/** Encrypts a key as EncryptedPrivateKeyInfo (RFC 5208 section 6), alone or for a PFX. */
export async function sealKeyBag(key: KeyObject, secret: Uint8Array, cost: Pbes2Cost): Promise<PKCS8ShroudedKeyBag> {
  const plain = privateKeyToPkcs8(key);
  try {
    const { algorithm, encrypted } = await encryptPbes2(plain, secret, cost);
    const encryptedData = new OctetString({ valueHex: Uint8Array.from(encrypted).buffer });
    return new PKCS8ShroudedKeyBag({ encryptionAlgorithm: algorithm, encryptedData });
  } finally {
    plain.fill(0);
  }
}

/** What opening an encrypted key may be given. */
export interface KeyOpeningOptions {
  /**
   * Gets a sentence for each weakness of the encryption (triple DES, RC2, RC4, DES, few iterations), and what to do, as
   * decodePfx lists them. Whoever had such a file may have its key. Default: nobody is told.
   */
  onWeakness?: (sentence: string) => void;
}

/**
 * Opens an encrypted key: PBES2 with PBKDF2 or scrypt, AES-CBC or triple DES, as encryptPrivateKey and OpenSSL 3 write it, or
 * what there was before (PBES1 with DES and RC2; PKCS#12's triple DES, RC2 and RC4).
 *
 * @param pem - label `ENCRYPTED PRIVATE KEY`
 * @returns unencrypted PKCS#8 PEM
 * @throws {PkiError} ERR_PKI_PASSWORD_WRONG, ERR_PKI_PASSWORD_EMPTY
 * @throws {PkiError} ERR_PKI_KEY_UNREADABLE: no `ENCRYPTED PRIVATE KEY` in the text
 * @throws {PkiError} ERR_PKI_ENCRYPTION_UNSUPPORTED: another encryption, or a cost beyond all reason
 */
export async function decryptPrivateKey(
  pem: string,
  password: string,
  options: KeyOpeningOptions = {},
): Promise<string> {
  return privateKeyToPem(await openEncryptedKey(pem, password, options));
}

/** As decryptPrivateKey, without a text that nobody could wipe. */
export async function openEncryptedKey(
  pem: string,
  password: string,
  { onWeakness }: KeyOpeningOptions,
): Promise<KeyObject> {
  if (typeof pem !== 'string') throw new TypeError('pem must be a string.');
  checkPassword(password, subject);
  const label = 'ENCRYPTED PRIVATE KEY';
  const found = decodePem(pem).find((block) => block.label === label);
  if (!found) throw noPrivateKey(pem, label);
  const opener = { password, subject, remedy, weaknesses: new Set<string>() };
  const key = await openKeyBag(parseKeyBag(found.der), opener);
  for (const weakness of opener.weaknesses) onWeakness?.(weakness);
  return key;
}

/** Opens an EncryptedPrivateKeyInfo (RFC 5208 section 6), alone or out of a PFX. */
export async function openKeyBag(bag: PKCS8ShroudedKeyBag, opener: PasswordOpener): Promise<KeyObject> {
  const encrypted = new Uint8Array(bag.encryptedData.getValue());
  const plain = await decryptPart('key', { algorithm: bag.encryptionAlgorithm, encrypted }, opener);
  try {
    return createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' });
  } catch (cause) {
    throw wrongPassword(opener.subject, cause);
  } finally {
    plain.fill(0);
  }
}

function exportable(key: SigningKey): KeyObject {
  if (isSoftwareKey(key)) return key.keyObject;
  throw new PkiError(
    'ERR_PKI_KEY_NOT_EXPORTABLE',
    'The key is held by an HSM or a vault and does not leave it: keep its name instead, and open it there again.',
  );
}

export function keyFromPkcs8(info: PrivateKeyInfo): KeyObject {
  const plain = Buffer.from(info.toSchema().toBER());
  try {
    return createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' });
  } finally {
    plain.fill(0);
  }
}

function parseKeyBag(der: Uint8Array): PKCS8ShroudedKeyBag {
  try {
    return PKCS8ShroudedKeyBag.fromBER(der);
  } catch (cause) {
    throw new PkiError(
      'ERR_PKI_KEY_UNREADABLE',
      'The encrypted private key is damaged: get it from its source again.',
      { cause },
    );
  }
}
