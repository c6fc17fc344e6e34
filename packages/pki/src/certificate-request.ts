import type { KeyObject } from 'node:crypto';
import type { CertificateAuthority } from './authority.ts';
import { softwareKey } from './custody/software-key.ts';
import { signDevice, type DeviceCertificate } from './device-certificate.ts';
import { commonNameOnly } from './distinguished-name.ts';
import { PkiError } from './errors.ts';
import { checkRegistrationId } from './registration-id.ts';
import { readRequest, signRequest } from './request-signature.ts';
import type { SigningKey } from './signing-key.ts';

/**
 * Which devices may have a certificate: a list of registration IDs, a rule (for long lists, `(id) => set.has(id)`), or `any`:
 * whichever device a request names, where something else has made sure of it.
 */
export type DeviceAllowance = 'any' | readonly string[] | ((registrationId: string) => boolean | Promise<boolean>);

/** What signDeviceRequest takes besides the request: `registrationId` or `allow`, or both. */
export interface DeviceRequestOptions {
  /** The one device that the request must be for. */
  registrationId?: string;
  /** The devices that it may be for. */
  allow?: DeviceAllowance;
  /** Default 730. Cut to the line authority's validity. */
  validityDays?: number;
  /** Default: now. */
  now?: Date;
}

/**
 * Makes a device's certificate request (PKCS#10, RFC 2986) with its own key: the common name is the registration ID.
 *
 * @param options.key - private key of node:crypto, or a key in other custody
 * @returns PEM, label `CERTIFICATE REQUEST`
 * @throws {PkiError} ERR_PKI_REGISTRATION_ID_*: see checkRegistrationId
 * @throws {PkiError} ERR_PKI_KEY_ALGORITHM
 */
export async function createDeviceRequest(options: {
  registrationId: string;
  key: KeyObject | SigningKey;
}): Promise<string> {
  const { registrationId, key } = options;
  checkRegistrationId(registrationId);
  const signer = 'sign' in key ? key : softwareKey(key, `"${registrationId}"`);
  return signRequest(signer, commonNameOnly(registrationId));
}

/**
 * Signs a certificate for a key that never left its device.
 *
 * Only the common name and the public key are taken from the request (PKCS#10, RFC 2986); extensions and other parts of
 * the name that it asks for are left out: our profile decides.
 *
 * @param csr - PEM (`CERTIFICATE REQUEST`) or DER
 * @throws {PkiError} ERR_PKI_CSR_UNREADABLE
 * @throws {PkiError} ERR_PKI_CSR_SIGNATURE: not signed with the key that it carries, and SHA-2
 * @throws {PkiError} ERR_PKI_CSR_SUBJECT: no common name, or several
 * @throws {PkiError} ERR_PKI_REGISTRATION_ID_*: its common name breaks a rule, is another device's (_MISMATCH), or is
 * not on the list (_NOT_ALLOWED)
 * @throws {PkiError} ERR_PKI_KEY_ALGORITHM, ERR_PKI_VALIDITY, ERR_PKI_ISSUER_NOT_VALID
 * @throws {TypeError} neither registrationId nor allow is given
 */
export async function signDeviceRequest(
  line: CertificateAuthority,
  csr: string | Uint8Array,
  options: DeviceRequestOptions,
): Promise<DeviceCertificate> {
  const { registrationId: expected, allow, ...validity } = options;
  checkSomeoneIsMeant(expected, allow);
  const { commonName: registrationId, publicKeyDer } = await readRequest(csr, async (commonName) => {
    checkExpected(commonName, expected);
    checkRegistrationId(commonName);
    if (allow !== undefined) await checkAllowed(commonName, allow);
  });
  return signDevice(line, { ...validity, registrationId, publicKeyDer });
}

/** @throws {TypeError} nobody has said which devices a request may be for */
export function checkSomeoneIsMeant(registrationId: string | undefined, allow: DeviceAllowance | undefined): void {
  if (registrationId !== undefined || allow !== undefined) return;
  throw new TypeError(
    "Say which device a request may be for: registrationId, allow (a list or a rule), or allow: 'any'.",
  );
}

/** @throws {PkiError} ERR_PKI_REGISTRATION_ID_MISMATCH */
export function checkExpected(found: string, expected: string | undefined): void {
  if (expected === undefined || found === expected) return;
  throw new PkiError(
    'ERR_PKI_REGISTRATION_ID_MISMATCH',
    `The request is for ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}: ` +
      'check which device it came from, and make a new request with the right common name.',
  );
}

/** @throws {PkiError} ERR_PKI_REGISTRATION_ID_NOT_ALLOWED */
export async function checkAllowed(registrationId: string, allow: DeviceAllowance): Promise<void> {
  if (allow === 'any') return;
  const isAllowed = typeof allow === 'function' ? await allow(registrationId) : allow.includes(registrationId);
  // A rule that answers with anything but a plain "yes" has not said yes.
  if ((isAllowed as unknown) === true) return;
  throw new PkiError(
    'ERR_PKI_REGISTRATION_ID_NOT_ALLOWED',
    `The request is for "${registrationId}", which is not one of the devices allowed here: ` +
      'check which device it came from, and whether it belongs to this order.',
  );
}
