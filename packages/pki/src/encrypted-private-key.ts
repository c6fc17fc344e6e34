import { createPrivateKey, type KeyObject } from 'node:crypto';
import { OctetString } from 'asn1js';
import { PKCS8ShroudedKeyBag, type PrivateKeyInfo } from 'pkijs';
import { PkiError } from './errors.ts';
import { passwordBytes, wrongPassword } from './password.ts';
import { decryptPbes2, encryptPbes2, type KeyDerivation, type Pbes2Cost } from './pbes2.ts';
import { decodePem, encodePem } from './pem.ts';
import { parsePrivateKey, privateKeyToPem, privateKeyToPkcs8 } from './private-key.ts';
import { isSoftwareKey, type SigningKey } from './signing-key.ts';

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
  const key = typeof privateKey === 'string' ? parsePrivateKey(privateKey) : exportable(privateKey);
  const secret = new Uint8Array(passwordBytes(password, 'the private key'));
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

/**
 * Opens what encryptPrivateKey or OpenSSL 3 has encrypted: PBES2 with PBKDF2 or scrypt, AES-CBC or triple DES.
 *
 * @returns unencrypted PKCS#8 PEM
 * @throws {PkiError} ERR_PKI_PASSWORD_WRONG, ERR_PKI_PASSWORD_EMPTY
 * @throws {PkiError} ERR_PKI_KEY_UNREADABLE: no `ENCRYPTED PRIVATE KEY` in the text
 * @throws {PkiError} ERR_PKI_ENCRYPTION_UNSUPPORTED: older encryption (PBES1), or a cost beyond all reason
 */
export async function decryptPrivateKey(pem: string, password: string): Promise<string> {
  return privateKeyToPem(await openEncryptedKey(pem, password));
}

/** As decryptPrivateKey, without a text that nobody could wipe. */
export async function openEncryptedKey(pem: string, password: string): Promise<KeyObject> {
  if (typeof pem !== 'string') throw new TypeError('pem must be a string.');
  const secret = passwordBytes(password, 'the private key');
  const found = decodePem(pem).find(({ label }) => label === 'ENCRYPTED PRIVATE KEY');
  try {
    return await openKeyBag(parseKeyBag(found?.der), secret, 'the private key');
  } finally {
    new Uint8Array(secret).fill(0);
  }
}

/** Opens an EncryptedPrivateKeyInfo (RFC 5208 section 6), alone or out of a PFX. */
export async function openKeyBag(bag: PKCS8ShroudedKeyBag, secret: ArrayBuffer, subject: string): Promise<KeyObject> {
  const encrypted = new Uint8Array(bag.encryptedData.getValue());
  let plain: Buffer | undefined;
  try {
    plain = await decryptPbes2(bag.encryptionAlgorithm, encrypted, { password: new Uint8Array(secret), subject });
    return createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' });
  } catch (cause) {
    throw cause instanceof PkiError ? cause : wrongPassword(subject, cause);
  } finally {
    plain?.fill(0);
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

function parseKeyBag(der: Uint8Array | undefined): PKCS8ShroudedKeyBag {
  try {
    if (der) return PKCS8ShroudedKeyBag.fromBER(der);
  } catch (cause) {
    throw new PkiError(
      'ERR_PKI_KEY_UNREADABLE',
      'The encrypted private key is damaged: get it from its source again.',
      {
        cause,
      },
    );
  }
  throw new PkiError(
    'ERR_PKI_KEY_UNREADABLE',
    'The text holds no encrypted private key: expected PEM with "-----BEGIN ENCRYPTED PRIVATE KEY-----".',
  );
}
