import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { CertificationRequest, CertificationRequestInfo } from '@peculiar/asn1-csr';
import { AsnConvert } from '@peculiar/asn1-schema';
import { SubjectPublicKeyInfo } from '@peculiar/asn1-x509';
import { nameSchema } from './certificate-signing.ts';
import { readCommonName } from './distinguished-name.ts';
import { Name } from './engine.ts';
import { PkiError } from './errors.ts';
import { signatureAlgorithm } from './key-algorithm.ts';
import { decodePem, encodePem } from './pem.ts';
import type { SigningKey } from './signing-key.ts';
import { checkPublicKey } from './subject-public-key.ts';

const verifyInBackground = promisify(verify);

/** What a certificate request says once its signature has been checked: a name and a key, and nothing else is taken from it. */
export interface CheckedRequest {
  commonName: string;
  /** SubjectPublicKeyInfo, DER. */
  publicKeyDer: Uint8Array;
}

/**
 * Makes a certificate request (PKCS#10, RFC 2986) for a key, signed by it wherever it is. It asks for no extensions: who
 * signs decides about them.
 *
 * @returns PEM, label `CERTIFICATE REQUEST`
 */
export async function signRequest(key: SigningKey, subject: Name): Promise<string> {
  const certificationRequestInfo = new CertificationRequestInfo({
    subject: nameSchema(subject),
    subjectPKInfo: AsnConvert.parse(key.publicKeyDer, SubjectPublicKeyInfo),
  });
  const signature = await key.sign(new Uint8Array(AsnConvert.serialize(certificationRequestInfo)));
  const request = new CertificationRequest({
    certificationRequestInfo,
    signatureAlgorithm: signatureAlgorithm(key.keyAlgorithm),
    signature: Uint8Array.from(signature).buffer,
  });
  return encodePem('CERTIFICATE REQUEST', AsnConvert.serialize(request));
}

/**
 * Reads a request and checks that the key in it signed it.
 *
 * @param csr - PEM (`CERTIFICATE REQUEST`) or DER
 * @param checkName - looks at the common name before any signature is computed
 * @throws {PkiError} ERR_PKI_CSR_UNREADABLE, ERR_PKI_CSR_SUBJECT, ERR_PKI_KEY_ALGORITHM, ERR_PKI_CSR_SIGNATURE
 */
export async function readRequest(
  csr: string | Uint8Array,
  checkName: (commonName: string) => void | Promise<void>,
): Promise<CheckedRequest> {
  const { request, key, publicKeyDer } = parseRequest(csr);
  const { subject } = request.certificationRequestInfo;
  const commonName = commonNameOf(new Name(AsnConvert.serialize(subject)));
  await checkName(commonName);
  const owner = `the request for ${JSON.stringify(commonName)}`;
  checkPublicKey(publicKeyDer, owner);
  if (!(await isSignedBy(request, key))) {
    throw new PkiError(
      'ERR_PKI_CSR_SIGNATURE',
      `The signature on ${owner} is not one of SHA-2 by the key in it: it was damaged or altered on its way. ` +
        'Make a new request where the key is.',
    );
  }
  return { commonName, publicKeyDer };
}

function parseRequest(csr: string | Uint8Array): {
  request: CertificationRequest;
  key: KeyObject;
  publicKeyDer: Uint8Array;
} {
  if (typeof csr !== 'string' && !(csr instanceof Uint8Array)) {
    throw new TypeError('csr must be a PEM string or a Uint8Array of DER.');
  }
  const der =
    typeof csr === 'string' ? decodePem(csr).find(({ label }) => label.endsWith('CERTIFICATE REQUEST'))?.der : csr;
  try {
    if (!der) throw new TypeError('no request in the text');
    const request = AsnConvert.parse(der, CertificationRequest);
    const publicKeyDer = new Uint8Array(AsnConvert.serialize(request.certificationRequestInfo.subjectPKInfo));
    const key = createPublicKey({ key: Buffer.from(publicKeyDer), format: 'der', type: 'spki' });
    return { request, key, publicKeyDer };
  } catch (cause) {
    throw new PkiError(
      'ERR_PKI_CSR_UNREADABLE',
      'The certificate request is not readable: expected PKCS#10 as DER or as PEM with "-----BEGIN CERTIFICATE REQUEST-----".',
      { cause },
    );
  }
}

function commonNameOf(subject: Name): string {
  const commonName = readCommonName(subject);
  if (commonName !== undefined) return commonName;
  throw new PkiError(
    'ERR_PKI_CSR_SUBJECT',
    `The request's subject is "${subject.toString()}": it needs exactly one common name.`,
  );
}

/** ECDSA and RSA PKCS#1 v1.5 with SHA-2 (RFC 5758, RFC 4055), under node:crypto's names of the hashes. */
const signatureHashes: Readonly<Record<string, { keyType: 'ec' | 'rsa'; hash: string }>> = {
  '1.2.840.10045.4.3.2': { keyType: 'ec', hash: 'sha256' },
  '1.2.840.10045.4.3.3': { keyType: 'ec', hash: 'sha384' },
  '1.2.840.10045.4.3.4': { keyType: 'ec', hash: 'sha512' },
  '1.2.840.113549.1.1.11': { keyType: 'rsa', hash: 'sha256' },
  '1.2.840.113549.1.1.12': { keyType: 'rsa', hash: 'sha384' },
  '1.2.840.113549.1.1.13': { keyType: 'rsa', hash: 'sha512' },
};

async function isSignedBy(request: CertificationRequest, key: KeyObject): Promise<boolean> {
  const { certificationRequestInfoRaw: signed, signatureAlgorithm: algorithm, signature } = request;
  const found = signatureHashes[algorithm.algorithm];
  if (!signed || !found || found.keyType !== key.asymmetricKeyType) return false;
  return verifyInBackground(found.hash, new Uint8Array(signed), key, new Uint8Array(signature));
}
