import type { AzureSession } from './azure-session.ts';
import { readCertificate } from './certificate.ts';
import { readSettings, withSettings } from './enrollment-document.ts';
import type { StoredSettings } from './enrollment-document.ts';
import { checkSettings } from './enrollment-settings.ts';
import type { EnrollmentSettings } from './enrollment-settings.ts';
import { hasDpsAdminCode } from './errors.ts';
import { checkName } from './resource-name.ts';
import { readText } from './transport/json-value.ts';
import type { JsonRecord } from './transport/json-value.ts';
import { deleteItem, getItem, putItem } from './provisioning-service-api.ts';
import type { ItemRequest } from './provisioning-service-api.ts';
import { certificateEntry, readAttestation } from './x509-attestation.ts';
import type { StoredAttestation } from './x509-attestation.ts';

export interface IndividualEnrollmentTarget {
  readonly dpsName: string;
  /** The device certificate's common name. */
  readonly registrationId: string;
}

/** An enrollment of one device as DPS has it; it decides before any group does. */
export interface IndividualEnrollment extends StoredSettings {
  readonly registrationId: string;
  /** Undefined: the registration ID. */
  readonly deviceId: string | undefined;
  readonly etag: string;
  readonly attestation: StoredAttestation;
}

export interface IndividualEnrollmentOptions extends IndividualEnrollmentTarget, EnrollmentSettings {
  readonly deviceId?: string;
  /** The device's certificate, PEM or DER. */
  readonly certificatePem: string | Uint8Array;
  /** A second one that is let in too, while the device goes from one certificate to the next; PEM or DER. */
  readonly secondaryCertificatePem?: string | Uint8Array;
  /** ETag of what it replaces; without one the enrollment has to be new. */
  readonly etag?: string;
}

/** Undefined where the instance has no such enrollment. */
export async function getIndividualEnrollment(
  session: AzureSession,
  target: IndividualEnrollmentTarget,
): Promise<IndividualEnrollment | undefined> {
  checkTarget(target);
  const document = await getItem(session, request('read', target));
  return document === undefined ? undefined : readEnrollment(document);
}

/**
 * Creates an enrollment for one X.509 device, or with an ETag replaces it.
 *
 * @throws {DpsAdminError} ERR_ENROLLMENT_EXISTS: no ETag was given, and there is one
 * @throws {DpsAdminError} ERR_ETAG_STALE, ERR_CERTIFICATE_INVALID, ERR_INVALID_INPUT
 */
export async function putIndividualEnrollment(
  session: AzureSession,
  options: IndividualEnrollmentOptions,
): Promise<IndividualEnrollment> {
  checkTarget(options);
  checkSettings(options);
  const { registrationId, deviceId, certificatePem, secondaryCertificatePem: secondary, etag } = options;
  const entry = (pem: string | Uint8Array, name: string): JsonRecord => certificateEntry(readCertificate(pem, name));
  const clientCertificates = {
    primary: entry(certificatePem, 'device certificate'),
    ...(secondary !== undefined && { secondary: entry(secondary, 'secondary device certificate') }),
  };
  const attestation = { type: 'x509', x509: { clientCertificates } };
  const body = withSettings(
    { registrationId, ...(deviceId === undefined ? {} : { deviceId }), attestation, provisioningStatus: 'enabled' },
    options,
  );
  return readEnrollment(await putItem(session, { ...request('write', options), body, etag }));
}

/**
 * Keeps one device out while its group stays in use: a disabled enrollment of its own, which DPS looks at before any group. Never
 * delete that enrollment: the device would come back through the group. Its device certificate is not needed.
 *
 * @returns false when the device was blocked already
 * @see Azure: how to disenroll a device from DPS
 */
export async function blockDevice(session: AzureSession, target: IndividualEnrollmentTarget): Promise<boolean> {
  checkTarget(target);
  const { registrationId } = target;
  for (let attemptsLeft = 5; ; attemptsLeft -= 1) {
    const document = await getItem(session, request('read', target));
    const current = document === undefined ? undefined : readEnrollment(document);
    if (current?.provisioningStatus === 'disabled') return false;
    const body = withSettings(document ?? { registrationId, attestation: { type: 'symmetricKey' } }, {
      provisioningStatus: 'disabled',
    });
    try {
      await putItem(session, { ...request('disable', target), body, etag: current?.etag });
      return true;
    } catch (error) {
      if (attemptsLeft === 1 || !hasDpsAdminCode(error, 'ERR_ETAG_STALE', 'ERR_ENROLLMENT_EXISTS')) throw error;
    }
  }
}

/**
 * True when the enrollment was there and is deleted, false when there was none.
 *
 * @throws {DpsAdminError} ERR_ETAG_STALE
 */
export async function deleteIndividualEnrollment(
  session: AzureSession,
  target: IndividualEnrollmentTarget & { readonly etag?: string },
): Promise<boolean> {
  checkTarget(target);
  return deleteItem(session, { ...request('delete', target), etag: target.etag });
}

function readEnrollment(document: JsonRecord): IndividualEnrollment {
  return {
    registrationId: readText(document.registrationId) ?? '',
    deviceId: readText(document.deviceId),
    etag: readText(document.etag) ?? '',
    attestation: readAttestation(document),
    ...readSettings(document),
  };
}

function checkTarget({ dpsName, registrationId }: IndividualEnrollmentTarget): void {
  checkName('dpsName', dpsName);
  checkName('registrationId', registrationId);
}

function request(verb: string, { dpsName, registrationId }: IndividualEnrollmentTarget): ItemRequest {
  return {
    task: {
      doing: `${verb} the individual enrollment '${registrationId}' of DPS instance '${dpsName}'`,
      subject: 'enrollment',
    },
    dpsName,
    path: ['enrollments', registrationId],
  };
}
