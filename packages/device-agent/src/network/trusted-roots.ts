import { createSecureContext, type SecureContext } from 'node:tls';

/** The part of Node's native context that adds to the roots it has. */
interface NativeContext {
  addCACert(pem: string): void;
}

/**
 * Where the roots for a server are given, as advice says it to both kinds of people: those who pass options, and those who write the
 * configuration of `contoso-device`.
 */
export const rootSettings = {
  azure: 'trustedRootsPem, in a configuration file trustedRootsFile',
  proxy: 'trustedRootsPem of the proxy, in a configuration file proxy.trustedRootsFile',
  est: 'trustedRootsPem of estSource, in a configuration file renewal.est.trustedRootsFile',
} as const;

/** Roots of contexts that no handshake has begun with. */
const awaited = new WeakMap<SecureContext, string>();

/**
 * Trusts roots beside Node's own. Given as `ca` they would stand in place of those, and parsing those again for each device
 * takes 15 ms; to add to them takes half a millisecond, so that is left until the server has a ClientHello to work on.
 *
 * @param rootsPem - PEM
 */
export function trustRoots(secureContext: SecureContext, rootsPem: string | undefined): void {
  if (rootsPem !== undefined) awaited.set(secureContext, rootsPem);
}

/** For whoever has begun a handshake: OpenSSL looks for roots when it has the server's certificate. */
export function addAwaitedRoots(secureContext: SecureContext): void {
  const rootsPem = awaited.get(secureContext);
  if (rootsPem === undefined) return;
  awaited.delete(secureContext);
  (secureContext.context as NativeContext).addCACert(rootsPem);
}

/** For a connection that needs no certificate of the device's, and must not see it. */
export function createAnonymousContext(trustedRootsPem?: string): SecureContext {
  const secureContext = createSecureContext();
  trustRoots(secureContext, trustedRootsPem);
  return secureContext;
}
