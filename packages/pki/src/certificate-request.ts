import type { CertificateAuthority } from './authority.ts';
import { publicKeyOf } from './certificate.ts';
import { signDevice, type DeviceCertificate } from './device-certificate.ts';
import { readCommonName } from './distinguished-name.ts';
import { engine, Pkcs10CertificateRequest } from './engine.ts';
import { PkiError } from './errors.ts';
import { keyAlgorithmOf } from './key-algorithm.ts';
import { decodePem } from './pem.ts';
import { checkRegistrationId } from './registration-id.ts';

/** What signDeviceRequest takes besides the request. */
export interface DeviceRequestOptions {
  /** The device that the request must be for; without it, whichever device the request names. */
  registrationId?: string;
  /** Default 730. Cut to the line authority's validity. */
  validityDays?: number;
  /** Default: now. */
  now?: Date;
}

/**
 * Signs a certificate for a key that never left its device.
 *
 * Only the common name and the public key are taken from the request (PKCS#10, RFC 2986); extensions and other parts of
 * the name that it asks for are left out: our profile decides.
 *
 * @param csr - PEM (`CERTIFICATE REQUEST`) or DER
 * @throws {PkiError} ERR_PKI_CSR_UNREADABLE
 * @throws {PkiError} ERR_PKI_CSR_SIGNATURE: not signed with the key that it carries
 * @throws {PkiError} ERR_PKI_CSR_SUBJECT: no common name, or several
 * @throws {PkiError} ERR_PKI_REGISTRATION_ID_*: its common name breaks a rule, or is another device's (_MISMATCH)
 * @throws {PkiError} ERR_PKI_KEY_ALGORITHM, ERR_PKI_VALIDITY, ERR_PKI_ISSUER_NOT_VALID
 */
export async function signDeviceRequest(
  line: CertificateAuthority,
  csr: string | Uint8Array,
  options: DeviceRequestOptions = {},
): Promise<DeviceCertificate> {
  const { registrationId: expected, ...validity } = options;
  const request = parseRequest(csr);
  const registrationId = readRegistrationId(request, expected);
  keyAlgorithmOf(requestKey(request), `the request for "${registrationId}"`);
  if (!(await isSignedByItsKey(request))) {
    throw new PkiError(
      'ERR_PKI_CSR_SIGNATURE',
      `The request for "${registrationId}" is not signed by the key in it: it was damaged or altered on its way. ` +
        'Make a new request on the device.',
    );
  }
  return signDevice(line, { ...validity, registrationId, publicKey: request.publicKey });
}

function parseRequest(csr: string | Uint8Array): Pkcs10CertificateRequest {
  if (typeof csr !== 'string' && !(csr instanceof Uint8Array)) {
    throw new TypeError('csr must be a PEM string or a Uint8Array of DER.');
  }
  const der =
    typeof csr === 'string' ? decodePem(csr).find(({ label }) => label.endsWith('CERTIFICATE REQUEST'))?.der : csr;
  try {
    if (der) return new Pkcs10CertificateRequest(der);
  } catch (cause) {
    throw unreadable({ cause });
  }
  throw unreadable();
}

function requestKey(request: Pkcs10CertificateRequest): ReturnType<typeof publicKeyOf> {
  try {
    return publicKeyOf(request);
  } catch (cause) {
    throw unreadable({ cause });
  }
}

function unreadable(options?: ErrorOptions): PkiError {
  return new PkiError(
    'ERR_PKI_CSR_UNREADABLE',
    'The certificate request is not readable: expected PKCS#10 as DER or as PEM with "-----BEGIN CERTIFICATE REQUEST-----".',
    options,
  );
}

function readRegistrationId(request: Pkcs10CertificateRequest, expected: string | undefined): string {
  const commonName = readCommonName(request.subjectName);
  if (commonName === undefined) {
    throw new PkiError(
      'ERR_PKI_CSR_SUBJECT',
      `The request's subject is "${request.subject}": it needs exactly one common name, the registration ID.`,
    );
  }
  if (expected !== undefined && commonName !== expected) {
    throw new PkiError(
      'ERR_PKI_REGISTRATION_ID_MISMATCH',
      `The request is for ${JSON.stringify(commonName)}, expected ${JSON.stringify(expected)}: ` +
        'check which device it came from, and make a new request with the right common name.',
    );
  }
  checkRegistrationId(commonName);
  return commonName;
}

async function isSignedByItsKey(request: Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await request.verify(engine);
  } catch {
    // A signature that the engine can't even decode proves nothing.
    return false;
  }
}
