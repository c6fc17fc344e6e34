import type { DeviceTemplate } from './device-template.ts';
import { serialNumberLength } from '../serial-number.ts';

/** Octets of a subject key identifier. */
export const keyIdentifierLength = 20;

/**
 * Devices of one batch in one piece of memory, as a worker thread hands it over: one slot for each, all of one length. What
 * a field's offset in its slot is says the layout.
 */
export interface IssuedBatch {
  /** May be longer than the slots are. */
  octets: Uint8Array<ArrayBuffer>;
  layout: SlotLayout;
}

/** Offsets in a slot, in octets. It begins with the certificate's length, two octets; zero: there is none. */
export interface SlotLayout {
  sha1: number;
  sha256: number;
  serial: number;
  keyIdentifier: number;
  /** PKCS#8; of length zero where the device has made its key itself. */
  key: number;
  certificate: number;
  /** Of the whole slot. */
  length: number;
}

export function slotLayout({ template, withKeys }: { template: DeviceTemplate; withKeys: boolean }): SlotLayout {
  const sha1 = 2;
  const sha256 = sha1 + 20;
  const serial = sha256 + 32;
  const keyIdentifier = serial + serialNumberLength;
  const key = keyIdentifier + keyIdentifierLength;
  const certificate = key + (withKeys ? template.pkcs8.length : 0);
  return {
    sha1,
    sha256,
    serial,
    keyIdentifier,
    key,
    certificate,
    length: certificate + maxCertificateLength(template),
  };
}

/** Name of 64 characters, longest signature, and the headers around them, generously. */
function maxCertificateLength(template: DeviceTemplate): number {
  const { version, beforeSubject, afterSubject, signatureAlgorithm, maxSignatureLength } = template;
  const fixed = version.length + beforeSubject.length + afterSubject.length + signatureAlgorithm.length;
  return fixed + maxSignatureLength + serialNumberLength + 64 + 40;
}
