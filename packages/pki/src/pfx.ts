import { createHash } from 'node:crypto';
import { BmpString, OctetString, type AsnType } from 'asn1js';
import { Attribute, AuthenticatedSafe, CertBag, id_CertBag_X509Certificate, PFX, SafeBag, SafeContents } from 'pkijs';
import { chainToPem, parseCertificates } from './certificate.ts';
import { pkijsEngine, type X509Certificate } from './engine.ts';
import { sealKeyBag } from './encrypted-private-key.ts';
import { pbes2Parameters } from './encryption.ts';
import { checkPassword, passwordBytes } from './password.ts';
import { openPfx } from './pfx-reading.ts';
import { checkKeyMatches, parsePrivateKey, privateKeyToPem } from './private-key.ts';

/** A key with its certificates. */
export interface PfxContent {
  /** The key's own certificate first, then each one's issuer. */
  chainPem: string;
  /** Unencrypted PKCS#8. */
  privateKeyPem: string;
}

/** What decodePfx gives back. */
export interface DecodedPfx extends PfxContent {
  /**
   * Sentences about old cryptography in the file (RC2, RC4, DES, SHA-1, few iterations, a key in the clear), and what to do;
   * empty for files of current tools. Whoever had such a file may have its key.
   */
  weaknesses: readonly string[];
}

/** What encodePfx takes. */
export interface PfxOptions extends PfxContent {
  /** Not empty; protects key, certificates and the whole file's integrity. */
  password: string;
  /** Name that key stores show; default: none. */
  friendlyName?: string;
}

/** Five times OpenSSL's default. Every device pays them at every start, so a strong password has to do the rest. */
const iterations = 10_000;

const bagId = { certificate: '1.2.840.113549.1.12.10.1.3', shroudedKey: '1.2.840.113549.1.12.10.1.2' };
const attributeId = { friendlyName: '1.2.840.113549.1.9.20', localKeyId: '1.2.840.113549.1.9.21' };

/**
 * Writes a PFX (PKCS#12, RFC 7292): key and the whole chain in its order, PBES2 with AES-256-CBC and PBKDF2-HMAC-SHA-256,
 * MAC with SHA-256.
 *
 * @returns DER
 * @throws {PkiError} ERR_PKI_PASSWORD_EMPTY, ERR_PKI_KEY_UNREADABLE, ERR_PKI_CERTIFICATE_UNREADABLE
 * @throws {PkiError} ERR_PKI_KEY_MISMATCH: the key isn't that of the first certificate
 */
export async function encodePfx(options: PfxOptions): Promise<Uint8Array> {
  const chain = parseCertificates(options.chainPem);
  const key = parsePrivateKey(options.privateKeyPem);
  checkKeyMatches(key, chain[0]);
  const attributes = keyAttributes(chain[0], options.friendlyName);
  const certificates = new SafeContents({
    safeBags: chain.map((certificate, index) => certificateBag(certificate, index === 0 ? attributes : [])),
  });
  const password = passwordBytes(options.password, 'the PFX');
  const secret = new Uint8Array(password);
  try {
    const bagValue = await sealKeyBag(key, secret, { iterations });
    const keyBag = new SafeBag({ bagId: bagId.shroudedKey, bagValue, bagAttributes: attributes });
    return await encodeSafes(certificates, new SafeContents({ safeBags: [keyBag] }), password);
  } finally {
    secret.fill(0);
  }
}

/**
 * Reads a PFX: ours, or what other tools write, today's (PBES2, MAC of PKCS#12 or PBMAC1 of RFC 9879) or old (PKCS#12's own
 * triple DES, RC2 and RC4, 40 bits included; PBES1 with DES and RC2). Certificates that don't belong to the key's chain are left
 * out, and so are further keys. Not read: integrity by signature instead of password.
 *
 * @throws {PkiError} ERR_PKI_PASSWORD_WRONG, ERR_PKI_PASSWORD_EMPTY
 * @throws {PkiError} ERR_PKI_PFX_UNREADABLE: not a PFX, or no key, or no MAC in it
 * @throws {PkiError} ERR_PKI_KEY_MISMATCH: no certificate in it belongs to the key
 * @throws {PkiError} ERR_PKI_ENCRYPTION_UNSUPPORTED: what is not read, or more than a million iterations of PKCS#12's key
 * derivation (ten million of PBKDF2)
 */
export async function decodePfx(pfx: Uint8Array, password: string): Promise<DecodedPfx> {
  if (!(pfx instanceof Uint8Array)) throw new TypeError('pfx must be a Uint8Array.');
  checkPassword(password, 'the PFX');
  const { chain, key, weaknesses } = await openPfx(pfx, password);
  return { chainPem: chainToPem(chain), privateKeyPem: privateKeyToPem(key), weaknesses };
}

// pkijs numbers its modes.
const plain = 0;
const encrypted = 1;
const byPassword = 0;

/** Key and certificate find each other by localKeyId, which is by custom the certificate's SHA-1. */
function keyAttributes(leaf: X509Certificate, friendlyName: string | undefined): Attribute[] {
  const localKeyId = createHash('sha1').update(new Uint8Array(leaf.rawData)).digest();
  const attribute = (type: string, value: AsnType): Attribute => new Attribute({ type, values: [value] });
  return [
    attribute(attributeId.localKeyId, new OctetString({ valueHex: Uint8Array.from(localKeyId).buffer })),
    ...(friendlyName === undefined
      ? []
      : [attribute(attributeId.friendlyName, new BmpString({ value: friendlyName }))]),
  ];
}

function certificateBag(certificate: X509Certificate, bagAttributes: Attribute[]): SafeBag {
  const bagValue = new CertBag({
    certId: id_CertBag_X509Certificate,
    certValue: new OctetString({ valueHex: certificate.rawData }),
  });
  return new SafeBag({
    bagId: bagId.certificate,
    bagValue,
    ...(bagAttributes.length === 0 ? {} : { bagAttributes }),
  });
}

async function encodeSafes(certificates: SafeContents, keys: SafeContents, password: ArrayBuffer): Promise<Uint8Array> {
  const authenticatedSafe = new AuthenticatedSafe({
    parsedValue: {
      safeContents: [
        { privacyMode: encrypted, value: certificates },
        { privacyMode: plain, value: keys }, // the bag in it is encrypted itself
      ],
    },
  });
  const parameters = pbes2Parameters(password, iterations);
  await authenticatedSafe.makeInternalValues({ safeContents: [parameters, {}] }, pkijsEngine);
  const pfx = new PFX({ parsedValue: { integrityMode: byPassword, authenticatedSafe } });
  const mac = { password, iterations, pbkdf2HashAlgorithm: { name: 'SHA-256' }, hmacHashAlgorithm: 'SHA-256' };
  await pfx.makeInternalValues(mac, pkijsEngine);
  return new Uint8Array(pfx.toSchema().toBER());
}
