import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** A certificate with its key, made for a test. */
export interface TestCertificate {
  readonly commonName: string;
  readonly der: Uint8Array;
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Upper-case hexadecimal. */
  readonly thumbprintSha1: string;
  readonly thumbprintSha256: string;
  readonly keys: webcrypto.CryptoKeyPair;
}

export interface CertificateOptions {
  readonly issuer?: TestCertificate;
  readonly isAuthority?: boolean;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;

/** P-256; self-signed without an issuer. */
export async function createCertificate(
  commonName: string,
  options: CertificateOptions = {},
): Promise<TestCertificate> {
  const { issuer, isAuthority = false } = options;
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.create(
    {
      subject: `CN=${commonName}`,
      issuer: `CN=${issuer?.commonName ?? commonName}`,
      publicKey: keys.publicKey,
      signingKey: (issuer?.keys ?? keys).privateKey,
      signingAlgorithm: algorithm,
      notBefore: options.notBefore ?? new Date(Date.now() - dayMs),
      notAfter: options.notAfter ?? new Date(Date.now() + dayMs),
      extensions: isAuthority
        ? [
            new BasicConstraintsExtension(true, undefined, true),
            new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
          ]
        : [new BasicConstraintsExtension(false), new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])],
    },
    webcrypto,
  );
  const der = new Uint8Array(certificate.rawData);
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    commonName,
    der,
    certificatePem: `${certificate.toString('pem')}\n`,
    keyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    thumbprintSha1: createHash('sha1').update(der).digest('hex').toUpperCase(),
    thumbprintSha256: createHash('sha256').update(der).digest('hex').toUpperCase(),
    keys,
  };
}

/** A device with its whole chain as PEM, leaf first, for `tls.connect`. */
export function withChain(
  leaf: TestCertificate,
  ...issuers: readonly TestCertificate[]
): { cert: string; key: string } {
  return { cert: [leaf, ...issuers].map(({ certificatePem }) => certificatePem).join(''), key: leaf.keyPem };
}
