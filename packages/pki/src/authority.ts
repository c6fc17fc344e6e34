import {
  chainToPem,
  describeCertificate,
  parseCertificates,
  publicKeyOf,
  type CertificateDetails,
} from './certificate.ts';
import { signCertificate, type Signer } from './certificate-signing.ts';
import { commonNameOnly } from './distinguished-name.ts';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type CryptoKey,
  type X509Certificate,
} from './engine.ts';
import { PkiError } from './errors.ts';
import { keyAlgorithmOf, type KeyAlgorithm } from './key-algorithm.ts';
import { generateKeyPair } from './private-key.ts';
import { authorityExtensions } from './profile.ts';
import { planValidity } from './validity.ts';

/** A certificate authority with its key: what signs lines, devices and proofs of possession. */
export interface CertificateAuthority extends CertificateDetails {
  /** Its own certificate, then its issuers up to the root. */
  chainPem: string;
  keyAlgorithm: KeyAlgorithm;
  /** Authorities that may follow below it, before the device; undefined: no limit (an authority made elsewhere). */
  pathLength: number | undefined;
  /** Never in the clear in a file: saveAuthority encrypts it. */
  privateKey: CryptoKey;
}

/** What createRootAuthority takes. */
export interface RootAuthorityOptions {
  /** 1 to 64 characters. */
  commonName: string;
  /** Default 3650. */
  validityDays?: number;
  /** Default P-256. */
  keyAlgorithm?: KeyAlgorithm;
  /** Authorities between root and device; default 1, the line authority. */
  pathLength?: number;
  /** Default: now. */
  now?: Date;
}

/** What createLineAuthority takes: `lineName`, or the same thing under the name `commonName`. */
export interface LineAuthorityOptions {
  /** Name of the production line, becomes the common name; 1 to 64 characters. */
  lineName?: string;
  /** Used where lineName isn't given. */
  commonName?: string;
  /** Default 1825. Cut to the issuer's validity. */
  validityDays?: number;
  /** Default P-256. */
  keyAlgorithm?: KeyAlgorithm;
  /** Default: now. */
  now?: Date;
}

/**
 * Makes a self-signed root authority with a new key (RFC 5280: critical CA flag with path length, critical keyCertSign and
 * cRLSign, key identifiers). Nothing is written.
 *
 * @throws {PkiError} ERR_PKI_COMMON_NAME, ERR_PKI_VALIDITY, ERR_PKI_KEY_ALGORITHM
 * @throws {PkiError} ERR_PKI_PATH_LENGTH: not a whole number from 0
 */
export async function createRootAuthority(options: RootAuthorityOptions): Promise<CertificateAuthority> {
  const { commonName, validityDays = 3650, keyAlgorithm = 'P-256', pathLength = 1, now } = options;
  if (!Number.isInteger(pathLength) || pathLength < 0) {
    throw new PkiError('ERR_PKI_PATH_LENGTH', `Path length ${pathLength} can't be used: give a whole number from 0.`);
  }
  const subject = commonNameOnly(commonName);
  const validity = planValidity({ validityDays, now });
  const { privateKey, publicKey } = await generateKeyPair(keyAlgorithm);
  const extensions = authorityExtensions(pathLength);
  const signer = { certificate: undefined, privateKey, keyAlgorithm };
  const certificate = await signCertificate(signer, { subject, publicKey, validity, extensions });
  return describeAuthority([certificate], privateKey);
}

/**
 * Makes the authority of one production line with a new key, signed by `issuer`, path length 0: below it only devices.
 *
 * It never outlives its issuer: a longer validity is cut to the issuer's end.
 *
 * @throws {PkiError} ERR_PKI_COMMON_NAME, ERR_PKI_VALIDITY, ERR_PKI_KEY_ALGORITHM, ERR_PKI_ISSUER_NOT_VALID
 * @throws {PkiError} ERR_PKI_PATH_LENGTH: the issuer may not have authorities below it (it is itself a line's)
 */
export async function createLineAuthority(
  issuer: CertificateAuthority,
  options: LineAuthorityOptions,
): Promise<CertificateAuthority> {
  const { lineName = options.commonName, validityDays = 1825, keyAlgorithm = 'P-256', now } = options;
  if (lineName === undefined) throw new TypeError('lineName must be a string.');
  const signer = signerOf(issuer);
  if (issuer.pathLength === 0) {
    throw new PkiError(
      'ERR_PKI_PATH_LENGTH',
      `Authority "${issuer.subject}" has path length 0 and may sign devices only: create the line from the root authority.`,
    );
  }
  const subject = commonNameOnly(lineName);
  const validity = planValidity({ validityDays, now, issuer: signer.certificate });
  const { privateKey, publicKey } = await generateKeyPair(keyAlgorithm);
  const certificate = await signCertificate(signer, {
    subject,
    publicKey,
    validity,
    extensions: authorityExtensions(0),
  });
  return describeAuthority([certificate, ...parseCertificates(issuer.chainPem)], privateKey);
}

/** @throws {PkiError} ERR_PKI_NOT_AN_AUTHORITY, ERR_PKI_KEY_ALGORITHM */
export function describeAuthority(
  chain: readonly [X509Certificate, ...X509Certificate[]],
  privateKey: CryptoKey,
): CertificateAuthority {
  const [certificate] = chain;
  const constraints = certificate.getExtension(BasicConstraintsExtension);
  const keyUsage = certificate.getExtension(KeyUsagesExtension);
  if (!constraints?.ca || (keyUsage && !(keyUsage.usages & KeyUsageFlags.keyCertSign))) {
    throw new PkiError(
      'ERR_PKI_NOT_AN_AUTHORITY',
      `Certificate "${certificate.subject}" is not a certificate authority's: use one with CA:TRUE and keyCertSign.`,
    );
  }
  return {
    ...describeCertificate(certificate),
    chainPem: chainToPem(chain),
    keyAlgorithm: keyAlgorithmOf(publicKeyOf(certificate), `"${certificate.subject}"`),
    pathLength: constraints.pathLength,
    privateKey,
  };
}

const parsed = new WeakMap<CertificateAuthority, X509Certificate>();

/** The authority as a signer; its PEM is parsed once for as long as the same object is used. */
export function signerOf(authority: CertificateAuthority): Signer & { certificate: X509Certificate } {
  let certificate = parsed.get(authority);
  if (!certificate) {
    [certificate] = parseCertificates(authority.certificatePem);
    parsed.set(authority, certificate);
  }
  return { certificate, privateKey: authority.privateKey, keyAlgorithm: authority.keyAlgorithm };
}
