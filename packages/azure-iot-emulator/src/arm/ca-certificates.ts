import { randomBytes } from 'node:crypto';
import type { Shelf } from '../data/shelf.ts';
import { looseShelf } from '../data/store.ts';
import type { StoredMap } from '../data/stored-map.ts';
import { type Certificate, readUploadedCertificate } from '../certificates/certificate.ts';
import { createEtag, unquotedEtag } from '../dps/etag.ts';
import type { ArmAssumptions } from './arm-assumptions.ts';
import { ProviderError } from './arm-error.ts';
import { checkProofOfPossession } from './proof-of-possession.ts';

/** A CA certificate of a DPS instance or of a hub. */
export interface CaCertificate {
  readonly name: string;
  /** The text as it was uploaded. */
  readonly uploaded: string;
  readonly certificate: Certificate;
  readonly isVerified: boolean;
  readonly verificationCode: string | undefined;
  /** Changes with every upload, code and verification. */
  readonly etag: string;
  /** Unix milliseconds. */
  readonly updatedMs: number;
}

/** DPS allows 256 characters, hubs 64. */
const NAME = /^[A-Za-z0-9._-]+$/;

/** Options of {@link CaCertificates}. */
export interface CaCertificatesOptions {
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly maxNameLength: number;
  /** Default `refuse`. */
  readonly expiredProof?: ArmAssumptions['expiredProof'];
  /** Called after every change. */
  readonly changed?: () => void;
  /** Default: the certificates are kept in memory alone. */
  readonly shelf?: Shelf;
}

/** The CA certificates of one DPS instance or hub, with the ETag rules of facts: each step needs the newest. */
export class CaCertificates {
  readonly #certificates: StoredMap<CaCertificate>;
  readonly #now: () => number;
  readonly #maxNameLength: number;
  readonly #expiredProof: ArmAssumptions['expiredProof'];
  readonly #changed: () => void;

  constructor(options: CaCertificatesOptions) {
    this.#certificates = (options.shelf ?? looseShelf()).map('certificates');
    this.#now = options.now;
    this.#maxNameLength = options.maxNameLength;
    this.#expiredProof = options.expiredProof ?? 'refuse';
    this.#changed = options.changed ?? (() => undefined);
  }

  list(): readonly CaCertificate[] {
    return [...this.#certificates.values()];
  }

  /** @throws {ProviderError} certificateNotFound */
  get(name: string): CaCertificate {
    const found = this.#certificates.get(name.toLowerCase());
    if (found === undefined) throw new ProviderError('certificateNotFound', `Certificate '${name}' not found.`);
    return found;
  }

  /** @throws {ProviderError} argumentInvalid; preconditionFailed: the name is taken and `ifMatch` is not its ETag */
  put(
    name: string,
    text: string,
    { isVerified, ifMatch }: { isVerified: boolean; ifMatch: string | undefined },
  ): CaCertificate {
    const stored = this.#certificates.get(name.toLowerCase());
    if (!NAME.test(name) || name.length > this.#maxNameLength) {
      throw new ProviderError(
        'argumentInvalid',
        `Certificate name '${name}' is invalid: expected 1 to ${this.#maxNameLength} letters, digits, '-', '.' or '_'.`,
      );
    }
    if (stored !== undefined || ifMatch !== undefined) requireMatch(stored, ifMatch);
    return this.#write({
      name: stored?.name ?? name,
      uploaded: text,
      certificate: readCertificateText(text),
      isVerified,
      verificationCode: undefined,
    });
  }

  /** @throws {ProviderError} certificateNotFound, preconditionFailed */
  generateVerificationCode(name: string, ifMatch: string | undefined): CaCertificate {
    const stored = this.#getMatching(name, ifMatch);
    return this.#write({ ...stored, verificationCode: randomBytes(24).toString('hex').toUpperCase() });
  }

  /** @throws {ProviderError} certificateNotFound, preconditionFailed, argumentInvalid, proofOfPossession */
  verify(name: string, text: string, ifMatch: string | undefined): CaCertificate {
    const stored = this.#getMatching(name, ifMatch);
    checkProofOfPossession(readCertificateText(text), {
      authority: stored.certificate,
      verificationCode: stored.verificationCode,
      nowMs: this.#expiredProof === 'refuse' ? this.#now() : undefined,
    });
    return this.#write({ ...stored, isVerified: true, verificationCode: undefined });
  }

  /** @throws {ProviderError} certificateNotFound, preconditionFailed */
  delete(name: string, ifMatch: string | undefined): void {
    this.#getMatching(name, ifMatch);
    this.#certificates.delete(name.toLowerCase());
    this.#changed();
  }

  #getMatching(name: string, ifMatch: string | undefined): CaCertificate {
    const stored = this.get(name);
    requireMatch(stored, ifMatch);
    return stored;
  }

  #write(draft: Omit<CaCertificate, 'etag' | 'updatedMs'>): CaCertificate {
    const updatedMs = this.#now();
    const written = { ...draft, etag: createEtag(updatedMs, '0700'), updatedMs };
    this.#certificates.set(draft.name.toLowerCase(), written);
    this.#changed();
    return written;
  }
}

function requireMatch(stored: CaCertificate | undefined, ifMatch: string | undefined): void {
  const wanted = ifMatch === undefined ? undefined : unquotedEtag(ifMatch);
  if (stored === undefined || (wanted !== '*' && wanted !== stored.etag)) {
    throw new ProviderError('preconditionFailed', 'Invalid ETag supplied.');
  }
}

function readCertificateText(text: string): Certificate {
  try {
    return readUploadedCertificate(text);
  } catch {
    throw new ProviderError(
      'argumentInvalid',
      'The certificate is invalid: expected base64 of a DER or PEM certificate.',
    );
  }
}
