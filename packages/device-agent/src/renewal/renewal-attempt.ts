import { X509Certificate } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { DeviceAgentError, textOf, type DeviceAgentErrorCode } from '../errors.ts';
import { checkValidity, type DeviceIdentity } from '../identity/device-identity.ts';
import type { CertificateSource } from './certificate-source.ts';
import { checkClock, checkServerTime } from './clock-sanity.ts';
import type { Candidate, Credentials } from './credentials.ts';
import { createNewKey } from './new-key.ts';
import type { RenewalEvent } from './renewal-event.ts';
import { isForOnboardingAlone, type CertificateRenewalOptions } from './renewal-options.ts';
import { retryDelayMs } from './renewal-time.ts';
import { readRenewed } from './renewed-certificate.ts';

/** What an attempt works with. */
export interface RenewalAttemptOptions {
  readonly renewal: CertificateRenewalOptions;
  readonly source: CertificateSource;
  readonly clock: Clock;
  readonly credentials: Credentials;
  readonly signal: AbortSignal;
}

/** These speak against the certificate; whatever else fails at the proof doesn't. */
const verdicts: readonly DeviceAgentErrorCode[] = [
  'ERR_AGENT_DPS_REFUSED',
  'ERR_AGENT_HUB_REFUSED',
  'ERR_AGENT_IDENTITY_INVALID',
  'ERR_AGENT_CERTIFICATE_EXPIRED',
  'ERR_AGENT_RENEWAL_CERTIFICATE',
];

/** One attempt at a new certificate, from the step on that is on disk: whatever ends it, the next one goes on from there. */
export class RenewalAttempt {
  readonly #renewal: CertificateRenewalOptions;
  readonly #source: CertificateSource;
  readonly #clock: Clock;
  readonly #credentials: Credentials;
  readonly #signal: AbortSignal;

  constructor({ renewal, source, clock, credentials, signal }: RenewalAttemptOptions) {
    this.#renewal = renewal;
    this.#source = source;
    this.#clock = clock;
    this.#credentials = credentials;
    this.#signal = signal;
  }

  /**
   * Resolves with the new credential when it is the operational one.
   *
   * @throws {DeviceAgentError} any code; told and written down, with the time of the next attempt
   */
  async run(): Promise<DeviceIdentity> {
    const { candidate, operational } = this.#credentials;
    let identity: DeviceIdentity | undefined;
    try {
      const step = candidate?.next ?? 'make-key';
      this.#tell({ type: 'renewal-started', source: this.#source.name, step, certificate: operational.certificate });
      const now = this.#clock.now();
      checkClock(
        now,
        this.#credentials.inOrder(now).map(({ notBefore }) => notBefore),
      );
      const received = await this.#receive(candidate ?? (await this.#makeKey()));
      identity = await this.#read(received);
      const announced = await this.#announce(received, identity);
      await this.#prove(identity);
      this.#credentials.promote(identity, announced);
      return identity;
    } catch (thrown) {
      throw this.#fail(thrown, identity);
    }
  }

  async #makeKey(): Promise<Candidate> {
    const { keyAlgorithm = 'P-256', newKey = (current: DeviceIdentity) => createNewKey(current, keyAlgorithm) } =
      this.#renewal;
    const { key, csrDer } = await newKey(this.#credentials.operational);
    return this.#keep({ key, csr: Buffer.from(csrDer).toString('base64'), next: 'request' });
  }

  async #receive(candidate: Candidate): Promise<Candidate> {
    if (candidate.next !== 'request') return candidate;
    const current = this.#current();
    const chainPem = await this.#source.renew(
      {
        registrationId: current.registrationId,
        csrDer: Buffer.from(candidate.csr, 'base64'),
        current,
        checkServerTime: (serverTime) => checkServerTime(this.#clock.now(), serverTime),
        azure: this.#renewal.azure,
      },
      this.#signal,
    );
    return this.#keep({ ...candidate, chainPem, next: 'announce' });
  }

  async #read({ key, chainPem = '' }: Candidate): Promise<DeviceIdentity> {
    const { operational } = this.#credentials;
    const current = this.#current();
    const outlives = current === operational && !isForOnboardingAlone(current, this.#renewal) ? current : undefined;
    return readRenewed({ chainPem, key, current, outlives, now: this.#clock.now() });
  }

  async #announce(candidate: Candidate, identity: DeviceIdentity): Promise<Candidate> {
    if (candidate.next === 'prove') return candidate;
    const { certificate } = identity;
    this.#tell({ type: 'certificate-received', source: this.#source.name, certificate });
    if (this.#renewal.announce) {
      await this.#renewal.announce(new X509Certificate(identity.chainPem).toString(), this.#signal);
      this.#tell({ type: 'certificate-announced', certificate });
    }
    return this.#keep({ ...candidate, next: 'prove' });
  }

  async #prove(identity: DeviceIdentity): Promise<void> {
    const early = identity.notBefore.getTime() - this.#clock.now().getTime();
    if (early > 0) await this.#clock.delay(early, this.#signal);
    checkValidity(identity, this.#clock.now());
    await this.#renewal.proof.prove(identity, this.#signal);
  }

  #keep(candidate: Candidate): Candidate {
    this.#credentials.keep(candidate);
    return candidate;
  }

  /** Writes down what became of the attempt and when the next one is; a stop is none. */
  #fail(thrown: unknown, identity: DeviceIdentity | undefined): DeviceAgentError {
    const { registrationId } = this.#renewal.onboarding;
    if (this.#signal.aborted) {
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
    const dropped = {
      at: this.#clock.now().toISOString(),
      reason: error.message,
      ...(certificate && { certificate }),
    };
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
    const { random = Math.random } = this.#renewal;
    const ownMs =
      code === 'ERR_AGENT_RENEWAL_PENDING' && retryAfterMs > 0
        ? 0
        : retryDelayMs(this.#credentials.failures + 1, random);
    return new Date(this.#clock.now().getTime() + Math.max(ownMs, retryAfterMs));
  }

  #wrap(cause: unknown, step: string): DeviceAgentError {
    return new DeviceAgentError(
      'ERR_AGENT_RENEWAL_UNREACHABLE',
      `The renewal of ${this.#renewal.onboarding.registrationId} failed at "${step}" with ${this.#source.name}: ${textOf(cause)}.`,
      { cause, advice: 'The device goes on with the credential it has, and tries again.' },
    );
  }

  #tell(event: RenewalEvent): void {
    this.#renewal.onEvent?.(event);
  }

  #current(): DeviceIdentity {
    return this.#credentials.current(this.#clock.now());
  }
}
