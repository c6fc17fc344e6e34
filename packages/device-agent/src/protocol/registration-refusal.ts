import type { DeviceIdentity } from '../identity/device-identity.ts';

/**
 * What to look at after a refusal. DPS gives the same 401002 for a missing intermediate, an unknown line and an unverified
 * root; what the device itself knows narrows it down, so it is said here, most likely cause first.
 *
 * @param status - the registration's, where DPS named one
 */
export function refusalAdvice(identity: DeviceIdentity, status: string | undefined): string {
  if (status === 'disabled') {
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
