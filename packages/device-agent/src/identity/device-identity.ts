import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { DeviceAgentError, textOf } from '../errors.ts';
import { certificateFacts, type CertificateFacts } from '../network/certificate-facts.ts';
import { readPfx } from './pfx.ts';

/** A device's certificate with its chain and private key, checked to belong together. */
export interface DeviceIdentity {
  /** The certificate's subject CN; DPS takes it as registration ID and, for a group, as device ID. */
  readonly registrationId: string;
  /** PEM, leaf first, then each issuer as far as the source held them: all of it is sent in the TLS handshake. */
  readonly chainPem: string;
  /** PEM, PKCS #8, not encrypted. */
  readonly privateKeyPem: string;
  /** Subjects as `CN=...`, leaf first. */
  readonly chainSubjects: readonly string[];
  /** Who issued the last certificate of the chain; equal to the last subject where that one is a root. */
  readonly lastIssuer: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** 64 upper-case hex digits. */
  readonly thumbprintSha256: string;
  /** The leaf's facts, for errors and events. */
  readonly certificate: CertificateFacts;
}

/** Where an identity comes from: a PFX, a PEM pair, or PEM text that the caller already holds. */
export type IdentitySource =
  | { readonly pfxFile: string; readonly password: string }
  | { readonly chainFile: string; readonly keyFile: string; readonly password?: string }
  | { readonly chainPem: string; readonly privateKeyPem: string };

/**
 * Reads a device's identity and checks it: certificate and key belong together, the chain is put into order.
 *
 * Expiry is checked by `checkValidity`, at each use, since this may be years later.
 *
 * @throws {DeviceAgentError} ERR_AGENT_IDENTITY_FILE, ERR_AGENT_PASSWORD, ERR_AGENT_IDENTITY_INVALID
 */
export async function loadIdentity(source: IdentitySource): Promise<DeviceIdentity> {
  if ('pfxFile' in source) {
    const contents = await readPfx(await readIdentityFile(source.pfxFile), source.password, source.pfxFile);
    const key = createPrivateKey({ key: Buffer.from(contents.privateKeyDer), format: 'der', type: 'pkcs8' });
    const certificates = contents.certificatesDer.map((der) => new X509Certificate(der));
    return toIdentity(certificates, key, source.pfxFile);
  }
  if ('chainFile' in source) {
    const chainPem = (await readIdentityFile(source.chainFile)).toString('utf8');
    const keyPem = (await readIdentityFile(source.keyFile)).toString('utf8');
    const key = readPrivateKey(keyPem, source.keyFile, source.password);
    return toIdentity(readCertificates(chainPem, source.chainFile), key, source.chainFile);
  }
  const key = readPrivateKey(source.privateKeyPem, 'the private key', undefined);
  return toIdentity(readCertificates(source.chainPem, 'the certificate chain'), key, 'the certificate chain');
}

/**
 * @throws {DeviceAgentError} ERR_AGENT_CERTIFICATE_EXPIRED, ERR_AGENT_CERTIFICATE_NOT_YET_VALID
 */
export function checkValidity(identity: DeviceIdentity, now: Date): void {
  const { registrationId, notBefore, notAfter } = identity;
  if (now > notAfter) {
    throw new DeviceAgentError(
      'ERR_AGENT_CERTIFICATE_EXPIRED',
      `The certificate of ${registrationId} expired at ${notAfter.toISOString()}; this device's clock says ${now.toISOString()}. Issue a new one with the same CN, or mend the clock.`,
    );
  }
  if (now < notBefore) {
    throw new DeviceAgentError(
      'ERR_AGENT_CERTIFICATE_NOT_YET_VALID',
      `The certificate of ${registrationId} is valid from ${notBefore.toISOString()}; this device's clock says ${now.toISOString()}. Mend the clock (NTP), or wait.`,
    );
  }
}

async function readIdentityFile(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new DeviceAgentError(
      'ERR_AGENT_IDENTITY_FILE',
      `Can't read ${file}: ${textOf(cause)}. Check the path and its permissions.`,
      {
        cause,
      },
    );
  }
}

function readCertificates(pem: string, label: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    throw new DeviceAgentError('ERR_AGENT_IDENTITY_INVALID', `${label} holds a damaged certificate. Export it again.`, {
      cause,
    });
  }
}

function readPrivateKey(pem: string, label: string, password: string | undefined): KeyObject {
  const encrypted = pem.includes('ENCRYPTED');
  if (encrypted && password === undefined) {
    throw new DeviceAgentError('ERR_AGENT_PASSWORD', `${label} is encrypted and no password was given.`);
  }
  try {
    return createPrivateKey(password === undefined ? pem : { key: pem, passphrase: password });
  } catch (cause) {
    if (encrypted) {
      throw new DeviceAgentError('ERR_AGENT_PASSWORD', `The password does not open ${label}.`, { cause });
    }
    throw new DeviceAgentError(
      'ERR_AGENT_IDENTITY_INVALID',
      `${label} is not a private key in PEM (PKCS #8, PKCS #1 or SEC 1).`,
      { cause },
    );
  }
}

function toIdentity(certificates: readonly X509Certificate[], key: KeyObject, label: string): DeviceIdentity {
  const leaf = certificates.find((certificate) => certificate.checkPrivateKey(key));
  if (leaf === undefined) {
    const found = certificates.length === 0 ? 'no certificate' : 'no certificate that the private key belongs to';
    throw new DeviceAgentError(
      'ERR_AGENT_IDENTITY_INVALID',
      `${label} holds ${found}. Pair the certificate with the key it was issued for.`,
    );
  }
  const chain = orderChain(leaf, certificates);
  const last = chain[chain.length - 1] ?? leaf;
  const registrationId = /^CN=(.+)$/m.exec(leaf.subject)?.[1];
  if (registrationId === undefined) {
    throw new DeviceAgentError(
      'ERR_AGENT_IDENTITY_INVALID',
      `The certificate in ${label} has no CN in its subject; DPS takes the registration ID from there.`,
    );
  }
  return {
    registrationId,
    chainPem: chain.map((certificate) => certificate.toString()).join(''),
    privateKeyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    chainSubjects: chain.map((certificate) => oneLine(certificate.subject)),
    lastIssuer: oneLine(last.issuer),
    notBefore: new Date(leaf.validFrom),
    notAfter: new Date(leaf.validTo),
    thumbprintSha256: leaf.fingerprint256.replaceAll(':', ''),
    certificate: certificateFacts('device', leaf),
  };
}

/** Issuer after issuer (RFC 5246 section 7.4.2 wants that order); certificates that don't belong to it are left out. */
function orderChain(leaf: X509Certificate, certificates: readonly X509Certificate[]): X509Certificate[] {
  const chain = [leaf];
  const others = new Set(certificates.filter((certificate) => certificate !== leaf));
  for (let current = leaf; ;) {
    const issuer = [...others].find(
      (candidate) => current.checkIssued(candidate) && current.verify(candidate.publicKey),
    );
    if (issuer === undefined) return chain;
    others.delete(issuer);
    chain.push(issuer);
    current = issuer;
  }
}

function oneLine(distinguishedName: string): string {
  return distinguishedName.split('\n').join(', ');
}
