import { randomBytes } from 'node:crypto';
import { type Certificate, readUploadedCertificate } from '../certificates/certificate.ts';
import { formatTime } from '../hub/dotnet-time.ts';
import { DpsError } from './dps-error.ts';
import type { JsonObject } from '../hub/json.ts';
import { optionalChoice, optionalObject, optionalString } from './request-field.ts';

/** Primary and, for roll-over, secondary. */
export interface Pair<Item> {
  readonly primary: Item;
  readonly secondary?: Item;
}

/** One item or two. */
export function pairItems<Item>({ primary, secondary }: Pair<Item>): readonly Item[] {
  return secondary === undefined ? [primary] : [primary, secondary];
}

/** How an enrollment tells its devices. */
export type Attestation =
  | {
      readonly type: 'x509';
      readonly form: 'clientCertificates' | 'signingCertificates';
      readonly certificates: Pair<Certificate>;
    }
  | { readonly type: 'x509'; readonly form: 'caReferences'; readonly names: Pair<string> }
  | { readonly type: 'symmetricKey'; readonly keys: { readonly primary: string; readonly secondary: string } };

const TYPES = ['none', 'tpm', 'x509', 'symmetricKey'] as const;

/** What {@link parseAttestation} has to know of the enrollment. */
export interface AttestationContext {
  readonly isGroup: boolean;
  /** What the enrollment has now: a client that writes back what it read sends no certificate and no key. */
  readonly stored: Attestation | undefined;
}

/**
 * @param value - `attestation` of a request
 * @throws {DpsError} invalidArgument; unsupported for TPM and none
 */
export function parseAttestation(value: unknown, context: AttestationContext): Attestation {
  const attestation = optionalObject(value, 'attestation');
  const type = optionalChoice(attestation?.['type'], 'attestation.type', TYPES);
  if (attestation === undefined || type === undefined) {
    throw new DpsError('invalidArgument', "Invalid 'attestation': a type is required, x509 or symmetricKey.");
  }
  if (type === 'tpm' || type === 'none') {
    throw new DpsError('unsupported', `The emulator does not support attestation of type '${type}'.`);
  }
  return type === 'x509' ? parseX509(attestation, context) : parseSymmetricKey(attestation, context.stored);
}

function parseX509(attestation: JsonObject, context: AttestationContext): Attestation {
  const x509 = optionalObject(attestation['x509'], 'attestation.x509') ?? {};
  const allowed = context.isGroup
    ? (['signingCertificates', 'caReferences'] as const)
    : (['clientCertificates'] as const);
  const given = ['clientCertificates', 'signingCertificates', 'caReferences'].filter((form) => x509[form]);
  const form = allowed.find((candidate) => candidate === given[0]);
  if (form === undefined || given.length !== 1) {
    throw new DpsError(
      'invalidArgument',
      `Invalid 'attestation.x509': expected ${allowed.join(' or ')}, found ${given.join(', ') || 'nothing'}.`,
    );
  }
  const pair = optionalObject(x509[form], `attestation.x509.${form}`) ?? {};
  if (form === 'caReferences') return { type: 'x509', form, names: parseNames(pair) };
  const stored =
    context.stored?.type === 'x509' && context.stored.form === form ? context.stored.certificates : undefined;
  const primary = parseCertificate(pair['primary'], `attestation.x509.${form}.primary`, stored?.primary);
  const secondary = parseCertificate(pair['secondary'], `attestation.x509.${form}.secondary`, stored?.secondary);
  if (primary === undefined) {
    throw new DpsError('invalidArgument', `Invalid 'attestation.x509.${form}': a primary certificate is required.`);
  }
  return { type: 'x509', form, certificates: { primary, ...(secondary && { secondary }) } };
}

function parseNames(pair: JsonObject): Pair<string> {
  const primary = optionalString(pair['primary'], 'attestation.x509.caReferences.primary');
  const secondary = optionalString(pair['secondary'], 'attestation.x509.caReferences.secondary');
  if (primary === undefined) {
    throw new DpsError('invalidArgument', "Invalid 'attestation.x509.caReferences': a primary name is required.");
  }
  return { primary, ...(secondary !== undefined && { secondary }) };
}

function parseCertificate(value: unknown, name: string, stored: Certificate | undefined): Certificate | undefined {
  // The C# and Node clients allow the bare certificate instead of an object around it.
  const item = typeof value === 'string' ? { certificate: value } : optionalObject(value, name);
  if (item === undefined) return undefined;
  const text = optionalString(item['certificate'], `${name}.certificate`);
  if (text === undefined) {
    if (stored === undefined) throw new DpsError('invalidArgument', `Invalid '${name}': a certificate is required.`);
    return stored;
  }
  try {
    return readUploadedCertificate(text);
  } catch {
    throw new DpsError('invalidArgument', `Invalid '${name}.certificate': expected PEM or base64 of DER.`);
  }
}

function parseSymmetricKey(attestation: JsonObject, stored: Attestation | undefined): Attestation {
  const keys = optionalObject(attestation['symmetricKey'], 'attestation.symmetricKey') ?? {};
  const before = stored?.type === 'symmetricKey' ? stored.keys : undefined;
  const key = (name: 'primaryKey' | 'secondaryKey', kept: string | undefined): string => {
    const given = optionalString(keys[name], `attestation.symmetricKey.${name}`);
    if (given !== undefined && !/^[A-Za-z0-9+/]{20,}={0,2}$/.test(given)) {
      throw new DpsError(
        'invalidArgument',
        `Invalid 'attestation.symmetricKey.${name}': expected base64 of 16 to 64 bytes.`,
      );
    }
    return given ?? kept ?? randomBytes(64).toString('base64');
  };
  return {
    type: 'symmetricKey',
    keys: { primary: key('primaryKey', before?.primary), secondary: key('secondaryKey', before?.secondary) },
  };
}

/** The JSON that DPS reads back; keys only where `withKeys` (the attestationmechanism calls). */
export function attestationJson(attestation: Attestation, withKeys: boolean): JsonObject {
  if (attestation.type === 'symmetricKey') {
    const { primary, secondary } = attestation.keys;
    return {
      type: 'symmetricKey',
      ...(withKeys && { symmetricKey: { primaryKey: primary, secondaryKey: secondary } }),
    };
  }
  if (attestation.form === 'caReferences') return { type: 'x509', x509: { caReferences: { ...attestation.names } } };
  const { primary, secondary } = attestation.certificates;
  return {
    type: 'x509',
    x509: {
      [attestation.form]: {
        primary: { info: certificateInfo(primary) },
        ...(secondary && { secondary: { info: certificateInfo(secondary) } }),
      },
    },
  };
}

/** What DPS reads back of a certificate. */
export function certificateInfo(certificate: Certificate): JsonObject {
  return {
    subjectName: certificate.subject,
    sha1Thumbprint: certificate.thumbprintSha1,
    sha256Thumbprint: certificate.thumbprintSha256,
    issuerName: certificate.issuer,
    notBeforeUtc: formatTime(certificate.notBeforeMs).replace(/\.\d+Z$/, 'Z'),
    notAfterUtc: formatTime(certificate.notAfterMs).replace(/\.\d+Z$/, 'Z'),
    serialNumber: certificate.serialNumber,
    version: 3,
  };
}

/** The certificates that an attestation holds in itself. */
export function ownCertificates(attestation: Attestation): readonly Certificate[] {
  if (attestation.type !== 'x509' || attestation.form === 'caReferences') return [];
  return pairItems(attestation.certificates);
}
