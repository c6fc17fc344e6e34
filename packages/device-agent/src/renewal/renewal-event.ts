import type { DeviceAgentError } from '../errors.ts';
import type { CertificateFacts } from '../network/certificate-facts.ts';

/** What is left to do of a renewal that was begun. */
export type RenewalStep = 'make-key' | 'request' | 'announce' | 'prove';

/** What happens to a device's credentials. No event holds a key or a certificate, only facts. */
export type RenewalEvent =
  /** At a step other than `make-key`: one that was interrupted goes on. */
  | {
      readonly type: 'renewal-started';
      readonly source: string;
      readonly step: RenewalStep;
      readonly certificate: CertificateFacts;
    }
  | { readonly type: 'certificate-received'; readonly source: string; readonly certificate: CertificateFacts }
  | { readonly type: 'certificate-announced'; readonly certificate: CertificateFacts }
  /** Proved against DPS and hub, and from now on the one in use. */
  | {
      readonly type: 'certificate-renewed';
      readonly certificate: CertificateFacts;
      readonly replaces: CertificateFacts;
    }
  | {
      readonly type: 'renewal-failed';
      readonly step: RenewalStep;
      readonly error: DeviceAgentError;
      readonly retryAt: Date;
      /** The new certificate, where it was given up. */
      readonly dropped?: CertificateFacts;
    }
  | { readonly type: 'credential-refused'; readonly certificate: CertificateFacts; readonly next: CertificateFacts }
  /** What was in the state folder can't be read; the next credential is used in its place. */
  | { readonly type: 'credential-damaged'; readonly error: DeviceAgentError }
  | { readonly type: 'former-credential-deleted'; readonly certificate: CertificateFacts };
