import { createSecureContext, type SecureContext } from 'node:tls';
import { addTrustedRoots } from '../network/trusted-roots.ts';
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
  if (trust === 'beside' && trustedRootsPem !== undefined) addTrustedRoots(secureContext, trustedRootsPem);
  return secureContext;
}
