/** One element of DER, with what it consists of. */
export interface DerNode {
  tag: number;
  /** With its tag and length. */
  whole: Uint8Array;
  content: Uint8Array;
  children: readonly DerNode[];
}

/**
 * Reads DER as X.690 section 10 and 11 want it and no other way; written for the tests, so that nothing of what is tested is
 * used to test it.
 *
 * @param deviations - gets a sentence for everything that isn't DER
 */
export function readDer(bytes: Uint8Array, deviations: string[]): DerNode {
  const { node, end } = readNode(bytes, 0, deviations);
  if (end !== bytes.length) deviations.push(`${bytes.length - end} octets behind the end`);
  return node;
}

function readNode(bytes: Uint8Array, start: number, deviations: string[]): { node: DerNode; end: number } {
  const tag = at(bytes, start);
  if ((tag & 0x1f) === 0x1f) deviations.push('a tag of several octets');
  const { length, content: from } = readLength(bytes, start + 1, deviations);
  const end = from + length;
  if (end > bytes.length) throw new RangeError(`element at ${start} goes beyond the end`);
  const content = bytes.subarray(from, end);
  const children: DerNode[] = [];
  if (tag & 0x20) {
    for (let next = from; next < end;) {
      const child = readNode(bytes.subarray(0, end), next, deviations);
      children.push(child.node);
      next = child.end;
    }
  }
  const node = { tag, whole: bytes.subarray(start, end), content, children };
  deviations.push(...checkNode(node));
  return { node, end };
}

function readLength(bytes: Uint8Array, start: number, deviations: string[]): { length: number; content: number } {
  const first = at(bytes, start);
  if (first < 0x80) return { length: first, content: start + 1 };
  const count = first & 0x7f;
  if (count === 0) throw new RangeError('indefinite length (X.690 section 10.1)');
  let length = 0;
  for (let index = 1; index <= count; index += 1) length = length * 256 + at(bytes, start + index);
  if (length < 0x80 || at(bytes, start + 1) === 0) deviations.push(`length ${length} not in its shortest form (10.1)`);
  return { length, content: start + 1 + count };
}

/** X.690 sections 8.3.2, 8.19.2, 11.1, 11.2, 11.6; RFC 5280 sections 4.1.2.5.1 and 4.1.2.5.2. */
function checkNode({ tag, content, children }: DerNode): string[] {
  const [first = 0, second = 0] = content;
  const text = Buffer.from(content).toString('latin1');
  const whole = Buffer.from(content);
  switch (tag) {
    case 0x01:
      return sayIf(
        content.length !== 1 || (first !== 0 && first !== 0xff),
        'a BOOLEAN that is neither 00 nor FF (11.1)',
      );
    case 0x02: {
      const isPadded = content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
      return sayIf(content.length === 0 || isPadded, 'an INTEGER not in its shortest form (8.3.2)');
    }
    case 0x03: {
      const mask = (1 << first) - 1;
      const isWrong = content.length === 0 || first > 7 || ((whole.at(-1) ?? 0) & mask) !== 0;
      return sayIf(isWrong, 'a BIT STRING with unused bits that are set (11.2.1)');
    }
    case 0x05:
      return sayIf(content.length > 0, 'a NULL with content');
    case 0x06:
      return sayIf(
        /(?:^|[^\x80-\xff])\x80/.test(text) || first === 0x80,
        'an OBJECT IDENTIFIER not in its shortest form',
      );
    case 0x17:
      return sayIf(!/^\d{12}Z$/.test(text), `UTCTime "${text}" is not YYMMDDHHMMSSZ (4.1.2.5.1)`);
    case 0x18:
      return sayIf(!/^\d{14}Z$/.test(text), `GeneralizedTime "${text}" is not YYYYMMDDHHMMSSZ (4.1.2.5.2)`);
    case 0x31: {
      const sorted = children.map(({ whole: each }) => Buffer.from(each)).sort((a, b) => Buffer.compare(a, b));
      return sayIf(!Buffer.concat(sorted).equals(whole), 'a SET that is not sorted (11.6)');
    }
    default:
      return sayIf(
        [0x23, 0x24, 0x2c, 0x33, 0x10, 0x11].includes(tag),
        `tag ${tag.toString(16)} in the wrong form (10.2)`,
      );
  }
}

export function sayIf(isWrong: boolean, deviation: string): string[] {
  return isWrong ? [deviation] : [];
}

function at(bytes: Uint8Array, index: number): number {
  const octet = bytes[index];
  if (octet === undefined) throw new RangeError('cut off');
  return octet;
}
