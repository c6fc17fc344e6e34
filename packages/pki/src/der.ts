/** Universal tags (X.690 section 8) that certificates and requests are made of. */
export const tag = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Where an element lies in its buffer: the tag's octet at `from`, content from `content` up to before `end`. */
export interface Element {
  tag: number;
  from: number;
  content: number;
  end: number;
}

/** The element that begins at an offset; undefined: it isn't DER with a length of at most three octets, or doesn't fit. */
export function readElement(der: Uint8Array, from: number, limit = der.length): Element | undefined {
  const first = der[from + 1];
  if (first === undefined) return undefined;
  let content = from + 2;
  let length = first;
  if (first >= 0x80) {
    const octets = first & 0x7f;
    if (octets === 0 || octets > 3) return undefined;
    length = 0;
    for (; content < from + 2 + octets; content += 1) length = length * 256 + (der[content] ?? Infinity);
    // DER has one way to write a length: the shortest.
    if (length < (octets === 1 ? 0x80 : 256 ** (octets - 1))) return undefined;
  }
  const end = content + length;
  return end <= limit ? { tag: der[from] ?? 0, from, content, end } : undefined;
}

/** The elements of which an element consists; undefined where one of them is malformed. */
export function readElements(
  der: Uint8Array,
  { content, end }: Pick<Element, 'content' | 'end'>,
): Element[] | undefined {
  const elements: Element[] = [];
  for (let from = content; from < end;) {
    const element = readElement(der, from, end);
    if (!element) return undefined;
    elements.push(element);
    from = element.end;
  }
  return elements;
}

/** Of things that were read: all of them, or undefined where one could not be. */
export function allOf<T>(list: readonly (T | undefined)[] | undefined): T[] | undefined {
  const found = list?.filter((each) => each !== undefined);
  return found?.length === list?.length ? found : undefined;
}

/** One element around the given octets. */
export function encodeElement(tagOctet: number, ...content: readonly Uint8Array[]): Buffer {
  const length = content.reduce((sum, { length: octets }) => sum + octets, 0);
  return Buffer.concat([Uint8Array.of(tagOctet), encodeLength(length), ...content]);
}

export function encodeLength(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  if (length < 0x100) return Uint8Array.of(0x81, length);
  if (length < 0x10000) return Uint8Array.of(0x82, length >> 8, length & 0xff);
  return Uint8Array.of(0x83, length >> 16, (length >> 8) & 0xff, length & 0xff);
}

const commonName = Uint8Array.of(tag.objectIdentifier, 3, 0x55, 0x04, 0x03);

/** Name with a common name and nothing else, as UTF8String. */
export function encodeCommonName(name: string): Buffer {
  const attribute = encodeElement(tag.sequence, commonName, encodeElement(tag.utf8String, Buffer.from(name, 'utf8')));
  return encodeElement(tag.sequence, encodeElement(tag.set, attribute));
}

/** The text of a name that is a single common name in ASCII; undefined: it is another one. */
export function readSingleCommonName(der: Uint8Array, name: Element): string | undefined {
  const [set, ...moreSets] = readElements(der, name) ?? [];
  const [attribute, ...moreAttributes] = (set && readElements(der, set)) ?? [];
  const [type, value, ...moreValues] = (attribute && readElements(der, attribute)) ?? [];
  if (!type || !value || moreSets.length + moreAttributes.length + moreValues.length > 0) return undefined;
  if (set?.tag !== tag.set || attribute?.tag !== tag.sequence) return undefined;
  if (value.tag !== tag.utf8String && value.tag !== tag.printableString) return undefined;
  if (!isEqual(der, type.from, commonName)) return undefined;
  const octets = der.subarray(value.content, value.end);
  return octets.every((octet) => octet < 0x80) ? String.fromCharCode(...octets) : undefined;
}

/** Whether these octets stand at a place. */
export function isEqual(der: Uint8Array, from: number, expected: Uint8Array): boolean {
  return from + expected.length <= der.length && expected.every((octet, index) => der[from + index] === octet);
}
