import type { Clock } from '../clock.ts';
import type { DeviceIdentity } from '../identity/device-identity.ts';
import { CertificateRenewal } from '../renewal/certificate-renewal.ts';
import { certificateReport } from '../renewal/certificate-report.ts';
import type { RenewalEvent } from '../renewal/renewal-event.ts';
import type { CertificateRenewalOptions, CredentialProof } from '../renewal/renewal-options.ts';
import type { JsonObject } from '../twin/merge-patch.ts';
import type { RenewalOptions } from './agent-options.ts';

/** The credential to connect with, and what becomes of it. */
export interface CredentialUse {
  current(): DeviceIdentity;
  /** DPS, or a hub without DPS behind it, doesn't take it. */
  refused(identity: DeviceIdentity): void;
  connected(identity: DeviceIdentity): void;
  /** Reported properties about it. */
  report(): JsonObject;
  /** Renews it when due, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export interface CredentialUseOptions {
  readonly identity: DeviceIdentity;
  readonly renewal: RenewalOptions | undefined;
  readonly store: CertificateRenewalOptions['store'];
  readonly proof: CredentialProof;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: (event: RenewalEvent) => void;
}

/** @throws {DeviceAgentError} ERR_AGENT_TOKEN */
export async function openCredentials(options: CredentialUseOptions): Promise<CredentialUse> {
  const { identity, renewal, ...rest } = options;
  if (!renewal) return onlyCredential(identity);
  const renewing = await CertificateRenewal.open({ ...rest, ...renewal, onboarding: identity });
  return {
    current: () => renewing.current(),
    refused: (used) => renewing.refused(used),
    connected: (used) => renewing.connected(used),
    report: () => ({ ...renewing.report() }),
    run: (signal) => renewing.run(signal),
  };
}

/** One that nobody renews. */
export function onlyCredential(identity: DeviceIdentity): CredentialUse {
  return {
    current: () => identity,
    refused: () => undefined,
    connected: () => undefined,
    report: () => ({ ...certificateReport(identity) }),
    run: () => Promise.resolve(),
  };
}
