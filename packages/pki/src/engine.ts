// @peculiar/x509 reads its schema through Reflect metadata, so this has to stand before it: every other file takes
// the libraries from here.
import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import { Crypto } from '@peculiar/webcrypto';
import { CryptoEngine } from 'pkijs';

export {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  PublicKey,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** A key of the engine. Its bytes are not among its properties: printing or serialising it shows none of them. */
export type CryptoKey = webcrypto.CryptoKey;

/** Web Crypto of @peculiar/webcrypto. @peculiar/x509 gets it with each call, so that no process-wide default is set. */
export const engine: Omit<webcrypto.Crypto, 'CryptoKey'> = new Crypto();

/** pkijs, plus triple DES: `openssl req` of OpenSSL 3.0 encrypts new keys with it, and the engine knows it. */
class PkijsEngine extends CryptoEngine {
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the signature is pkijs's
  override getAlgorithmByOID<T extends Algorithm>(oid: string, safety?: boolean, target?: string): T {
    if (oid === '1.2.840.113549.3.7') return { name: 'DES-EDE3-CBC', length: 192 } as unknown as T;
    return super.getAlgorithmByOID(oid, safety, target) as T;
  }
}

interface Algorithm {
  name: string;
}

/** The same engine in the shape that pkijs takes as last argument. */
export const pkijsEngine = new PkijsEngine({ name: '@contoso/pki', crypto: engine });
