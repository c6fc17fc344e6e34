import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { DeviceAgentError, textOf } from '../errors.ts';
import { certificateFacts, oneLine, type CertificateFacts } from '../network/certificate-facts.ts';
import { commonNameOf, orderChain, readCertificates, toThumbprint } from './certificate-chain.ts';
import { readForTls } from './secure-context.ts';
import { readPfx } from './pfx.ts';
import { checkTokenKey, findTokenLeaf, type TokenKey } from './token-key.ts';

/** A device's certificate with its chain and private key, checked to belong together. */
export interface DeviceIdentity {
  /** The certificate's subject CN; DPS takes it as registration ID and, for a group, as device ID. */
  readonly registrationId: string;
  /** PEM, leaf first, then each issuer as far as the source held them: all of it is sent in the TLS handshake. */
  readonly chainPem: string;
  /** PEM, PKCS #8, not encrypted; undefined where the key is in a token. */
  readonly privateKeyPem?: string;
  /** Where the key is that never leaves its token; undefined where it is in `privateKeyPem`. */
  readonly pkcs11?: TokenKey;
  /** Subjects as `CN=...`, leaf first. */
  readonly chainSubjects: readonly string[];
  /** Who issued the last certificate of the chain; equal to the last subject where that one is a root. */
  readonly lastIssuer: string;
  /** Subjects of certificates that the source held and that don't belong to the chain: they are not sent. */
  readonly leftOut: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** 64 upper-case hex digits. */
  readonly thumbprintSha256: string;
  /** 40 upper-case hex digits: what the portal of DPS shows. */
  readonly thumbprintSha1: string;
  /** The leaf's facts, for errors and events. */
  readonly certificate: CertificateFacts;
}

/** Where an identity comes from: a PFX, PEM files, PEM text that the caller already holds, or PEM with a key in a token. */
export type IdentitySource =
  | { readonly pfxFile: string; readonly password: string }
  | { readonly chainFile: string; readonly keyFile: string; readonly password?: string }
  | { readonly chainPem: string; readonly privateKeyPem: string }
  | { readonly chainFile: string; readonly pkcs11: TokenKey }
  | { readonly chainPem: string; readonly pkcs11: TokenKey };

/**
 * Reads a device's identity and checks it: certificate and key belong together, the chain is put into order.
 *
 * Expiry is checked by `checkValidity`, at each use, since this may be years later. A key in a token is logged in to, and
 * used once.
 *
 * @throws {DeviceAgentError} ERR_AGENT_IDENTITY_FILE, ERR_AGENT_PASSWORD, ERR_AGENT_IDENTITY_INVALID, ERR_AGENT_TOKEN
 */
export async function loadIdentity(source: IdentitySource): Promise<DeviceIdentity> {
  if ('pfxFile' in source) {
    const contents = await readPfx(await readIdentityFile(source.pfxFile), source.password, source.pfxFile);
    const key = createPrivateKey({ key: Buffer.from(contents.privateKeyDer), format: 'der', type: 'pkcs8' });
    const certificates = contents.certificatesDer.map((der) => new X509Certificate(der));
    return withSoftwareKey(certificates, key, source.pfxFile);
  }
  const label = 'chainFile' in source ? source.chainFile : 'the certificate chain';
  const chainPem = 'chainFile' in source ? (await readIdentityFile(label)).toString('utf8') : source.chainPem;
  const certificates = readCertificates(chainPem, label);
  if ('pkcs11' in source) return withTokenKey(certificates, source.pkcs11, label);
  const isFile = 'keyFile' in source;
  const keyPem = isFile ? (await readIdentityFile(source.keyFile)).toString('utf8') : source.privateKeyPem;
  return (
    asItStands(certificates, keyPem, label) ??
    withSoftwareKey(
      certificates,
      readPrivateKey(keyPem, isFile ? source.keyFile : 'the private key', isFile ? source.password : undefined),
      label,
    )
  );
}

/**
 * @throws {DeviceAgentError} ERR_AGENT_CERTIFICATE_EXPIRED, ERR_AGENT_CERTIFICATE_NOT_YET_VALID
 */
export function checkValidity(identity: DeviceIdentity, now: Date): void {
  const { registrationId, notBefore, notAfter, certificate } = identity;
  const clockSays = `this device's clock says ${now.toISOString()}`;
  if (now > notAfter) {
    throw new DeviceAgentError(
      'ERR_AGENT_CERTIFICATE_EXPIRED',
      `The certificate of ${registrationId} expired at ${notAfter.toISOString()}; ${clockSays}.`,
      { certificate, advice: 'Issue a new one with the same CN, or mend the clock.' },
    );
  }
  if (now < notBefore) {
    throw new DeviceAgentError(
      'ERR_AGENT_CERTIFICATE_NOT_YET_VALID',
      `The certificate of ${registrationId} is valid from ${notBefore.toISOString()}; ${clockSays}.`,
      { certificate, advice: 'Mend the clock (NTP), or wait.' },
    );
  }
}

async function readIdentityFile(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new DeviceAgentError('ERR_AGENT_IDENTITY_FILE', `Can't read ${file}: ${textOf(cause)}.`, {
      cause,
      advice: 'Check the path and its permissions.',
    });
  }
}

function readPrivateKey(pem: string, label: string, password: string | undefined): KeyObject {
  const encrypted = pem.includes('ENCRYPTED');
  if (encrypted && password === undefined) {
    throw new DeviceAgentError('ERR_AGENT_PASSWORD', `${label} is encrypted and no password was given.`, {
      advice: 'Give the password that it was written with.',
    });
  }
  try {
    return createPrivateKey(password === undefined ? pem : { key: pem, passphrase: password });
  } catch (cause) {
    if (encrypted) {
      throw new DeviceAgentError('ERR_AGENT_PASSWORD', `The password does not open ${label}.`, {
        cause,
        advice: 'Give the password that it was written with.',
      });
    }
    throw new DeviceAgentError(
      'ERR_AGENT_IDENTITY_INVALID',
      `${label} is not a private key in PEM (PKCS #8, PKCS #1 or SEC 1).`,
      { cause, advice: 'Export it again.' },
    );
  }
}

/** As most files are: the device's certificate first, and a key that needs no reading by us. Undefined where it isn't so. */
function asItStands(
  certificates: readonly X509Certificate[],
  privateKeyPem: string,
  label: string,
): DeviceIdentity | undefined {
  const [leaf] = certificates;
  if (!leaf || !privateKeyPem.includes('-----BEGIN PRIVATE KEY-----')) return undefined;
  try {
    const identity = { ...describe(leaf, certificates, label), privateKeyPem };
    readForTls(identity);
    return identity;
  } catch {
    // Which one of them is at fault is found out by reading them one by one.
    return undefined;
  }
}

function withSoftwareKey(certificates: readonly X509Certificate[], key: KeyObject, label: string): DeviceIdentity {
  const leaf = certificates.find((certificate) => certificate.checkPrivateKey(key));
  if (leaf === undefined) {
    const found = certificates.length === 0 ? 'no certificate' : 'no certificate that the private key belongs to';
    const [closest] = certificates;
    throw new DeviceAgentError('ERR_AGENT_IDENTITY_INVALID', `${label} holds ${found}.`, {
      advice: 'Pair the certificate with the key it was issued for.',
      ...(closest && { certificate: certificateFacts('device', closest) }),
    });
  }
  const privateKeyPem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { ...describe(leaf, certificates, label), privateKeyPem };
}

async function withTokenKey(
  certificates: readonly X509Certificate[],
  pkcs11: TokenKey,
  label: string,
): Promise<DeviceIdentity> {
  const identity = { ...describe(findTokenLeaf(certificates, label), certificates, label), pkcs11 };
  await checkTokenKey(identity);
  return identity;
}

function describe(leaf: X509Certificate, all: readonly X509Certificate[], label: string): DeviceIdentity {
  const certificate = certificateFacts('device', leaf);
  const registrationId = commonNameOf(leaf);
  if (registrationId === undefined) {
    throw new DeviceAgentError(
      'ERR_AGENT_IDENTITY_INVALID',
      `The certificate in ${label} has no CN in its subject; DPS takes the registration ID from there.`,
      { certificate, advice: 'Issue one with the registration ID as CN.' },
    );
  }
  const { certificates: chain, leftOut } = orderChain(leaf, all);
  return {
    registrationId,
    chainPem: chain.map((link) => link.toString()).join(''),
    chainSubjects: chain.map(({ subject }) => oneLine(subject)),
    lastIssuer: oneLine((chain.at(-1) ?? leaf).issuer),
    leftOut,
    notBefore: new Date(leaf.validFrom),
    notAfter: new Date(leaf.validTo),
    thumbprintSha256: toThumbprint(leaf.fingerprint256),
    thumbprintSha1: toThumbprint(leaf.fingerprint),
    certificate,
  };
}
