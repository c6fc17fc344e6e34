import type { KeyObject } from 'node:crypto';
import { OctetString } from 'asn1js';
import {
  AuthenticatedSafe,
  CertBag,
  ContentInfo,
  EncryptedData,
  PFX,
  PKCS8ShroudedKeyBag,
  PrivateKeyInfo,
  SafeContents,
  type MacData,
  type SafeBag,
} from 'pkijs';
import { parseCertificate } from './certificate.ts';
import { keyFromPkcs8, openKeyBag } from './encrypted-private-key.ts';
import { checkEncryption, unsupported } from './encryption.ts';
import { pkijsEngine, type X509Certificate } from './engine.ts';
import { PkiError } from './errors.ts';
import { chainOfKey } from './key-chain.ts';
import { wrongPassword } from './password.ts';

const subject = 'the PFX';

/** Checks the MAC, opens every safe in a PFX (RFC 7292 section 5), and puts the key's chain in order. */
export async function openPfx(
  der: Uint8Array,
  password: ArrayBuffer,
): Promise<{ key: KeyObject; chain: [X509Certificate, ...X509Certificate[]] }> {
  const { content, macData } = parsePfx(der);
  await checkMac(content, macData, password);
  const bags: SafeBag[] = [];
  for (const safe of reading(() => AuthenticatedSafe.fromBER(content).safeContents)) {
    bags.push(...(await openSafe(safe, password)));
  }
  const key = await openKey(bags, password);
  const certificates = bags.flatMap(({ bagValue }) => (bagValue instanceof CertBag ? [readCertificate(bagValue)] : []));
  return { key, chain: await chainOfKey(key, certificates, subject) };
}

function parsePfx(der: Uint8Array): { content: ArrayBuffer; macData: MacData } {
  const { authSafe, macData } = reading(() => PFX.fromBER(der));
  const content: unknown = authSafe.content;
  if (authSafe.contentType !== ContentInfo.DATA || !(content instanceof OctetString)) {
    throw unsupported(subject, 'its integrity is not protected by a password');
  }
  if (!macData) throw unreadable('it has no MAC, so nobody can tell whether it was altered');
  return { content: content.getValue(), macData };
}

async function checkMac(content: ArrayBuffer, { mac, macSalt, iterations }: MacData, password: ArrayBuffer) {
  const oid = mac.digestAlgorithm.algorithmId;
  const { name } = pkijsEngine.getAlgorithmByOID<{ name: string }>(oid) as { name?: string };
  if (!name?.startsWith('SHA-')) throw unsupported(subject, `its MAC (${oid}) is not one of SHA-1 and SHA-2`);
  const isRight = await pkijsEngine.verifyDataStampedWithPassword({
    password,
    hashAlgorithm: name,
    salt: macSalt.getValue(),
    iterationCount: iterations ?? 1,
    contentToVerify: content,
    signatureToVerify: mac.digest.getValue(),
  });
  if (!isRight) throw wrongPassword(subject);
}

async function openSafe({ contentType, content }: ContentInfo, password: ArrayBuffer): Promise<SafeBag[]> {
  const safe: unknown = content;
  if (contentType === ContentInfo.DATA && safe instanceof OctetString) {
    return reading(() => SafeContents.fromBER(safe.getValue()).safeBags);
  }
  if (contentType !== ContentInfo.ENCRYPTED_DATA) {
    throw unsupported(subject, `it holds a safe of type ${contentType}, which no password opens`);
  }
  const data = reading(() => new EncryptedData({ schema: safe }));
  checkEncryption(data.encryptedContentInfo.contentEncryptionAlgorithm, subject);
  try {
    return SafeContents.fromBER(await data.decrypt({ password }, pkijsEngine)).safeBags;
  } catch (cause) {
    throw wrongPassword(subject, cause);
  }
}

async function openKey(bags: readonly SafeBag[], password: ArrayBuffer): Promise<KeyObject> {
  for (const { bagValue } of bags) {
    if (bagValue instanceof PKCS8ShroudedKeyBag) return openKeyBag(bagValue, password, subject);
    if (bagValue instanceof PrivateKeyInfo) return reading(() => keyFromPkcs8(bagValue));
  }
  throw unreadable('it holds no private key: export it again together with the key');
}

function readCertificate({ certValue }: CertBag): X509Certificate {
  if (!(certValue instanceof OctetString)) throw unreadable('a certificate in it is damaged');
  return parseCertificate(new Uint8Array(certValue.getValue()));
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw unreadable('expected PKCS#12 (.pfx or .p12), whole and undamaged', cause);
  }
}

function unreadable(reason: string, cause?: unknown): PkiError {
  return new PkiError('ERR_PKI_PFX_UNREADABLE', `The PFX can't be read: ${reason}.`, { cause });
}
