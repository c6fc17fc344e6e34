import { describe, expect, it } from '@jest/globals';
import { createPrivateKey, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { openPkcs11Token } from '../src/custody/pkcs11.ts';
import { createKeyVaultKey } from '../src/custody/key-vault.ts';
import { softwareKey } from '../src/custody/software-key.ts';
import {
  createAuthorityRequest,
  createCrl,
  createCrossCertificate,
  createDeviceRequest,
  createLineAuthority,
  createProofOfPossession,
  createRootAuthority,
  createSoftwareKey,
  issueDeviceCertificate,
  openAuthority,
  renewDeviceCertificate,
  signAuthorityRequest,
  signDeviceRequest,
  type CertificateAuthority,
  type KeyAlgorithm,
  type SigningKey,
} from '../src/index.ts';
import { basicConstraints, keyUsage, makeRaw, type MadeCertificate } from './certificate-maker.ts';
import { checkConformance, type CertificateKind } from './conformance.ts';
import { KeyVaultServer } from './key-vault-server.ts';
import { createFactory, expectCode } from './fixtures.ts';
import { issueIds, issueRequests } from './mass-source.ts';
import { itSaysWhetherSoftHsmIsThere, itWithSoftHsm, withToken } from './softhsm.ts';

/** @param issuerPem - a root's is its own */
function findDepartures(certificatePem: string, kind: CertificateKind, issuerPem = certificatePem): string[] {
  return checkConformance({ ...derOf(certificatePem, issuerPem), kind });
}

function derOf(certificatePem: string, issuerPem: string): { certificateDer: Buffer; issuerDer: Buffer } {
  return { certificateDer: new X509Certificate(certificatePem).raw, issuerDer: new X509Certificate(issuerPem).raw };
}

type MakeKey = (name: string) => Promise<SigningKey>;

const day = 86_400_000;

/** Whatever this package issues, by every way in which it does, with the departures of each. */
async function issueAll(
  makeKey: MakeKey,
  options: { registrationId?: string; validityDays?: number; now?: Date } = {},
): Promise<Record<string, string[]>> {
  const { registrationId = 'thermostat-1', ...when } = options;
  const { now = new Date() } = when;
  const root = await createRootAuthority({
    commonName: 'Contoso Root CA, Zürich',
    key: await makeKey('root'),
    ...when,
  });
  const key = await makeKey('line');
  const line = await createLineAuthority(root, { lineName: 'Line 1', key, ...when });
  return {
    root: findDepartures(root.certificatePem, 'root'),
    line: findDepartures(line.certificatePem, 'line', root.certificatePem),
    ...(await issueOthers(root, key, { now, ...when })),
    ...(await issueDevices(line, { registrationId, ...when })),
  };
}

/** What a root signs besides its lines. */
async function issueOthers(
  root: CertificateAuthority,
  key: SigningKey,
  when: { validityDays?: number; now: Date },
): Promise<Record<string, string[]>> {
  const csr = await createAuthorityRequest(key, { lineName: 'Line 2' });
  const ceremony = await signAuthorityRequest(root, csr, { lineName: 'Line 2', ...when });
  const proof = await createProofOfPossession(root, 'A1B2C3', { now: when.now });
  return {
    'line by request': findDepartures(ceremony.certificatePem, 'line', root.certificatePem),
    proof: findDepartures(proof.certificatePem, 'proof', root.certificatePem),
  };
}

async function issueDevices(
  line: CertificateAuthority,
  options: { registrationId: string; validityDays?: number; now?: Date },
): Promise<Record<string, string[]>> {
  const { registrationId, ...when } = options;
  const { now, ...validity } = when;
  const device = await issueDeviceCertificate(line, options);
  const request = await createDeviceRequest({ registrationId, key: createPrivateKey(device.privateKeyPem) });
  const signed = await signDeviceRequest(line, request, { registrationId, ...when });
  const renewed = await renewDeviceCertificate(line, { previous: device.certificatePem, ...when });
  const found = { device, 'device by request': signed, 'device renewed': renewed };
  const all = Object.entries(found).map(([path, { certificatePem }]) => [path, certificatePem] as const);
  const mass = { line, ...validity, ...(now && { now: () => now }) };
  // Mass issuing takes software keys alone: they have to go to its workers.
  const masses =
    'keyObject' in line.key
      ? [
          ...(await issueIds([registrationId], mass)).map((one) => ['device in mass', one.certificatePem] as const),
          ...(await issueRequests([{ csr: request }], mass)).map(
            (one) => ['request in mass', one.certificatePem] as const,
          ),
        ]
      : [];
  return Object.fromEntries(
    [...all, ...masses].map(([path, pem]) => [path, findDepartures(pem, 'device', line.certificatePem)]),
  );
}

/** Paths that every custody has, and those that only software keys have. */
const paths = ['root', 'line', 'line by request', 'proof', 'device', 'device by request', 'device renewed'];
const allPaths = [...paths, 'device in mass', 'request in mass'];

function expectConforming(found: Record<string, string[]>, expected: readonly string[]): void {
  expect(Object.keys(found)).toEqual(expected);
  expect(Object.values(found).flat()).toEqual([]);
}

describe('every issuing path conforms to RFC 5280', () => {
  itSaysWhetherSoftHsmIsThere();

  it.each<KeyAlgorithm>(['P-256', 'P-384', 'RSA-2048'])('with software keys: %s', async (keyAlgorithm) => {
    expectConforming(await issueAll(() => createSoftwareKey({ keyAlgorithm })), allPaths);
  });

  itWithSoftHsm.each<KeyAlgorithm>(['P-256', 'P-384', 'RSA-2048'])('with keys in a token: %s', (keyAlgorithm) =>
    withToken(async (location) => {
      const token = await openPkcs11Token(location);
      expectConforming(await issueAll((label) => token.generateKey({ label, keyAlgorithm })), paths);
      await token.close();
    }),
  );

  it.each<KeyAlgorithm>(['P-256', 'P-384', 'RSA-2048'])('with keys in a vault: %s', async (keyAlgorithm) => {
    const server = new KeyVaultServer();
    await server.start();
    const vault = { vaultUrl: server.url, ...server.caller() };
    try {
      expectConforming(await issueAll((name) => createKeyVaultKey({ ...vault, name, keyAlgorithm })), paths);
    } finally {
      await server.stop();
    }
  });

  it('over names, validities, times and kinds of key (property)', async () => {
    const edge = fc.constantFrom(...Array.from('abcxyz0189'));
    const middle = fc.string({ unit: fc.constantFrom(...Array.from('abcxyz0189.-_')), maxLength: 62 });
    const registrationIds = fc.tuple(edge, middle, edge).map((parts) => parts.join(''));
    const from = { min: new Date('1950-01-02T00:00:00Z'), max: new Date('2100-01-01T00:00:00Z') };
    const times = fc.date({ ...from, noInvalidDate: true });
    const algorithms = fc.constantFrom<KeyAlgorithm>('P-256', 'P-384');
    await fc.assert(
      fc.asyncProperty(
        registrationIds,
        fc.integer({ min: 1, max: 40_000 }),
        times,
        algorithms,
        async (registrationId, validityDays, now, keyAlgorithm) => {
          const makeKey = (): Promise<SigningKey> => createSoftwareKey({ keyAlgorithm });
          expectConforming(await issueAll(makeKey, { registrationId, validityDays, now }), allPaths);
        },
      ),
      { numRuns: 25 },
    );
  });

  it.each(['2049-12-31T23:59:59Z', '2050-01-01T00:00:00Z'])(
    'at the turn of the two forms of time: until %s',
    async (end) => {
      const now = new Date(Date.parse(end) - 10 * day);
      expectConforming(await issueAll(() => createSoftwareKey(), { now, validityDays: 10 }), allPaths);
    },
  );

  it('by authorities made elsewhere that have no key identifier', async () => {
    const madeRoot = makeAuthority('Root', 1);
    const madeLine = makeAuthority('Line', 0, madeRoot);
    const [root, line] = [openMade(madeRoot), openMade(madeLine, madeRoot)];
    const other = await createRootAuthority({ commonName: 'Root' });
    const cross = await createCrossCertificate(root, { certificatePem: other.certificatePem });
    const crl = await createCrl(line, { revoked: [], number: 1, nextUpdate: new Date(Date.now() + day) });
    const found = {
      ...(await issueOthers(root, await createSoftwareKey(), { now: new Date() })),
      cross: checkConformance({ ...derOf(cross.certificatePem, root.certificatePem), kind: 'cross', pathLength: 1 }),
      ...(await issueDevices(line, { registrationId: 'thermostat-1' })),
    };
    expectConforming(found, ['line by request', 'proof', 'cross', ...allPaths.slice(4)]);
    expect(Buffer.from(crl.crlDer).includes(Buffer.from(madeLine.keyId))).toBe(true);
  });
});

/** The first hexadecimal digits of a SubjectPublicKeyInfo are exchanged for others. */
function rewritten(key: SigningKey, from: string, to: string): SigningKey {
  const hex = Buffer.from(key.publicKeyDer).toString('hex');
  if (!hex.startsWith(from)) throw new Error(`a key begins with ${hex.slice(0, from.length)}`);
  return { ...key, publicKeyDer: Buffer.from(to + hex.slice(from.length), 'hex') };
}

/** SEC 1 section 2.3.3: the x coordinate, and whether y is odd. */
function compressed(key: SigningKey, from: string, to: string): SigningKey {
  const size = key.keyAlgorithm === 'P-256' ? 32 : 48;
  const point = Buffer.from(key.publicKeyDer.subarray(-2 * size));
  const whole = rewritten(key, from, `${to}0${2 + ((point[2 * size - 1] ?? 0) % 2)}`);
  return { ...whole, publicKeyDer: whole.publicKeyDer.subarray(0, -size) };
}

function keyOf(key: KeyObject): SigningKey {
  return softwareKey(key, 'a test');
}

describe('every path that takes a request refuses a key that would not conform', () => {
  const rsa = (publicExponent: number): SigningKey =>
    keyOf(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent }).privateKey);
  const explicit = (namedCurve: string): SigningKey =>
    keyOf(generateKeyPairSync('ec', { namedCurve, paramEncoding: 'explicit' }).privateKey);

  it.each<[string, string, () => SigningKey | Promise<SigningKey>]>([
    ['P-256 with explicit parameters', 'RFC 5480', () => explicit('prime256v1')],
    ['P-384 with explicit parameters', 'RFC 5480', () => explicit('secp384r1')],
    [
      'a compressed point of P-256',
      'RFC 5480',
      async () =>
        compressed(await createSoftwareKey(), p256Start, '3039301306072a8648ce3d020106082a8648ce3d030107032200'),
    ],
    [
      'a compressed point of P-384',
      'RFC 5480',
      async () => {
        const key = await createSoftwareKey({ keyAlgorithm: 'P-384' });
        const start = '3076301006072a8648ce3d020106052b8104002203620004';
        return compressed(key, start, '3046301006072a8648ce3d020106052b81040022033200');
      },
    ],
    ['RSA with the exponent 3', 'exponent 3;', () => rsa(3)],
    ['RSA with the exponent 257', 'exponent 257;', () => rsa(257)],
    [
      'RSA without parameters',
      'RFC 3279',
      () => rewritten(rsa(65537), '30820122300d06092a864886f70d0101010500', '30820120300b06092a864886f70d010101'),
    ],
  ])('%s', async (_name, words, makeKey) => {
    const { root, line, device } = await createFactory();
    const key = await makeKey();
    const csr = await createDeviceRequest({ registrationId: 'thermostat-1', key });
    const lineCsr = await createAuthorityRequest(key, { lineName: 'Line 2' });
    const refusals = [
      signDeviceRequest(line, csr, { allow: 'any' }),
      renewDeviceCertificate(line, { previous: device.certificatePem, csr }),
      issueRequests([{ csr }], { line }),
      signAuthorityRequest(root, lineCsr, { lineName: 'Line 2' }),
      createLineAuthority(root, { lineName: 'Line 2', key }),
    ];
    for (const refusal of refusals) {
      expect((await expectCode(refusal, 'ERR_PKI_KEY_ALGORITHM')).message).toContain(words);
    }
  });

  it.each([65537, 65539])('and RSA with the exponent %i is taken', async (publicExponent) => {
    const { line } = await createFactory();
    const csr = await createDeviceRequest({ registrationId: 'thermostat-1', key: rsa(publicExponent) });
    const { certificatePem } = await signDeviceRequest(line, csr, { allow: 'any' });
    expect(findDepartures(certificatePem, 'device', line.certificatePem)).toEqual([]);
  });
});

const p256Start = '3059301306072a8648ce3d020106082a8648ce3d03010703420004';

/** As OpenSSL makes one with subjectKeyIdentifier=none. */
function makeAuthority(name: string, pathLength: number, issuer?: MadeCertificate): MadeCertificate {
  const extensions = [basicConstraints(true, pathLength), keyUsage(5, 6)];
  return makeRaw({ name, extensions, keyIds: { subject: false, authority: false }, ...(issuer && { issuer }) });
}

function openMade(made: MadeCertificate, ...issuers: MadeCertificate[]): CertificateAuthority {
  const chainPem = [made, ...issuers].map(({ pem }) => pem).join('');
  return openAuthority({ chainPem, key: softwareKey(made.key, 'a test') });
}
