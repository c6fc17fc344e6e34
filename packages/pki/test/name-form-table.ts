import { der, oid, sequence, type MadeCertificate } from './certificate-maker.ts';
import { inOrder, makeThree, rightExtensions, type ChainCase, type Odd } from './chain-maker.ts';
import { alternatives, general, nameConstraints } from './name-constraint-table.ts';

/** Constraints and names of one kind; each constraint meets each name, permitting and excluding. */
interface NameForm {
  kind: string;
  encode: (text: string) => Uint8Array;
  bases: readonly string[];
  names: readonly string[];
  /** Malformed after RFC 5280, whatever OpenSSL makes of them. */
  malformedBases: readonly string[];
  malformedNames: readonly string[];
}

const forms: readonly NameForm[] = [
  {
    kind: 'e-mail',
    encode: general.email,
    bases: ['device@contoso.com', 'contoso.com', '.Contoso.com', 'com'],
    names: [
      'device@contoso.com',
      'Device@CONTOSO.com',
      'device@line.contoso.com',
      'device@mycontoso.com',
      '"a@b"@contoso.com',
    ],
    malformedBases: ['', '@contoso.com', 'device@', '.', 'device@.contoso.com', 'contoso.com.'],
    malformedNames: [
      'contoso.com',
      '@contoso.com',
      'device@',
      'device@.contoso.com',
      'device@contoso.com.',
      'device@[10.0.0.1]',
      'dev\0ice@contoso.com',
      'device@contoso\xf6.com',
    ],
  },
  {
    kind: 'URI',
    encode: general.uri,
    bases: ['contoso.com', '.contoso.com', 'CONTOSO.com', '.com'],
    names: [
      'https://contoso.com',
      'https://Contoso.com/',
      'https://contoso.com:8443/a:b?c',
      'opc.tcp://line.contoso.com/a/b',
      'https://a.line.contoso.com/?https',
      'https://mycontoso.com/',
      'https://fabrikam.com/contoso.com',
    ],
    malformedBases: ['', '.', 'https://contoso.com', 'contoso.com:443', '@contoso.com', 'contoso.com.'],
    malformedNames: [
      'urn:contoso.com',
      'contoso.com',
      '://contoso.com',
      'https://',
      'https:///contoso.com',
      'https://10.0.0.1/',
      'https://[2001:db8::1]/',
      'https://localhost/',
      'https://contoso.com./',
      'https://contoso.com\0.fabrikam.com/',
    ],
  },
  {
    kind: 'IP address',
    encode: general.ip,
    bases: [
      '0a000000ff000000', // 10.0.0.0/8
      '0a010203ff000000', // the same, with bits that don't count
      '0a010200fffffe00', // /23
      '0a010203ffffffff', // /32
      '0000000000000000', // /0
      '20010db8'.padEnd(32, '0') + 'ffffffff'.padEnd(32, '0'), // 2001:db8::/32
      '20010db8'.padEnd(31, '0') + '1' + ''.padEnd(32, 'f'), // 2001:db8::1/128
      ''.padEnd(64, '0'), // ::/0
    ],
    names: ['0a010203', '0a010303', '0b000001', '20010db8'.padEnd(31, '0') + '1', 'fe80'.padEnd(31, '0') + '1'],
    malformedBases: ['', '0a000000', '0a000000ff', '0a000000ff00ff00', '0a00000000ffffff', ''.padEnd(32, '0')],
    malformedNames: ['', '0a', '0a0000', '0a000000ff000000', ''.padEnd(64, '0')],
  },
];

const device = (...names: Uint8Array[]): Odd => ({ extensions: [...rightExtensions.device, alternatives(...names)] });

function limitedBy(constraints: Parameters<typeof nameConstraints>[0], odd: Odd): MadeCertificate[] {
  const line = { extensions: [...rightExtensions.line, nameConstraints(constraints)] };
  return inOrder(makeThree('P-256', { line, device: odd }));
}

function formCases({ kind, encode, bases, names, malformedBases, malformedNames }: NameForm): ChainCase[] {
  const caseOf = (base: string, name: string, isStricter: boolean): ChainCase[] =>
    (['permitted', 'excluded'] as const).map((list) => ({
      name: `${kind} ${list}: ${JSON.stringify(base)} for ${JSON.stringify(name)}`,
      chain: limitedBy({ [list]: [encode(base)] }, device(encode(name))),
      ...(isStricter && { isStricter }),
    }));
  return [
    ...bases.flatMap((base) => names.flatMap((name) => caseOf(base, name, false))),
    ...malformedBases.flatMap((base) => names.slice(0, 1).flatMap((name) => caseOf(base, name, true))),
    ...bases.slice(0, 2).flatMap((base) => malformedNames.flatMap((name) => caseOf(base, name, true))),
  ];
}

const addressIn = (tag: number): Odd => ({
  name: sequence(der(0x31, sequence(oid('1.2.840.113549.1.9.1'), der(tag, 'device@contoso.com')))),
});
const other = (id: string): Uint8Array => der(0xa0, oid(id), der(0xa0, der(0x0c, 'device@contoso.com')));
const smtpUtf8Mailbox = '1.3.6.1.5.5.7.8.9';

/** Names that stand in two places, in two forms, or that verifiers read in two ways. */
function mixedCases(): ChainCase[] {
  const { email, uri, ip, dns } = general;
  const [contoso, fabrikam] = [email('contoso.com'), email('fabrikam.com')];
  const site = uri('contoso.com');
  const broken = ip('0a');
  const net = ip('0a000000ff000000');
  type Row = readonly [string, Parameters<typeof nameConstraints>[0], Odd, isStricter?: boolean];
  const rows: readonly Row[] = [
    ['e-mail in the subject, permitted', { permitted: [contoso] }, addressIn(0x16)],
    ['e-mail in the subject, not permitted', { permitted: [fabrikam] }, addressIn(0x16)],
    ['e-mail in the subject, excluded', { excluded: [contoso] }, addressIn(0x16)],
    ['e-mail in the subject as UTF8String', { permitted: [contoso] }, addressIn(0x0c)],
    ['e-mail in the subject as UTF8String, DNS limited', { permitted: [dns('contoso.com')] }, addressIn(0x0c)],
    ['one of two e-mail addresses', { permitted: [contoso] }, device(email('a@contoso.com'), email('a@fabrikam.com'))],
    ['one of two constraints on e-mail', { permitted: [fabrikam, contoso] }, device(email('a@contoso.com'))],
    [
      'permitted host, excluded mailbox',
      { permitted: [contoso], excluded: [email('a@contoso.com')] },
      device(email('a@contoso.com')),
    ],
    ['internationalised e-mail, permitted', { permitted: [fabrikam] }, device(other(smtpUtf8Mailbox))],
    ['internationalised e-mail under a constraint', { excluded: [fabrikam] }, device(other(smtpUtf8Mailbox)), true],
    ['another other name under a constraint on e-mail', { permitted: [fabrikam] }, device(other('1.2.3.4'))],
    ['other names of two types', { permitted: [other('1.2.3.5')] }, device(other('1.2.3.4'))],
    ['other names of one type', { permitted: [other('1.2.3.4')] }, device(other('1.2.3.4'))],
    ['a registered ID', { permitted: [der(0x88, Uint8Array.of(42))] }, device(der(0x88, Uint8Array.of(42)))],
    ['a kind that is not limited', { permitted: [contoso, site] }, device(ip('0a000001'))],
    ['IPv4 under IPv4 and IPv6', { permitted: [ip(''.padEnd(64, '0')), net] }, device(ip('0a000001'))],
    ['a malformed constraint behind one that permits', { permitted: [net, broken] }, device(ip('0a000001')), true],
    ['a malformed constraint, and no such name', { permitted: [broken] }, device(dns('a.contoso.com'))],
    ['a DNS name that is no ASCII', { excluded: [dns('fabrikam.com')] }, device(dns('contos\xf6.com')), true],
    ['a URI with a user, host excluded', { excluded: [site] }, device(uri('https://user@contoso.com/')), true],
    ['a URI with a user, host permitted', { permitted: [site] }, device(uri('https://user@contoso.com/')), true],
    [
      'a URI with a user, other host excluded',
      { excluded: [uri('fabrikam.com')] },
      device(uri('https://user@contoso.com/')),
    ],
    ['a URI with a colon in its path, permitted', { permitted: [site] }, device(uri('https://contoso.com/a:b')), true],
    ['a URI with a colon in its path, excluded', { excluded: [site] }, device(uri('https://contoso.com/a:b')), true],
    ['a URI with a query and no path', { excluded: [site] }, device(uri('https://contoso.com?a')), true],
  ];
  return rows.map(([name, constraints, odd, isStricter]) => ({
    name: `constraints and ${name}`,
    chain: limitedBy(constraints, odd),
    ...(isStricter && { isStricter }),
  }));
}

/** Constraints on e-mail addresses, URIs and IP addresses (RFC 5280 section 4.2.1.10). */
export function nameFormCases(): ChainCase[] {
  return [...forms.flatMap(formCases), ...mixedCases()];
}
