import type { Shelf } from '../data/shelf.ts';
import { looseShelf } from '../data/store.ts';
import type { StoredMap } from '../data/stored-map.ts';
import { ownCertificates, pairItems } from './attestation.ts';
import { type Certificate, isSameCertificate } from '../certificates/certificate.ts';
import { DpsError } from './dps-error.ts';
import type { DpsLimits } from './dps-limits.ts';
import { type Enrollment, type EnrollmentDraft, parseEnrollment } from './enrollment.ts';
import { createEtag, unquotedEtag } from './etag.ts';
import { isRegistrationId, registrationKey } from './registration-id.ts';

type Kind = Enrollment['kind'];

/** What a write has to agree with beyond its own fields. */
export interface EnrollmentSurroundings {
  readonly linkedHubNames: readonly string[];
  readonly authorityNames: readonly string[];
  readonly limits: DpsLimits;
}

/** The individual enrollments and enrollment groups of one DPS instance. IDs compare without regard to case. */
export class EnrollmentStore {
  readonly #items: Readonly<Record<Kind, StoredMap<Enrollment>>>;
  readonly #surroundings: () => EnrollmentSurroundings;
  readonly #now: () => number;

  constructor(surroundings: () => EnrollmentSurroundings, now: () => number, shelf: Shelf = looseShelf()) {
    this.#items = { individual: shelf.map('enrollments'), group: shelf.map('enrollmentGroups') };
    this.#surroundings = surroundings;
    this.#now = now;
  }

  find(kind: Kind, id: string): Enrollment | undefined {
    return this.#items[kind].get(registrationKey(id));
  }

  /** @throws {DpsError} enrollmentNotFound, groupNotFound */
  get(kind: Kind, id: string): Enrollment {
    const found = this.find(kind, id);
    if (found === undefined) {
      throw kind === 'group'
        ? new DpsError('groupNotFound', `Enrollment group '${id}' not found.`)
        : new DpsError('enrollmentNotFound', `Enrollment '${id}' not found.`);
    }
    return found;
  }

  /** In the order of their IDs, so that paging is stable. */
  list(kind: Kind): readonly Enrollment[] {
    return [...this.#items[kind].entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, enrollment]) => enrollment);
  }

  /**
   * Creates (no If-Match) or replaces (If-Match) an enrollment.
   *
   * @throws {DpsError} invalidArgument, unsupported, tooManyEnrollments, enrollmentExists, groupExists, the not-found ones, preconditionFailed
   */
  put(kind: Kind, id: string, body: unknown, ifMatch: string | undefined): Enrollment {
    if (!isRegistrationId(id)) throw new DpsError('invalidArgument', `Invalid ${label(kind)} ID '${id}'.`);
    const stored = this.find(kind, id);
    if (ifMatch === undefined && stored !== undefined)
      throw alreadyExists(kind, `${label(kind)} '${id}' already exists.`);
    if (ifMatch !== undefined) requireMatch(this.get(kind, id), ifMatch);
    const draft = parseEnrollment(kind, id, body, stored);
    this.#checkSurroundings(draft);
    if (stored === undefined) this.#requireRoom(draft);
    const now = this.#now();
    const enrollment = { ...draft, etag: createEtag(now, '3300'), createdMs: stored?.createdMs ?? now, updatedMs: now };
    this.#items[kind].set(registrationKey(id), enrollment);
    return enrollment;
  }

  /** @throws {DpsError} the not-found ones, preconditionFailed */
  delete(kind: Kind, id: string, ifMatch: string | undefined): void {
    const stored = this.get(kind, id);
    if (ifMatch !== undefined) requireMatch(stored, ifMatch);
    this.#items[kind].delete(registrationKey(id));
  }

  #checkSurroundings(draft: EnrollmentDraft): void {
    const { linkedHubNames, authorityNames } = this.#surroundings();
    const unlinked = [
      ...(draft.iotHubs ?? []),
      ...(draft.iotHubHostName === undefined ? [] : [draft.iotHubHostName]),
    ].find((name) => !linkedHubNames.some((linked) => linked.toLowerCase() === name.toLowerCase()));
    if (unlinked !== undefined) {
      throw new DpsError('invalidArgument', `IoT hub '${unlinked}' is not linked to this provisioning service.`);
    }
    this.#checkAttestation(draft, authorityNames);
  }

  #requireRoom({ kind, attestation: { type } }: EnrollmentDraft): void {
    const { limits } = this.#surroundings();
    const limit =
      kind === 'individual'
        ? limits.individualEnrollments
        : type === 'x509'
          ? limits.x509Groups
          : limits.symmetricKeyGroups;
    if (limit === Infinity) return;
    const present = [...this.#items[kind].values()];
    const count =
      kind === 'individual' ? present.length : present.filter((item) => item.attestation.type === type).length;
    if (count >= limit) {
      throw new DpsError(
        'tooManyEnrollments',
        `There are ${limit} ${label(kind)}s of type ${type}, which is the quota.`,
      );
    }
  }

  #checkAttestation(draft: EnrollmentDraft, authorityNames: readonly string[]): void {
    const { attestation } = draft;
    if (attestation.type === 'x509' && attestation.form === 'caReferences') {
      const unknown = pairItems(attestation.names).find((name) => !authorityNames.includes(name));
      if (unknown !== undefined) {
        throw new DpsError(
          'invalidArgument',
          `CA certificate '${unknown}' of caReferences is not among this service's certificates.`,
        );
      }
    }
    for (const certificate of ownCertificates(attestation)) {
      const other = this.#enrollmentWith(certificate, draft);
      if (other !== undefined) {
        throw alreadyExists(
          draft.kind,
          `Certificate ${certificate.subject} is already in ${label(other.kind)} '${other.id}'.`,
        );
      }
    }
  }

  /** DPS documents, X.509 attestation: a certificate may stand in one enrollment entry only. */
  #enrollmentWith(certificate: Certificate, except: EnrollmentDraft): Enrollment | undefined {
    return [...this.#items.individual.values(), ...this.#items.group.values()].find(
      (enrollment) =>
        !(enrollment.kind === except.kind && registrationKey(enrollment.id) === registrationKey(except.id)) &&
        ownCertificates(enrollment.attestation).some((own) => isSameCertificate(own, certificate)),
    );
  }
}

function label(kind: Kind): string {
  return kind === 'group' ? 'enrollment group' : 'enrollment';
}

function alreadyExists(kind: Kind, message: string): DpsError {
  return new DpsError(kind === 'group' ? 'groupExists' : 'enrollmentExists', message);
}

/** @throws {DpsError} preconditionFailed: `ifMatch` is neither `*` nor the item's ETag, with or without quotes */
export function requireMatch(item: { readonly etag: string }, ifMatch: string): void {
  const wanted = unquotedEtag(ifMatch);
  if (wanted !== '*' && wanted !== item.etag) throw new DpsError('preconditionFailed', 'Precondition failed.');
}
