import { createSecureContext, type SecureContext } from 'node:tls';
import { trustRoots } from '../network/trusted-roots.ts';
import type { DeviceIdentity } from './device-identity.ts';
import { openTokenContext } from './token-key.ts';

/** What `loadIdentity` has made to see whether certificate and key belong together, for the first connection to take. */
const madeBefore = new WeakMap<DeviceIdentity, SecureContext>();

/**
 * Certificate and key as TLS reads them, kept for `createDeviceSecureContext`: reading them twice would cost a third of a
 * start from a kept assignment.
 *
 * @throws {Error} of OpenSSL's: not a key, or not this certificate's
 */
export function readForTls(identity: DeviceIdentity): void {
  const { chainPem: cert, privateKeyPem: key } = identity;
  madeBefore.set(identity, createSecureContext({ cert, key }));
}

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
  const made = trust === 'beside' ? madeBefore.get(identity) : undefined;
  // Roots are added to it, so it is nobody else's any more.
  if (made) madeBefore.delete(identity);
  const secureContext = made ?? (pkcs11 ? openTokenContext(pkcs11, options) : createSecureContext({ ...options, key }));
  if (trust === 'beside') trustRoots(secureContext, trustedRootsPem);
  return secureContext;
}
