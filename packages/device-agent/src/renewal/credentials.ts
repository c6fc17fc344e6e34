import { DeviceAgentError, textOf } from '../errors.ts';
import type { CertificateFacts } from '../network/certificate-facts.ts';
import { loadIdentity, type DeviceIdentity } from '../identity/device-identity.ts';
import type { NewKey } from './new-key.ts';
import type { RenewalStep } from './renewal-event.ts';

/** The part of a device's state that credentials need; what `put` wrote is on disk, all of it or nothing, when it returns. */
export interface CredentialStore {
  get(name: string): unknown;
  put(name: string, value: unknown): void;
}

type StoredCredential = NewKey['key'] & { readonly chainPem: string };

/** A certificate on its way: its key first, the certificate when it has come. */
export interface Candidate {
  readonly key: NewKey['key'];
  /** Base64 of DER. */
  readonly csr: string;
  readonly next: Exclude<RenewalStep, 'make-key'>;
  /** From `announce` on. */
  readonly chainPem?: string;
}

/** A certificate that was given up, for support. */
export interface DroppedCertificate {
  readonly at: string;
  readonly reason: string;
  readonly certificate?: CertificateFacts;
}

/** All that is on disk: one value, replaced whole, so that power may fail at any time. */
interface CredentialRecord {
  readonly operational?: StoredCredential;
  /** The one before, until the operational one has connected. */
  readonly former?: StoredCredential;
  readonly candidate?: Candidate;
  readonly failures: number;
  readonly nextTryAt?: string;
  readonly dropped: readonly DroppedCertificate[];
}

const recordName = 'credentials';
const droppedKept = 5;

/** A device's credentials: those in the state folder, and the one given at installation, which is never changed. */
export class Credentials {
  readonly #store: CredentialStore;
  readonly #onboarding: DeviceIdentity;
  #record: CredentialRecord;
  #operational: DeviceIdentity | undefined;
  #former: DeviceIdentity | undefined;
  /** Thumbprints. */
  readonly #refused = new Set<string>();

  private constructor(store: CredentialStore, onboarding: DeviceIdentity, record: CredentialRecord) {
    this.#store = store;
    this.#onboarding = onboarding;
    this.#record = record;
  }

  /** @param onDamage - gets what is wrong with a credential on disk, which then counts as absent */
  static async open(
    store: CredentialStore,
    onboarding: DeviceIdentity,
    onDamage: (error: DeviceAgentError) => void,
  ): Promise<Credentials> {
    const record = (store.get(recordName) as CredentialRecord | undefined) ?? { failures: 0, dropped: [] };
    const credentials = new Credentials(store, onboarding, record);
    const read = async (stored: StoredCredential | undefined): Promise<DeviceIdentity | undefined> =>
      stored &&
      loadIdentity(stored).catch((cause: unknown) => {
        onDamage(
          new DeviceAgentError('ERR_AGENT_STATE', `A renewed credential can't be used: ${textOf(cause)}`, {
            cause,
            advice: 'The device goes on with the one from its installation, and has itself renewed again.',
          }),
        );
        return undefined;
      });
    credentials.#operational = await read(record.operational);
    credentials.#former = await read(record.former);
    return credentials;
  }

  get candidate(): Candidate | undefined {
    return this.#record.candidate;
  }

  get failures(): number {
    return this.#record.failures;
  }

  get nextTryAt(): Date | undefined {
    const { nextTryAt } = this.#record;
    return nextTryAt === undefined ? undefined : new Date(nextTryAt);
  }

  get dropped(): readonly DroppedCertificate[] {
    return this.#record.dropped;
  }

  /** The one that lives for as long as it is renewed: the renewed one, or the first where there is none yet. */
  get operational(): DeviceIdentity {
    return this.#operational ?? this.#onboarding;
  }

  /** All there are, the one to use first: renewed, former, onboarding; those that are refused or not valid now come last. */
  inOrder(now: Date): DeviceIdentity[] {
    const all = [this.#operational, this.#former, this.#onboarding].filter((identity) => identity !== undefined);
    const isUsable = (identity: DeviceIdentity): boolean =>
      !this.isRefused(identity) && identity.notBefore <= now && now <= identity.notAfter;
    return [...all.filter(isUsable), ...all.filter((identity) => !isUsable(identity))];
  }

  /** The one to use first. */
  current(now: Date): DeviceIdentity {
    const [first = this.#onboarding] = this.inOrder(now);
    return first;
  }

  /** When all are refused none is: the round begins anew. */
  refuse(identity: DeviceIdentity): void {
    this.#refused.add(identity.thumbprintSha256);
    const all = [this.operational, this.#former ?? this.operational, this.#onboarding];
    if (all.every((each) => this.isRefused(each))) this.#refused.clear();
  }

  isRefused(identity: DeviceIdentity): boolean {
    return this.#refused.has(identity.thumbprintSha256);
  }

  /**
   * The operational credential has connected, so the one before it isn't needed any more.
   *
   * @returns the one that was deleted
   */
  settle(): DeviceIdentity | undefined {
    this.#refused.clear();
    const former = this.#former;
    if (this.#record.former === undefined) return undefined;
    const { former: _, ...record } = this.#record;
    this.#save(record);
    this.#former = undefined;
    return former;
  }

  keep(candidate: Candidate): void {
    this.#save({ ...this.#record, candidate });
  }

  /** One write makes the new one operational and the operational one former. */
  promote(identity: DeviceIdentity, { key }: Candidate): void {
    const { operational, dropped } = this.#record;
    this.#save({
      operational: { ...key, chainPem: identity.chainPem },
      ...(operational && { former: operational }),
      failures: 0,
      dropped,
    });
    this.#former = this.#operational;
    this.#operational = identity;
    this.#refused.clear();
  }

  /** @param dropped - gives the candidate up: of it only these facts are kept */
  postpone(failures: number, nextTryAt: Date, dropped?: DroppedCertificate): void {
    const { candidate, ...record } = this.#record;
    this.#save({
      ...record,
      failures,
      nextTryAt: nextTryAt.toISOString(),
      ...(candidate && !dropped && { candidate }),
      ...(dropped && { dropped: [...record.dropped, dropped].slice(-droppedKept) }),
    });
  }

  /** In memory first: what a full disk doesn't take is not lost before the process ends, and not asked for twice. */
  #save(record: CredentialRecord): void {
    this.#record = record;
    try {
      this.#store.put(recordName, record);
    } catch (cause) {
      throw new DeviceAgentError('ERR_AGENT_STATE', `Can't write the credentials: ${textOf(cause)}.`, {
        cause,
        advice: 'Free the disk, or check that the state folder can be written.',
      });
    }
  }
}
