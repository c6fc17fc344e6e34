import { isEqual, readElement, readElements, readSingleCommonName, tag, type Element } from '../der.ts';
import { p256Header } from '../subject-public-key.ts';

/** Where the parts of a certificate request lie that mass issuing reads from it; offsets in its DER. */
export interface RequestFields {
  commonName: string;
  /** CertificationRequestInfo, which the request's own key signed: from here up to before `signedEnd`. */
  signed: number;
  signedEnd: number;
  /** 65 octets, uncompressed. */
  point: number;
  /** DER Ecdsa-Sig-Value, up to before `signatureEnd`. */
  signature: number;
  signatureEnd: number;
}

const ecdsaWithSha256 = Uint8Array.from(Buffer.from('300a06082a8648ce3d040302', 'hex'));
const versionZero = Uint8Array.of(tag.integer, 1, 0);

/**
 * Finds the fields of a PKCS#10 request (RFC 2986) of the common kind: P-256, ECDSA with SHA-256, a subject that is one
 * common name in ASCII. Nothing is verified yet.
 *
 * @returns undefined for every other kind, and for what isn't a request at all: the ordinary path reads it, or says why not
 */
export function findRequestFields(der: Uint8Array): RequestFields | undefined {
  const request = readElement(der, 0);
  if (request?.tag !== tag.sequence || request.end !== der.length) return undefined;
  const [info, algorithm, signature, ...more] = readElements(der, request) ?? [];
  if (info?.tag !== tag.sequence || !algorithm || signature?.tag !== tag.bitString || more.length > 0) return undefined;
  const [version, subject, key, attributes, ...others] = readElements(der, info) ?? [];
  if (!version || subject?.tag !== tag.sequence || !key || attributes?.tag !== 0xa0 || others.length > 0) {
    return undefined;
  }
  const isCommonKind =
    isEqual(der, version.from, versionZero) &&
    isEqual(der, key.from, p256Header) &&
    isEqual(der, algorithm.from, ecdsaWithSha256) &&
    der[signature.content] === 0;
  const commonName = readSingleCommonName(der, subject);
  if (!isCommonKind || commonName === undefined || !areAttributes(der, attributes)) return undefined;
  return {
    commonName,
    signed: info.from,
    signedEnd: info.end,
    point: key.from + p256Header.length - 1,
    signature: signature.content + 1,
    signatureEnd: signature.end,
  };
}

/** Nothing is taken from them; but what isn't a request is signed for nobody. */
function areAttributes(der: Uint8Array, attributes: Element): boolean {
  const isAttribute = (element: Element): boolean => {
    const [type, values, ...more] = readElements(der, element) ?? [];
    const isOne = element.tag === tag.sequence && type?.tag === tag.objectIdentifier && values?.tag === tag.set;
    return isOne && more.length === 0 && isWellFormed(der, values, deepest);
  };
  return readElements(der, attributes)?.every(isAttribute) ?? false;
}

const constructed = 0x20;
/** Extensions that are asked for need six levels. */
const deepest = 16;

function isWellFormed(der: Uint8Array, element: Element, levels: number): boolean {
  if ((element.tag & constructed) === 0) return true;
  const parts = levels === 0 ? undefined : readElements(der, element);
  return parts?.every((part) => isWellFormed(der, part, levels - 1)) ?? false;
}
