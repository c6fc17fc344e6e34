import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';
import {
  createCrl,
  createDeviceRequest,
  createSoftwareKey,
  decodePfx,
  decryptPrivateKey,
  encodePfx,
  encryptPrivateKey,
  explain,
  PkiError,
  readCertificates,
  readCrl,
  renewDeviceCertificate,
  signDeviceRequest,
  thumbprints,
  verifyChain,
} from '../src/index.ts';
import { readElement, readElements } from '../src/der.ts';
import { encodePem } from '../src/pem.ts';
import { derivePkcs12Key } from '../src/pkcs12-key.ts';
import { parseCertificates } from '../src/certificate.ts';
import { der, extension, makeRaw, nameOf, octets, oid, sequence } from './certificate-maker.ts';
import { createFactory } from './fixtures.ts';
import { issueRequests } from './mass-source.ts';
import { bombs, mutate, tlv } from './mutation.ts';

const { root, line, device } = await createFactory();
const now = new Date();
const certificate = new Uint8Array(parseCertificates(device.certificatePem)[0].rawData);
const key = await createSoftwareKey();
const request = Buffer.from(
  (await createDeviceRequest({ registrationId: 'thermostat-1', key })).replace(/-----[^-]+-----|\s/g, ''),
  'base64',
);
const revoked = Array.from({ length: 5 }, (_, index) => ({
  serialNumber: `0${index + 1}`,
  revokedAt: now,
  invalidSince: now,
}));
const crl = await createCrl(line, { revoked, number: 1, nextUpdate: new Date(now.getTime() + 1e9) });

/** Rejections that nobody waits for end a process. */
const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
beforeAll(() => {
  process.on('unhandledRejection', note);
});
afterAll(() => {
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

interface Tally {
  refused: number;
  taken: number;
  slowestMs: number;
}

/** Runs with each; everything ends in a result or in one of our errors, and soon. */
async function runAll(
  inputs: Iterable<{ kind: string; bytes: Buffer }>,
  run: (bytes: Buffer) => unknown,
  limitMs = 2000,
): Promise<Tally> {
  const tally = { refused: 0, taken: 0, slowestMs: 0 };
  for (const { kind, bytes } of inputs) {
    const start = performance.now();
    try {
      await run(bytes);
      tally.taken += 1;
    } catch (error) {
      if (!(error instanceof PkiError))
        throw new Error(`${kind}: ${bytes.toString('hex').slice(0, 4000)}`, { cause: error });
      tally.refused += 1;
    }
    const took = performance.now() - start;
    if (took > limitMs) throw new Error(`${kind} took ${took} ms`);
    tally.slowestMs = Math.max(tally.slowestMs, took);
  }
  return tally;
}

const trustedRootsPem = root.certificatePem;
/** Permits what is below a domain, and excludes a name; the device below it has both kinds of name. */
const limiting = makeRaw({
  name: 'Limiting Line',
  extensions: [
    extension(
      '2.5.29.30',
      sequence(
        der(0xa0, sequence(der(0x82, 'contoso.com')), sequence(der(0x87, Uint8Array.of(10, 0, 0, 0, 255, 0, 0, 0)))),
        der(
          0xa1,
          ...[der(0xa4, nameOf('Nobody')), der(0x81, 'fabrikam.com'), der(0x86, '.fabrikam.com')].map((base) =>
            sequence(base),
          ),
        ),
      ),
      true,
    ),
  ],
});
const limited = makeRaw({
  name: 'device-1',
  issuer: limiting,
  extensions: [
    extension(
      '2.5.29.17',
      sequence(
        ...[der(0x81, 'a@contoso.com'), der(0x82, 'a.contoso.com')],
        ...[der(0x86, 'https://contoso.com/a'), der(0x87, Uint8Array.of(10, 0, 0, 1))],
      ),
    ),
  ],
});
const readers: Readonly<Record<string, { good: Uint8Array; run: (bytes: Buffer) => unknown }>> = {
  'certificate, DER': { good: certificate, run: (bytes) => thumbprints(bytes) },
  'certificate, explained': {
    good: certificate,
    run: (bytes) => explain([bytes, ...parseCertificates(line.chainPem).map((one) => new Uint8Array(one.rawData))]),
  },
  'certificate, as an authority': {
    good: new Uint8Array(parseCertificates(line.certificatePem)[0].rawData),
    run: (bytes) => verifyChain({ chainPem: device.certificatePem + encodePem('CERTIFICATE', bytes), trustedRootsPem }),
  },
  'name constraints, explained': { good: limiting.der, run: (bytes) => explain([limited.der, bytes]) },
  'names under constraints, explained': { good: limited.der, run: (bytes) => explain([bytes, limiting.der]) },
  'certificate to be renewed': { good: certificate, run: (bytes) => renewDeviceCertificate(line, { previous: bytes }) },
  'request, DER': { good: request, run: (bytes) => signDeviceRequest(line, bytes, { allow: 'any' }) },
  'revocation list, DER': { good: crl.crlDer, run: (bytes) => readCrl(bytes) },
  'revocation list, explained': {
    good: crl.crlDer,
    run: (bytes) => explain(device.chainPem, { crls: [bytes] }),
  },
  'PEM text': {
    good: Buffer.from(device.chainPem),
    run: (bytes) => readCertificates(bytes.toString('latin1')),
  },
  'PEM chain, explained': {
    good: Buffer.from(device.chainPem),
    run: (bytes) => explain(bytes.toString('latin1'), { trustedRootsPem }),
  },
};

describe('malformed input by the thousand ends in one of our errors, soon', () => {
  it.each(Object.entries(readers))(
    '%s',
    async (_name, { good, run }) => {
      await run(Buffer.from(good));
      const { refused, taken } = await runAll(mutate(good, 1000, 20_261_124), run);
      expect(refused + taken).toBe(1000);
    },
    240_000,
  );

  it.each(Object.entries(readers))(
    '%s: deep, and large by its own word',
    async (_name, { run }) => {
      const before = process.memoryUsage().rss;
      await runAll(bombs(), run, 4000);
      expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(700);
    },
    240_000,
  );
});

describe('malformed requests by the thousand, in mass', () => {
  const refusal = 'refused';
  const [info] = readElements(request, readElement(request, 0)!)!;
  const signed = request.subarray(info!.from, info!.end);

  /** Around a part that was damaged before its key signed it. */
  async function sign(part: Uint8Array): Promise<Uint8Array> {
    const algorithm = sequence(oid('1.2.840.10045.4.3.2'));
    return sequence(part, algorithm, der(0x03, Uint8Array.of(0), await key.sign(part)));
  }

  it.each<[string, () => Uint8Array[] | Promise<Uint8Array[]>, number]>([
    ['damaged on their way', () => [...mutate(request, 1000, 7)].map(({ bytes }) => bytes), 10],
    [
      'with other attributes, signed as they are',
      () => {
        const [version, subject, publicKey] = readElements(signed, readElement(signed, 0)!)!.map(({ from, end }) =>
          signed.subarray(from, end),
        ) as [Buffer, Buffer, Buffer];
        return Promise.all(
          ['', '0505', '0500', '3000', '30050c0161', '300906032a030431020c05', '300906032a030431020c00'].map((hex) =>
            sign(sequence(version, subject, publicKey, der(0xa0, Buffer.from(hex, 'hex')))),
          ),
        );
      },
      1,
    ],
    ['signed as they are', () => Promise.all([...mutate(signed, 1000, 8)].map(({ bytes }) => sign(bytes))), 10],
  ])(
    'end as on the ordinary path, which reads them with other code: %s',
    async (_name, damage, least) => {
      const requests = [request, ...(await damage())].map((csr) => ({ csr }));
      const ordinary: string[] = [];
      for (const { csr } of requests) {
        const answer = signDeviceRequest(line, csr, { allow: 'any' }).then(({ registrationId }) => registrationId);
        ordinary.push(await answer.catch((error: unknown) => (error instanceof PkiError ? refusal : String(error))));
      }
      const mass: string[] = [];
      const taken = await issueRequests(requests, { line, onRefused: ({ index }) => void (mass[index] = refusal) });
      // What wasn't refused comes in its order.
      for (const { registrationId } of taken) mass[requests.findIndex((_, index) => !(index in mass))] = registrationId;
      expect(mass).toEqual(ordinary);
      expect(ordinary[0]).toBe('thermostat-1');
      expect(ordinary.filter((answer) => answer !== refusal).length).toBeGreaterThan(least);
    },
    240_000,
  );
});

describe('PEM that a pattern could take for ever on', () => {
  it.each([
    [
      'spaces and something else',
      `-----BEGIN CERTIFICATE-----\nAAAA${' '.repeat(500_000)}!\n-----END CERTIFICATE-----`,
    ],
    ['a long label', `-----BEGIN ${'A '.repeat(500_000)}`],
    ['beginnings', '-----BEGIN CERTIFICATE-----\n'.repeat(50_000)],
    ['ends', '-----END CERTIFICATE-----\n'.repeat(50_000)],
    ['hyphens', '-'.repeat(1_000_000)],
    ['equal signs', `-----BEGIN CERTIFICATE-----\n${'='.repeat(500_000)}\n-----END CERTIFICATE-----`],
  ])('%s', async (kind, text) => {
    const { refused } = await runAll([{ kind, bytes: Buffer.from(text) }], (bytes) =>
      readCertificates(bytes.toString()),
    );
    expect(refused).toBe(1);
  });
});

const password = 'Sesame-17';

/** PFX around given safes, with a right MAC of one iteration by what the package computes it with. */
async function seal(safes: Uint8Array, iterations: Uint8Array = Uint8Array.of(1)): Promise<Buffer> {
  const salt = Buffer.alloc(8, 7);
  const macKey = await derivePkcs12Key({
    password,
    hash: 'sha256',
    salt,
    iterations: 1,
    purpose: 3,
    length: 32,
    subject: 'x',
  });
  const digest = createHmac('sha256', macKey).update(safes).digest();
  const sha256 = sequence(oid('2.16.840.1.101.3.4.2.1'), der(5));
  return tlvSequence(
    der(2, Uint8Array.of(3)),
    tlvSequence(oid('1.2.840.113549.1.7.1'), tlv(0xa0, tlv(4, safes))),
    sequence(sequence(sha256, octets(digest)), octets(salt), der(2, iterations)),
  );
}

const tlvSequence = (...parts: readonly Uint8Array[]): Buffer => tlv(0x30, Buffer.concat(parts));

/** AuthenticatedSafe with everything in the clear, so that damage reaches every reader. */
async function openSafes(): Promise<Buffer> {
  const chain = parseCertificates(device.chainPem).map((one) => Buffer.from(one.rawData));
  const keyDer = Buffer.from(device.privateKeyPem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const bag = (id: number, value: Uint8Array): Uint8Array =>
    tlvSequence(oid(`1.2.840.113549.1.12.10.1.${id}`), tlv(0xa0, value));
  const certificates = chain.map((each) =>
    bag(3, tlvSequence(oid('1.2.840.113549.1.9.22.1'), tlv(0xa0, tlv(4, each)))),
  );
  const contents = tlvSequence(bag(1, keyDer), ...certificates);
  return tlvSequence(tlvSequence(oid('1.2.840.113549.1.7.1'), tlv(0xa0, tlv(4, contents))));
}

describe('malformed PFX by the thousand', () => {
  const open = (bytes: Uint8Array): Promise<unknown> => decodePfx(bytes, password);

  it('damaged from outside', async () => {
    const good = await seal(await openSafes());
    expect((await decodePfx(good, password)).chainPem).toBe(device.chainPem);
    const { refused } = await runAll(mutate(good, 1000, 1), open);
    // The MAC sees all but the damage that leaves the content as it was.
    expect(refused).toBeGreaterThan(950);
  }, 240_000);

  it('damaged, and then sealed', async () => {
    const safes = await openSafes();
    const { refused, taken } = await runAll(mutate(safes, 1000, 2), async (bytes) => open(await seal(bytes)));
    expect(refused + taken).toBe(1000);
  }, 240_000);

  it('encrypted parts damaged', async () => {
    const whole = await encodePfx({ ...device, password });
    // PBES2 with 10,000 iterations costs its time, so that these are fewer.
    const { refused } = await runAll(mutate(whole, 200, 3), open);
    expect(refused).toBeGreaterThan(150);
  }, 240_000);

  it('deep, and large by its own word', async () => {
    await runAll(bombs(), open, 4000);
    await runAll(bombs(), async (bytes) => open(await seal(bytes)), 4000);
  }, 240_000);

  it.each<[string, Uint8Array]>([
    ['2^31 - 1', Uint8Array.of(0x7f, 0xff, 0xff, 0xff)],
    ['2^31', Uint8Array.of(0, 0x80, 0, 0, 0)],
    ['2^64', Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['one more than a million', Uint8Array.of(0x0f, 0x42, 0x41)],
    ['0', Uint8Array.of(0)],
    ['-1', Uint8Array.of(0xff)],
  ])('a MAC that asks for %s iterations is refused at once', async (_name, iterations) => {
    const sealed = await seal(await openSafes(), iterations);
    const { refused, slowestMs } = await runAll([{ kind: 'iterations', bytes: sealed }], open);
    expect(refused).toBe(1);
    expect(slowestMs).toBeLessThan(500);
  });

  it.each([
    ['triple DES', 3],
    ['RC2-40', 6],
  ])('so is %s with 2^31 iterations', async (_name, cipher) => {
    const parameters = sequence(octets(Buffer.alloc(8)), der(2, Uint8Array.of(0, 0x80, 0, 0, 0)));
    const algorithm = sequence(oid(`1.2.840.113549.1.12.1.${cipher}`), parameters);
    await expectRefusedSafe(algorithm, 'iterations');
  });

  it('so is PBKDF2 with 2^31 iterations', async () => {
    const count = der(2, Uint8Array.of(0, 0x80, 0, 0, 0));
    const derivation = sequence(oid('1.2.840.113549.1.5.12'), sequence(octets(Buffer.alloc(8)), count));
    const cipher = sequence(oid('2.16.840.1.101.3.4.1.42'), octets(Buffer.alloc(16)));
    await expectRefusedSafe(sequence(oid('1.2.840.113549.1.5.13'), sequence(derivation, cipher)), '');
  });

  it('so are a hundred safes, each of which would cost its time', async () => {
    const safe = sequence(oid('1.2.840.113549.1.7.1'), der(0xa0, octets(sequence())));
    const sealed = await seal(tlvSequence(...Array<Uint8Array>(100).fill(safe)));
    await expect(decodePfx(sealed, password)).rejects.toMatchObject({ code: 'ERR_PKI_PFX_UNREADABLE' });
  });

  async function expectRefusedSafe(algorithm: Uint8Array, words: string): Promise<void> {
    const info = sequence(oid('1.2.840.113549.1.7.1'), algorithm, der(0x80, Buffer.alloc(64)));
    const data = sequence(der(2, Uint8Array.of(0)), info);
    const sealed = await seal(sequence(sequence(oid('1.2.840.113549.1.7.6'), der(0xa0, data))));
    const start = performance.now();
    const error: unknown = await decodePfx(sealed, password).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ERR_PKI_ENCRYPTION_UNSUPPORTED' });
    expect((error as PkiError).message).toContain(words);
    expect(performance.now() - start).toBeLessThan(500);
  }
});

describe('malformed encrypted keys', () => {
  it('by the hundred', async () => {
    const pem = await encryptPrivateKey(device.privateKeyPem, password);
    const good = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    const open = (bytes: Buffer): Promise<unknown> =>
      decryptPrivateKey(encodePem('ENCRYPTED PRIVATE KEY', bytes), password);
    await runAll(mutate(good, 100, 4), open, 10_000);
    await runAll(bombs(), open, 4000);
  }, 240_000);
});
