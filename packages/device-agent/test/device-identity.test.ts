import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createLineAuthority,
  createRootAuthority,
  encryptPrivateKey,
  issueDeviceCertificate,
  saveDevice,
  type DeviceCredential,
} from '@contoso/pki';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { checkValidity, loadIdentity, type IdentitySource } from '../src/index.ts';

const password = 'correct horse';
let folder: string;
let device: DeviceCredential;
let other: DeviceCredential;
let pfxFile: string;

const file = async (name: string, content: string | Uint8Array): Promise<string> => {
  await writeFile(join(folder, name), content);
  return join(folder, name);
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-identity-'));
  const root = await createRootAuthority({ commonName: 'Contoso Root CA' });
  const line = await createLineAuthority(root, { lineName: 'line-1' });
  device = await issueDeviceCertificate(line, { registrationId: 'thermostat-1' });
  other = await issueDeviceCertificate(line, { registrationId: 'thermostat-2' });
  pfxFile = (await saveDevice(device, { folder, password })).pfxPath;
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('loadIdentity', () => {
  it('ok: reads a PFX, chain and all', async () => {
    const identity = await loadIdentity({ pfxFile, password });
    expect(identity).toMatchObject({
      registrationId: 'thermostat-1',
      chainSubjects: ['CN=thermostat-1', 'CN=line-1', 'CN=Contoso Root CA'],
      lastIssuer: 'CN=Contoso Root CA',
      thumbprintSha256: device.thumbprintSha256,
      notAfter: device.notAfter,
    });
    expect(identity.chainPem.replace(/\s/g, '')).toBe(device.chainPem.replace(/\s/g, ''));
  });

  it("ok: reads OpenSSL's PFX", async () => {
    const [chain, key, pfx] = [
      await file('c.pem', device.chainPem),
      await file('k.pem', device.privateKeyPem),
      join(folder, 'openssl.pfx'),
    ];
    execFileSync(
      'openssl',
      ['pkcs12', '-export', '-in', chain, '-inkey', key, '-out', pfx, '-passout', 'env:PFX_PASSWORD'],
      {
        env: { ...process.env, PFX_PASSWORD: password },
      },
    );
    const identity = await loadIdentity({ pfxFile: pfx, password });
    expect(identity.chainSubjects).toEqual(['CN=thermostat-1', 'CN=line-1', 'CN=Contoso Root CA']);
    expect(identity.privateKeyPem).toBe((await loadIdentity({ pfxFile, password })).privateKeyPem);
  });

  it('ok: reads PEM in any order, with the key encrypted or not', async () => {
    const [leaf = '', line = '', root = ''] =
      device.chainPem.match(/-----BEGIN[^]+?-----END CERTIFICATE-----\n/g) ?? [];
    const chainFile = await file('shuffled.pem', root + leaf + line);
    const plain = await loadIdentity({ chainFile, keyFile: await file('plain.key', device.privateKeyPem) });
    const encryptedKey = await file('encrypted.key', await encryptPrivateKey(device.privateKeyPem, password));
    const encrypted = await loadIdentity({ chainFile, keyFile: encryptedKey, password });
    expect(plain.chainSubjects).toEqual(['CN=thermostat-1', 'CN=line-1', 'CN=Contoso Root CA']);
    expect(encrypted).toEqual(plain);
  });

  it('ok: leaves out what does not belong to the chain, says so, and sends nothing twice', async () => {
    const stranger = await createRootAuthority({ commonName: 'Stranger CA' });
    const chainPem = device.chainPem + stranger.certificatePem + device.chainPem;
    const identity = await loadIdentity({ chainPem, privateKeyPem: device.privateKeyPem });
    expect(identity.chainPem.replace(/\s/g, '')).toBe(device.chainPem.replace(/\s/g, ''));
    expect(identity.leftOut).toEqual(['CN=Stranger CA']);
  });

  it("ok: carries the certificate's facts", async () => {
    const { certificate, thumbprintSha1 } = await loadIdentity({ pfxFile, password });
    expect(certificate).toEqual({
      whose: 'device',
      subject: 'CN=thermostat-1',
      issuer: 'CN=line-1',
      notBefore: device.notBefore.toISOString(),
      notAfter: device.notAfter.toISOString(),
      thumbprintSha256: device.thumbprintSha256,
    });
    expect(thumbprintSha1).toBe(device.thumbprintSha1);
  });

  it('fail: a key of another device, with the facts of the certificate', async () => {
    const mixed = loadIdentity({ chainPem: device.chainPem, privateKeyPem: other.privateKeyPem });
    await expect(mixed).rejects.toMatchObject({
      advice: 'Pair the certificate with the key it was issued for.',
      certificate: { subject: 'CN=thermostat-1', thumbprintSha256: device.thumbprintSha256 },
    });
  });

  it.each<[string, string, RegExp, () => Promise<IdentitySource>]>([
    [
      'a file that is not there',
      'ERR_AGENT_IDENTITY_FILE',
      /nowhere\.pfx.*Check the path/,
      async () => ({ pfxFile: join(folder, 'nowhere.pfx'), password }),
    ],
    [
      'the wrong password',
      'ERR_AGENT_PASSWORD',
      /does not open .*thermostat-1\.pfx/,
      async () => ({ pfxFile, password: 'wrong' }),
    ],
    [
      'a file that is no PFX',
      'ERR_AGENT_IDENTITY_INVALID',
      /not a PFX/,
      async () => ({ pfxFile: await file('no.pfx', 'hello'), password }),
    ],
    [
      'a key of another device',
      'ERR_AGENT_IDENTITY_INVALID',
      /no certificate that the private key belongs to/,
      async () => ({ chainPem: device.chainPem, privateKeyPem: other.privateKeyPem }),
    ],
    [
      'no certificate',
      'ERR_AGENT_IDENTITY_INVALID',
      /holds no certificate/,
      async () => ({ chainPem: '', privateKeyPem: device.privateKeyPem }),
    ],
    [
      'a damaged certificate',
      'ERR_AGENT_IDENTITY_INVALID',
      /damaged certificate/,
      async () => ({ chainPem: device.chainPem.replace('MII', 'MIX'), privateKeyPem: device.privateKeyPem }),
    ],
    [
      'a key that is none',
      'ERR_AGENT_IDENTITY_INVALID',
      /not a private key in PEM/,
      async () => ({ chainPem: device.chainPem, privateKeyPem: 'key' }),
    ],
    [
      'an encrypted key without a password',
      'ERR_AGENT_PASSWORD',
      /encrypted and no password/,
      async () => ({
        chainFile: await file('c2.pem', device.chainPem),
        keyFile: await file('e2.key', await encryptPrivateKey(device.privateKeyPem, password)),
      }),
    ],
    [
      'an encrypted key with the wrong password',
      'ERR_AGENT_PASSWORD',
      /does not open/,
      async () => ({
        chainFile: await file('c3.pem', device.chainPem),
        keyFile: await file('e3.key', await encryptPrivateKey(device.privateKeyPem, password)),
        password: 'wrong',
      }),
    ],
  ])('fail: %s', async (_, code, message, source) => {
    const attempt = loadIdentity(await source());
    await expect(attempt).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    await expect(attempt).rejects.not.toMatchObject({ message: expect.stringMatching(/wrong|correct horse|BEGIN/) });
  });

  it('leaves the files as they were', async () => {
    const before = await readFile(pfxFile);
    await loadIdentity({ pfxFile, password });
    expect(await readFile(pfxFile)).toEqual(before);
  });
});

describe('checkValidity', () => {
  it.each([
    ['ERR_AGENT_CERTIFICATE_EXPIRED', 1, /thermostat-1 expired at .*Issue a new one with the same CN/],
    ['ERR_AGENT_CERTIFICATE_NOT_YET_VALID', -1, /valid from .*Mend the clock/],
  ])('fail: %s', async (code, direction, message) => {
    const identity = await loadIdentity({ pfxFile, password });
    const day = 86_400_000;
    const now = new Date(direction > 0 ? identity.notAfter.getTime() + day : identity.notBefore.getTime() - day);
    expect(() => checkValidity(identity, now)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});
