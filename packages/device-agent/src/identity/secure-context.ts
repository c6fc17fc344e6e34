import { createSecureContext, type SecureContext } from 'node:tls';
import type { DeviceIdentity } from './device-identity.ts';
import { openTokenContext } from './token-key.ts';

/**
 * TLS state of one device: certificate with the whole chain, key, and trusted roots. Made once, used for every connection.
 *
 * @param trustedRootsPem - PEM
 * @param trust - `beside`: Node's own roots are trusted too (default); `only`: none but these
 * @throws {DeviceAgentError} ERR_AGENT_TOKEN, ERR_AGENT_PASSWORD: of a key in a token
 */
export function createDeviceSecureContext(
  identity: DeviceIdentity,
  trustedRootsPem?: string,
  trust: 'beside' | 'only' = 'beside',
): SecureContext {
  const { chainPem: cert, privateKeyPem: key, pkcs11 } = identity;
  const options = { cert, ...(trust === 'only' && { ca: trustedRootsPem ?? '' }) };
  const secureContext = pkcs11 ? openTokenContext(pkcs11, options) : createSecureContext({ ...options, key });
  // Given as `ca`, the roots would stand in place of Node's own, and parsing those again for each device takes 15 ms.
  if (trust === 'beside' && trustedRootsPem !== undefined) {
    (secureContext.context as NativeContext).addCACert(trustedRootsPem);
  }
  return secureContext;
}

/** The part of Node's native context that adds to the roots it has. */
interface NativeContext {
  addCACert(pem: string): void;
}
