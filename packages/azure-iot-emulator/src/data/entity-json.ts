import { type Certificate, readCertificate } from '../certificates/certificate.ts';

/*
 * Entities as JSON that a person can read: what JSON lacks stands in an object with one field whose name no property of
 * Azure's may have.
 */
const bytesField = '$emulator.bytes';
const mapField = '$emulator.map';
const certificateField = '$emulator.certificate';

/** A value of plain data, bytes, maps and certificates as JSON. */
export function entityJson(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key: string, plain: unknown): unknown {
    // `plain` has been through toJSON, which a Buffer has.
    const raw = this[key];
    if (typeof raw !== 'object' || raw === null) return plain;
    if (raw instanceof Uint8Array) return { [bytesField]: base64(raw) };
    if (raw instanceof Map) return { [mapField]: [...raw] };
    if (isCertificate(raw)) return { [certificateField]: base64(raw.der) };
    return plain;
  });
}

/** The value that {@link entityJson} wrote. */
export function readEntityJson(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => revive(value));
}

function revive(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (bytesField in value) return new Uint8Array(Buffer.from(String(value[bytesField]), 'base64'));
  if (mapField in value) return new Map(value[mapField] as [unknown, unknown][]);
  if (certificateField in value) return readCertificate(Buffer.from(String(value[certificateField]), 'base64'));
  return value;
}

function isCertificate(value: object): value is Certificate {
  return 'der' in value && value.der instanceof Uint8Array && 'thumbprintSha256' in value;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
