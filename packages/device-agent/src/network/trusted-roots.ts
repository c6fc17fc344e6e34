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

/** Given as `ca`, the roots would stand in place of Node's own, and parsing those again for each device takes 15 ms. */
export function addTrustedRoots(secureContext: SecureContext, rootsPem: string): void {
  (secureContext.context as NativeContext).addCACert(rootsPem);
}

/** For a connection that needs no certificate of the device's, and must not see it. */
export function createAnonymousContext(trustedRootsPem?: string): SecureContext {
  const secureContext = createSecureContext();
  if (trustedRootsPem !== undefined) addTrustedRoots(secureContext, trustedRootsPem);
  return secureContext;
}
