import { pause, systemClock, type Clock } from '../clock.ts';
import { DeviceAgentError } from '../errors.ts';
import type { DeviceIdentity } from '../identity/device-identity.ts';
import { certificateReport, type CertificateReport } from './certificate-report.ts';
import { toSource, type CertificateSource } from './certificate-source.ts';
import { Credentials, type DroppedCertificate } from './credentials.ts';
import { RenewalAttempt } from './renewal-attempt.ts';
import type { RenewalEvent } from './renewal-event.ts';
import { isForOnboardingAlone, type CertificateRenewalOptions } from './renewal-options.ts';
import { renewAt, restOf } from './renewal-time.ts';

const longestWaitMs = 3_600_000;

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
    return this.#credentials.current(this.#clock.now());
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
    const isWanted = candidate !== undefined || this.#isDisplaced || isForOnboardingAlone(operational, this.#options);
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

  async #attempt(signal: AbortSignal): Promise<DeviceIdentity> {
    const replaces = this.#credentials.operational.certificate;
    const attempt = new RenewalAttempt({
      renewal: this.#options,
      source: this.#source,
      clock: this.#clock,
      credentials: this.#credentials,
      signal,
    });
    const identity = await attempt.run();
    this.#isDisplaced = false;
    this.#tell({ type: 'certificate-renewed', certificate: identity.certificate, replaces });
    return identity;
  }

  async #wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    this.#wake = new AbortController();
    await pause(this.#clock, milliseconds, [signal, this.#wake.signal]);
  }

  #tell(event: RenewalEvent): void {
    this.#options.onEvent?.(event);
  }
}
