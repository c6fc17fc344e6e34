import { createPrivateKey, type KeyObject } from 'node:crypto';
import { PKCS8ShroudedKeyBag, PrivateKeyInfo } from 'pkijs';
import { pkijsEngine, type CryptoKey } from './engine.ts';
import { checkEncryption, pbes2Parameters } from './encryption.ts';
import { PkiError } from './errors.ts';
import { passwordBytes, wrongPassword } from './password.ts';
import { decodePem, encodePem } from './pem.ts';
import { parsePrivateKey, privateKeyToPem, privateKeyToPkcs8 } from './private-key.ts';

/** About a tenth of a second for each guess on a server core; paid by an operator, once a command. */
const iterations = 600_000;

/**
 * Encrypts a private key: PKCS#8 under PBES2 (AES-256-CBC, PBKDF2-HMAC-SHA-256, 600,000 iterations).
 *
 * @param privateKey - a key of this package, or unencrypted PEM
 * @returns PEM, label `ENCRYPTED PRIVATE KEY`; OpenSSL and Node read it
 * @throws {PkiError} ERR_PKI_PASSWORD_EMPTY, ERR_PKI_KEY_UNREADABLE
 */
export async function encryptPrivateKey(privateKey: CryptoKey | string, password: string): Promise<string> {
  const secret = passwordBytes(password, 'the private key');
  const pem = typeof privateKey === 'string' ? privateKey : await privateKeyToPem(privateKey);
  const bag = new PKCS8ShroudedKeyBag({ parsedValue: PrivateKeyInfo.fromBER(pkcs8(parsePrivateKey(pem))) });
  await bag.makeInternalValues(pbes2Parameters(secret, iterations), pkijsEngine);
  return encodePem('ENCRYPTED PRIVATE KEY', bag.toSchema().toBER());
}

/**
 * Opens what encryptPrivateKey or OpenSSL 3 (PBES2 with AES-CBC) has encrypted.
 *
 * @returns unencrypted PKCS#8 PEM
 * @throws {PkiError} ERR_PKI_PASSWORD_WRONG, ERR_PKI_PASSWORD_EMPTY
 * @throws {PkiError} ERR_PKI_KEY_UNREADABLE: no `ENCRYPTED PRIVATE KEY` in the text
 * @throws {PkiError} ERR_PKI_ENCRYPTION_UNSUPPORTED: older encryption, such as triple DES
 */
export async function decryptPrivateKey(pem: string, password: string): Promise<string> {
  if (typeof pem !== 'string') throw new TypeError('pem must be a string.');
  const secret = passwordBytes(password, 'the private key');
  const found = decodePem(pem).find(({ label }) => label === 'ENCRYPTED PRIVATE KEY');
  const key = await openKeyBag(parseKeyBag(found?.der), secret, 'the private key');
  return encodePem('PRIVATE KEY', privateKeyToPkcs8(key));
}

/** Opens an EncryptedPrivateKeyInfo (RFC 5208 section 6), alone or out of a PFX. */
export async function openKeyBag(bag: PKCS8ShroudedKeyBag, secret: ArrayBuffer, subject: string): Promise<KeyObject> {
  checkEncryption(bag.encryptionAlgorithm, subject);
  try {
    // pkijs declares this method protected; there is no other way to an EncryptedPrivateKeyInfo alone.
    const opened = bag as unknown as { parseInternalValues: (parameters: object, engine: object) => Promise<void> };
    await opened.parseInternalValues({ password: secret }, pkijsEngine);
    if (!bag.parsedValue) throw new TypeError('nothing was decrypted');
    return keyFromPkcs8(bag.parsedValue);
  } catch (cause) {
    throw wrongPassword(subject, cause);
  }
}

export function keyFromPkcs8(info: PrivateKeyInfo): KeyObject {
  return createPrivateKey({ key: Buffer.from(info.toSchema().toBER()), format: 'der', type: 'pkcs8' });
}

export function pkcs8(key: KeyObject): ArrayBuffer {
  return Uint8Array.from(privateKeyToPkcs8(key)).buffer;
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
