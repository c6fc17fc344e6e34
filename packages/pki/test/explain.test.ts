import { describe, expect, it } from '@jest/globals';
import { explain, verifyChain, type ChainContext, type ChainExplanation } from '../src/index.ts';
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
  type MadeCertificate,
} from './certificate-maker.ts';
import { expectCode } from './fixtures.ts';

const now = new Date('2026-06-01T00:00:00Z');
const authority = (pathLength?: number): Uint8Array[] => [basicConstraints(true, pathLength), keyUsage(5, 6)];
const forDevice = [basicConstraints(false), keyUsage(0), extendedKeyUsage(usageId.clientAuth)];

type Odd = Partial<CertificatePlan>;

function makeChain(odd: { root?: Odd; line?: Odd; device?: Odd } = {}) {
  const root = makeRaw({ name: 'Root', extensions: authority(1), ...odd.root });
  const line = makeRaw({ name: 'Line', issuer: root, extensions: authority(0), ...odd.line });
  const device = makeRaw({ name: 'device-1', issuer: line, extensions: forDevice, ...odd.device });
  return { root, line, device, chain: [device, line, root] };
}

const pem = (certificates: readonly MadeCertificate[]): string => certificates.map((one) => one.pem).join('');
const look = (certificates: readonly MadeCertificate[], context: ChainContext = {}): Promise<ChainExplanation> =>
  explain(pem(certificates), { now, ...context });
const codesOf = ({ findings }: ChainExplanation): string[] => findings.map(({ code }) => code);

/** Name constraints with one permitted name. */
const permitting = (name: Uint8Array): Uint8Array => extension('2.5.29.30', sequence(der(0xa0, sequence(name))), true);

describe('explain a good chain', () => {
  it('nothing is wrong, and what DPS wants besides', async () => {
    const { chain, root } = makeChain();
    const explanation = await look(chain, { trustedRootsPem: root.pem, registrationId: 'device-1' });
    expect(explanation).toMatchObject({ isValid: true, findings: [], azure: { service: 'DPS', errorCode: undefined } });
    expect(explanation.azure.says).toContain('uploaded and verified');
  });

  it('PEM or DER', async () => {
    const { chain } = makeChain();
    expect(
      codesOf(
        await explain(
          chain.map((one) => one.der),
          { now },
        ),
      ),
    ).toEqual([]);
  });
});

describe('explain says of name constraints (RFC 5280 section 4.2.1.10)', () => {
  const [mail, dns, uri, ip, registeredId] = [0x81, 0x82, 0x86, 0x87, 0x88];
  const withName = (tag: number, name: string | Uint8Array): Odd => ({
    extensions: [...forDevice, extension('2.5.29.17', sequence(der(tag, name)))],
  });
  it.each([
    [
      'which name is not permitted',
      permitting(der(dns, 'contoso.com')),
      withName(dns, 'a.fabrikam.com'),
      '"CN=Line" may not issue for "CN=device-1": the dNSName "a.fabrikam.com" is not among those that it permits.',
    ],
    [
      'which name is excluded',
      extension('2.5.29.30', sequence(der(0xa1, sequence(der(0xa4, nameOf('DEVICE-1'))))), true),
      {},
      '"CN=Line" may not issue for "CN=device-1": it excludes the directoryName "CN=device-1".',
    ],
    [
      'that a kind of name is not judged, even where it may be permitted',
      permitting(der(registeredId, '*')),
      withName(registeredId, '*'),
      'it limits names of the kind registeredID, which are not judged here.',
    ],
    [
      'which e-mail address is not permitted',
      permitting(der(mail, '.contoso.com')),
      withName(mail, 'device-1@contoso.com'),
      'the rfc822Name "device-1@contoso.com" is not among those that it permits.',
    ],
    [
      'which URI is malformed',
      permitting(der(uri, 'contoso.com')),
      withName(uri, 'urn:device-1'),
      'the uniformResourceIdentifier "urn:device-1" is malformed, or of a form that can\'t be compared',
    ],
    [
      'which IPv4 address is not permitted',
      permitting(der(ip, Buffer.from('0a000000ff000000', 'hex'))),
      withName(ip, Uint8Array.of(11, 0, 0, 1)),
      'the iPAddress 11.0.0.1 is not among those that it permits.',
    ],
    [
      'which IPv6 address is not permitted',
      permitting(der(ip, Buffer.from('0a000000ff000000', 'hex'))),
      withName(ip, Buffer.from('20010db8000000000000000000000001', 'hex')),
      'the iPAddress 2001:0db8:0000:0000:0000:0000:0000:0001 is not among those that it permits.',
    ],
    [
      'of which kind a malformed one is',
      permitting(der(ip, Buffer.from('0a000000ff00ff00', 'hex'))),
      withName(ip, Uint8Array.of(10, 0, 0, 1)),
      'one of its constraints on names of the kind iPAddress is malformed.',
    ],
    [
      'that an e-mail address in the name is no IA5String',
      permitting(der(dns, 'contoso.com')),
      {
        name: sequence(
          der(0x31, sequence(oid('2.5.4.3'), der(0x0c, 'device-1'))),
          der(0x31, sequence(oid('1.2.840.113549.1.9.1'), der(0x0c, 'a@contoso.com'))),
        ),
      },
      'the e-mail address in its name is no IA5String',
    ],
    [
      'that they are too many',
      extension(
        '2.5.29.30',
        sequence(der(0xa1, ...Array.from({ length: 1100 }, (_, index) => sequence(der(dns, `a${index}.com`))))),
        true,
      ),
      {
        extensions: [
          ...forDevice,
          extension('2.5.29.17', sequence(...Array.from({ length: 1100 }, (_, index) => der(dns, `b${index}.com`)))),
        ],
      },
      'it has too many name constraints for so many names.',
    ],
    ["that they can't be read", extension('2.5.29.30', Uint8Array.of(1, 2, 3), true), {}, "can't be read."],
    [
      "that they can't be read to their end",
      extension('2.5.29.30', Buffer.concat([sequence(), sequence()]), true),
      {},
      "can't be read.",
    ],
  ])('%s', async (_words, constraints, device, words) => {
    const { chain } = makeChain({ line: { extensions: [...authority(0), constraints] }, device });
    const { findings, isValid } = await look(chain);
    expect(findings).toMatchObject([{ code: 'CHAIN_CONSTRAINT', rule: 'path', certificateIndex: 0 }]);
    expect(findings[0]?.message).toContain(words);
    expect(isValid).toBe(false);
  });
});

describe('explain says what Azure would say, and from where we know', () => {
  it.each<[string, () => Promise<ChainExplanation>, string, number | undefined, string]>([
    ['nothing at all', () => explain(''), 'CHAIN_EMPTY', 401002, 'assumed'],
    ['no certificates', () => explain([]), 'CHAIN_EMPTY', 401002, 'assumed'],
    ['some text', () => explain('hello'), 'CHAIN_UNREADABLE', 401002, 'assumed'],
    [
      'more than any chain has',
      () => look(Array<MadeCertificate>(101).fill(makeChain().root)),
      'CHAIN_UNREADABLE',
      401002,
      'assumed',
    ],
    ['some octets', () => explain([Uint8Array.of(1, 2, 3)]), 'CHAIN_UNREADABLE', 401002, 'assumed'],
    [
      'intermediate missing',
      () => {
        const { device, root } = makeChain();
        return look([device, root]);
      },
      'CHAIN_ISSUER_MISSING',
      401002,
      'documented',
    ],
    [
      'twice',
      () => look([...makeChain().chain, makeChain().root].map((one, _, all) => (one === all[3] ? all[2]! : one))),
      'CHAIN_DUPLICATE',
      undefined,
      'unknown',
    ],
    [
      'a stranger',
      () => look([...makeChain().chain, makeRaw({ name: 'Stranger' })]),
      'CHAIN_UNRELATED_CERTIFICATE',
      undefined,
      'unknown',
    ],
    ['order', () => look(makeChain().chain.reverse()), 'CHAIN_ORDER', undefined, 'unknown'],
    [
      'wrong signer',
      () => look(makeChain({ device: { signer: keyFor('P-256', 'x') } }).chain),
      'CHAIN_SIGNATURE',
      401002,
      'assumed',
    ],
    [
      'key identifier',
      () => look(makeChain({ device: { keyIds: { authorityIs: Uint8Array.of(1) } } }).chain),
      'CHAIN_KEY_IDENTIFIER',
      401002,
      'assumed',
    ],
    [
      'expired',
      () => look(makeChain({ device: { notAfter: '2026-02-01T00:00:00Z' } }).chain),
      'CHAIN_EXPIRED',
      401003,
      'documented',
    ],
    [
      'not yet valid',
      () => look(makeChain({ device: { notBefore: '2026-07-01T00:00:00Z' } }).chain),
      'CHAIN_NOT_YET_VALID',
      401003,
      'documented',
    ],
    [
      'CA flag',
      () => look(makeChain({ line: { extensions: [keyUsage(5)] } }).chain),
      'CHAIN_CA_FLAG',
      401002,
      'assumed',
    ],
    [
      'key usage',
      () => look(makeChain({ device: { extensions: [keyUsage(2)] } }).chain),
      'CHAIN_KEY_USAGE',
      401002,
      'assumed',
    ],
    [
      'extended key usage',
      () => look(makeChain({ device: { extensions: [extendedKeyUsage(usageId.serverAuth)] } }).chain),
      'CHAIN_EXTENDED_KEY_USAGE',
      401002,
      'assumed',
    ],
    [
      'path length',
      () => look(makeChain({ root: { extensions: authority(0) } }).chain),
      'CHAIN_PATH_LENGTH',
      401002,
      'assumed',
    ],
    [
      'critical extension',
      () => look(makeChain({ device: { extensions: [...forDevice, extension('1.2.3', der(5), true)] } }).chain),
      'CHAIN_CRITICAL_EXTENSION',
      401002,
      'assumed',
    ],
    [
      'name constraints',
      () => look(makeChain({ root: { extensions: [...authority(1), permitting(der(0xa4, nameOf('Line')))] } }).chain),
      'CHAIN_CONSTRAINT',
      401002,
      'assumed',
    ],
    [
      'policies',
      () =>
        look(
          makeChain({
            line: {
              extensions: [...authority(0), extension('2.5.29.36', sequence(der(0x80, Uint8Array.of(0))), true)],
            },
          }).chain,
        ),
      'CHAIN_CONSTRAINT',
      401002,
      'assumed',
    ],
    [
      'another registration ID',
      () => look(makeChain().chain, { registrationId: 'device-2' }),
      'CHAIN_REGISTRATION_ID',
      401002,
      'documented',
    ],
    [
      'untrusted',
      () => look(makeChain().chain, { trustedRootsPem: makeRaw({ name: 'Other' }).pem }),
      'CHAIN_ROOT_UNTRUSTED',
      401002,
      'documented',
    ],
  ])('%s', async (_name, ask, code, errorCode, basis) => {
    const { isValid, findings, azure } = await ask();
    expect(findings[0]).toMatchObject({ code, severity: 'error', azure: { errorCode, basis } });
    expect({ isValid, azure }).toEqual({ isValid: false, azure: findings[0]?.azure });
    expect(azure.says.length).toBeGreaterThan(40);
    expect(azure.source).toMatch(/azure-docs: articles\/|github\.com\/Azure\//);
  });
});

describe('explain warns of what Azure is not known to take, and still calls the chain valid', () => {
  const warning = async (
    odd: Parameters<typeof makeChain>[0],
    index: number,
    code: string,
    words: string,
  ): Promise<void> => {
    const { isValid, findings, azure } = await look(makeChain(odd).chain);
    expect({ isValid, findings }).toMatchObject({
      isValid: true,
      findings: [{ code, severity: 'warning', certificateIndex: index }],
    });
    expect(findings[0]?.message).toContain(words);
    expect(azure.says).toContain('DPS takes the device');
  };

  it.each([
    ['Ed25519', 'of the kind ed25519'],
    ['P-521', 'on secp521r1'],
    ['secp256k1', 'on secp256k1'],
    ['RSA-1024', 'RSA key of 1024 bits, which is too weak'],
  ] as const)('device key %s', async (kind, words) => {
    await warning({ device: { kind } }, 0, 'CHAIN_ALGORITHM', words);
  });

  it.each([
    ['sha1', 'P-256', 'signed with ecdsa-with-SHA1'],
    ['sha1', 'RSA-2048', 'signed with sha1WithRSAEncryption'],
  ] as const)('signed with %s by %s', async (hash, kind, words) => {
    await warning({ line: { kind }, device: { kind: 'P-256', hash } }, 0, 'CHAIN_ALGORITHM', words);
  });

  it('but not of what a trusted root signed itself with, nor of what it takes', async () => {
    expect(codesOf(await look(makeChain({ root: { hash: 'sha1' } }).chain))).toEqual([]);
    expect(codesOf(await look(makeChain({ line: { kind: 'RSA-3072' }, device: { kind: 'P-384' } }).chain))).toEqual([]);
  });

  it('of a self-signed device: only an individual enrollment takes it', async () => {
    const alone = makeRaw({ name: 'device-1', extensions: forDevice });
    const { isValid, findings } = await look([alone]);
    expect({ isValid, findings }).toMatchObject({ isValid: true, findings: [{ code: 'CHAIN_SELF_SIGNED' }] });
    expect(findings[0]?.azure.says).toContain('individual enrollment');
  });

  it.each([
    ['upper case', 'Device-1', 'Use "device-1"'],
    ['a space', 'device 1', '" " is not allowed'],
  ])('of a common name that is no registration ID: %s', async (_name, name, words) => {
    await warning({ device: { name } }, 0, 'CHAIN_REGISTRATION_ID', words);
  });

  it('of a registration ID in other letters, which nobody documents as refused', async () => {
    for (const [name, registrationId] of [
      ['device-1', 'Device-1'],
      ['DEVICE-1', 'device-1'],
    ]) {
      const { chain } = makeChain({ device: { name: name! } });
      const { isValid, findings } = await look(chain, { registrationId: registrationId! });
      expect(isValid).toBe(true);
      expect(findings).toMatchObject([
        {
          code: 'CHAIN_REGISTRATION_ID_CASE',
          severity: 'warning',
          certificateIndex: 0,
          azure: { errorCode: undefined, basis: 'assumed' },
        },
      ]);
      expect(findings[0]?.message).toContain(JSON.stringify(registrationId));
    }
    const { chain } = makeChain({ device: { name: '\u212aelvin' } });
    expect(codesOf(await look(chain, { registrationId: 'kelvin' }))).toEqual(['CHAIN_REGISTRATION_ID']);
  });

  it('of no common name', async () => {
    const name = sequence(der(0x31, sequence(oid('2.5.4.10'), der(0x0c, 'Contoso'))));
    await warning({ device: { name } }, 0, 'CHAIN_REGISTRATION_ID', 'no common name');
  });

  it('of what RFC 5280 forbids issuers', async () => {
    await warning({ line: { keyIds: { subject: false } } }, 1, 'CHAIN_PROFILE', 'no subject key identifier');
    const alternative = extension('2.5.29.17', sequence());
    await warning({ device: { extensions: [...forDevice, alternative] } }, 0, 'CHAIN_PROFILE', 'alternative names');
    const explicit = makeChain({ line: { version: 1 } });
    expect(codesOf(await look(explicit.chain))).toContain('CHAIN_PROFILE');
  });
});

describe('explain orders by what is to be mended first', () => {
  it('the file, the clock, authorities from the root down, the device, then warnings', async () => {
    const { root, line, device } = makeChain({
      root: { extensions: authority(0), notAfter: '2026-02-01T00:00:00Z' },
      line: { extensions: [basicConstraints(true, 0), keyUsage(6)], notBefore: '2026-07-01T00:00:00Z' },
      device: { extensions: [keyUsage(2)], notAfter: '2026-02-01T00:00:00Z', kind: 'Ed25519' },
    });
    const { findings } = await look([device, root, line, line], { registrationId: 'x' });
    expect(findings.map(({ code, certificateIndex }) => [code, certificateIndex])).toEqual([
      ['CHAIN_DUPLICATE', 2],
      ['CHAIN_ORDER', undefined],
      ['CHAIN_NOT_YET_VALID', 2],
      ['CHAIN_PATH_LENGTH', 1],
      ['CHAIN_EXPIRED', 1],
      ['CHAIN_KEY_USAGE', 2],
      ['CHAIN_KEY_USAGE', 0],
      ['CHAIN_EXPIRED', 0],
      ['CHAIN_REGISTRATION_ID', 0],
      ['CHAIN_PROFILE', 2],
      ['CHAIN_ALGORITHM', 0],
    ]);
  });

  it('names whose rule it is', async () => {
    const { root, line, device } = makeChain({ device: { extensions: [keyUsage(4)] } });
    const { findings } = await look([device, root, line]);
    expect(findings.map(({ code, rule }) => [code, rule])).toEqual([
      ['CHAIN_ORDER', 'file'],
      ['CHAIN_KEY_USAGE', 'azure'],
    ]);
  });

  it('verifyChain has its errors and not its warnings', async () => {
    const { chain } = makeChain({ device: { kind: 'P-521' }, line: { notAfter: '2026-02-01T00:00:00Z' } });
    expect(codesOf(await look(chain))).toEqual(['CHAIN_EXPIRED', 'CHAIN_ALGORITHM']);
    const { isValid, problems } = await verifyChain({ chainPem: pem(chain), now });
    expect([isValid, problems.map(({ code }) => code)]).toEqual([false, ['CHAIN_EXPIRED']]);
  });
});

describe("explain an authority's chain", () => {
  it('good, and with what keeps it from issuing', async () => {
    const { line, root, chain } = makeChain();
    const purpose = 'authority';
    expect(codesOf(await look([line, root], { purpose }))).toEqual([]);
    expect(codesOf(await look(chain, { purpose }))).toEqual(['CHAIN_CA_FLAG', 'CHAIN_KEY_USAGE']);
    const below = makeRaw({ name: 'Below', issuer: line, extensions: authority(0) });
    expect(codesOf(await look([below, line, root], { purpose }))).toEqual(['CHAIN_PATH_LENGTH', 'CHAIN_PATH_LENGTH']);
    expect(codesOf(await look([line, root], { purpose, registrationId: 'Root' }))).toEqual(['CHAIN_REGISTRATION_ID']);
  });
});

describe('explain refuses', () => {
  it('wrong arguments, trusted roots and lists that can not be read', async () => {
    await expect(explain(5 as unknown as string)).rejects.toThrow(TypeError);
    await expect(explain('', { now: 'today' as unknown as Date })).rejects.toThrow(TypeError);
    await expectCode(explain('', { trustedRootsPem: 'x' }), 'ERR_PKI_CERTIFICATE_UNREADABLE');
    await expectCode(explain('', { crls: ['x'] }), 'ERR_PKI_CRL_UNREADABLE');
  });
});
