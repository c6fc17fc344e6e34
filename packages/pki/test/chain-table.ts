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
  type KeyKind,
  type MadeCertificate,
} from './certificate-maker.ts';

import {
  authority,
  inOrder,
  makeThree,
  rightExtensions,
  type ChainCase,
  type Odd,
  type Position,
} from './chain-maker.ts';
import { nameConstraintCases } from './name-constraint-table.ts';
import { nameFormCases } from './name-form-table.ts';

const kinds: readonly KeyKind[] = ['P-256', 'RSA-2048'];
const positions: readonly Position[] = ['root', 'line', 'device'];

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
    ...nameFormCases(),
  ];
}
