import { X509Certificate } from 'node:crypto';
import { pause, systemClock, type Clock } from '../clock.ts';
import { DeviceAgentError, textOf, type DeviceAgentErrorCode } from '../errors.ts';
import { checkValidity, type DeviceIdentity } from '../identity/device-identity.ts';
import { certificateReport, type CertificateReport } from './certificate-report.ts';
import { toSource, type CertificateFunction, type CertificateSource } from './certificate-source.ts';
import { checkClock, checkServerTime } from './clock-sanity.ts';
import { Credentials, type Candidate, type CredentialStore, type DroppedCertificate } from './credentials.ts';
import { createNewKey, type NewKeyAlgorithm, type NewKeyFunction } from './new-key.ts';
import type { RenewalEvent } from './renewal-event.ts';
import { renewAt, restOf, retryDelayMs } from './renewal-time.ts';
import { readRenewed } from './renewed-certificate.ts';

/** Shows that a credential works, at DPS and at the hub, while the one in use stays in use. */
export interface CredentialProof {
  /**
   * A refusal (ERR_AGENT_DPS_REFUSED, ERR_AGENT_HUB_REFUSED, ERR_AGENT_IDENTITY_INVALID, or by date) speaks against the
   * credential, which is then given up; any other error doesn't, and the same one is proved again later.
   */
  prove(identity: DeviceIdentity, signal: AbortSignal): Promise<void>;
}

/** What CertificateRenewal takes. */
export interface CertificateRenewalOptions {
  /** The device's state; the renewed credentials lie in it. */
  readonly store: CredentialStore;
  /** The credential given at installation. It is never changed, and what the device falls back to. */
  readonly onboarding: DeviceIdentity;
  readonly source: CertificateSource | CertificateFunction;
  readonly proof: CredentialProof;
  /**
   * For individual enrollments, which name their certificates one by one: resolves when DPS knows the new one too (as
   * secondary). Gets the certificate as PEM, no chain; may be called again with the same one after a power cut.
   */
  readonly announce?: (newCertificatePem: string, signal: AbortSignal) => Promise<void>;
  /**
   * The onboarding credential is for onboarding alone: a certificate is asked for at once, and may end before it. Default
   * false: it is used until it is due.
   */
  readonly onboardingOnly?: boolean;
  /** The part of its life after which a certificate is renewed; default 0.8. */
  readonly renewAtFraction?: number;
  /** Default P-256. */
  readonly keyAlgorithm?: NewKeyAlgorithm;
  /** Makes keys and requests in place of this process: needed where the onboarding key is in a token. */
  readonly newKey?: NewKeyFunction;
  readonly clock?: Clock;
  /** 0 to 1, for the spread of retries; default Math.random. */
  readonly random?: () => number;
  readonly onEvent?: (event: RenewalEvent) => void;
}

const longestWaitMs = 3_600_000;

/** These speak against the certificate; whatever else fails at the proof doesn't. */
const verdicts: readonly DeviceAgentErrorCode[] = [
  'ERR_AGENT_DPS_REFUSED',
  'ERR_AGENT_HUB_REFUSED',
  'ERR_AGENT_IDENTITY_INVALID',
  'ERR_AGENT_CERTIFICATE_EXPIRED',
  'ERR_AGENT_RENEWAL_CERTIFICATE',
];

/**
 * Keeps a device in valid certificates: the same CN and a new key before the old certificate ends.
 *
 * Each step is on disk before the next begins, so power may fail at any time: key and request, then the certificate that came
 * for them, then that it was announced; proved at DPS and hub it takes the old one's place in one write. The old one is
 * deleted when the new one has connected (`connected`).
 */
export class CertificateRenewal {
  readonly #options: CertificateRenewalOptions;
  readonly #source: CertificateSource;
  readonly #clock: Clock;
  readonly #credentials: Credentials;
  /** Set when the device runs on another credential than the operational one, since that one is refused. */
  #isDisplaced = false;
  #running: Promise<DeviceIdentity> | undefined;
  #wake = new AbortController();

  private constructor(options: CertificateRenewalOptions, credentials: Credentials) {
    this.#options = options;
    this.#source = toSource(options.source);
    this.#clock = options.clock ?? systemClock;
    this.#credentials = credentials;
  }

  /**
   * Reads what is in the state. A renewed credential that can't be read is told (`credential-damaged`) and counts as absent.
   *
   * @throws {DeviceAgentError} ERR_AGENT_TOKEN: the key is in a token, and nobody makes new ones there
   */
  static async open(options: CertificateRenewalOptions): Promise<CertificateRenewal> {
    const { store, onboarding, onEvent = () => undefined } = options;
    if (onboarding.pkcs11 && !options.newKey) {
      throw new DeviceAgentError(
        'ERR_AGENT_TOKEN',
        `The key of ${onboarding.registrationId} is in a token, and a renewed one would lie on disk.`,
        { certificate: onboarding.certificate, advice: 'Give `newKey`, which makes key and request in the token.' },
      );
    }
    const credentials = await Credentials.open(store, onboarding, (error) =>
      onEvent({ type: 'credential-damaged', error }),
    );
    return new CertificateRenewal(options, credentials);
  }

  /** The credential to connect with now. */
  current(): DeviceIdentity {
    const [first = this.#options.onboarding] = this.identities();
    return first;
  }

  /** All credentials, the one to try first: renewed, former, onboarding; those refused or not valid now come last. */
  identities(): DeviceIdentity[] {
    return this.#credentials.inOrder(this.#clock.now());
  }

  /** To be called when DPS, or a hub without DPS behind it, refuses a credential: `current()` is then the next one. */
  refused(identity: DeviceIdentity): void {
    this.#credentials.refuse(identity);
    const next = this.current();
    if (next.thumbprintSha256 === identity.thumbprintSha256) return;
    this.#tell({ type: 'credential-refused', certificate: identity.certificate, next: next.certificate });
  }

  /**
   * To be called after each connection to the hub. One with the renewed credential deletes the former; one with another,
   * after a refusal, has a new one asked for at once.
   *
   * @throws {DeviceAgentError} ERR_AGENT_STATE
   */
  connected(identity: DeviceIdentity): void {
    const { operational } = this.#credentials;
    if (identity.thumbprintSha256 === operational.thumbprintSha256) {
      this.#isDisplaced = false;
      const former = this.#credentials.settle();
      if (former) this.#tell({ type: 'former-credential-deleted', certificate: former.certificate });
    } else if (!this.#isDisplaced && this.#credentials.isRefused(operational)) {
      this.#isDisplaced = true;
      this.#wake.abort();
    }
  }

  /** When the next renewal is due: now or earlier where one was interrupted, or the device had to fall back. */
  dueAt(): Date {
    const { candidate, nextTryAt, operational } = this.#credentials;
    const now = this.#clock.now();
    const isWanted = candidate !== undefined || this.#isDisplaced || this.#isOnboarding(operational);
    const due = isWanted ? now : renewAt(operational, this.#options.renewAtFraction ?? 0.8);
    if (nextTryAt === undefined) return due;
    return new Date(Math.max(due.getTime(), now.getTime() + restOf(nextTryAt, now)));
  }

  /** Reported properties about the certificate in use. */
  report(): CertificateReport {
    return certificateReport(this.current(), this.dueAt());
  }

  /** Certificates that were given up, the newest last: facts and reason. */
  dropped(): readonly DroppedCertificate[] {
    return this.#credentials.dropped;
  }

  /** Renews whenever it is due, until the signal aborts. Failures are events, and tried again after 5 minutes to a day. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = this.dueAt().getTime() - this.#clock.now().getTime();
      if (waitMs > 0) await this.#wait(Math.min(waitMs, longestWaitMs), signal);
      else await this.renewNow(signal).catch(() => undefined);
    }
  }

  /**
   * Renews now, or goes on where a renewal was interrupted. A second call joins the first.
   *
   * @returns the new credential, already `current()`
   * @throws {DeviceAgentError} ERR_AGENT_CLOCK, ERR_AGENT_RENEWAL_UNREACHABLE, ERR_AGENT_RENEWAL_REFUSED,
   *   ERR_AGENT_RENEWAL_PENDING, ERR_AGENT_RENEWAL_CERTIFICATE, ERR_AGENT_STATE, ERR_AGENT_STOPPED, and what source and proof
   *   reject with; told as event `renewal-failed` too
   */
  async renewNow(signal: AbortSignal = new AbortController().signal): Promise<DeviceIdentity> {
    this.#running ??= this.#attempt(signal).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  #isOnboarding(identity: DeviceIdentity): boolean {
    const { onboarding, onboardingOnly = false } = this.#options;
    return onboardingOnly && identity === onboarding;
  }

  async #attempt(signal: AbortSignal): Promise<DeviceIdentity> {
    const { candidate } = this.#credentials;
    const replaces = this.#credentials.operational.certificate;
    let identity: DeviceIdentity | undefined;
    try {
      const step = candidate?.next ?? 'make-key';
      this.#tell({ type: 'renewal-started', source: this.#source.name, step, certificate: replaces });
      checkClock(
        this.#clock.now(),
        this.identities().map(({ notBefore }) => notBefore),
      );
      const received = await this.#receive(candidate ?? (await this.#makeKey()), signal);
      identity = await this.#read(received);
      const announced = await this.#announce(received, identity, signal);
      await this.#prove(identity, signal);
      this.#credentials.promote(identity, announced);
    } catch (thrown) {
      throw this.#fail(thrown, identity, signal);
    }
    this.#isDisplaced = false;
    this.#tell({ type: 'certificate-renewed', certificate: identity.certificate, replaces });
    return identity;
  }

  async #makeKey(): Promise<Candidate> {
    const { keyAlgorithm = 'P-256', newKey = (current: DeviceIdentity) => createNewKey(current, keyAlgorithm) } =
      this.#options;
    const { key, csrDer } = await newKey(this.#credentials.operational);
    return this.#keep({ key, csr: Buffer.from(csrDer).toString('base64'), next: 'request' });
  }

  async #receive(candidate: Candidate, signal: AbortSignal): Promise<Candidate> {
    if (candidate.next !== 'request') return candidate;
    const current = this.current();
    const chainPem = await this.#source.renew(
      {
        registrationId: current.registrationId,
        csrDer: Buffer.from(candidate.csr, 'base64'),
        current,
        checkServerTime: (serverTime) => checkServerTime(this.#clock.now(), serverTime),
      },
      signal,
    );
    return this.#keep({ ...candidate, chainPem, next: 'announce' });
  }

  async #read({ key, chainPem = '' }: Candidate): Promise<DeviceIdentity> {
    const { operational } = this.#credentials;
    const current = this.current();
    const outlives = current === operational && !this.#isOnboarding(current) ? current : undefined;
    return readRenewed({ chainPem, key, current, outlives, now: this.#clock.now() });
  }

  async #announce(candidate: Candidate, identity: DeviceIdentity, signal: AbortSignal): Promise<Candidate> {
    if (candidate.next === 'prove') return candidate;
    const { certificate } = identity;
    this.#tell({ type: 'certificate-received', source: this.#source.name, certificate });
    if (this.#options.announce) {
      await this.#options.announce(new X509Certificate(identity.chainPem).toString(), signal);
      this.#tell({ type: 'certificate-announced', certificate });
    }
    return this.#keep({ ...candidate, next: 'prove' });
  }

  async #prove(identity: DeviceIdentity, signal: AbortSignal): Promise<void> {
    const early = identity.notBefore.getTime() - this.#clock.now().getTime();
    if (early > 0) await this.#clock.delay(early, signal);
    checkValidity(identity, this.#clock.now());
    await this.#options.proof.prove(identity, signal);
  }

  #keep(candidate: Candidate): Candidate {
    this.#credentials.keep(candidate);
    return candidate;
  }

  /** Writes down what became of the attempt and when the next one is; a stop is none. */
  #fail(thrown: unknown, identity: DeviceIdentity | undefined, signal: AbortSignal): DeviceAgentError {
    const { registrationId } = this.#options.onboarding;
    if (signal.aborted) {
      return new DeviceAgentError('ERR_AGENT_STOPPED', `The renewal of ${registrationId} was stopped.`, {
        cause: thrown,
        advice: 'It goes on after the next start.',
      });
    }
    const step = this.#credentials.candidate?.next ?? 'make-key';
    const error = thrown instanceof DeviceAgentError ? thrown : this.#wrap(thrown, step);
    const retryAt = this.#retryAt(error);
    const isPending = error.code === 'ERR_AGENT_RENEWAL_PENDING';
    const isVerdict = (step === 'announce' || step === 'prove') && verdicts.includes(error.code);
    const certificate = error.certificate ?? identity?.certificate;
    const dropped = { at: this.#clock.now().toISOString(), reason: error.message, ...(certificate && { certificate }) };
    try {
      const failures = this.#credentials.failures + (isPending ? 0 : 1);
      this.#credentials.postpone(failures, retryAt, isVerdict ? dropped : undefined);
    } catch {
      // A disk that takes nothing: it is remembered until this process ends.
    }
    this.#tell({
      type: 'renewal-failed',
      step,
      error,
      retryAt,
      ...(isVerdict && certificate && { dropped: certificate }),
    });
    return error;
  }

  #retryAt({ code, retryAfterMs = 0 }: DeviceAgentError): Date {
    const { random = Math.random } = this.#options;
    const ownMs =
      code === 'ERR_AGENT_RENEWAL_PENDING' && retryAfterMs > 0
        ? 0
        : retryDelayMs(this.#credentials.failures + 1, random);
    return new Date(this.#clock.now().getTime() + Math.max(ownMs, retryAfterMs));
  }

  #wrap(cause: unknown, step: string): DeviceAgentError {
    return new DeviceAgentError(
      'ERR_AGENT_RENEWAL_UNREACHABLE',
      `The renewal of ${this.#options.onboarding.registrationId} failed at "${step}" with ${this.#source.name}: ${textOf(cause)}.`,
      { cause, advice: 'The device goes on with the credential it has, and tries again.' },
    );
  }

  async #wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    this.#wake = new AbortController();
    await pause(this.#clock, milliseconds, [signal, this.#wake.signal]);
  }

  #tell(event: RenewalEvent): void {
    this.#options.onEvent?.(event);
  }
}
