import { signerOf, type CertificateAuthority } from './authority.ts';
import { describeCertificate, type CertificateDetails } from './certificate.ts';
import { signCertificate } from './certificate-signing.ts';
import { commonNameOnly } from './distinguished-name.ts';
import type { KeyAlgorithm } from './key-algorithm.ts';
import { generateKeyPair, privateKeyToPem, publicKeyToDer } from './private-key.ts';
import { deviceExtensions } from './profile.ts';
import { checkRegistrationId } from './registration-id.ts';
import { planValidity } from './validity.ts';

/** A device's certificate with everything that it has to send along with it. */
export interface DeviceCertificate extends CertificateDetails {
  /** The common name, the ID at DPS and, with a group enrollment, the device ID in the hub. */
  registrationId: string;
  /** Device, line authority, and so on up to the root: DPS refuses a device that sends less than up to a verified one. */
  chainPem: string;
}

/** A device's certificate and key. Holds the key in the clear: save it with saveDevice, don't log it. */
export interface DeviceCredential extends DeviceCertificate {
  /** Unencrypted PKCS#8. */
  privateKeyPem: string;
}

/** What issueDeviceCertificate takes. */
export interface DeviceCertificateOptions {
  /** See checkRegistrationId. Keep the same one when a certificate is renewed. */
  registrationId: string;
  /** Default P-256. */
  keyAlgorithm?: KeyAlgorithm;
  /** Default 730. Cut to the line authority's validity. */
  validityDays?: number;
  /** Default: now. */
  now?: Date;
}

/**
 * Makes a key for one device and signs its certificate: common name only, CA:FALSE, digitalSignature, clientAuth.
 *
 * @throws {PkiError} ERR_PKI_REGISTRATION_ID_*: see checkRegistrationId
 * @throws {PkiError} ERR_PKI_VALIDITY, ERR_PKI_KEY_ALGORITHM
 * @throws {PkiError} ERR_PKI_ISSUER_NOT_VALID: the line authority has expired
 */
export async function issueDeviceCertificate(
  line: CertificateAuthority,
  options: DeviceCertificateOptions,
): Promise<DeviceCredential> {
  const { registrationId, keyAlgorithm = 'P-256', ...validity } = options;
  checkRegistrationId(registrationId);
  const { privateKey, publicKey } = await generateKeyPair(keyAlgorithm);
  const certificate = await signDevice(line, {
    ...validity,
    registrationId,
    publicKeyDer: publicKeyToDer(publicKey),
  });
  return { ...certificate, privateKeyPem: privateKeyToPem(privateKey) };
}

/** Signs for a public key, wherever the private one is. The registration ID has been checked. */
export async function signDevice(
  line: CertificateAuthority,
  device: { registrationId: string; publicKeyDer: Uint8Array; validityDays?: number; now?: Date },
): Promise<DeviceCertificate> {
  const { registrationId, publicKeyDer, validityDays = 730, now } = device;
  const signer = signerOf(line);
  const certificate = await signCertificate(signer, {
    subject: commonNameOnly(registrationId),
    publicKeyDer,
    validity: planValidity({ validityDays, now, issuer: signer.certificate }),
    extensions: deviceExtensions(),
  });
  const details = describeCertificate(certificate);
  return { registrationId, ...details, chainPem: details.certificatePem + line.chainPem };
}
