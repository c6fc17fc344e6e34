import { createCipheriv, randomBytes, type webcrypto } from 'node:crypto';
import { fromBER, Integer, OctetString, Sequence, Set as Asn1Set } from 'asn1js';
import {
  AlgorithmIdentifier,
  Certificate,
  ContentInfo,
  EncryptedContentInfo,
  EnvelopedData,
  IssuerAndSerialNumber,
  KeyAgreeRecipientInfo,
  KeyTransRecipientInfo,
  RecipientInfo,
} from 'pkijs';
import { maxContentLength } from './bundle-content.ts';
import { engine, pkijsEngine, type X509Certificate } from './engine.ts';
import { PkiError } from './errors.ts';

/** id-ct-authEnvelopedData (RFC 5083). */
const authEnvelopedData = '1.2.840.113549.1.9.16.1.23';
const aes256Gcm = '2.16.840.1.101.3.4.1.46';
const tagLength = 16;

/** Of what is opened, in bytes. */
const maxSealedLength = 2 * maxContentLength;

/**
 * Encrypts for whoever holds the key of a certificate: CMS AuthEnvelopedData (RFC 5083) with AES-256-GCM (RFC 5084), its key
 * under RSA-OAEP with SHA-256 (RFC 3560), or ECDH with SHA-256 and AES-256 key wrap (RFC 5753). A changed bit shows itself
 * when it is opened, which plain EnvelopedData can't promise.
 *
 * @returns DER, ContentInfo
 */
export async function sealData(content: Uint8Array, recipient: X509Certificate): Promise<Uint8Array> {
  const [contentKey, nonce] = [randomBytes(32), randomBytes(12)];
  try {
    const recipientInfos = await sealKey(contentKey, recipient);
    const cipher = createCipheriv('aes-256-gcm', contentKey, nonce);
    const encrypted = Buffer.concat([cipher.update(content), cipher.final()]);
    return toAuthEnvelopedData({ recipientInfos, nonce, encrypted, tag: cipher.getAuthTag() });
  } finally {
    contentKey.fill(0);
  }
}

/**
 * Opens what sealData sealed to this certificate.
 *
 * @param privateKey - the certificate's, PKCS#8 DER
 * @throws {PkiError} ERR_PKI_BUNDLE_UNREADABLE, ERR_PKI_BUNDLE_RECIPIENT, ERR_PKI_BUNDLE_ALTERED
 */
export async function openSealedData(
  der: Uint8Array,
  { certificate, privateKey }: { certificate: X509Certificate; privateKey: Uint8Array },
): Promise<Uint8Array> {
  const enveloped = fromAuthEnvelopedData(der);
  const recipientCertificate = toPkijs(certificate);
  const index = findRecipient(enveloped, recipientCertificate);
  const recipientPrivateKey = Uint8Array.from(privateKey);
  try {
    const parameters = { recipientCertificate, recipientPrivateKey: recipientPrivateKey.buffer };
    return new Uint8Array(await enveloped.decrypt(index, parameters, pkijsEngine));
  } catch (cause) {
    throw new PkiError(
      'ERR_PKI_BUNDLE_ALTERED',
      'The bundle was damaged or altered on its way, so nothing in it can be used: have it sent again.',
      { cause },
    );
  } finally {
    recipientPrivateKey.fill(0);
  }
}

/**
 * pkijs does for a recipient what CMS asks for, but makes the content's key and a nonce of 16 bytes itself, and OpenSSL
 * opens nonces of 12 only: so it seals nothing, with our key.
 */
async function sealKey(contentKey: Uint8Array, recipient: X509Certificate): Promise<RecipientInfo[]> {
  const contentAlgorithm = { name: 'AES-GCM', length: 256 };
  const key = await engine.subtle.importKey('raw', contentKey, contentAlgorithm, true, ['encrypt']);
  const generateKey = (
    algorithm: { name: string },
    isExtractable: boolean,
    usages: webcrypto.KeyUsage[],
  ): Promise<unknown> =>
    algorithm.name === contentAlgorithm.name
      ? Promise.resolve(key)
      : pkijsEngine.generateKey(algorithm, isExtractable, usages);
  const withOurKey = Object.assign(Object.create(pkijsEngine) as typeof pkijsEngine, { generateKey });
  const enveloped = new EnvelopedData();
  const parameters = { oaepHashAlgorithm: 'SHA-256', kdfAlgorithm: 'SHA-256', kekEncryptionLength: 256 };
  enveloped.addRecipientByCertificate(toPkijs(recipient), parameters, 0, withOurKey);
  await enveloped.encrypt(contentAlgorithm, new ArrayBuffer(0), withOurKey);
  return enveloped.recipientInfos;
}

function toAuthEnvelopedData(sealed: {
  recipientInfos: RecipientInfo[];
  nonce: Uint8Array;
  encrypted: Uint8Array;
  tag: Uint8Array;
}): Uint8Array {
  const algorithmParams = new Sequence({ value: [octets(sealed.nonce), new Integer({ value: tagLength })] });
  const encryptedContentInfo = new EncryptedContentInfo({
    contentType: ContentInfo.DATA,
    contentEncryptionAlgorithm: new AlgorithmIdentifier({ algorithmId: aes256Gcm, algorithmParams }),
    encryptedContent: octets(sealed.encrypted),
    disableSplit: true,
  });
  const content = new Sequence({
    value: [
      new Integer({ value: 0 }),
      new Asn1Set({ value: sealed.recipientInfos.map((recipient) => recipient.toSchema()) }),
      encryptedContentInfo.toSchema(),
      octets(sealed.tag),
    ],
  });
  return new Uint8Array(new ContentInfo({ contentType: authEnvelopedData, content }).toSchema().toBER());
}

function fromAuthEnvelopedData(der: Uint8Array): EnvelopedData {
  try {
    const info = new ContentInfo({ schema: fromBER(der, { maxContentLength: maxSealedLength }).result });
    const frame: unknown = info.content;
    if (info.contentType !== authEnvelopedData || !(frame instanceof Sequence)) throw new TypeError(info.contentType);
    // No originator's certificates, no attributes: nothing here writes them.
    const [, recipients, encrypted, tag, ...more] = frame.valueBlock.value;
    if (!(recipients instanceof Asn1Set) || !(tag instanceof OctetString) || more.length > 0) {
      throw new TypeError('unknown parts');
    }
    return new EnvelopedData({
      version: 2,
      recipientInfos: recipients.valueBlock.value.map((schema) => new RecipientInfo({ schema })),
      encryptedContentInfo: withTag(new EncryptedContentInfo({ schema: encrypted }), tag),
    });
  } catch (cause) {
    throw new PkiError(
      'ERR_PKI_BUNDLE_UNREADABLE',
      'The data is not a sealed bundle: expected CMS AuthEnvelopedData as DER, whole.',
      { cause },
    );
  }
}

/** Web Crypto, and so pkijs, expect the tag behind the encrypted content, and the nonce alone as the parameters. */
function withTag(encrypted: EncryptedContentInfo, tag: OctetString): EncryptedContentInfo {
  const { contentEncryptionAlgorithm } = encrypted;
  const parameters: unknown = contentEncryptionAlgorithm.algorithmParams;
  const [nonce, length] = parameters instanceof Sequence ? parameters.valueBlock.value : [];
  const isWhole = length instanceof Integer && length.valueBlock.valueDec === tagLength;
  // Another cipher would open the same key and check nothing: no algorithm of the sender's choice.
  const isGcm = contentEncryptionAlgorithm.algorithmId === aes256Gcm;
  if (!isGcm || !(nonce instanceof OctetString) || !isWhole || tag.getValue().byteLength !== tagLength) {
    throw new TypeError('expected AES-256-GCM with a tag of 16 bytes');
  }
  contentEncryptionAlgorithm.algorithmParams = nonce;
  encrypted.encryptedContent = octets(
    Buffer.concat([new Uint8Array(encrypted.getEncryptedContent()), new Uint8Array(tag.getValue())]),
  );
  return encrypted;
}

function findRecipient({ recipientInfos }: EnvelopedData, certificate: Certificate): number {
  const names = recipientInfos.map(({ value }: { value?: unknown }) => {
    if (value instanceof KeyTransRecipientInfo) return value.rid;
    if (!(value instanceof KeyAgreeRecipientInfo)) return undefined;
    return value.recipientEncryptedKeys.encryptedKeys[0]?.rid.value as unknown;
  });
  const index = names.findIndex((name) => isNameOf(certificate, name));
  if (index !== -1) return index;
  throw new PkiError(
    'ERR_PKI_BUNDLE_RECIPIENT',
    "The bundle is sealed to another station's certificate: open it there, or have it sealed to this one.",
  );
}

function isNameOf({ serialNumber, issuer }: Certificate, name: unknown): boolean {
  return (
    name instanceof IssuerAndSerialNumber && name.serialNumber.isEqual(serialNumber) && name.issuer.isEqual(issuer)
  );
}

function toPkijs(certificate: X509Certificate): Certificate {
  return new Certificate({ schema: fromBER(certificate.rawData).result });
}

function octets(bytes: Uint8Array): OctetString {
  return new OctetString({ valueHex: Uint8Array.from(bytes).buffer });
}
