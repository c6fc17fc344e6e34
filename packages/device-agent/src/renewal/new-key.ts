import { KeyObject, webcrypto, X509Certificate } from 'node:crypto';
import { Attribute, Certificate, CertificationRequest, Extension, Extensions } from 'pkijs';
import { DeviceAgentError } from '../errors.ts';
import type { DeviceIdentity } from '../identity/device-identity.ts';
import { engine } from '../identity/pkijs-engine.ts';
import type { TokenKey } from '../identity/token-key.ts';

/** The kind of a new key; `as-before`: that of the certificate which is renewed. */
export type NewKeyAlgorithm = 'P-256' | 'P-384' | 'RSA-2048' | 'RSA-3072' | 'RSA-4096' | 'as-before';

/** A new key and the request that it signed. */
export interface NewKey {
  /** PEM PKCS #8, or where in a token the key was made. */
  readonly key: { readonly privateKeyPem: string } | { readonly pkcs11: TokenKey };
  /** PKCS #10, DER. */
  readonly csrDer: Uint8Array;
}

/** Makes a key, for a device whose keys don't come from here: one in a token. */
export type NewKeyFunction = (current: DeviceIdentity) => Promise<NewKey>;

const subjectAltName = '2.5.29.17';
const extensionRequest = '1.2.840.113549.1.9.14';

/**
 * A key made on this device, and its request: subject and alternative names are those of the certificate that it is to
 * replace, to the byte (RFC 7030 section 4.2.2).
 */
export async function createNewKey(current: DeviceIdentity, algorithm: NewKeyAlgorithm): Promise<NewKey> {
  const leaf = new X509Certificate(current.chainPem);
  const keys = await generateKeys(algorithm === 'as-before' ? algorithmOf(leaf) : algorithm);
  const old = Certificate.fromBER(Uint8Array.from(leaf.raw).buffer);
  const request = new CertificationRequest({ version: 0, subject: old.subject, attributes: [] });
  const names = old.extensions?.find(({ extnID }) => extnID === subjectAltName);
  if (names) {
    const extension = new Extension({
      extnID: names.extnID,
      critical: names.critical,
      extnValue: names.extnValue.getValue(),
    });
    const values = [new Extensions({ extensions: [extension] }).toSchema()];
    request.attributes?.push(new Attribute({ type: extensionRequest, values }));
  }
  // pkijs is written against the browser's types of the same keys.
  await request.subjectPublicKeyInfo.importKey(keys.publicKey, engine);
  await request.sign(keys.privateKey, 'SHA-256', engine);
  const privateKeyPem = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
  return { key: { privateKeyPem }, csrDer: new Uint8Array(request.toSchema(true).toBER()) };
}

type KeyAlgorithm = Exclude<NewKeyAlgorithm, 'as-before'>;

async function generateKeys(algorithm: KeyAlgorithm): Promise<webcrypto.CryptoKeyPair> {
  const [family, size] = algorithm.split('-');
  const usages = ['sign', 'verify'] as const;
  if (family === 'P') return webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: algorithm }, true, usages);
  const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: Uint8Array.of(1, 0, 1) };
  return webcrypto.subtle.generateKey({ ...rsa, modulusLength: Number(size) }, true, usages);
}

const curves: Record<string, KeyAlgorithm> = { prime256v1: 'P-256', secp384r1: 'P-384' };
const moduli: Record<number, KeyAlgorithm> = { 2048: 'RSA-2048', 3072: 'RSA-3072', 4096: 'RSA-4096' };

function algorithmOf({ publicKey }: X509Certificate): KeyAlgorithm {
  const { namedCurve = '', modulusLength = 0 } = publicKey.asymmetricKeyDetails ?? {};
  const found = curves[namedCurve] ?? moduli[modulusLength];
  if (found !== undefined) return found;
  const kind = `${publicKey.asymmetricKeyType ?? 'unknown'} ${namedCurve || modulusLength}`;
  throw new DeviceAgentError('ERR_AGENT_IDENTITY_INVALID', `No new key is made of the old one's kind: ${kind}.`, {
    advice: 'Name one of P-256, P-384, RSA-2048, RSA-3072, RSA-4096.',
  });
}
