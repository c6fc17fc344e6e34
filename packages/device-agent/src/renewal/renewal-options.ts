import type { Clock } from '../clock.ts';
import type { DeviceIdentity } from '../identity/device-identity.ts';
import type { CertificateFunction, CertificateSource } from './certificate-source.ts';
import type { CredentialStore } from './credentials.ts';
import type { NewKeyAlgorithm, NewKeyFunction } from './new-key.ts';
import type { RenewalEvent } from './renewal-event.ts';

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

/** A credential that is to be replaced at once, however long it lives. */
export function isForOnboardingAlone(
  identity: DeviceIdentity,
  { onboarding, onboardingOnly = false }: CertificateRenewalOptions,
): boolean {
  return onboardingOnly && identity === onboarding;
}
