import { encodeElement, readElements, tag, type Element } from '../der.ts';

/** Tags that revocation lists have besides those of certificates and requests (X.690 section 8). */
export const crlTag = {
  boolean: 0x01,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  context0: 0xa0,
} as const;

/** Extensions of a list and of its entries (RFC 5280 sections 5.2 and 5.3): the last octet of 2.5.29.x. */
export const crlExtension = { number: 20, reason: 21, invalidityDate: 24, authorityKeyId: 35 } as const;

/** An extension that was read. */
export interface ReadExtension {
  /** Dotted. */
  id: string;
  isCritical: boolean;
  value: Uint8Array;
}

/** Time of RFC 5280 section 5.1.2.4: UTCTime up to 2049, GeneralizedTime from then on. */
export function encodeTime(date: Date): Buffer {
  return date.getUTCFullYear() < 2050
    ? encodeElement(crlTag.utcTime, Buffer.from(digitsOf(date).slice(2), 'latin1'))
    : encodeGeneralizedTime(date);
}

export function encodeGeneralizedTime(date: Date): Buffer {
  return encodeElement(crlTag.generalizedTime, Buffer.from(digitsOf(date), 'latin1'));
}

/** @throws {TypeError} not in the only form that RFC 5280 allows, whole seconds and `Z` */
export function decodeTime(der: Uint8Array, element: Element | undefined): Date {
  const text = element ? Buffer.from(der.subarray(element.content, element.end)).toString('latin1') : '';
  const isShort = element?.tag === crlTag.utcTime;
  const digits = isShort ? `${Number(text.slice(0, 2)) < 50 ? 20 : 19}${text}` : text;
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits);
  if (!parts || !(isShort || element?.tag === crlTag.generalizedTime)) throw new TypeError('not a time');
  const [, year, month, day, hour, minute, second] = parts;
  const date = new Date(`${year ?? ''}-${month ?? ''}-${day ?? ''}T${hour ?? ''}:${minute ?? ''}:${second ?? ''}Z`);
  if (Number.isNaN(date.getTime())) throw new TypeError('no such time');
  return date;
}

/** An extension under 2.5.29 that isn't critical. */
export function encodeExtension(last: number, value: Uint8Array): Buffer {
  const id = encodeElement(tag.objectIdentifier, Uint8Array.of(0x55, 0x1d, last));
  return encodeElement(tag.sequence, id, encodeElement(tag.octetString, value));
}

/** @throws {TypeError} malformed */
export function decodeExtensions(der: Uint8Array, extensions: Element): ReadExtension[] {
  return children(der, extensions).map((extension) => {
    const parts = children(der, extension);
    const [id, value] = [parts[0], parts.at(-1)];
    const [, critical] = parts;
    const isFlagged = parts.length === 3 && critical?.tag === crlTag.boolean;
    if (!id || !value || id.tag !== tag.objectIdentifier || value.tag !== tag.octetString)
      throw new TypeError('extension');
    if (parts.length !== (isFlagged ? 3 : 2)) throw new TypeError('extension');
    return {
      id: dotted(contentOf(der, id)),
      isCritical: isFlagged && der[critical.content] !== 0,
      value: contentOf(der, value),
    };
  });
}

/** The elements of which one consists. @throws {TypeError} malformed */
export function children(der: Uint8Array, element: Element): Element[] {
  const found = readElements(der, element);
  if (!found) throw new TypeError('not DER');
  return found;
}

export function contentOf(der: Uint8Array, { content, end }: Element): Uint8Array {
  return der.subarray(content, end);
}

export function wholeOf(der: Uint8Array, { from, end }: Element): Uint8Array {
  return der.subarray(from, end);
}

function digitsOf(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace(/[-T:]/g, '')}Z`;
}

/** X.690 section 8.19. */
export function dotted(octets: Uint8Array): string {
  const numbers: bigint[] = [];
  let number = 0n;
  for (const octet of octets) {
    number = (number << 7n) | BigInt(octet & 0x7f);
    if (octet >= 0x80) continue;
    numbers.push(number);
    number = 0n;
  }
  const [first = 0n, ...rest] = numbers;
  const root = first < 80n ? first / 40n : 2n;
  return [root, first - root * 40n, ...rest].join('.');
}
