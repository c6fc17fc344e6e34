import {
  basicConstraints,
  der,
  extendedKeyUsage,
  extension,
  keyFor,
  keyUsage,
  makeRaw,
  nameOf,
  oid,
  sequence,
  usageId,
  type CertificatePlan,
  type KeyKind,
  type MadeCertificate,
} from './certificate-maker.ts';

/** At this moment every case is looked at. */
export const tableNow = new Date('2026-06-01T00:00:00Z');

export interface ChainCase {
  name: string;
  /** As it is sent. */
  chain: readonly MadeCertificate[];
  /** What OpenSSL is asked about; default: the first. */
  leaf?: MadeCertificate;
  /** Undefined: any root. */
  trusted?: readonly MadeCertificate[];
}

type Position = 'root' | 'line' | 'device';
type Odd = Partial<CertificatePlan>;

const kinds: readonly KeyKind[] = ['P-256', 'RSA-2048'];
const positions: readonly Position[] = ['root', 'line', 'device'];
const authority = (pathLength?: number): Uint8Array[] => [basicConstraints(true, pathLength), keyUsage(5, 6)];
const rightExtensions: Readonly<Record<Position, readonly Uint8Array[]>> = {
  root: authority(1),
  line: authority(0),
  device: [basicConstraints(false), keyUsage(0), extendedKeyUsage(usageId.clientAuth)],
};
const rightNames: Readonly<Record<Position, string>> = { root: 'Root', line: 'Line', device: 'device-1' };

interface Three {
  root: MadeCertificate;
  line: MadeCertificate;
  device: MadeCertificate;
}

function makeThree(kind: KeyKind, odd: Partial<Record<Position, Odd>> = {}): Three {
  const plan = (position: Position): CertificatePlan => ({
    name: rightNames[position],
    kind,
    extensions: rightExtensions[position],
    owner: position,
    ...odd[position],
  });
  const root = makeRaw(plan('root'));
  const line = makeRaw({ issuer: root, ...plan('line') });
  return { root, line, device: makeRaw({ issuer: line, ...plan('device') }) };
}

const inOrder = ({ root, line, device }: Three): MadeCertificate[] => [device, line, root];

const unknown = (critical: boolean): Uint8Array => extension('1.2.3.4.5', der(0x05), critical);
const policies = (...ids: string[]): Uint8Array =>
  extension('2.5.29.32', sequence(...ids.map((id) => sequence(oid(id)))));
/** requireExplicitPolicy 0 */
const explicitPolicy = extension('2.5.29.36', sequence(der(0x80, Uint8Array.of(0))), true);
const withoutUsage = (position: Position): Uint8Array[] => rightExtensions[position].slice(0, 1);
const withoutConstraints = (position: Position): Uint8Array[] => rightExtensions[position].slice(1);

/** What can be odd about one certificate, wherever it stands; undefined: not there. */
const oddities: Readonly<Record<string, (position: Position, kind: KeyKind) => Odd | undefined>> = {
  'nothing odd': () => ({}),
  expired: () => ({ notAfter: '2026-05-01T00:00:00Z' }),
  'not yet valid': () => ({ notBefore: '2026-07-01T00:00:00Z' }),
  'valid beyond 2050': () => ({ notAfter: '2051-01-01T00:00:00Z' }),
  'an unknown critical extension': (position) => ({ extensions: [...rightExtensions[position], unknown(true)] }),
  'an unknown extension': (position) => ({ extensions: [...rightExtensions[position], unknown(false)] }),
  'for servers only': (position) => ({
    extensions: [...rightExtensions[position].slice(0, 2), extendedKeyUsage(usageId.serverAuth, usageId.codeSigning)],
  }),
  'for any use': (position) => ({
    extensions: [...rightExtensions[position].slice(0, 2), extendedKeyUsage(usageId.any)],
  }),
  'for servers and clients': (position) => ({
    extensions: [...rightExtensions[position].slice(0, 2), extendedKeyUsage(usageId.serverAuth, usageId.clientAuth)],
  }),
  'version 1': () => ({ version: 0, extensions: [], keyIds: { subject: false, authority: false } }),
  'no subject key identifier': () => ({ keyIds: { subject: false } }),
  'no authority key identifier': () => ({ keyIds: { authority: false } }),
  "another's authority key identifier": () => ({ keyIds: { authorityIs: Uint8Array.of(1, 2, 3) } }),
  'no key usage': (position) => ({ extensions: withoutUsage(position) }),
  'no basic constraints': (position) => ({ extensions: withoutConstraints(position) }),
  'neither key usage nor basic constraints': () => ({ extensions: [] }),
  'basic constraints not critical': (position) => ({
    extensions: [basicConstraints(position !== 'device', undefined, false), ...withoutConstraints(position)],
  }),
  'the other CA flag': (position) => ({
    extensions: [basicConstraints(position === 'device'), ...withoutConstraints(position)],
  }),
  'key usage of the other kind': (position) => ({
    extensions: [...withoutUsage(position), position === 'device' ? keyUsage(5, 6) : keyUsage(0)],
  }),
  'key usage keyAgreement': (position) => ({ extensions: [...withoutUsage(position), keyUsage(4)] }),
  'key usage keyEncipherment': (position) => ({ extensions: [...withoutUsage(position), keyUsage(2)] }),
  "signed by a stranger's key": (position, kind) => ({ signer: keyFor(kind, `stranger of ${position}`) }),
  'signed with SHA-1': () => ({ hash: 'sha1' }),
  "the issuer's name in other letters": (position) =>
    position === 'root' ? undefined : { issuerName: nameOf(position === 'line' ? 'ROOT ' : ' lInE') },
  "the issuer's name in another kind of string": (position) =>
    position === 'root' ? undefined : { issuerName: nameOf(position === 'line' ? 'Root' : 'Line', 0x13) },
  "another issuer's name": (position) => (position === 'root' ? undefined : { issuerName: nameOf('Elsewhere') }),
  'an empty name': () => ({ name: sequence() }),
  'a key of another kind': (_position, kind) => ({ kind: kind === 'RSA-2048' ? 'P-256' : 'RSA-2048' }),
};

function oddCases(): ChainCase[] {
  return kinds.flatMap((kind) =>
    positions.flatMap((position) =>
      Object.entries(oddities).flatMap(([words, oddity]) => {
        const odd = oddity(position, kind);
        return odd
          ? [{ name: `${kind}: ${position}: ${words}`, chain: inOrder(makeThree(kind, { [position]: odd })) }]
          : [];
      }),
    ),
  );
}

function alteredCases(): ChainCase[] {
  return kinds.flatMap((kind) =>
    positions.map((position) => {
      const three = makeThree(kind);
      const good = three[position];
      const bytes = Buffer.from(good.der);
      bytes.set([(bytes.at(-1) ?? 0) ^ 1], bytes.length - 1);
      const base64 = bytes.toString('base64');
      const altered = {
        ...good,
        der: bytes,
        pem: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
      };
      return {
        name: `${kind}: ${position}: one bit of its signature altered`,
        chain: inOrder({ ...three, [position]: altered }),
      };
    }),
  );
}

function layoutCases(): ChainCase[] {
  const three = makeThree('P-256');
  const { root, line, device } = three;
  const other = makeThree('P-256', { root: { owner: 'other root' }, line: { owner: 'other line' } });
  const stranger = makeRaw({ name: 'Stranger', extensions: authority(1) });
  const alone = makeRaw({ name: 'device-1', extensions: rightExtensions.device });
  const orders = [
    [device, line, root],
    [device, root, line],
    [line, device, root],
    [line, root, device],
    [root, line, device],
    [root, device, line],
  ];
  return [
    ...orders.map((chain, index) => ({ name: `order ${index}`, chain, leaf: device })),
    { name: 'root left out, trusted', chain: [device, line], trusted: [root] },
    { name: 'root left out, not trusted', chain: [device, line], trusted: [stranger] },
    { name: 'root left out, nothing trusted', chain: [device, line] },
    { name: 'intermediate left out', chain: [device, root] },
    { name: 'intermediate left out, root trusted', chain: [device, root], trusted: [root] },
    { name: 'intermediate left out, and trusted', chain: [device, root], trusted: [line] },
    { name: 'device alone', chain: [device] },
    { name: 'device alone, line trusted', chain: [device], trusted: [line] },
    { name: 'device alone, root trusted', chain: [device], trusted: [root] },
    { name: 'device alone, itself trusted', chain: [device], trusted: [device] },
    { name: 'line trusted, root too', chain: [device, line, root], trusted: [line, root] },
    {
      name: 'line trusted, root expired',
      chain: inOrder(makeThree('P-256', { root: { notAfter: '2026-02-01T00:00:00Z' } })),
    },
    { name: 'another root trusted', chain: [device, line, root], trusted: [stranger] },
    { name: 'another root of the same name trusted', chain: [device, line, root], trusted: [other.root] },
    { name: 'two roots of the same name trusted', chain: [device, line], trusted: [other.root, root] },
    { name: "another factory's line of the same name", chain: [device, other.line, root] },
    { name: "another factory's line and root", chain: [device, other.line, other.root] },
    { name: "another factory's root", chain: [device, line, other.root] },
    { name: 'both lines of the same name', chain: [device, other.line, line, root] },
    { name: 'a stranger behind', chain: [device, line, root, stranger] },
    { name: 'a stranger between', chain: [device, line, stranger, root] },
    { name: 'root twice', chain: [device, line, root, root] },
    { name: 'line twice', chain: [device, line, line, root] },
    { name: 'device twice', chain: [device, device, line, root] },
    { name: 'self-signed device', chain: [alone] },
    { name: 'self-signed device, trusted', chain: [alone], trusted: [alone] },
    { name: 'self-signed device, not trusted', chain: [alone], trusted: [root] },
  ];
}

function pathLengthCases(): ChainCase[] {
  const chainOf = (...limits: readonly (number | undefined)[]): MadeCertificate[] => {
    let issuer: MadeCertificate | undefined;
    const made = limits.map((limit, index) => {
      const plan = { name: `CA ${index}`, extensions: authority(limit) };
      issuer = makeRaw(issuer ? { ...plan, issuer } : plan);
      return issuer;
    });
    return [
      makeRaw({ name: 'device-1', extensions: rightExtensions.device, ...(issuer && { issuer }) }),
      ...made.reverse(),
    ];
  };
  const limits: readonly (readonly (number | undefined)[])[] = [
    [0],
    [undefined, undefined],
    [1, 0],
    [0, 0],
    [0, undefined],
    [2, 1, 0],
    [2, 0, 0],
    [1, 1, 0],
    [undefined, undefined, undefined],
    [undefined, 0, undefined],
    [0, 5, 5],
    [3, 2, 1, 0],
    [2, 2, 2, 2],
    [5, 1, 5, 5],
  ];
  return limits.map((each) => ({
    name: `path lengths ${each.map((one) => one ?? 'none').join(', ')}`,
    chain: chainOf(...each),
  }));
}

/** A root that was rolled over under its own name: the old one certifies the new one's key, and the other way round. */
function rollOverCases(): ChainCase[] {
  const extensions = authority(1);
  const old = makeRaw({ name: 'Root', owner: 'old root', extensions });
  const fresh = makeRaw({ name: 'Root', owner: 'new root', extensions });
  const newWithOld = makeRaw({ name: 'Root', owner: 'new root', issuer: old, extensions });
  const oldWithNew = makeRaw({ name: 'Root', owner: 'old root', issuer: fresh, extensions });
  const line = makeRaw({ name: 'Line', issuer: fresh, extensions: authority(0) });
  const device = makeRaw({ name: 'device-1', issuer: line, extensions: rightExtensions.device });
  const oldLine = makeRaw({ name: 'Line', owner: 'old line', issuer: old, extensions: authority(0) });
  const oldDevice = makeRaw({ name: 'device-1', issuer: oldLine, extensions: rightExtensions.device });
  const other = makeRaw({ name: 'New Root', owner: 'new root', issuer: old, extensions });
  const itself = makeRaw({ name: 'New Root', owner: 'new root', extensions });
  const otherLine = makeRaw({ name: 'Line', issuer: itself, extensions: authority(0) });
  const otherDevice = makeRaw({ name: 'device-1', issuer: otherLine, extensions: rightExtensions.device });
  return [
    { name: 'roll-over: new chain, old root trusted', chain: [device, line, newWithOld], trusted: [old] },
    {
      name: 'roll-over: new chain with both, old root trusted',
      chain: [device, line, fresh, newWithOld, old],
      trusted: [old],
    },
    { name: 'roll-over: new chain, new root trusted', chain: [device, line, fresh], trusted: [fresh] },
    { name: 'roll-over: new chain without the cross-certificate', chain: [device, line, fresh], trusted: [old] },
    { name: 'roll-over: old chain, new root trusted', chain: [oldDevice, oldLine, oldWithNew], trusted: [fresh] },
    { name: 'roll-over: old chain, both trusted', chain: [oldDevice, oldLine], trusted: [fresh, old] },
    { name: 'roll-over: old line under the new root', chain: [oldDevice, oldLine, fresh], trusted: [fresh] },
    { name: 'roll-over: cross-certificate and nothing trusted', chain: [device, line, newWithOld] },
    {
      name: 'roll-over under another name is one authority too many',
      chain: [otherDevice, otherLine, other],
      trusted: [old],
    },
  ];
}

/** Authority key identifiers that name the issuer's certificate by its issuer and serial number (RFC 5280 section 4.2.1.1). */
function namedCertificateCases(): ChainCase[] {
  const { root, line } = makeThree('P-256');
  const key = (of: MadeCertificate): Uint8Array => der(0x80, of.keyId);
  const directory = (name: Uint8Array): Uint8Array => der(0xa4, name);
  const issuer = (...names: Uint8Array[]): Uint8Array => der(0xa1, ...names);
  const serial = (octets: Uint8Array): Uint8Array => der(0x82, octets);
  const right = [issuer(directory(line.issuerName)), serial(line.serial)];
  const [elsewhere, other] = [directory(nameOf('Elsewhere')), serial(Uint8Array.of(1, 2))];
  const dns = der(0x82, 'root.contoso.com');
  const ofDevice: readonly [string, ...Uint8Array[]][] = [
    ['the right certificate and key', key(line), ...right],
    ['the right certificate alone', ...right],
    ['another serial number', key(line), issuer(directory(line.issuerName)), other],
    ['another serial number alone', other],
    ['another issuer', key(line), issuer(elsewhere), serial(line.serial)],
    ['another issuer alone', issuer(elsewhere)],
    ['the issuer in other letters', key(line), issuer(directory(nameOf('rOOT'))), serial(line.serial)],
    ['a DNS name and the right serial number', key(line), issuer(dns), serial(line.serial)],
    ['a DNS name, then the issuer', key(line), issuer(dns, directory(line.issuerName)), serial(line.serial)],
    ['a DNS name, then another issuer', key(line), issuer(dns, elsewhere), serial(line.serial)],
    ['the issuer, then another', key(line), issuer(directory(line.issuerName), elsewhere), serial(line.serial)],
    ['another issuer, then the right one', key(line), issuer(elsewhere, directory(line.issuerName))],
    ['the right certificate and another key', key(root), ...right],
  ];
  const ofRoot: readonly [string, ...Uint8Array[]][] = [
    ['itself', key(root), issuer(directory(root.name)), serial(Uint8Array.of(0x12, 0x34))],
    ['another serial number', key(root), issuer(directory(root.name)), other],
    ['another issuer', key(root), issuer(elsewhere), serial(Uint8Array.of(0x12, 0x34))],
  ];
  const serials: readonly [string, number[], number[]][] = [
    ['with its highest bit set', [0, 0x80, 1], [0, 0x80, 1]],
    ['that is negative', [0x80, 1], [0x80, 1]],
    ['that is negative, without its sign', [0x80, 1], [0, 0x80, 1]],
    ['that is zero', [0], [0]],
  ];
  return [
    ...ofDevice.map(([words, ...authorityKeyId]) => ({
      name: `the device names ${words}`,
      chain: [
        makeRaw({ name: 'device-1', issuer: line, extensions: rightExtensions.device, authorityKeyId }),
        line,
        root,
      ],
    })),
    ...ofRoot.flatMap(([words, ...authorityKeyId]) => {
      const chain = inOrder(makeThree('P-256', { root: { authorityKeyId, serial: Uint8Array.of(0x12, 0x34) } }));
      return [
        { name: `the root names ${words}`, chain },
        { name: `the root names ${words}, trusted`, chain, trusted: chain.slice(2) },
      ];
    }),
    ...serials.map(([words, octets, named]) => {
      const odd = makeRaw({ name: 'Line', issuer: root, extensions: authority(0), serial: Uint8Array.from(octets) });
      const authorityKeyId = [key(odd), issuer(directory(odd.issuerName)), serial(Uint8Array.from(named))];
      const plan = { name: 'device-1', issuer: odd, extensions: rightExtensions.device, authorityKeyId };
      return { name: `the device names a serial number ${words}`, chain: [makeRaw(plan), odd, root] };
    }),
  ];
}

function algorithmCases(): ChainCase[] {
  const odd: readonly KeyKind[] = ['P-384', 'P-521', 'secp256k1', 'Ed25519', 'RSA-1024', 'RSA-3072'];
  return odd.flatMap((kind) => {
    const stranger = { line: { signer: keyFor(kind, 'stranger of line') } };
    return [
      { name: `${kind} everywhere`, chain: inOrder(makeThree(kind)) },
      { name: `${kind} everywhere, line signed by a stranger's key`, chain: inOrder(makeThree(kind, stranger)) },
      ...positions.map((position) => ({
        name: `${kind} for the ${position}`,
        chain: inOrder(makeThree('P-256', { [position]: { kind } })),
      })),
    ];
  });
}

function policyCases(): ChainCase[] {
  const [wanted, other] = ['1.3.6.1.4.1.99999.1', '1.3.6.1.4.1.99999.2'];
  const strict = { extensions: [...rightExtensions.line, explicitPolicy, policies(wanted)] };
  const having = (id: string): Odd => ({ extensions: [...rightExtensions.device, policies(id)] });
  return [
    { name: 'policies that nobody asks for', chain: inOrder(makeThree('P-256', { device: having(wanted) })) },
    { name: 'the explicit policy', chain: inOrder(makeThree('P-256', { line: strict, device: having(wanted) })) },
    {
      name: 'another than the explicit policy',
      chain: inOrder(makeThree('P-256', { line: strict, device: having(other) })),
    },
    { name: 'no policy where one is explicit', chain: inOrder(makeThree('P-256', { line: strict })) },
  ];
}

/** Kinds of names, as constraints and alternative names write them (RFC 5280 section 4.2.1.6). */
const general = {
  email: (text: string): Uint8Array => der(0x81, text),
  dns: (text: string): Uint8Array => der(0x82, text),
  directory: (name: Uint8Array): Uint8Array => der(0xa4, name),
  uri: (text: string): Uint8Array => der(0x86, text),
  ip: (...bytes: number[]): Uint8Array => der(0x87, Uint8Array.from(bytes)),
};
const alternatives = (...names: Uint8Array[]): Uint8Array => extension('2.5.29.17', sequence(...names));

function nameConstraints(
  { permitted = [], excluded = [] }: { permitted?: readonly Uint8Array[]; excluded?: readonly Uint8Array[] },
  critical = true,
): Uint8Array {
  const subtrees = (tag: number, bases: readonly Uint8Array[]): Uint8Array[] =>
    bases.length === 0 ? [] : [der(tag, ...bases.map((base) => sequence(base)))];
  return extension('2.5.29.30', sequence(...subtrees(0xa0, permitted), ...subtrees(0xa1, excluded)), critical);
}

/** Organisation, or organisation and common name. */
function below(organization: string, commonName?: string, tag = 0x0c): Uint8Array {
  const part = (id: string, text: string): Uint8Array => der(0x31, sequence(oid(id), der(tag, text)));
  return sequence(part('2.5.4.10', organization), ...(commonName === undefined ? [] : [part('2.5.4.3', commonName)]));
}

function nameConstraintCases(): ChainCase[] {
  const { directory, dns, email, uri, ip } = general;
  const contoso = directory(below('Contoso'));
  const device = (...names: Uint8Array[]): Odd =>
    names.length === 0 ? {} : { extensions: [...rightExtensions.device, alternatives(...names)] };
  const named = (commonName: string): Odd => ({ name: nameOf(commonName) });
  const in_ = (organization: string, tag?: number): Odd => ({ name: below(organization, 'device-1', tag) });
  const address = sequence(oid('1.2.840.113549.1.9.1'), der(0x16, 'device@contoso.com'));
  type Constraints = Parameters<typeof nameConstraints>[0];
  const cases: readonly (readonly [words: string, constraints: Constraints, device: Odd])[] = [
    ['permits the directory name', { permitted: [contoso] }, in_('Contoso')],
    ['permits it in other letters and another kind of string', { permitted: [contoso] }, in_(' CONTOSO', 0x13)],
    ['permits another directory name', { permitted: [contoso] }, in_('Fabrikam')],
    ['permits the directory name or another', { permitted: [directory(below('Fabrikam')), contoso] }, in_('Contoso')],
    ['permits the whole of the name', { permitted: [directory(below('Contoso', 'device-1'))] }, in_('Contoso')],
    ['permits a longer name', { permitted: [directory(below('Contoso', 'device-1 x'))] }, in_('Contoso')],
    ['permits a name with the same end', { permitted: [directory(nameOf('device-1'))] }, in_('Contoso')],
    ['permits the empty name', { permitted: [directory(sequence())] }, in_('Contoso')],
    ['excludes the directory name', { excluded: [contoso] }, in_('Contoso')],
    ['excludes another directory name', { excluded: [contoso] }, in_('Fabrikam')],
    ['excludes the empty name', { excluded: [directory(sequence())] }, in_('Contoso')],
    [
      'permits and excludes',
      { permitted: [contoso], excluded: [directory(below('Contoso', 'device-1'))] },
      in_('Contoso'),
    ],
    ['permits a DNS name', { permitted: [dns('contoso.com')] }, device(dns('device-1.contoso.com'))],
    ['permits the DNS name itself', { permitted: [dns('contoso.com')] }, device(dns('Contoso.COM'))],
    ['permits another DNS name', { permitted: [dns('contoso.com')] }, device(dns('device-1.fabrikam.com'))],
    [
      'permits a DNS name with the same letters at its end',
      { permitted: [dns('contoso.com')] },
      device(dns('mycontoso.com')),
    ],
    ['permits what is below a dot', { permitted: [dns('.contoso.com')] }, device(dns('device-1.contoso.com'))],
    ['permits what is below a dot, not the domain', { permitted: [dns('.contoso.com')] }, device(dns('contoso.com'))],
    ['permits every DNS name', { permitted: [dns('')] }, device(dns('device-1.contoso.com'))],
    ['permits one of two DNS names', { permitted: [dns('contoso.com')] }, device(dns('a.contoso.com'), dns('a.org'))],
    ['excludes a DNS name', { excluded: [dns('contoso.com')] }, device(dns('device-1.contoso.com'))],
    ['excludes another DNS name', { excluded: [dns('contoso.com')] }, device(dns('device-1.fabrikam.com'))],
    ['permits DNS names, and there is none', { permitted: [dns('contoso.com')] }, device()],
    [
      'permits DNS names, and the common name is one',
      { permitted: [dns('contoso.com')] },
      named('device-1.contoso.com'),
    ],
    [
      'permits DNS names, and the common name is another',
      { permitted: [dns('contoso.com')] },
      named('device-1.fabrikam.com'),
    ],
    [
      'permits DNS names, and the common name is nearly one',
      { permitted: [dns('contoso.com')] },
      named('device.-fabrikam.com'),
    ],
    [
      'permits DNS names, and the common name is another beside a good alternative',
      { permitted: [dns('contoso.com')] },
      { ...named('device-1.fabrikam.com'), ...device(dns('device-1.contoso.com')) },
    ],
    ['permits e-mail addresses, and there is none', { permitted: [email('contoso.com')] }, device()],
    ['permits other e-mail addresses', { permitted: [email('fabrikam.com')] }, device(email('device@contoso.com'))],
    [
      'excludes e-mail addresses in names',
      { excluded: [email('contoso.com')] },
      { name: sequence(der(0x31, address)) },
    ],
    ['permits other URIs', { permitted: [uri('fabrikam.com')] }, device(uri('https://contoso.com/a'))],
    ['permits other IP addresses', { permitted: [ip(10, 0, 0, 0, 255, 0, 0, 0)] }, device(ip(11, 0, 0, 1))],
    ['permits IP addresses, and there is none', { permitted: [ip(10, 0, 0, 0, 255, 0, 0, 0)] }, device()],
    ['permits and excludes nothing', {}, device()],
  ];
  const line = (constraints: Constraints, critical = true): Odd => ({
    extensions: [...rightExtensions.line, nameConstraints(constraints, critical)],
  });
  const root = { extensions: [...rightExtensions.root, nameConstraints({ permitted: [contoso] })] };
  const of = (odd: Parameters<typeof makeThree>[1]): MadeCertificate[] => inOrder(makeThree('P-256', odd));
  return [
    ...cases.map(([words, constraints, odd]) => ({
      name: `the line ${words}`,
      chain: of({ line: line(constraints), device: odd }),
    })),
    {
      name: 'the line excludes, not critically',
      chain: of({ line: line({ excluded: [contoso] }, false), device: in_('Contoso') }),
    },
    { name: 'the root permits the line, which is another', chain: of({ root, device: in_('Contoso') }) },
    {
      name: 'the root permits line and device',
      chain: of({ root, line: { name: below('Contoso', 'Line') }, device: in_('Contoso') }),
    },
    {
      name: 'the root permits the line and not the device',
      chain: of({ root, line: { name: below('Contoso', 'Line') }, device: in_('Fabrikam') }),
    },
    {
      name: 'a subtree with a minimum',
      chain: of({
        line: {
          extensions: [
            ...rightExtensions.line,
            extension('2.5.29.30', sequence(der(0xa0, sequence(contoso, der(0x80, Uint8Array.of(1))))), true),
          ],
        },
        device: in_('Contoso'),
      }),
    },
    {
      name: "the device's own name constraints",
      chain: of({ device: { extensions: [...rightExtensions.device, nameConstraints({ excluded: [contoso] })] } }),
    },
  ];
}

/** Every case. */
export function makeTable(): ChainCase[] {
  return [
    ...oddCases(),
    ...alteredCases(),
    ...layoutCases(),
    ...pathLengthCases(),
    ...rollOverCases(),
    ...namedCertificateCases(),
    ...algorithmCases(),
    ...policyCases(),
    ...nameConstraintCases(),
  ];
}
