import { beforeAll, describe, expect, it } from '@jest/globals';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { encodeBundle } from '../src/bundle-content.ts';
import { chainToPem, parseCertificates } from '../src/certificate.ts';
import { signCertificate } from '../src/certificate-signing.ts';
import { createSoftwareKey } from '../src/custody/software-key.ts';
import { commonNameOnly } from '../src/distinguished-name.ts';
import { KeyUsageFlags } from '../src/engine.ts';
import {
  createLineAuthority,
  createRootAuthority,
  issueDeviceCertificate,
  openDeviceBundle,
  saveDevice,
  sealDeviceBundle,
  type CertificateAuthority,
  type DeviceCredential,
  type KeyAlgorithm,
} from '../src/index.ts';
import { publicKeyToDer } from '../src/private-key.ts';
import { sealData } from '../src/sealed-data.ts';
import { planValidity } from '../src/validity.ts';
import { expectCode, inTemporaryFolder, makeStation, password, type Station } from './fixtures.ts';
import { itSaysWhetherOpenSslIsThere, itWithOpenSsl, openSsl } from './openssl-cli.ts';

let root: CertificateAuthority;
let line: CertificateAuthority;
let devices: DeviceCredential[];
let station: Station;
beforeAll(async () => {
  root = await createRootAuthority({ commonName: 'Contoso Root CA' });
  line = await createLineAuthority(root, { lineName: 'Line 1' });
  const ids = ['thermostat-1', 'thermostat-2', 'thermostat-3'];
  devices = await Promise.all(ids.map((registrationId) => issueDeviceCertificate(line, { registrationId })));
  station = await makeStation();
});

const seal = (to: Station = station): Promise<Uint8Array> =>
  sealDeviceBundle({ devices, recipientCertificatePem: to.certificatePem });
const open = (bundle: Uint8Array, at: Station = station): Promise<DeviceCredential[]> =>
  openDeviceBundle({ bundle, ...at, trustedRootsPem: root.certificatePem });

describe('a sealed bundle', () => {
  it.each<KeyAlgorithm>(['P-256', 'P-384', 'RSA-2048', 'RSA-3072'])(
    'is opened by its station, whose key is %s',
    async (keyAlgorithm) => {
      const receiver = await makeStation({ keyAlgorithm });
      await expect(open(await seal(receiver), receiver)).resolves.toEqual(devices);
    },
  );

  it('shows no key, no name and no certificate of a device', async () => {
    const bundle = Buffer.from(await seal());
    for (const { registrationId, privateKeyPem, certificatePem } of devices) {
      for (const secret of [registrationId, ...linesOf(privateKeyPem), ...linesOf(certificatePem)]) {
        expect(bundle.includes(secret)).toBe(false);
        expect(bundle.includes(Buffer.from(secret, 'base64'))).toBe(false);
      }
    }
  });

  it('costs one operation of the recipient, however many devices are in it', async () => {
    const [first] = devices;
    const many = Array.from({ length: 1000 }, (_, index) => ({ ...first!, registrationId: `d-${index}` }));
    const one = await sealDeviceBundle({
      devices: many.slice(0, 1),
      recipientCertificatePem: station.certificatePem,
    });
    const all = await sealDeviceBundle({ devices: many, recipientCertificatePem: station.certificatePem });
    const overhead = (bundle: Uint8Array, content: Buffer): number => bundle.length - content.length;
    expect(overhead(all, encodeBundle(many)) - overhead(one, encodeBundle(many.slice(0, 1)))).toBeLessThan(10);
  });

  it('is saved device by device where it is opened', () =>
    inTemporaryFolder(async (folder) => {
      for (const device of await open(await seal())) await saveDevice(device, { folder, password });
      expect((await readdir(folder)).filter((name) => name.endsWith('.pfx'))).toHaveLength(3);
    }));

  itSaysWhetherOpenSslIsThere();

  itWithOpenSsl.each<KeyAlgorithm>(['P-256', 'P-384', 'RSA-3072'])(
    'is opened by OpenSSL with a key %s',
    (keyAlgorithm) =>
      inTemporaryFolder(async (folder) => {
        const receiver = await makeStation({ keyAlgorithm });
        const path = (name: string): string => join(folder, name);
        await writeFile(path('bundle.p7m'), await seal(receiver));
        await writeFile(path('station.pem'), receiver.certificatePem);
        await writeFile(path('station.key'), receiver.privateKeyPem, { mode: 0o600 });
        const args = ['-inform', 'DER', '-in', path('bundle.p7m'), '-recip', path('station.pem')];
        const text = openSsl(['cms', '-decrypt', ...args, '-inkey', path('station.key')]);
        const [head, ...lines] = text.trimEnd().split('\n');
        expect(head).toBe('{"format":"contoso-device-bundle/1","devices":3}');
        expect(lines.map((each) => JSON.parse(each) as unknown)).toEqual(
          devices.map(({ registrationId, chainPem, privateKeyPem }) => ({ registrationId, chainPem, privateKeyPem })),
        );
      }),
  );

  itWithOpenSsl('is read if OpenSSL sealed it with RSA', () =>
    inTemporaryFolder(async (folder) => {
      const receiver = await makeStation({ keyAlgorithm: 'RSA-2048' });
      const path = (name: string): string => join(folder, name);
      await writeFile(path('station.pem'), receiver.certificatePem);
      const options = ['-binary', '-aes-256-gcm', '-outform', 'DER', '-out', path('bundle.p7m')];
      const oaep = ['-keyopt', 'rsa_padding_mode:oaep', '-keyopt', 'rsa_oaep_md:sha256'];
      openSsl(['cms', '-encrypt', ...options, '-recip', path('station.pem'), ...oaep], encodeBundle(devices));
      await expect(open(await readFile(path('bundle.p7m')), receiver)).resolves.toEqual(devices);
    }),
  );
});

describe('a sealed bundle is refused', () => {
  it("at another station, and with another's key", async () => {
    const other = await makeStation();
    const error = await expectCode(open(await seal(), other), 'ERR_PKI_BUNDLE_RECIPIENT');
    expect(error.message).toContain("another station's certificate");
    const mixed = { certificatePem: station.certificatePem, privateKeyPem: other.privateKeyPem };
    await expectCode(open(await seal(), mixed), 'ERR_PKI_KEY_MISMATCH');
  });

  it('with any bit of its content changed, cut off or added', async () => {
    const bundle = await seal();
    const changed = (at: number): Uint8Array => {
      const copy = Uint8Array.from(bundle);
      copy[at] = (copy[at] ?? 0) ^ 1;
      return copy;
    };
    // From the end: tag, then content.
    for (let back = 1; back < 4000; back += 97) {
      const error = await open(changed(bundle.length - back)).then(
        () => undefined,
        (reason: unknown) => reason as { code: string },
      );
      expect(error?.code).toMatch(/^ERR_PKI_BUNDLE_(ALTERED|UNREADABLE)$/);
    }
    await expectCode(open(changed(bundle.length - 1)), 'ERR_PKI_BUNDLE_ALTERED');
    await expectCode(open(changed(bundle.length - 1000)), 'ERR_PKI_BUNDLE_ALTERED');
    await expectCode(open(bundle.subarray(0, -1)), 'ERR_PKI_BUNDLE_UNREADABLE');
  });

  it('with another cipher named in it, which would check nothing', async () => {
    const bundle = Buffer.from(await seal());
    const aes256 = (mode: number): Buffer => Buffer.from([0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, mode]);
    const [gcm, cbc] = [aes256(46), aes256(42)];
    cbc.copy(bundle, bundle.indexOf(gcm));
    await expectCode(open(bundle), 'ERR_PKI_BUNDLE_UNREADABLE');
  });

  it('with a changed key, nonce or recipient in its head', async () => {
    const bundle = await seal();
    const codes = new Set<string>();
    for (let at = 0; at < 500; at += 3) {
      const copy = Uint8Array.from(bundle);
      copy[at] = (copy[at] ?? 0) ^ 0x55;
      const result = await open(copy).then(
        () => 'opened',
        (reason: unknown) => (reason as { code?: string }).code ?? String(reason),
      );
      codes.add(result);
    }
    codes.delete('ERR_PKI_BUNDLE_ALTERED');
    codes.delete('ERR_PKI_BUNDLE_UNREADABLE');
    codes.delete('ERR_PKI_BUNDLE_RECIPIENT');
    // Some octets say nothing that matters to anyone, such as a version number; a device never comes out changed.
    expect([...codes].filter((code) => code !== 'opened')).toEqual([]);
  });

  it.each([
    ['nothing', new Uint8Array()],
    ['noise', randomBytes(500)],
    ['an empty SEQUENCE', Uint8Array.of(0x30, 0)],
    ['text', Buffer.from('{"format":"contoso-device-bundle/1","devices":0}')],
  ])('where it is none: %s', async (_name, bundle) => {
    await expectCode(open(bundle), 'ERR_PKI_BUNDLE_UNREADABLE');
    await expect(open('text' as unknown as Uint8Array)).rejects.toThrow(TypeError);
  });

  it('with content of another format, of which no error shows a part', async () => {
    const [recipient] = parseCertificates(station.certificatePem);
    const [{ privateKeyPem }] = devices as [DeviceCredential];
    const good = encodeBundle(devices).toString('utf8');
    const contents = [
      'no JSON',
      privateKeyPem,
      `{"format":"contoso-device-bundle/1","devices":1}\n${privateKeyPem}`,
      good.replace('bundle/1', 'bundle/2'),
      good.replace('"devices":3', '"devices":2'),
      good.replace('"registrationId":"thermostat-3"', '"registrationId":"thermostat-1"'),
      good.replace('"privateKeyPem"', '"key"'),
      'null\nnull',
    ];
    for (const content of contents) {
      const error = await expectCode(
        open(await sealData(Buffer.from(content), recipient)),
        'ERR_PKI_BUNDLE_UNREADABLE',
      );
      const shown = [inspect(error, { depth: 9, showHidden: true }), error.stack, JSON.stringify(error)].join('\n');
      for (const part of linesOf(privateKeyPem)) expect(shown).not.toContain(part);
    }
  });

  it('with a device that is below another root, or whose key or name is not its own', async () => {
    const [first, second] = devices as [DeviceCredential, DeviceCredential];
    const otherRoot = await createRootAuthority({ commonName: 'Contoso Root CA' });
    const otherLine = await createLineAuthority(otherRoot, { lineName: 'Line 1' });
    const foreign = await issueDeviceCertificate(otherLine, { registrationId: 'thermostat-9' });
    const odd: [DeviceCredential, string][] = [
      [foreign, 'has a chain that leads to no trusted root'],
      [{ ...foreign, chainPem: foreign.certificatePem + line.chainPem }, 'has a chain that leads to no trusted root'],
      [{ ...first, chainPem: first.certificatePem }, 'has a chain that leads to no trusted root'],
      [{ ...first, privateKeyPem: second.privateKeyPem }, "has a certificate that isn't its own"],
      [{ ...first, registrationId: 'thermostat-9' }, "has a certificate that isn't its own"],
    ];
    for (const [device, message] of odd) {
      const bundle = await sealDeviceBundle({
        devices: [second, device].filter((each, index, all) => all.indexOf(each) === index),
        recipientCertificatePem: station.certificatePem,
      });
      const error = await expectCode(open(bundle), 'ERR_PKI_BUNDLE_UNTRUSTED');
      expect(error.message).toContain(message);
      expect(inspect(error, { depth: 9 })).not.toContain('PRIVATE');
    }
  });
});

describe('nothing is sealed', () => {
  it('to a certificate that is not valid, or not for this', async () => {
    const { digitalSignature } = KeyUsageFlags;
    const to = (each: Station): Promise<Uint8Array> => seal(each);
    const signing = await makeStation({ usage: digitalSignature });
    const error = await expectCode(to(signing), 'ERR_PKI_STATION_CERTIFICATE');
    expect(error.message).toContain('has a key usage without keyAgreement');
    const rsa = await makeStation({ usage: digitalSignature, keyAlgorithm: 'RSA-2048' });
    expect((await expectCode(to(rsa), 'ERR_PKI_STATION_CERTIFICATE')).message).toContain('keyEncipherment');
    const old = await makeStation({ now: new Date('2020-01-01T00:00:00Z') });
    const expired = await expectCode(to(old), 'ERR_PKI_STATION_CERTIFICATE');
    expect(expired.message).toContain('to 2020-01-31T00:00:00.000Z only');
    const future = await makeStation({ now: new Date('2999-01-01T00:00:00Z') });
    await expectCode(to(future), 'ERR_PKI_STATION_CERTIFICATE');
  });

  it('to a key of another kind, or something that is no certificate', async () => {
    const key = await createSoftwareKey();
    const { publicKey } = generateKeyPairSync('ed25519');
    const certificate = await signCertificate(
      { certificate: undefined, key },
      {
        subject: commonNameOnly('Station'),
        publicKeyDer: publicKeyToDer(publicKey),
        validity: planValidity({ validityDays: 1 }),
        extensions: [],
      },
    );
    const seal = (recipientCertificatePem: string): Promise<Uint8Array> =>
      sealDeviceBundle({ devices, recipientCertificatePem });
    await expectCode(seal(chainToPem([certificate])), 'ERR_PKI_KEY_ALGORITHM');
    await expectCode(seal(station.privateKeyPem), 'ERR_PKI_CERTIFICATE_UNREADABLE');
  });

  it('of no device, of one twice, or of too many', async () => {
    const [first] = devices as [DeviceCredential];
    const seal = (each: readonly DeviceCredential[]): Promise<Uint8Array> =>
      sealDeviceBundle({ devices: each, recipientCertificatePem: station.certificatePem });
    await expectCode(seal([]), 'ERR_PKI_BUNDLE_SIZE');
    expect((await expectCode(seal([first, first]), 'ERR_PKI_BUNDLE_SIZE')).message).toContain('1 are repeated');
    const padded = { ...first, chainPem: first.chainPem + ' '.repeat(2 ** 20) };
    const many = Array.from({ length: 64 }, (_, index) => ({ ...padded, registrationId: `d-${index}` }));
    expect((await expectCode(seal(many), 'ERR_PKI_BUNDLE_SIZE')).message).toContain('more than 64 MiB');
    await expectCode(seal([{ ...first, registrationId: '../x' }]), 'ERR_PKI_REGISTRATION_ID_CHARACTER');
    await expect(seal([{ ...first, privateKeyPem: 5 as unknown as string }])).rejects.toThrow(TypeError);
  });
});

/** The lines of a PEM text that say something. */
function linesOf(pem: string): string[] {
  return pem.split('\n').filter((each) => each.length > 20 && !each.startsWith('-----'));
}
