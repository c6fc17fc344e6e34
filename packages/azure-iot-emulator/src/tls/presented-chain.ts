import type { Socket } from 'node:net';
import { TLSSocket, type DetailedPeerCertificate } from 'node:tls';

/**
 * The client's certificates of a connection that {@link listenTls} accepted: DER, leaf first, each followed by its
 * issuer as far as the client sent it; empty without a client certificate. Nothing in it is verified yet.
 */
export function presentedChain(socket: Socket): Uint8Array[] {
  if (!(socket instanceof TLSSocket)) return [];
  const chain: Uint8Array[] = [];
  // Without a client certificate Node answers with an empty object.
  let certificate: Partial<DetailedPeerCertificate> | null = socket.getPeerCertificate(true);
  while (certificate?.raw) {
    chain.push(certificate.raw);
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
    // A self-signed certificate is its own issuer.
    certificate = issuer === certificate ? null : (issuer ?? null);
  }
  return chain;
}
