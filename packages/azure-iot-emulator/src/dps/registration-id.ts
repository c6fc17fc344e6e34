/** DPS documents, X.509 attestation: letters, digits and `- . _ :`, up to 128 characters, a letter or digit at both ends or a dash at the end. */
const REGISTRATION_ID = /^[a-z0-9](?:[a-z0-9._:-]{0,126}[a-z0-9-])?$/i;

/** True where DPS would take `id` as a registration ID or enrollment group ID. */
export function isRegistrationId(id: string): boolean {
  return REGISTRATION_ID.test(id);
}

/** Registration IDs compare without regard to case. */
export function registrationKey(id: string): string {
  return id.toLowerCase();
}
