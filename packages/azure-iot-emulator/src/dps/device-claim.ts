import { isJsonObject, type JsonObject } from '../hub/json.ts';
import type { Attested } from './attested.ts';
import type { DpsAssumptions } from './dps-assumptions.ts';
import { DpsError } from './dps-error.ts';
import type { ProvisioningInstance } from './provisioning-instance.ts';
import { isRegistrationId, registrationKey } from './registration-id.ts';
import { attestBySignature } from './symmetric-key-attestation.ts';
import { attestByCertificate } from './x509-attestation.ts';

/** Who a device says it is, with the proof that its connection carries. */
export interface DeviceClaim {
  readonly idScope: string;
  readonly registrationId: string;
  readonly apiVersion: string;
  /** DER, leaf first; empty without a client certificate. */
  readonly presentedChain: readonly Uint8Array[];
  /** `SharedAccessSignature ...`, for symmetric keys. */
  readonly signature: string | undefined;
}

/**
 * Finds the enrollment that lets a device in.
 *
 * @throws {DpsError} invalidArgument, unauthorized, enrollmentDisabled, enrollmentNotFound
 */
export function attest(
  instance: ProvisioningInstance,
  claim: DeviceClaim,
  { nowMs, assumptions }: { readonly nowMs: number; readonly assumptions: DpsAssumptions },
): Attested {
  const { registrationId, presentedChain, signature } = claim;
  const isRefusedCase = assumptions.upperCaseRegistrationId === 'refuse' && /[A-Z]/.test(registrationId);
  if (!isRegistrationId(registrationId) || isRefusedCase) {
    throw new DpsError('invalidArgument', 'Invalid RegistrationId.');
  }
  // A certificate counts before a signature: a device that shows both is an X.509 device.
  return presentedChain.length > 0 || signature === undefined
    ? attestByCertificate(instance, { registrationId, presentedChain, nowMs, assumptions })
    : attestBySignature(instance, { idScope: instance.idScope, registrationId, signature, nowMs, assumptions });
}

/**
 * Reads the body of a register call.
 *
 * @throws {DpsError} invalidArgument
 */
export function readRegistration(claim: DeviceClaim, body: unknown): JsonObject {
  if (!isJsonObject(body))
    throw new DpsError('invalidArgument', 'Invalid registration: the body has to be a JSON object.');
  const { registrationId, csr, tpm } = body;
  if (typeof registrationId !== 'string' || registrationKey(registrationId) !== registrationKey(claim.registrationId)) {
    throw new DpsError('invalidArgument', 'Invalid RegistrationId.');
  }
  // Not 501: Microsoft's clients take that for a passing failure and would ask for ever.
  if (csr !== undefined) {
    throw new DpsError('invalidArgument', "The emulator does not support certificate issuance ('csr').");
  }
  if (tpm != null) throw new DpsError('invalidArgument', "The emulator does not support TPM attestation ('tpm').");
  return body;
}
