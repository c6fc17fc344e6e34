import type { RevocationReason } from '../life/revocation.ts';

/**
 * What became of a certificate.
 *
 * - `issued`: written down, and not known to have left the station
 * - `delivered`: its receiver has it
 * - `abandoned`: it never left, and another one took its place; its key existed in memory only and is gone
 * - `renewed`: its device has got a later one; this one stays valid until it ends
 * - `revoked`: see `reason`
 */
export type CertificateState = 'issued' | 'delivered' | 'abandoned' | 'renewed' | 'revoked';

/** A certificate as it is written down before it leaves. Text in hexadecimal of either case. */
export interface NewCertificate {
  registrationId: string;
  serialNumber: string;
  /** Subject key identifier: the name of the device's key. */
  keyIdentifier: string;
  /** The device made its key itself, and no other may come with it from then on. Default false: it was made here, anew. */
  isDeviceKey?: boolean;
  thumbprintSha1: string;
  thumbprintSha256: string;
  notBefore: Date;
  notAfter: Date;
  /** The device's latest certificate in the inventory, where this one takes its place. */
  replaces?: Pick<CertificateRecord, 'id' | 'generation'> | undefined;
}

/** One certificate in the inventory. */
export interface CertificateRecord {
  /** Its place in the inventory: from 1, without a gap. */
  id: number;
  registrationId: string;
  /** 1 for a device's first certificate, then 2, and so on. */
  generation: number;
  /** Lower-case hexadecimal, as CertificateDetails has it. */
  serialNumber: string;
  /** Lower-case hexadecimal. */
  keyIdentifier: string;
  /** Upper-case hexadecimal: what DPS's portal shows. */
  thumbprintSha1: string;
  /** Upper-case hexadecimal: what IoT Hub's portal shows. */
  thumbprintSha256: string;
  notBefore: Date;
  notAfter: Date;
  issuedAt: Date;
  /** Name of the authority that signed. */
  line: string;
  /** Of that authority's key: a line that was rolled over may have kept its name. Lower-case hexadecimal. */
  lineKeyIdentifier: string;
  station: string;
  orderedBy: string;
  state: CertificateState;
  /** Since when it has been in this state. */
  changedAt: Date;
  /** Why it was revoked. */
  reason: RevocationReason | undefined;
  /** Serial number of the next certificate of its device that was not abandoned; once that is delivered, it is in use instead. */
  renewedBy: string | undefined;
}

/** Certificates with neighbouring ids, both ends included. */
export interface IdRange {
  first: number;
  last: number;
}

/** A column of octets, as one engine or the other gives it. */
export type Octets = ArrayBuffer | Uint8Array;

/** As a query answers: integers, and octets for what is written in hexadecimal. */
export interface CertificateRow {
  id: number;
  registration_id: string;
  generation: number;
  serial_number: Octets;
  key_identifier: Octets;
  thumbprint_sha1: Octets;
  thumbprint_sha256: Octets;
  not_before: number;
  not_after: number;
  state: CertificateState;
  issued_at: number;
  line: string;
  line_key_identifier: string;
  station: string;
  ordered_by: string;
  changed_at: number;
  reason: RevocationReason | null;
  renewed_by: Octets | null;
}

export function toRecord(row: CertificateRow): CertificateRecord {
  return {
    id: row.id,
    registrationId: row.registration_id,
    generation: row.generation,
    serialNumber: toHex(row.serial_number),
    keyIdentifier: toHex(row.key_identifier),
    thumbprintSha1: toHex(row.thumbprint_sha1).toUpperCase(),
    thumbprintSha256: toHex(row.thumbprint_sha256).toUpperCase(),
    notBefore: new Date(row.not_before),
    notAfter: new Date(row.not_after),
    issuedAt: new Date(row.issued_at),
    line: row.line,
    lineKeyIdentifier: row.line_key_identifier,
    station: row.station,
    orderedBy: row.ordered_by,
    state: row.state,
    changedAt: new Date(row.changed_at),
    reason: row.state === 'revoked' ? (row.reason ?? undefined) : undefined,
    renewedBy: row.renewed_by ? toHex(row.renewed_by) : undefined,
  };
}

/** libsql answers with an ArrayBuffer, PostgreSQL with a Buffer. */
export function toHex(octets: Octets): string {
  return Buffer.from(octets as ArrayBuffer).toString('hex');
}

/** Ids in any order as the fewest ranges. */
export function toRanges(ids: Iterable<number>): IdRange[] {
  const ranges: IdRange[] = [];
  for (const id of [...ids].sort((a, b) => a - b)) {
    const open = ranges.at(-1);
    if (open && id <= open.last + 1) open.last = id;
    else ranges.push({ first: id, last: id });
  }
  return ranges;
}
