import { der, extension, nameOf, oid, sequence, type MadeCertificate } from './certificate-maker.ts';
import { inOrder, makeThree, rightExtensions, type ChainCase, type Odd } from './chain-maker.ts';

/** Kinds of names, as constraints and alternative names write them (RFC 5280 section 4.2.1.6). */
export const general = {
  email: (text: string): Uint8Array => der(0x81, Buffer.from(text, 'latin1')),
  dns: (text: string): Uint8Array => der(0x82, text),
  directory: (name: Uint8Array): Uint8Array => der(0xa4, name),
  uri: (text: string): Uint8Array => der(0x86, Buffer.from(text, 'latin1')),
  /** Hexadecimal. */
  ip: (octets: string): Uint8Array => der(0x87, Buffer.from(octets, 'hex')),
};
export const alternatives = (...names: Uint8Array[]): Uint8Array => extension('2.5.29.17', sequence(...names));

export function nameConstraints(
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

export function nameConstraintCases(): ChainCase[] {
  const { directory, dns, email, ip } = general;
  const contoso = directory(below('Contoso'));
  const device = (...names: Uint8Array[]): Odd =>
    names.length === 0 ? {} : { extensions: [...rightExtensions.device, alternatives(...names)] };
  const named = (commonName: string): Odd => ({ name: nameOf(commonName) });
  const in_ = (organization: string, tag?: number): Odd => ({ name: below(organization, 'device-1', tag) });
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
      'permits DNS names, and the common name is another with a zero behind it',
      { permitted: [dns('contoso.com')] },
      named('device-1.fabrikam.com\0'),
    ],
    [
      'permits a name, and the common name has a zero in its midst',
      { permitted: [directory(sequence())] },
      named('a\0b'),
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
    ['permits IP addresses, and there is none', { permitted: [ip('0a000000ff000000')] }, device()],
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
