import { Name } from '../engine.ts';
import { PkiError } from '../errors.ts';
import { decodePem, encodePem } from '../pem.ts';
import { readElement, tag, type Element } from '../der.ts';
import {
  children,
  contentOf,
  crlExtension,
  crlTag,
  decodeExtensions,
  decodeTime,
  dotted,
  wholeOf,
  type ReadExtension,
} from './crl-element.ts';
import { reasonOf, type RevokedCertificate } from './revocation.ts';

/** A revocation list, as it was signed. */
export interface RevocationList {
  /** Label `X509 CRL`. */
  crlPem: string;
  crlDer: Uint8Array;
  /** Name of the authority that signed it, for example `CN=Line 1`. */
  issuer: string;
  /** Undefined in lists made elsewhere without one. */
  number: bigint | undefined;
  thisUpdate: Date;
  nextUpdate: Date | undefined;
  /** Key identifier of the authority, lower-case hexadecimal. */
  authorityKeyId: string | undefined;
  /** In the order of the list. */
  revoked: RevokedCertificate[];
}

/** A list with what verifiers need besides. */
export interface ParsedCrl extends RevocationList {
  issuerName: Name;
  signatureOid: string;
  signature: Uint8Array;
  /** What was signed. */
  tbs: Uint8Array;
  /** Of the list and of its entries. */
  criticalExtensions: string[];
}

/**
 * Reads a revocation list. Its signature is not checked: explain does that, with its `crls`.
 *
 * @param crl - PEM (`X509 CRL`, the first in the text) or DER
 * @throws {PkiError} ERR_PKI_CRL_UNREADABLE: not a CRL in DER, damaged, or of more than 16 MiB
 */
export function readCrl(crl: string | Uint8Array): RevocationList {
  const { crlPem, crlDer, issuer, number, thisUpdate, nextUpdate, authorityKeyId, revoked } = parseCrl(crl);
  return { crlPem, crlDer, issuer, number, thisUpdate, nextUpdate, authorityKeyId, revoked };
}

/** @throws {PkiError} ERR_PKI_CRL_UNREADABLE */
export function parseCrl(crl: string | Uint8Array): ParsedCrl {
  if (typeof crl !== 'string' && !(crl instanceof Uint8Array)) {
    throw new TypeError('crl must be a PEM string or a Uint8Array of DER.');
  }
  const der = typeof crl === 'string' ? decodePem(crl).find(({ label }) => label === 'X509 CRL')?.der : crl;
  try {
    if (der) return read(Uint8Array.from(der));
  } catch (cause) {
    throw unreadable({ cause });
  }
  throw unreadable();
}

function read(der: Uint8Array): ParsedCrl {
  const list = readElement(der, 0);
  if (list?.tag !== tag.sequence || list.end !== der.length) throw new TypeError('not a sequence');
  const [tbs, algorithm, signature, ...more] = children(der, list);
  if (!tbs || !algorithm || signature?.tag !== tag.bitString || more.length > 0) throw new TypeError('not a CRL');
  const fields = readFields(der, tbs);
  if (!Buffer.from(wholeOf(der, algorithm)).equals(wholeOf(der, fields.algorithm)))
    throw new TypeError('two algorithms');
  const extensions = fields.extensions ? decodeExtensions(der, fields.extensions) : [];
  const entries = fields.entries ? children(der, fields.entries).map((entry) => readEntry(der, entry)) : [];
  const issuerName = new Name(Uint8Array.from(wholeOf(der, fields.issuer)).buffer);
  return {
    crlPem: encodePem('X509 CRL', der),
    crlDer: der,
    issuer: issuerName.toString(),
    issuerName,
    number: valueOf(extensions, crlExtension.number, readInteger),
    thisUpdate: decodeTime(der, fields.thisUpdate),
    nextUpdate: fields.nextUpdate && decodeTime(der, fields.nextUpdate),
    authorityKeyId: valueOf(extensions, crlExtension.authorityKeyId, readKeyId),
    revoked: entries.map(({ revoked }) => revoked),
    signatureOid: dotted(contentOf(der, children(der, algorithm)[0] ?? algorithm)),
    signature: contentOf(der, signature).subarray(1),
    tbs: wholeOf(der, tbs),
    criticalExtensions: [...extensions, ...entries.flatMap((entry) => entry.extensions)]
      .filter(({ isCritical }) => isCritical)
      .map(({ id }) => id),
  };
}

interface Fields {
  algorithm: Element;
  issuer: Element;
  thisUpdate: Element;
  nextUpdate: Element | undefined;
  entries: Element | undefined;
  extensions: Element | undefined;
}

/** TBSCertList (RFC 5280 section 5.1), whose optional parts are told apart by their tags. */
function readFields(der: Uint8Array, tbs: Element): Fields {
  const rest = children(der, tbs);
  const take = (...tags: number[]): Element | undefined =>
    tags.includes(rest[0]?.tag ?? 0) ? rest.shift() : undefined;
  take(tag.integer); // version
  const [algorithm, issuer] = [take(tag.sequence), take(tag.sequence)];
  const [thisUpdate, nextUpdate] = [0, 1].map(() => take(crlTag.utcTime, crlTag.generalizedTime));
  const [entries, wrapper] = [take(tag.sequence), take(crlTag.context0)];
  if (!algorithm || !issuer || !thisUpdate || rest.length > 0) throw new TypeError('not a TBSCertList');
  return { algorithm, issuer, thisUpdate, nextUpdate, entries, extensions: wrapper && children(der, wrapper)[0] };
}

function readEntry(der: Uint8Array, entry: Element): { revoked: RevokedCertificate; extensions: ReadExtension[] } {
  const [serial, date, wrapper, ...more] = children(der, entry);
  if (serial?.tag !== tag.integer || more.length > 0) throw new TypeError('not an entry');
  const extensions = wrapper ? decodeExtensions(der, wrapper) : [];
  const code = valueOf(extensions, crlExtension.reason, (value) => contentOf(value, elementOf(value))[0]);
  const reason = code === undefined ? undefined : reasonOf(code);
  const invalidSince = valueOf(extensions, crlExtension.invalidityDate, (value) => decodeTime(value, elementOf(value)));
  const revoked = {
    serialNumber: Buffer.from(contentOf(der, serial))
      .toString('hex')
      .replace(/^00(?=.)/, ''),
    revokedAt: decodeTime(der, date),
    ...(reason !== undefined && { reason }),
    ...(invalidSince !== undefined && { invalidSince }),
  };
  return { revoked, extensions };
}

/** Undefined too where the extension is there and malformed: NSS writes the list's number without its tag. */
function valueOf<T>(
  extensions: readonly ReadExtension[],
  last: number,
  decode: (value: Uint8Array) => T,
): T | undefined {
  const found = extensions.find(({ id }) => id === `2.5.29.${last}`);
  try {
    return found && decode(found.value);
  } catch {
    return undefined;
  }
}

function elementOf(value: Uint8Array): Element {
  const element = readElement(value, 0);
  if (!element) throw new TypeError('not DER');
  return element;
}

function readInteger(value: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(contentOf(value, elementOf(value))).toString('hex')}`);
}

/** keyIdentifier is the part with the tag [0]. */
function readKeyId(value: Uint8Array): string | undefined {
  const keyId = children(value, elementOf(value)).find((part) => part.tag === 0x80);
  return keyId && Buffer.from(contentOf(value, keyId)).toString('hex');
}

function unreadable(options?: ErrorOptions): PkiError {
  return new PkiError(
    'ERR_PKI_CRL_UNREADABLE',
    'The revocation list is not readable: expected an X.509 CRL as DER or as PEM with "-----BEGIN X509 CRL-----".',
    options,
  );
}
