import {
  chainToPem,
  describeCertificate,
  parseCertificates,
  publicKeyOf,
  type CertificateDetails,
} from './certificate.ts';
import { signCertificate, type Signer } from './certificate-signing.ts';
import { createSoftwareKey } from './custody/software-key.ts';
import { commonNameOnly } from './distinguished-name.ts';
import { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension, type X509Certificate } from './engine.ts';
import { PkiError } from './errors.ts';
import { keyAlgorithmOf, type KeyAlgorithm } from './key-algorithm.ts';
import { chainOfKey } from './key-chain.ts';
import { publicKeyFromDer } from './private-key.ts';
import { authorityExtensions } from './profile.ts';
import type { SigningKey } from './signing-key.ts';
import { planValidity } from './validity.ts';

/** A certificate authority with its key: what signs lines, devices and proofs of possession. */
export interface CertificateAuthority extends CertificateDetails {
  /** Its own certificate, then its issuers up to the root. */
  chainPem: string;
  keyAlgorithm: KeyAlgorithm;
  /** Authorities that may follow below it, before the device; undefined: no limit (an authority made elsewhere). */
  pathLength: number | undefined;
  /** What signs: in this process, or in an HSM or a vault. */
  key: SigningKey;
}

/** What createRootAuthority takes. */
export interface RootAuthorityOptions {
  /** 1 to 64 characters. */
  commonName: string;
  /** Default 3650. */
  validityDays?: number;
  /** Its key, in whatever custody; default: a new one in this process's memory. */
  key?: SigningKey;
  /** Of the new key; default P-256. */
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
  /** Its key, in whatever custody; default: a new one in this process's memory. */
  key?: SigningKey;
  /** Of the new key; default P-256. */
  keyAlgorithm?: KeyAlgorithm;
  /** Default: now. */
  now?: Date;
}

/**
 * Makes a self-signed root authority (RFC 5280: critical CA flag with path length, critical keyCertSign and
 * cRLSign, key identifiers). Nothing is written.
 *
 * @throws {PkiError} ERR_PKI_COMMON_NAME, ERR_PKI_VALIDITY, ERR_PKI_KEY_ALGORITHM
 * @throws {PkiError} ERR_PKI_PATH_LENGTH: not a whole number from 0
 */
export async function createRootAuthority(options: RootAuthorityOptions): Promise<CertificateAuthority> {
  const { commonName, validityDays = 3650, pathLength = 1, now } = options;
  if (!Number.isInteger(pathLength) || pathLength < 0) {
    throw new PkiError('ERR_PKI_PATH_LENGTH', `Path length ${pathLength} can't be used: give a whole number from 0.`);
  }
  const subject = commonNameOnly(commonName);
  const validity = planValidity({ validityDays, now });
  const key = options.key ?? (await createSoftwareKey(options));
  const certificate = await signCertificate(
    { certificate: undefined, key },
    { subject, publicKeyDer: key.publicKeyDer, validity, extensions: authorityExtensions(pathLength) },
  );
  return describeAuthority([certificate], key);
}

/**
 * Makes the authority of one production line, signed by `issuer`, path length 0: below it only devices.
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
  const { lineName = options.commonName, ...given } = options;
  if (lineName === undefined) throw new TypeError('lineName must be a string.');
  const key = given.key ?? (await createSoftwareKey(given));
  return describeAuthority(await signLine(issuer, { ...given, lineName, publicKeyDer: key.publicKeyDer }), key);
}

/** Signs for a line's public key, wherever the private one is; the chain begins with the line. */
export async function signLine(
  issuer: CertificateAuthority,
  line: { lineName: string; publicKeyDer: Uint8Array; validityDays?: number; now?: Date },
): Promise<[X509Certificate, ...X509Certificate[]]> {
  const { lineName, publicKeyDer, validityDays = 1825, now } = line;
  const signer = signerOf(issuer);
  if (issuer.pathLength === 0) {
    throw new PkiError(
      'ERR_PKI_PATH_LENGTH',
      `Authority "${issuer.subject}" has path length 0 and may sign devices only: create the line from the root authority.`,
    );
  }
  const subject = commonNameOnly(lineName);
  const validity = planValidity({ validityDays, now, issuer: signer.certificate });
  const extensions = authorityExtensions(0);
  const certificate = await signCertificate(signer, { subject, publicKeyDer, validity, extensions });
  return [certificate, ...parseCertificates(issuer.chainPem)];
}

/**
 * Puts an authority together again: a certificate that came back, or was made elsewhere, and the key wherever it is.
 *
 * An expired authority is opened; signing with it fails then.
 *
 * @param options.chainPem - the authority's certificate and its issuers, in any order
 * @throws {PkiError} ERR_PKI_KEY_MISMATCH: no certificate in it is for this key
 * @throws {PkiError} ERR_PKI_NOT_AN_AUTHORITY, ERR_PKI_CERTIFICATE_UNREADABLE, ERR_PKI_KEY_ALGORITHM
 */
export function openAuthority(options: {
  chainPem: string;
  key: SigningKey;
  /** Where they come from, for messages. */
  source?: string;
}): CertificateAuthority {
  const { chainPem, key, source = 'the chain' } = options;
  const chain = chainOfKey(publicKeyFromDer(key.publicKeyDer), parseCertificates(chainPem), source);
  return describeAuthority(chain, key);
}

/** @throws {PkiError} ERR_PKI_NOT_AN_AUTHORITY, ERR_PKI_KEY_ALGORITHM */
export function describeAuthority(
  chain: readonly [X509Certificate, ...X509Certificate[]],
  key: SigningKey,
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
    key,
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
  return { certificate, key: authority.key };
}
