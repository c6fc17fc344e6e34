import { createHmac } from 'node:crypto';
import { isSignedBy, lastValidMs, parseSharedAccessSignature } from '../hub/shared-access-signature.ts';
import type { Attestation } from './attestation.ts';
import type { Attested } from './attested.ts';
import type { DpsAssumptions } from './dps-assumptions.ts';
import { DpsError } from './dps-error.ts';
import type { Enrollment } from './enrollment.ts';
import type { ProvisioningInstance } from './provisioning-instance.ts';
import { registrationKey } from './registration-id.ts';
import { requireEnabled, unknownDevice } from './x509-attestation.ts';

/** What {@link attestBySignature} judges. */
export interface SignatureEvidence {
  readonly idScope: string;
  readonly registrationId: string;
  /** `SharedAccessSignature sr=..&sig=..&se=..&skn=registration`. */
  readonly signature: string;
  /** Unix milliseconds. */
  readonly nowMs: number;
  readonly assumptions: DpsAssumptions;
}

type KeyPair = Extract<Attestation, { type: 'symmetricKey' }>['keys'];

/**
 * Symmetric key attestation of DPS: the individual enrollment's key signed the token, or a key derived for the
 * registration ID from a group's.
 *
 * @throws {DpsError} unauthorized, enrollmentDisabled; enrollmentNotFound, where that is assumed
 */
export function attestBySignature(instance: ProvisioningInstance, evidence: SignatureEvidence): Attested {
  const { registrationId } = evidence;
  const token = parseSharedAccessSignature(evidence.signature);
  if (token === undefined) throw refuse('the password is no shared access signature');
  if (lastValidMs(token) < evidence.nowMs) throw refuse('the shared access signature has expired');
  const resource = `${evidence.idScope}/registrations/${registrationId}`;
  if (token.resource.toLowerCase() !== resource.toLowerCase()) {
    throw refuse(`the shared access signature is for ${token.resource}, expected ${resource}`);
  }
  const individual = instance.enrollments.find('individual', registrationId);
  const candidates = individual === undefined ? instance.enrollments.list('group') : [individual];
  for (const enrollment of candidates) {
    const keys = keysOf(enrollment, registrationId);
    if (keys !== undefined && isSignedBy(token, [keys.primary, keys.secondary])) {
      requireEnabled(enrollment);
      return { enrollment, symmetricKeys: keys };
    }
  }
  const reason = `no enrollment for ${registrationId} has the key that signed`;
  throw individual === undefined ? unknownDevice(evidence, reason) : refuse(reason);
}

function keysOf(enrollment: Enrollment, registrationId: string): KeyPair | undefined {
  const { attestation } = enrollment;
  if (attestation.type !== 'symmetricKey') return undefined;
  if (enrollment.kind === 'individual') return attestation.keys;
  const { primary, secondary } = attestation.keys;
  return { primary: deriveDeviceKey(primary, registrationId), secondary: deriveDeviceKey(secondary, registrationId) };
}

/** DPS documents, symmetric key attestation: HMAC-SHA-256 of the registration ID in lower case under the group's key. */
function deriveDeviceKey(groupKey: string, registrationId: string): string {
  return createHmac('sha256', Buffer.from(groupKey, 'base64')).update(registrationKey(registrationId)).digest('base64');
}

function refuse(reason: string): DpsError {
  return new DpsError('unauthorized', 'Unauthorized', reason);
}
