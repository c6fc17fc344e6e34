import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/**
 * The client's certificates of a connection that {@link listenTls} accepted: DER, leaf first, each followed by its
 * issuer as far as the client sent it; empty without a client certificate. Nothing in it is verified yet.
 */
export function presentedChain(socket: Socket): Uint8Array[] {
  if (!(socket instanceof TLSSocket)) return [];
  const chain: Uint8Array[] = [];
  // The objects of node:crypto: those of getPeerCertificate spell out every field of every certificate.
  let certificate = socket.getPeerX509Certificate();
  while (certificate) {
    chain.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  return chain;
}
