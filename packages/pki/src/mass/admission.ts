import { PkiError } from '../errors.ts';
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
}

/** Whether a device with a certificate in the inventory gets a new one; `refuse` says why not. */
export type Admission = 'issue' | 'skip' | { refuse: PkiError };

/**
 * Decides about a device by its latest certificate. `issued` in our station's name, while no other run has that name, means
 * that an earlier run was interrupted before anybody is known to have it: its key is gone, so a new one takes its place.
 */
export function admit(candidate: Candidate, current: CertificateRecord, rules: AdmissionRules): Admission {
  const { station, renewEndingBefore, reissueRevoked } = rules;
  switch (current.state) {
    case 'issued':
      return current.station === station ? 'issue' : { refuse: heldElsewhere(current) };
    case 'abandoned':
      return 'issue';
    case 'revoked':
      return reissueRevoked ? 'issue' : { refuse: revoked(current) };
    case 'delivered':
    case 'renewed':
      if (renewEndingBefore && current.notAfter < renewEndingBefore) return 'issue';
      // The same request once more is a run that goes on; another key is somebody who wants to be that device.
      return candidate.keyIdentifier === undefined || candidate.keyIdentifier === current.keyIdentifier
        ? 'skip'
        : { refuse: otherKey(current) };
  }
}

function heldElsewhere({ registrationId, station, issuedAt }: CertificateRecord): PkiError {
  return new PkiError(
    'ERR_PKI_ALREADY_ISSUED',
    `${JSON.stringify(registrationId)} was issued by station ${JSON.stringify(station)} on ${issuedAt.toISOString()} and is not delivered yet: let that station finish its run.`,
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
