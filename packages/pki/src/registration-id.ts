import { PkiError, type PkiErrorCode } from './errors.ts';

/** Longest common name of X.509 (RFC 5280 appendix A.1, ub-common-name); DPS alone would take 128. */
const maxLength = 64;

interface Rule {
  code: PkiErrorCode;
  isBroken: (id: string) => boolean;
  explain: (id: string) => string;
}

// In this order: the first broken rule is the one reported.
const rules: readonly Rule[] = [
  {
    code: 'ERR_PKI_REGISTRATION_ID_EMPTY',
    isBroken: (id) => id === '',
    explain: () => 'it is empty. Give the device a name of 1 to 64 characters',
  },
  {
    code: 'ERR_PKI_REGISTRATION_ID_TOO_LONG',
    isBroken: (id) => id.length > maxLength,
    explain: (id) =>
      `it has ${id.length} characters, and the common name of a certificate holds ${maxLength}. Shorten it`,
  },
  {
    code: 'ERR_PKI_REGISTRATION_ID_UPPER_CASE',
    isBroken: (id) => /[A-Z]/.test(id),
    explain: (id) =>
      `it has upper-case letters; DPS ignores case and IoT Hub doesn't, so one device could become two. Use ${JSON.stringify(id.toLowerCase())}`,
  },
  {
    code: 'ERR_PKI_REGISTRATION_ID_CHARACTER',
    isBroken: (id) => /[^a-z0-9._-]/.test(id),
    explain: (id) =>
      `${JSON.stringify(/[^a-z0-9._-]/u.exec(id)?.[0])} is not allowed. Use a-z, 0-9, hyphen, full stop and underscore`,
  },
  {
    code: 'ERR_PKI_REGISTRATION_ID_EDGE',
    isBroken: (id) => !/^[a-z0-9](?:.*[a-z0-9])?$/.test(id),
    explain: () => 'it must begin and end with a letter or digit. Remove the other characters at its ends',
  },
];

/**
 * Checks a registration ID, which is also the common name of the device's certificate and its device ID in the hub.
 *
 * Taken is what DPS, IoT Hub and X.509 all take without differing: `^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$`.
 * (Microsoft's documents contradict each other about upper case, `:` and a hyphen at the end; those are left out.)
 *
 * @throws {PkiError} ERR_PKI_REGISTRATION_ID_EMPTY, _TOO_LONG (over 64 characters), _UPPER_CASE, _CHARACTER, _EDGE
 * (first or last character), whichever rule is broken first in this order
 */
export function checkRegistrationId(registrationId: string): void {
  if (typeof registrationId !== 'string') throw new TypeError('registrationId must be a string.');
  const broken = rules.find((rule) => rule.isBroken(registrationId));
  if (broken) {
    throw new PkiError(
      broken.code,
      `Registration ID ${quoteShortened(registrationId)} can't be used: ${broken.explain(registrationId)}.`,
    );
  }
}

function quoteShortened(id: string): string {
  return JSON.stringify(id.length > maxLength ? `${id.slice(0, maxLength)}...` : id);
}
