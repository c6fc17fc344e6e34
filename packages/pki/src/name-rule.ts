import { isBelow } from './distinguished-name.ts';
import { Name } from './engine.ts';

/** How names of one kind are compared with constraints (RFC 5280 section 4.2.1.10). */
export interface NameRule<T> {
  /** What verifiers find in a name: one thing, or two where they differ; undefined: it is malformed. */
  readName: (octets: Uint8Array) => readonly T[] | undefined;
  /** Undefined: it is malformed. */
  readBase: (octets: Uint8Array) => T | undefined;
  isWithin: (name: T, base: T) => boolean;
  /** For the message. */
  describe: (octets: Uint8Array) => string;
}

const quoted = (octets: Uint8Array): string => JSON.stringify(Buffer.from(octets).toString('latin1'));

export const directoryRule: NameRule<Name> = {
  readName: (octets) => listed(readDirectoryName(octets)),
  readBase: readDirectoryName,
  isWithin: isBelow,
  describe: (octets) => JSON.stringify(readDirectoryName(octets)?.toString() ?? ''),
};

function readDirectoryName(octets: Uint8Array): Name | undefined {
  try {
    return new Name(octets);
  } catch {
    return undefined;
  }
}

/** Labels may be added in front; a base that begins with a dot needs one, as for OpenSSL: RFC 5280 knows no such dot. */
export const dnsRule: NameRule<string> = {
  readName: (octets) => listed(readText(octets)?.toLowerCase()),
  readBase: (octets) => readText(octets)?.toLowerCase(),
  isWithin: (name, base) => base === '' || name === base || name.endsWith(base.startsWith('.') ? base : `.${base}`),
  describe: quoted,
};

/** A constraint is a mailbox, a host, or a domain: that one begins with a dot and stands for the hosts below it. */
export const mailRule: NameRule<string> = {
  readName: (octets) => listed(readMailbox(octets)),
  readBase: (octets) => readMailbox(octets) ?? readHostOrDomain(octets),
  isWithin: (name, base) =>
    base.includes('@') ? name === base : name.endsWith(base.startsWith('.') ? base : `@${base}`),
  describe: quoted,
};

/** Only a host is the same in capitals. */
function readMailbox(octets: Uint8Array): string | undefined {
  const text = readText(octets) ?? '';
  const at = text.lastIndexOf('@');
  const host = text.slice(at + 1);
  return at > 0 && isHost(host) ? text.slice(0, at + 1) + host.toLowerCase() : undefined;
}

/** A constraint is a host, or a domain as for e-mail. */
export const uriRule: NameRule<string> = {
  readName: readHosts,
  readBase: readHostOrDomain,
  isWithin: (host, base) => (base.startsWith('.') ? host.endsWith(base) : host === base),
  describe: quoted,
};

/**
 * The host after RFC 3986 section 3.2, and what OpenSSL 3.0 takes for it: all up to the next colon, else the next slash. RFC
 * 5280 has a URI refused that names no host, or an IP address.
 */
function readHosts(octets: Uint8Array): readonly string[] | undefined {
  const text = readText(octets)?.toLowerCase() ?? '';
  const [, rest] = /^[a-z][a-z\d+.-]*:\/\/(.*)$/.exec(text) ?? [];
  const [authority = ''] = rest?.split(/[/?#]/, 1) ?? [];
  const host = authority.slice(authority.lastIndexOf('@') + 1).replace(/:\d*$/, '');
  if (rest === undefined || !isDomainName(host) || endsInNumber(host)) return undefined;
  const [taken = ''] = rest.split(rest.includes(':') ? ':' : '/', 1);
  return [host, taken];
}

/** Addresses as bits, a constraint as those that count: a name begins with them. */
export const addressRule: NameRule<string> = {
  readName: (octets) => (octets.length === 4 || octets.length === 16 ? [bitsOf(octets)] : undefined),
  readBase: readPrefix,
  isWithin: (name, base) => name.startsWith(base),
  describe: (octets) =>
    octets.length === 4
      ? octets.join('.')
      : (Buffer.from(octets)
          .toString('hex')
          .match(/.{1,4}/g)
          ?.join(':') ?? '""'),
};

/** Address and mask; a mask has its ones in front (RFC 4632), which OpenSSL doesn't insist on. */
function readPrefix(octets: Uint8Array): string | undefined {
  const half = octets.length / 2;
  if (half !== 4 && half !== 16) return undefined;
  const [address, mask] = [bitsOf(octets.subarray(0, half)), bitsOf(octets.subarray(half)).slice(familyLength)];
  const ones = /^(1*)0*$/.exec(mask)?.[1];
  return ones === undefined ? undefined : address.slice(0, familyLength + ones.length);
}

const familyLength = 1;

/** One letter for the family in front, since no IPv4 address is within an IPv6 one. */
function bitsOf(octets: Uint8Array): string {
  const bits = Array.from(octets, (octet) => octet.toString(2).padStart(8, '0'));
  return (octets.length === 4 ? 'a' : 'b') + bits.join('');
}

/** Where it is one; both in small letters. */
function readHostOrDomain(octets: Uint8Array): string | undefined {
  const text = readText(octets)?.toLowerCase() ?? '';
  return isHost(text.replace(/^\./, '')) ? text : undefined;
}

/** IA5String without control characters, which some readers take for the end. */
function readText(octets: Uint8Array): string | undefined {
  return octets.every((octet) => octet >= 0x20 && octet < 0x7f) ? Buffer.from(octets).toString('latin1') : undefined;
}

function isHost(text: string): boolean {
  return /^\w(?:[\w-]*\w)?(?:\.\w(?:[\w-]*\w)?)*$/.test(text);
}

/** Two labels or more. */
export function isDomainName(text: string): boolean {
  return isHost(text) && text.includes('.');
}

/** IPv4 addresses end so, and no domain does. */
function endsInNumber(host: string): boolean {
  return /(?:^|\.)\d+$/.test(host);
}

function listed<T>(value: T | undefined): readonly T[] | undefined {
  return value === undefined ? undefined : [value];
}
