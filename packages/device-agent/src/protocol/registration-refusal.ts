import type { DeviceIdentity } from '../identity/device-identity.ts';

/** What DPS answered to a registration that it didn't accept. */
export interface Refusal {
  readonly azureCode?: number | undefined;
  readonly trackingId?: string | undefined;
  readonly message?: string | undefined;
  readonly status?: string | undefined;
}

/**
 * DPS gives the same 401002 for a missing intermediate, an unknown line and an unverified root. What the device itself
 * knows narrows it down, so it is said here, most likely cause first.
 */
export function explainRefusal(identity: DeviceIdentity, idScope: string, refusal: Refusal): string {
  const said = [
    refusal.azureCode === undefined ? refusal.status : `${refusal.azureCode}`,
    refusal.message,
    refusal.trackingId && `tracking ID ${refusal.trackingId}`,
  ].filter(Boolean);
  return [
    `DPS ${idScope} refused ${identity.registrationId} (${said.join(', ')}).`,
    `It was shown ${identity.chainSubjects.join(' <- ')}, valid until ${identity.notAfter.toISOString()}.`,
    advice(identity, refusal),
  ].join(' ');
}

function advice(identity: DeviceIdentity, refusal: Refusal): string {
  if (refusal.status === 'disabled') {
    return 'Its enrollment is disabled: enable it in DPS if the device may come back.';
  }
  const issuers = identity.chainSubjects.slice(1);
  if (issuers.length === 0) {
    return `No issuer was sent: its issuer ${identity.lastIssuer} is missing from the file. Export the PFX or PEM with the whole chain up to the root that DPS has verified.`;
  }
  const last = issuers[issuers.length - 1] ?? '';
  const hasRoot = last === identity.lastIssuer;
  return [
    hasRoot
      ? ''
      : `The chain ends at ${last}, issued by ${identity.lastIssuer}: include everything up to the CA that DPS has verified. `,
    `Check in this order: (1) an enabled enrollment group exists for ${issuers.join(' or ')}; `,
    `(2) ${hasRoot ? last : identity.lastIssuer} is uploaded to this DPS and verified; `,
    `(3) no disabled individual enrollment names ${identity.registrationId}.`,
  ].join('');
}
