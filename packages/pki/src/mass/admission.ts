import { PkiError } from '../errors.ts';
import { keyReused } from '../inventory/device-key.ts';
import type { CertificateRecord } from '../inventory/record.ts';

/** What a run has to know to decide about a device that has a certificate already. */
export interface AdmissionRules {
  station: string;
  renewEndingBefore: Date | undefined;
  reissueRevoked: boolean;
}

/** A device that wants a certificate. */
export interface Candidate {
  registrationId: string;
  /** Of the key in its request; undefined: its key is made here. */
  keyIdentifier: string | undefined;
  /** The device for which that key has been certified already. */
  keyOwner: string | undefined;
}

/** Whether a device gets a certificate, given what the inventory knows of it; `refuse` says why not. */
export type Admission = 'issue' | 'skip' | { refuse: PkiError };

/**
 * Decides about a device by its latest certificate. `issued` in our station's name, while no other run has that name, means
 * that an earlier run was interrupted before anybody is known to have it: its key is gone, so a new one takes its place. (A
 * device's own key is not, and its request may come again.)
 */
export function admit(candidate: Candidate, current: CertificateRecord | undefined, rules: AdmissionRules): Admission {
  const { registrationId, keyIdentifier, keyOwner } = candidate;
  if (keyOwner !== undefined && keyOwner !== registrationId) return { refuse: keyReused(registrationId, keyOwner) };
  if (!current) return 'issue';
  const { station, renewEndingBefore, reissueRevoked } = rules;
  const isLatestKey = keyIdentifier === current.keyIdentifier;
  const isEarlierKey = keyOwner === registrationId && !isLatestKey;
  const withNewKey = (): Admission => (isLatestKey || isEarlierKey ? { refuse: oldKey(current) } : 'issue');
  switch (current.state) {
    case 'issued':
      if (current.station !== station) return { refuse: heldElsewhere(current) };
      return isEarlierKey ? { refuse: oldKey(current) } : 'issue';
    case 'abandoned':
      return 'issue';
    case 'revoked':
      return reissueRevoked ? withNewKey() : { refuse: revoked(current) };
    case 'delivered':
    case 'renewed':
      if (renewEndingBefore && current.notAfter < renewEndingBefore) return withNewKey();
      // The same request once more is a run that goes on; another key is somebody who wants to be that device.
      return keyIdentifier === undefined || isLatestKey ? 'skip' : { refuse: otherKey(current) };
  }
}

function heldElsewhere({ registrationId, station, issuedAt }: CertificateRecord): PkiError {
  return new PkiError(
    'ERR_PKI_ALREADY_ISSUED',
    `${JSON.stringify(registrationId)} was issued by station ${JSON.stringify(station)} on ${issuedAt.toISOString()} and is not delivered yet: let that station finish its run.`,
  );
}

function oldKey({ registrationId, serialNumber }: CertificateRecord): PkiError {
  return new PkiError(
    'ERR_PKI_RENEWAL',
    `${JSON.stringify(registrationId)} has had a certificate for the key in its request before (its latest: ${serialNumber}): ` +
      'have the device make a new key.',
  );
}

function otherKey({ registrationId, serialNumber }: CertificateRecord): PkiError {
  return new PkiError(
    'ERR_PKI_ALREADY_ISSUED',
    `${JSON.stringify(registrationId)} has certificate ${serialNumber} for another key than the one in its request: ` +
      'find out whose request it is, and renew the device if it is its own.',
  );
}

function revoked({ registrationId, serialNumber, reason }: CertificateRecord): PkiError {
  return new PkiError(
    'ERR_PKI_DEVICE_REVOKED',
    `${JSON.stringify(registrationId)} had its certificate ${serialNumber} revoked (${reason ?? 'unspecified'}): ` +
      'it gets a new one only where that is asked for explicitly.',
  );
}
