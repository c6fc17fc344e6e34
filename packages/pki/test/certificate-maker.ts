import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { SubjectPublicKeyInfo } from '@peculiar/asn1-x509';
import { encodePem } from '../src/pem.ts';
import { publicKeyToDer } from '../src/private-key.ts';

/** DER by hand: what the tests need here is what no library would make. */
export function der(tag: number, ...content: readonly (Uint8Array | string)[]): Uint8Array {
  const body = Buffer.concat(content.map((part) => (typeof part === 'string' ? Buffer.from(part, 'utf8') : part)));
  const size = body.length;
  const length =
    size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : size < 0x10000 ? [0x82, size >> 8, size & 0xff] : undefined;
  if (!length) throw new RangeError('too long for a test');
  return Buffer.concat([Uint8Array.of(tag, ...length), body]);
}

export const sequence = (...content: readonly Uint8Array[]): Uint8Array => der(0x30, ...content);
export const octets = (content: Uint8Array): Uint8Array => der(0x04, content);
export const boolean = (value: boolean): Uint8Array => der(0x01, Uint8Array.of(value ? 0xff : 0));
export const integer = (value: number): Uint8Array => der(0x02, Uint8Array.of(value));

export function oid(text: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const base128 = (value: number): number[] =>
    value < 0x80 ? [value] : [...base128(Math.floor(value / 0x80)).map((part) => part | 0x80), value & 0x7f];
  return der(0x06, Uint8Array.from([first * 40 + second, ...rest.flatMap(base128)]));
}

export type KeyKind = 'P-256' | 'P-384' | 'P-521' | 'secp256k1' | 'RSA-1024' | 'RSA-2048' | 'RSA-3072' | 'Ed25519';

const curves: Partial<Record<KeyKind, string>> = {
  'P-256': 'prime256v1',
  'P-384': 'secp384r1',
  'P-521': 'secp521r1',
  secp256k1: 'secp256k1',
};
const pool = new Map<string, KeyObject>();

/** A key of the kind, the same one for the same owner: making RSA keys takes long. */
export function keyFor(kind: KeyKind, owner: string): KeyObject {
  const known = pool.get(`${kind} ${owner}`);
  if (known) return known;
  const namedCurve = curves[kind];
  const pair = namedCurve
    ? generateKeyPairSync('ec', { namedCurve })
    : kind === 'Ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('rsa', { modulusLength: Number(kind.slice(4)) });
  pool.set(`${kind} ${owner}`, pair.privateKey);
  return pair.privateKey;
}

type Hash = 'sha1' | 'sha256' | 'sha384' | 'sha512';

export interface MadeCertificate {
  der: Uint8Array;
  pem: string;
  name: Uint8Array;
  /** Name of its issuer, and content of its serial number: what an authority key identifier may call it by. */
  issuerName: Uint8Array;
  serial: Uint8Array;
  key: KeyObject;
  kind: KeyKind;
  keyId: Uint8Array;
  isRoot: boolean;
}

export interface CertificatePlan {
  /** Common name, or a whole Name as DER. */
  name: string | Uint8Array;
  kind?: KeyKind;
  /** Default: itself. */
  issuer?: MadeCertificate;
  /** What stands as issuer, where that is something else. */
  issuerName?: Uint8Array;
  notBefore?: string;
  notAfter?: string;
  extensions?: readonly Uint8Array[];
  /** Default: both. */
  keyIds?: { subject?: boolean; authority?: boolean; authorityIs?: Uint8Array };
  /** Content of the whole authority key identifier, instead. */
  authorityKeyId?: readonly Uint8Array[];
  /** Content of the serial number; default: nine octets, random. */
  serial?: Uint8Array;
  /** 0: version 1. */
  version?: number;
  hash?: Hash;
  /** Signs instead of the issuer's key. */
  signer?: KeyObject;
  /** Owner's name for keyFor; default: its common name. */
  owner?: string;
}

export function makeRaw(plan: CertificatePlan): MadeCertificate {
  const { name, kind = plan.issuer?.kind ?? 'P-256', issuer, version = 2 } = plan;
  const serial = plan.serial ?? Buffer.concat([Uint8Array.of(1), randomBytes(8)]);
  const subject = typeof name === 'string' ? nameOf(name) : name;
  const key = keyFor(kind, plan.owner ?? Buffer.from(subject).toString('hex'));
  const publicKey = publicKeyToDer(key);
  const keyId = createHash('sha1').update(bitStringOf(publicKey)).digest();
  const signerKind = issuer?.kind ?? kind;
  const algorithm = signatureAlgorithm(signerKind, plan.hash);
  const issuerName = plan.issuerName ?? issuer?.name ?? subject;
  const authorityKeyId = plan.authorityKeyId ?? [der(0x80, plan.keyIds?.authorityIs ?? issuer?.keyId ?? keyId)];
  const extensions = [
    ...(plan.extensions ?? []),
    ...(plan.keyIds?.subject === false ? [] : [extension('2.5.29.14', octets(keyId))]),
    ...(plan.keyIds?.authority === false ? [] : [extension('2.5.29.35', sequence(...authorityKeyId))]),
  ];
  const tbs = sequence(
    ...(version === 0 ? [] : [der(0xa0, integer(version))]),
    der(0x02, serial),
    algorithm.identifier,
    issuerName,
    sequence(time(plan.notBefore ?? '2026-01-01T00:00:00Z'), time(plan.notAfter ?? '2036-01-01T00:00:00Z')),
    subject,
    publicKey,
    ...(extensions.length === 0 || (version === 0 && !plan.extensions) ? [] : [der(0xa3, sequence(...extensions))]),
  );
  const signature = sign(algorithm.hash, tbs, plan.signer ?? issuer?.key ?? key);
  const whole = sequence(tbs, algorithm.identifier, der(0x03, Uint8Array.of(0), signature));
  const pem = encodePem('CERTIFICATE', whole);
  return { der: whole, pem, name: subject, issuerName, serial, key, kind, keyId, isRoot: !issuer };
}

export function nameOf(commonName: string, tag = 0x0c): Uint8Array {
  return sequence(der(0x31, sequence(oid('2.5.4.3'), der(tag, commonName))));
}

export function extension(id: string, value: Uint8Array, critical = false): Uint8Array {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value));
}

export function basicConstraints(ca: boolean, pathLength?: number, critical = true): Uint8Array {
  const parts = [...(ca ? [boolean(true)] : []), ...(pathLength === undefined ? [] : [integer(pathLength)])];
  return extension('2.5.29.19', sequence(...parts), critical);
}

/** Bits by RFC 5280 section 4.2.1.3: 0 digitalSignature, 2 keyEncipherment, 4 keyAgreement, 5 keyCertSign, 6 cRLSign. */
export function keyUsage(...bits: readonly number[]): Uint8Array {
  const byte = bits.reduce((sum, bit) => sum | (0x80 >> bit), 0);
  const unused = bits.length === 0 ? 0 : 7 - Math.max(...bits);
  return extension('2.5.29.15', der(0x03, Uint8Array.of(unused, byte)), true);
}

export const usageId = {
  clientAuth: '1.3.6.1.5.5.7.3.2',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  any: '2.5.29.37.0',
};

export function extendedKeyUsage(...ids: readonly string[]): Uint8Array {
  return extension('2.5.29.37', sequence(...ids.map(oid)));
}

function time(iso: string): Uint8Array {
  const digits = iso.replace(/[-:T]/g, '').replace('.000', '');
  return Number(digits.slice(0, 4)) < 2050 ? der(0x17, digits.slice(2)) : der(0x18, digits);
}

/** Content of the BIT STRING at the end of a SubjectPublicKeyInfo. */
function bitStringOf(publicKey: Uint8Array): Uint8Array {
  return new Uint8Array(AsnConvert.parse(publicKey, SubjectPublicKeyInfo).subjectPublicKey);
}

function signatureAlgorithm(kind: KeyKind, wanted: Hash | undefined): { identifier: Uint8Array; hash: Hash | null } {
  if (kind === 'Ed25519') return { identifier: sequence(oid('1.3.101.112')), hash: null };
  const hash = wanted ?? (kind === 'P-384' ? 'sha384' : kind === 'P-521' ? 'sha512' : 'sha256');
  const ecdsa = { sha1: '4.1', sha256: '4.3.2', sha384: '4.3.3', sha512: '4.3.4' }[hash];
  const rsa = { sha1: 5, sha256: 11, sha384: 12, sha512: 13 }[hash];
  return kind.startsWith('RSA')
    ? { identifier: sequence(oid(`1.2.840.113549.1.1.${rsa}`), der(0x05)), hash }
    : { identifier: sequence(oid(`1.2.840.10045.${ecdsa}`)), hash };
}
