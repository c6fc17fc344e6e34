import { X509Certificate as NodeCertificate, type KeyObject } from 'node:crypto';
import { decodeBundle, encodeBundle, type BundledDevice } from './bundle-content.ts';
import { chainToPem, describeCertificate, parseCertificates, publicKeyOf } from './certificate.ts';
import { verifyChain } from './chain-verification.ts';
import type { DeviceCredential } from './device-certificate.ts';
import { readCommonName } from './distinguished-name.ts';
import { KeyUsageFlags, KeyUsagesExtension, type X509Certificate } from './engine.ts';
import { PkiError } from './errors.ts';
import { keyAlgorithmOf } from './key-algorithm.ts';
import { checkKeyMatches, isKeyOf, parsePrivateKey, privateKeyToPkcs8 } from './private-key.ts';
import { checkRegistrationId } from './registration-id.ts';
import { openSealedData, sealData } from './sealed-data.ts';
import { readNow } from './validity.ts';

export type { BundledDevice } from './bundle-content.ts';

/** What sealDeviceBundle takes. */
export interface SealBundleOptions {
  /** At least one; up to about 30,000 (64 MiB). */
  devices: readonly BundledDevice[];
  /** Certificate of the station that may open it: PEM, the first one in it. */
  recipientCertificatePem: string;
  /** Default: now. */
  now?: Date;
}

/** What openDeviceBundle takes. */
export interface OpenBundleOptions {
  /** As sealDeviceBundle returned it. */
  bundle: Uint8Array;
  /** The station's certificate, PEM. */
  certificatePem: string;
  /** The station's key, unencrypted PEM: see decryptPrivateKey and readCredential. */
  privateKeyPem: string;
  /** The roots below which every device has to be. The seal itself doesn't say who made it: this does. */
  trustedRootsPem: string;
  /** Default: now. */
  now?: Date;
}

/**
 * Seals devices and their keys so that one station alone can open them: CMS AuthEnvelopedData (RFC 5083), AES-256-GCM,
 * RSA-OAEP or ECDH with the station's certificate, one such operation however many devices there are. `openssl cms -decrypt`
 * (OpenSSL 3) opens it too. The content is NDJSON: `{"format":"contoso-device-bundle/1","devices":<count>}`, then a line
 * with `registrationId`, `chainPem` and `privateKeyPem` for each.
 *
 * Everything is held in memory, about ten times the bundle's size, for as long as it takes: hence the limit.
 *
 * @returns DER; nothing of it is secret to those who lack the station's key
 * @throws {PkiError} ERR_PKI_STATION_CERTIFICATE: not valid now, or its key usage allows no encryption
 * @throws {PkiError} ERR_PKI_BUNDLE_SIZE: no device, too many, or one twice
 * @throws {PkiError} ERR_PKI_REGISTRATION_ID_*, ERR_PKI_CERTIFICATE_UNREADABLE, ERR_PKI_KEY_ALGORITHM
 */
export async function sealDeviceBundle(options: SealBundleOptions): Promise<Uint8Array> {
  const { devices, recipientCertificatePem, now } = options;
  const [recipient] = parseCertificates(recipientCertificatePem);
  checkStation(recipient, readNow(now));
  for (const { registrationId } of devices) checkRegistrationId(registrationId);
  const content = encodeBundle(devices);
  try {
    return await sealData(content, recipient);
  } finally {
    content.fill(0);
  }
}

/**
 * Opens a bundle with the station's key, and checks every device in it: its certificate is below a trusted root, is its
 * own, and belongs to its key.
 *
 * @returns in the order in which they were sealed; they hold the keys in the clear: save them with saveDevice, don't log them
 * @throws {PkiError} ERR_PKI_BUNDLE_UNREADABLE: not a bundle, or of another format
 * @throws {PkiError} ERR_PKI_BUNDLE_RECIPIENT: sealed to another certificate
 * @throws {PkiError} ERR_PKI_BUNDLE_ALTERED: damaged, or changed by somebody
 * @throws {PkiError} ERR_PKI_BUNDLE_UNTRUSTED: a device in it fails a check; none is returned
 * @throws {PkiError} ERR_PKI_KEY_MISMATCH: key and certificate of the station aren't of one pair
 * @throws {PkiError} ERR_PKI_CERTIFICATE_UNREADABLE, ERR_PKI_KEY_UNREADABLE
 */
export async function openDeviceBundle(options: OpenBundleOptions): Promise<DeviceCredential[]> {
  const { bundle, certificatePem, privateKeyPem, trustedRootsPem } = options;
  if (!(bundle instanceof Uint8Array)) throw new TypeError('bundle must be a Uint8Array.');
  const [certificate] = parseCertificates(certificatePem);
  const key = parsePrivateKey(privateKeyPem);
  checkKeyMatches(key, certificate);
  const content = await openWithKey(bundle, certificate, key);
  try {
    const trust = issuersBelow(trustedRootsPem, readNow(options.now));
    const opened: DeviceCredential[] = [];
    for (const device of decodeBundle(content)) opened.push(await checkDevice(device, trust));
    return opened;
  } finally {
    content.fill(0);
  }
}

async function openWithKey(bundle: Uint8Array, certificate: X509Certificate, key: KeyObject): Promise<Buffer> {
  const privateKey = privateKeyToPkcs8(key);
  try {
    const { buffer } = await openSealedData(bundle, { certificate, privateKey });
    return Buffer.from(buffer);
  } finally {
    privateKey.fill(0);
  }
}

/** RFC 5280 section 4.2.1.3: RSA keys are for keyEncipherment here, EC keys for keyAgreement. */
function checkStation(certificate: X509Certificate, now: Date): void {
  const { subject, notBefore, notAfter } = certificate;
  const isEc = keyAlgorithmOf(publicKeyOf(certificate), `"${subject}"`).startsWith('P-');
  const usages = certificate.getExtension(KeyUsagesExtension)?.usages;
  const [flag, name] = isEc
    ? [KeyUsageFlags.keyAgreement, 'keyAgreement']
    : [KeyUsageFlags.keyEncipherment, 'keyEncipherment'];
  const problem =
    now < notBefore || now > notAfter
      ? `is valid from ${notBefore.toISOString()} to ${notAfter.toISOString()} only`
      : usages !== undefined && !(usages & flag)
        ? `has a key usage without ${name}`
        : undefined;
  if (problem === undefined) return;
  throw new PkiError(
    'ERR_PKI_STATION_CERTIFICATE',
    `Nothing can be sealed to the station's certificate "${subject}": it ${problem}. Get a new one from the station.`,
  );
}

type IssuerCheck = (issuersPem: string) => Promise<boolean>;

/** All devices of a line have the same issuers, so they are verified once. */
function issuersBelow(trustedRootsPem: string, now: Date): IssuerCheck {
  const known = new Map<string, boolean>();
  return async (chainPem) => {
    const found = known.get(chainPem);
    if (found !== undefined) return found;
    const { isValid } = await verifyChain({ chainPem, trustedRootsPem, purpose: 'authority', now });
    known.set(chainPem, isValid);
    return isValid;
  };
}

async function checkDevice(device: BundledDevice, areTrusted: IssuerCheck): Promise<DeviceCredential> {
  const { registrationId, chainPem, privateKeyPem } = device;
  checkRegistrationId(registrationId);
  const [certificate, issuer, ...more] = parseCertificates(chainPem);
  const isItsOwn =
    readCommonName(certificate.subjectName) === registrationId && isKeyOf(parsePrivateKey(privateKeyPem), certificate);
  const isCertified =
    issuer !== undefined &&
    new NodeCertificate(Buffer.from(certificate.rawData)).verify(publicKeyOf(issuer)) &&
    (await areTrusted(chainToPem([issuer, ...more])));
  if (isItsOwn && isCertified) return { registrationId, ...describeCertificate(certificate), chainPem, privateKeyPem };
  throw new PkiError(
    'ERR_PKI_BUNDLE_UNTRUSTED',
    `Device "${registrationId}" in the bundle ${isItsOwn ? 'has a chain that leads to no trusted root' : "has a certificate that isn't its own"}: ` +
      'use nothing of this bundle, and ask where it came from.',
  );
}
