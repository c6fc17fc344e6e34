import { allOf, readElement, readElements, tag, type Element } from './der.ts';

/** A name of whatever kind, as alternative names and name constraints write it (RFC 5280 section 4.2.1.6). */
export interface GeneralName {
  /** As RFC 5280 calls it; other names (`otherName`) also say which. */
  kind: string;
  /** What stands between tag and end; undefined: in a form that is not judged. */
  octets: Uint8Array | undefined;
}

const kinds: Readonly<Record<number, string>> = {
  0x81: 'rfc822Name',
  0x82: 'dNSName',
  0xa3: 'x400Address',
  0xa4: 'directoryName',
  0xa5: 'ediPartyName',
  0x86: 'uniformResourceIdentifier',
  0x87: 'iPAddress',
  0x88: 'registeredID',
};
const otherName = 0xa0;
/** SmtpUTF8Mailbox, 1.3.6.1.5.5.7.8.9: an e-mail address, to which the constraints on those apply (RFC 9598 section 6). */
const smtpUtf8Mailbox = '2b06010505070809';

/** GeneralNames; undefined: not readable. */
export function readGeneralNames(der: Uint8Array): GeneralName[] | undefined {
  const list = readElement(der, 0);
  if (list?.tag !== tag.sequence || list.end !== der.length) return undefined;
  return allOf(readElements(der, list)?.map((element) => readGeneralName(der, element)));
}

/** One GeneralName; undefined: it is none. */
export function readGeneralName(der: Uint8Array, element: Element): GeneralName | undefined {
  if (element.tag === otherName) return readOtherName(der, element);
  const kind = kinds[element.tag];
  return kind === undefined ? undefined : { kind, octets: der.subarray(element.content, element.end) };
}

function readOtherName(der: Uint8Array, element: Element): GeneralName | undefined {
  const [type] = readElements(der, element) ?? [];
  if (type?.tag !== tag.objectIdentifier) return undefined;
  const id = Buffer.from(der.subarray(type.content, type.end)).toString('hex');
  return { kind: id === smtpUtf8Mailbox ? 'rfc822Name' : `otherName (${id})`, octets: undefined };
}
