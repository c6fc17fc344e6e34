import { createSecureContext, type SecureContext } from 'node:tls';
import type { DeviceIdentity } from './device-identity.ts';

/** TLS state of one device: certificate with the whole chain, key, and trusted roots. Made once, used for every connection. */
export function createDeviceSecureContext(identity: DeviceIdentity, trustedRootsPem?: string): SecureContext {
  const secureContext = createSecureContext({ cert: identity.chainPem, key: identity.privateKeyPem });
  // Given as `ca`, the roots would stand in place of Node's own, and parsing those again for each device takes 15 ms.
  if (trustedRootsPem !== undefined) (secureContext.context as NativeContext).addCACert(trustedRootsPem);
  return secureContext;
}

/** The part of Node's native context that adds to the roots it has. */
interface NativeContext {
  addCACert(pem: string): void;
}
