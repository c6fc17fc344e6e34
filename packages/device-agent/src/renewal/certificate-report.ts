import type { DeviceIdentity } from '../identity/device-identity.ts';

/** Reported properties that tell the back office how long this device's certificate lasts. */
export type CertificateReport = {
  readonly certificate: {
    /** ISO 8601, UTC. */
    readonly validFrom: string;
    readonly validUntil: string;
    /** SHA-256, 64 upper-case hex digits. */
    readonly thumbprint: string;
    readonly issuer: string;
    /** When it is due to be renewed, ISO 8601; null (which deletes it from the twin) where nothing renews it. */
    readonly renewAt: string | null;
  };
};

/** The certificate in use as reported properties (`certificate.validFrom`, `certificate.validUntil`, ...). */
export function certificateReport({ certificate }: DeviceIdentity, renewAt?: Date): CertificateReport {
  const { notBefore, notAfter, thumbprintSha256, issuer } = certificate;
  return {
    certificate: {
      validFrom: notBefore,
      validUntil: notAfter,
      thumbprint: thumbprintSha256,
      issuer,
      renewAt: renewAt?.toISOString() ?? null,
    },
  };
}
