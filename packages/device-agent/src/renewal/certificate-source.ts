import type { DeviceIdentity } from '../identity/device-identity.ts';
import type { AzureAccess, AzureTerms } from './azure-access.ts';

/** What a source of certificates gets: a request made on the device, and who asks. */
export interface RenewalRequest {
  readonly registrationId: string;
  /** PKCS #10 (RFC 2986), DER, signed with the new key; subject and alternative names as in the certificate that it renews. */
  readonly csrDer: Uint8Array;
  /** The credential in use: a source authenticates the device with it. */
  readonly current: DeviceIdentity;
  /**
   * To be called with a time that a trusted server told, before the request goes out.
   *
   * @throws {DeviceAgentError} ERR_AGENT_CLOCK: this device's clock is more than an hour off
   */
  readonly checkServerTime: (serverTime: Date) => void;
  /** DPS and hub, for a source that is Azure itself; undefined where renewal runs outside of an agent. */
  readonly azure?: AzureAccess | undefined;
}

/** A place that new certificates come from: an EST server, a back office, Azure's own certificate management. */
export interface CertificateSource {
  /** For events and errors, for example `EST at est.contoso.com`. */
  readonly name: string;
  /** For a source that is Azure itself. */
  readonly azure?: AzureTerms;
  /**
   * The same request may come twice, when power failed before the answer was on disk.
   *
   * @returns PEM: the new certificate and its issuers, in any order
   * @throws {DeviceAgentError} with `retryAfterMs` where the source says when to come back; anything else is tried again later
   */
  renew(request: RenewalRequest, signal: AbortSignal): Promise<string>;
}

/** A source as a plain function; gets what an interface gets. */
export type CertificateFunction = (
  csrDer: Uint8Array,
  context: Omit<RenewalRequest, 'csrDer'> & { readonly signal: AbortSignal },
) => Promise<string>;

/** Both kinds of source as one. */
export function toSource(source: CertificateSource | CertificateFunction): CertificateSource {
  if (typeof source !== 'function') return source;
  return {
    name: source.name === '' ? 'the certificate function' : source.name,
    renew: ({ csrDer, ...context }, signal) => source(csrDer, { ...context, signal }),
  };
}
