import type { CertificateAuthority } from '../authority.ts';
import { signerOf } from '../authority.ts';
import { describeCertificate, parseCertificate, parseCertificates, publicKeyOf } from '../certificate.ts';
import { checkExpected } from '../certificate-request.ts';
import { isAuthority } from '../chain-layout.ts';
import { isSignedBy } from '../chain.ts';
import { signDevice, type DeviceCertificate } from '../device-certificate.ts';
import { readCommonName } from '../distinguished-name.ts';
import type { X509Certificate } from '../engine.ts';
import { PkiError } from '../errors.ts';
import type { KeyAlgorithm } from '../key-algorithm.ts';
import { generateKeyPair, privateKeyToPem, publicKeyFromDer, publicKeyToDer } from '../private-key.ts';
import { checkRegistrationId } from '../registration-id.ts';
import { readRequest } from '../request-signature.ts';

/** What renewDeviceCertificate takes. */
export interface RenewalOptions {
  /** The certificate that is to be renewed: PEM (the first one in the text) or DER. It may have expired. */
  previous: string | Uint8Array;
  /** Request with the device's new key, PEM or DER. Without it the new key is made here. */
  csr?: string | Uint8Array;
  /** Of a key that is made here; default P-256. */
  keyAlgorithm?: KeyAlgorithm;
  /** Lines that issued before this one, PEM: their devices may be renewed here too, as in a roll-over. */
  formerLinesPem?: string;
  /** Default 730. Cut to the line authority's validity. */
  validityDays?: number;
  /** Default: now. */
  now?: Date;
}

/** The certificate that was renewed, by everything that portals and inventories know it by. */
export interface RenewedFrom {
  /** Lower-case hexadecimal. */
  serialNumber: string;
  thumbprintSha1: string;
  thumbprintSha256: string;
  issuer: string;
  notAfter: Date;
  /** While both certificates are valid, and the device can change over; undefined: the old one had expired. */
  overlap: { from: Date; until: Date } | undefined;
}

/** A renewed certificate, for a key that the device has. */
export interface RenewedCertificate extends DeviceCertificate {
  renews: RenewedFrom;
}

/** A renewed certificate with its new key. Holds the key in the clear: save it with saveDevice, don't log it. */
export interface RenewedCredential extends RenewedCertificate {
  /** Unencrypted PKCS#8. */
  privateKeyPem: string;
}

/**
 * Issues a device's next certificate: the same common name (a new one would be a second device to DPS), a new key, from our
 * profile. The old one stays valid until it expires or is revoked (`superseded`), so that the device can change over.
 *
 * Who asks has to be known already, by a handshake with the old certificate or by its place at the station: this checks what
 * is renewed, not who wants it.
 *
 * @throws {PkiError} ERR_PKI_RENEWAL: an authority's certificate, one that neither this line nor a former one issued, or a
 * request with the old key
 * @throws {PkiError} ERR_PKI_REGISTRATION_ID_MISMATCH: the request is for another device
 * @throws {PkiError} ERR_PKI_CERTIFICATE_UNREADABLE, and what signDeviceRequest and issueDeviceCertificate throw
 */
export async function renewDeviceCertificate(
  line: CertificateAuthority,
  options: RenewalOptions & { csr: string | Uint8Array },
): Promise<RenewedCertificate>;
export async function renewDeviceCertificate(
  line: CertificateAuthority,
  options: Omit<RenewalOptions, 'csr'>,
): Promise<RenewedCredential>;
export async function renewDeviceCertificate(
  line: CertificateAuthority,
  options: RenewalOptions,
): Promise<RenewedCertificate | RenewedCredential> {
  const { csr, keyAlgorithm = 'P-256', validityDays, now } = options;
  const previous = readPrevious(options.previous);
  const registrationId = readCommonName(previous.subjectName) ?? '';
  checkRegistrationId(registrationId);
  checkIssuedHere(previous, line, options.formerLinesPem);
  const key = csr === undefined ? await generateKeyPair(keyAlgorithm) : undefined;
  const publicKeyDer = key ? publicKeyToDer(key.publicKey) : await readNewKey(csr ?? '', registrationId, previous);
  const device = await signDevice(line, {
    registrationId,
    publicKeyDer,
    ...(validityDays !== undefined && { validityDays }),
    ...(now && { now }),
  });
  const renews = describeRenewal(previous, device);
  return key ? { ...device, renews, privateKeyPem: privateKeyToPem(key.privateKey) } : { ...device, renews };
}

function readPrevious(previous: string | Uint8Array): X509Certificate {
  const [certificate] = typeof previous === 'string' ? parseCertificates(previous) : [parseCertificate(previous)];
  if (!isAuthority(certificate)) return certificate;
  throw refuse(certificate, "it is a certificate authority's: give the device's certificate, or plan a roll-over");
}

function checkIssuedHere(
  previous: X509Certificate,
  line: CertificateAuthority,
  formerLinesPem: string | undefined,
): void {
  const lines = [
    signerOf(line).certificate,
    ...(formerLinesPem === undefined ? [] : parseCertificates(formerLinesPem)),
  ];
  if (lines.some((issuer) => isSignedBy(previous, issuer))) return;
  throw refuse(
    previous,
    `"${previous.issuer}" issued it, which is neither "${line.subject}" nor a former line: renew it there, or name that line`,
  );
}

async function readNewKey(
  csr: string | Uint8Array,
  registrationId: string,
  previous: X509Certificate,
): Promise<Uint8Array> {
  const { publicKeyDer } = await readRequest(csr, (commonName) => {
    checkExpected(commonName, registrationId);
  });
  if (!publicKeyOf(previous).equals(publicKeyFromDer(publicKeyDer))) return publicKeyDer;
  throw refuse(previous, 'the request has the same key: have the device make a new one');
}

function describeRenewal(previous: X509Certificate, device: DeviceCertificate): RenewedFrom {
  const { serialNumber, thumbprintSha1, thumbprintSha256, issuer, notAfter } = describeCertificate(previous);
  const from = new Date(Math.max(device.notBefore.getTime(), previous.notBefore.getTime()));
  const until = new Date(Math.min(notAfter.getTime(), device.notAfter.getTime()));
  const overlap = from < until ? { from, until } : undefined;
  return { serialNumber, thumbprintSha1, thumbprintSha256, issuer, notAfter, overlap };
}

function refuse({ subject, serialNumber }: X509Certificate, reason: string): PkiError {
  return new PkiError('ERR_PKI_RENEWAL', `Certificate ${serialNumber} of "${subject}" was not renewed: ${reason}.`);
}
