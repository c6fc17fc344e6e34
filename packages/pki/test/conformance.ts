import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { readDer, sayIf, type DerNode } from './strict-der.ts';

/** Which profile a certificate is issued under. */
export type CertificateKind = 'root' | 'line' | 'device' | 'proof' | 'renewal' | 'cross';

export interface ConformanceSubject {
  certificateDer: Uint8Array;
  /** A root's is its own. */
  issuerDer: Uint8Array;
  kind: CertificateKind;
  /** Common name that a device's certificate has to have. */
  registrationId?: string;
  /** What a renewal renews. */
  previousDer?: Uint8Array;
  /** Of an authority; default: 1 for a root, 0 for a line. */
  pathLength?: number;
}

/**
 * The one conformance suite for every way of issuing: RFC 5280 to the letter, and what the CA/Browser Forum's Baseline
 * Requirements add that makes sense in a private PKI (serial numbers, algorithms, key sizes).
 *
 * Uses nothing of the package.
 *
 * @returns what deviates, in words; empty: nothing
 */
export function checkConformance(subject: ConformanceSubject): string[] {
  const deviations: string[] = [];
  try {
    const own = readCertificate(subject.certificateDer, deviations);
    const issuer = readCertificate(subject.issuerDer, []);
    deviations.push(
      ...checkFrame(own),
      ...checkAlgorithms(own, issuer),
      ...checkValidity(own, issuer),
      ...checkNames(own, issuer, subject),
      ...checkExtensions(own, issuer, subject),
      ...checkSignature(subject),
      ...(subject.previousDer ? checkRenewal(own, readCertificate(subject.previousDer, [])) : []),
    );
  } catch (error) {
    deviations.push(`unreadable: ${String(error)}`);
  }
  return deviations;
}

interface Certificate {
  outer: readonly DerNode[];
  tbs: readonly DerNode[];
  version: DerNode;
  serial: DerNode;
  algorithm: DerNode;
  issuer: DerNode;
  times: readonly DerNode[];
  subject: DerNode;
  publicKey: DerNode;
  extensions: readonly Extension[];
}

interface Extension {
  id: string;
  isCritical: boolean;
  value: Uint8Array;
}

const oid = {
  commonName: '550403',
  subjectKeyId: '551d0e',
  keyUsage: '551d0f',
  basicConstraints: '551d13',
  authorityKeyId: '551d23',
  extendedKeyUsage: '551d25',
  ecPublicKey: '2a8648ce3d0201',
  rsaEncryption: '2a864886f70d010101',
};

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function child(node: DerNode | undefined, ...path: readonly number[]): DerNode {
  const found = path.reduce<DerNode | undefined>((each, index) => each?.children[index], node);
  if (!found) throw new RangeError('an element is missing');
  return found;
}

function readCertificate(bytes: Uint8Array, deviations: string[]): Certificate {
  const whole = readDer(bytes, deviations);
  const tbs = child(whole, 0).children;
  const field = (index: number): DerNode => {
    const found = tbs[index];
    if (!found) throw new RangeError(`field ${index} of TBSCertificate is missing`);
    return found;
  };
  return {
    outer: whole.children,
    tbs,
    version: field(0),
    serial: field(1),
    algorithm: field(2),
    issuer: field(3),
    times: field(4).children,
    subject: field(5),
    publicKey: field(6),
    extensions: child(field(7), 0).children.map((extension) => readExtension(extension, deviations)),
  };
}

function readExtension({ children }: DerNode, deviations: string[]): Extension {
  const [id, second] = children;
  const value = children.at(-1);
  if (!id || !second || value?.tag !== 0x04) throw new RangeError('an extension is malformed');
  const isFlagged = children.length === 3;
  // X.690 section 11.5: a default value is left out.
  if (isFlagged && second.content[0] !== 0xff) deviations.push('"critical FALSE" is written out (X.690 section 11.5)');
  readDer(value.content, deviations);
  return { id: hex(id.content), isCritical: isFlagged, value: value.content };
}

/** Sections 4.1, 4.1.2.1, 4.1.2.2, 4.1.2.8; Baseline Requirements 7.1: at least 64 random bits, ours have 128. */
function checkFrame({ outer, tbs, version, serial }: Certificate): string[] {
  const octets = serial.content.length;
  const isPositive = (serial.content[0] ?? 0xff) < 0x80 && serial.content.some((octet) => octet > 0);
  return [
    ...sayIf(outer.length !== 3, 'a certificate is not three parts (4.1)'),
    ...sayIf(hex(version.whole) !== 'a003020102', 'not version 3 (4.1.2.1)'),
    ...sayIf(!isPositive, 'the serial number is not positive (4.1.2.2)'),
    ...sayIf(octets > 20, `the serial number has ${octets} octets, more than 20 (4.1.2.2)`),
    ...sayIf(octets < 16, `the serial number has ${octets} octets, too few for 128 random bits`),
    ...sayIf(tbs.length !== 8, 'unique identifiers, or no extensions (4.1.2.8)'),
    ...sayIf(outer[2]?.tag !== 0x03 || outer[2].content[0] !== 0, 'the signature is not a whole BIT STRING (4.1.1.3)'),
  ];
}

/** Sections 4.1.1.2 and 4.1.2.7; RFC 3279, 4055 section 5, 5480 section 2.1.1, 5758 section 3.2. */
function checkAlgorithms({ outer, algorithm, publicKey }: Certificate, issuer: Certificate): string[] {
  const byKey: Readonly<Record<string, string>> = {
    '301306072a8648ce3d020106082a8648ce3d030107': '300a06082a8648ce3d040302', // P-256: SHA-256, no parameters
    '301006072a8648ce3d020106052b81040022': '300a06082a8648ce3d040303', // P-384: SHA-384, no parameters
    '300d06092a864886f70d0101010500': '300d06092a864886f70d01010b0500', // RSA: SHA-256, NULL
  };
  const issuerKey = hex(child(issuer.publicKey, 0).whole);
  const ownKey = hex(child(publicKey, 0).whole);
  const bits = child(publicKey, 1).content;
  const key = createPublicKey({ key: Buffer.from(publicKey.whole), format: 'der', type: 'spki' });
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  const isRsa = ownKey.includes(oid.rsaEncryption);
  return [
    ...sayIf(hex(outer[1]?.whole ?? new Uint8Array()) !== hex(algorithm.whole), 'two signature algorithms (4.1.1.2)'),
    ...sayIf(byKey[issuerKey] !== hex(algorithm.whole), `signature algorithm ${hex(algorithm.whole)} for ${issuerKey}`),
    ...sayIf(!(ownKey in byKey), `key algorithm ${ownKey}`),
    ...sayIf(ownKey.includes(oid.ecPublicKey) && bits[1] !== 0x04, 'an elliptic point that is not uncompressed'),
    ...sayIf(
      isRsa && (modulusLength < 2048 || publicExponent < 65537n || publicExponent % 2n === 0n),
      'a weak RSA key (Baseline Requirements 6.1.5 and 6.1.6)',
    ),
  ];
}

/** Section 4.1.2.5: UTCTime up to 2049, GeneralizedTime from 2050; inside of the issuer's at both ends. */
function checkValidity({ times }: Certificate, issuer: Certificate): string[] {
  const [from = 0, until = 0] = times.map(timeOf);
  const [issuerFrom = 0, issuerUntil = 0] = issuer.times.map(timeOf);
  const isWrongKind = ({ tag, content }: DerNode): boolean =>
    new Date(timeOf({ tag, content })).getUTCFullYear() < 2050 !== (tag === 0x17);
  return [
    ...sayIf(
      times.length !== 2 || times.some(isWrongKind),
      'UTCTime and GeneralizedTime the wrong way round (4.1.2.5)',
    ),
    ...sayIf(!(from <= until), 'it ends before it begins (4.1.2.5)'),
    ...sayIf(from < issuerFrom, 'it begins before its issuer'),
    ...sayIf(until > issuerUntil, 'it outlives its issuer'),
  ];
}

function timeOf({ tag, content }: Pick<DerNode, 'tag' | 'content'>): number {
  const text = Buffer.from(content).toString('latin1');
  const century = Number(text.slice(0, 2)) < 50 ? '20' : '19';
  const digits = tag === 0x17 ? century + text : text;
  return Date.parse(digits.replace(/^(....)(..)(..)(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

/** Sections 4.1.2.4, 4.1.2.6, appendix A.1 (ub-common-name). */
function checkNames(own: Certificate, issuer: Certificate, { kind, registrationId }: ConformanceSubject): string[] {
  const [relative, ...more] = own.subject.children;
  const value = child(relative, 0, 1);
  const text = Buffer.from(value.content).toString('utf8');
  const isCommonName = hex(child(relative, 0, 0).content) === oid.commonName && relative?.children.length === 1;
  const length = Array.from(text).length;
  return [
    ...sayIf(
      hex(own.issuer.whole) !== hex(issuer.subject.whole),
      "the issuer is not the issuer's subject, octet for octet",
    ),
    ...sayIf(kind === 'root' && hex(own.issuer.whole) !== hex(own.subject.whole), 'a root that does not name itself'),
    ...sayIf(more.length > 0 || !isCommonName, 'the subject is not a common name alone'),
    ...sayIf(value.tag !== 0x0c && value.tag !== 0x13, 'a name that is no UTF8String or PrintableString (4.1.2.4)'),
    ...sayIf(length < 1 || length > 64, `a common name of ${length} characters`),
    ...sayIf(
      registrationId !== undefined && text !== registrationId,
      `common name "${text}", not "${registrationId ?? ''}"`,
    ),
  ];
}

/** Section 4.2 and its parts: which extensions, how often, critical or not, and their content to the octet. */
function checkExtensions(own: Certificate, issuer: Certificate, subject: ConformanceSubject): string[] {
  const expected = expectedExtensions(own, issuer, subject);
  const ids = own.extensions.map(({ id }) => id);
  return [
    ...sayIf(new Set(ids).size !== ids.length, 'an extension is there twice (4.2)'),
    ...ids.filter((id) => !(id in expected)).map((id) => `extension ${id} has no place in this profile`),
    ...Object.entries(expected).flatMap(([id, [isCritical, value]]) => {
      const found = own.extensions.find((extension) => extension.id === id);
      if (!found) return [`extension ${id} is missing`];
      return [
        ...sayIf(found.isCritical !== isCritical, `extension ${id} is ${isCritical ? 'not ' : ''}critical`),
        ...sayIf(hex(found.value) !== value, `extension ${id} is ${hex(found.value)}, expected ${value}`),
      ];
    }),
  ];
}

function expectedExtensions(
  own: Certificate,
  issuer: Certificate,
  { kind, pathLength = kind === 'root' ? 1 : 0 }: ConformanceSubject,
): Record<string, readonly [isCritical: boolean, value: string]> {
  const keyIds = {
    [oid.subjectKeyId]: [false, `0414${keyIdOf(own)}`],
    [oid.authorityKeyId]: [false, `30168014${keyIdOf(issuer)}`],
  } as const;
  if (kind === 'root' || kind === 'line' || kind === 'cross') {
    const length = pathLength.toString(16).padStart(2, '0');
    return {
      ...keyIds,
      [oid.basicConstraints]: [true, `30060101ff0201${length}`],
      [oid.keyUsage]: [true, '03020106'], // keyCertSign, cRLSign
    };
  }
  return {
    ...keyIds,
    [oid.basicConstraints]: [true, '3000'], // CA:FALSE is the default, and left out
    [oid.keyUsage]: [true, '03020780'], // digitalSignature
    ...(kind === 'proof' ? {} : { [oid.extendedKeyUsage]: [false, '300a06082b06010505070302'] as const }), // clientAuth
  };
}

/** Section 4.2.1.2, method 1. */
function keyIdOf({ publicKey }: Certificate): string {
  return createHash('sha1').update(child(publicKey, 1).content.subarray(1)).digest('hex');
}

function checkSignature({ certificateDer, issuerDer }: ConformanceSubject): string[] {
  const issuer = new X509Certificate(issuerDer);
  const own = new X509Certificate(certificateDer);
  return [
    ...sayIf(!own.verify(issuer.publicKey), 'not signed by its issuer'),
    ...sayIf(!own.checkIssued(issuer), 'OpenSSL does not find it issued by its issuer'),
  ];
}

function checkRenewal(own: Certificate, previous: Certificate): string[] {
  return [
    ...sayIf(hex(own.subject.whole) !== hex(previous.subject.whole), 'a renewal under another name'),
    ...sayIf(hex(own.publicKey.whole) === hex(previous.publicKey.whole), 'a renewal with the old key'),
    ...sayIf(hex(own.serial.content) === hex(previous.serial.content), 'a renewal with the old serial number'),
  ];
}
