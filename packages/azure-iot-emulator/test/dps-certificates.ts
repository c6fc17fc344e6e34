import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { BasicConstraintsExtension, type X509Certificate, X509CertificateGenerator } from '@peculiar/x509';

/** A certificate with its key, as the tests need them: good ones and bad ones alike. */
export interface Issued {
  readonly certificate: X509Certificate;
  /** One PEM block. */
  readonly pem: string;
  /** Base64 of the DER. */
  readonly base64: string;
  /** PEM PKCS#8. */
  readonly keyPem: string;
  readonly keys: webcrypto.CryptoKeyPair;
  readonly algorithm: keyof typeof ALGORITHMS;
}

const ALGORITHMS = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  'RSA-2048': {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  },
} as const;
const DAY_MS = 86_400_000;

/** What {@link issue} makes; absent fields give a device certificate that is good for a month. */
export interface IssueOptions {
  readonly commonName: string;
  /** Absent: self-signed. */
  readonly issuer?: Issued;
  /** Of the key; default P-256. */
  readonly algorithm?: keyof typeof ALGORITHMS;
  readonly isAuthority?: boolean;
  readonly pathLength?: number;
  /** Days from now; default -1. */
  readonly notBeforeDays?: number;
  /** Days from now; default 30. */
  readonly notAfterDays?: number;
  /** Signs with this key instead of the issuer's, so that only the name fits. */
  readonly signer?: Issued;
}

export async function issue(options: IssueOptions): Promise<Issued> {
  const { commonName, issuer, isAuthority = false, pathLength, notBeforeDays = -1, notAfterDays = 30 } = options;
  const algorithm = options.algorithm ?? 'P-256';
  const keys = await webcrypto.subtle.generateKey(ALGORITHMS[algorithm], true, ['sign', 'verify']);
  const signer = options.signer ?? issuer ?? { keys, algorithm };
  const certificate = await X509CertificateGenerator.create(
    {
      subject: `CN=${commonName}`,
      issuer: issuer?.certificate.subject ?? `CN=${commonName}`,
      publicKey: keys.publicKey,
      signingKey: signer.keys.privateKey,
      signingAlgorithm: ALGORITHMS[signer.algorithm],
      notBefore: new Date(Date.now() + notBeforeDays * DAY_MS),
      notAfter: new Date(Date.now() + notAfterDays * DAY_MS),
      extensions: isAuthority ? [new BasicConstraintsExtension(true, pathLength, true)] : [],
    },
    webcrypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    certificate,
    pem: `${certificate.toString('pem')}\n`,
    base64: Buffer.from(certificate.rawData).toString('base64'),
    keyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    keys,
    algorithm,
  };
}

/** A self-signed authority. */
export function issueRoot(commonName: string): Promise<Issued> {
  return issue({ commonName, isAuthority: true });
}

/** PEM of certificates in the order in which TLS sends them. */
export function chainPem(...chain: readonly Issued[]): string {
  return chain.map(({ pem }) => pem).join('');
}
