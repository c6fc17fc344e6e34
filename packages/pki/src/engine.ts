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
  Pkcs10CertificateRequestGenerator,
  SubjectKeyIdentifierExtension,
  X509Certificate,
} from '@peculiar/x509';

/** Web Crypto of @peculiar/webcrypto. @peculiar/x509 gets it with each call, so that no process-wide default is set. */
export const engine: Omit<webcrypto.Crypto, 'CryptoKey'> = new Crypto();

/** The same engine in the shape that pkijs takes as last argument. */
export const pkijsEngine = new CryptoEngine({ name: '@contoso/pki', crypto: engine });
