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
import { unsupported } from './encryption.ts';
import type { X509Certificate } from './engine.ts';
import { PkiError } from './errors.ts';
import { chainOfKey } from './key-chain.ts';
import { decryptPart } from './password-encryption.ts';
import type { PasswordOpener } from './password-opener.ts';
import { checkMac } from './pfx-mac.ts';

const subject = 'the PFX';
const remedy = 'replace the file (encodePfx, or OpenSSL 3 without "-legacy")';

/** Tools write two or three; each costs as much as its writer wants, so that more are not opened. */
const mostSafes = 8;

/** Checks the MAC, opens every safe in a PFX (RFC 7292 section 5), and puts the key's chain in order. */
export async function openPfx(
  der: Uint8Array,
  password: string,
): Promise<{ key: KeyObject; chain: [X509Certificate, ...X509Certificate[]]; weaknesses: string[] }> {
  const { content, macData } = parsePfx(der);
  const opener: PasswordOpener = { password, subject, remedy, weaknesses: new Set() };
  await checkMac(content, macData, opener);
  const safes = reading(() => AuthenticatedSafe.fromBER(content).safeContents);
  if (safes.length > mostSafes) throw unreadable(`it holds ${safes.length} safes, more than any tool writes`);
  const bags: SafeBag[] = [];
  for (const safe of safes) bags.push(...(await openSafe(safe, opener)));
  const key = await openKey(bags, opener);
  const certificates = bags.flatMap(({ bagValue }) => (bagValue instanceof CertBag ? readCertificate(bagValue) : []));
  return { key, chain: chainOfKey(key, certificates, subject), weaknesses: [...opener.weaknesses] };
}

function parsePfx(der: Uint8Array): { content: Uint8Array; macData: MacData } {
  const { authSafe, macData } = reading(() => PFX.fromBER(der));
  const content: unknown = authSafe.content;
  if (authSafe.contentType !== ContentInfo.DATA || !(content instanceof OctetString)) {
    throw unsupported(subject, 'its integrity is not protected by a password');
  }
  if (!macData) throw unreadable('it has no MAC, so nobody can tell whether it was altered');
  return { content: new Uint8Array(content.getValue()), macData };
}

async function openSafe({ contentType, content }: ContentInfo, opener: PasswordOpener): Promise<SafeBag[]> {
  const safe: unknown = content;
  if (contentType === ContentInfo.DATA && safe instanceof OctetString) {
    return reading(() => SafeContents.fromBER(safe.getValue()).safeBags);
  }
  if (contentType !== ContentInfo.ENCRYPTED_DATA) {
    throw unsupported(subject, `it holds a safe of type ${contentType}, which no password opens`);
  }
  const { encryptedContentInfo } = reading(() => new EncryptedData({ schema: safe }));
  const encrypted = reading(() => new Uint8Array(encryptedContentInfo.getEncryptedContent()));
  const algorithm = encryptedContentInfo.contentEncryptionAlgorithm;
  const opened = await decryptPart('list of certificates', { algorithm, encrypted }, opener);
  try {
    return reading(() => SafeContents.fromBER(opened).safeBags);
  } finally {
    opened.fill(0);
  }
}

async function openKey(bags: readonly SafeBag[], opener: PasswordOpener): Promise<KeyObject> {
  for (const { bagValue } of bags) {
    if (bagValue instanceof PKCS8ShroudedKeyBag) return openKeyBag(bagValue, opener);
    if (bagValue instanceof PrivateKeyInfo) {
      opener.weaknesses.add('Its key is not encrypted at all: whoever has the file has the key. Make a new key.');
      return reading(() => keyFromPkcs8(bagValue));
    }
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
