import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createDeviceRequest,
  createLineAuthority,
  createRootAuthority,
  issueDeviceCertificate,
  readCertificates,
  readCredential,
  saveAuthority,
  sealDeviceBundle,
  type CertificateAuthority,
} from '../src/index.ts';
import { openInventory } from '../src/inventory/index.ts';
import { passwords, resultOf, runCommand } from './command-runner.ts';
import { makeStation } from './fixtures.ts';
import { collect } from './inventory-engines.ts';

let folder = '';
let line: CertificateAuthority;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pki-kill-'));
  const root = await createRootAuthority({ commonName: 'Root' });
  line = await createLineAuthority(root, { lineName: 'line-1' });
  await saveAuthority(line, { folder: join(folder, 'pki'), name: 'line-1', password: passwords.LINE_PASSWORD });
});

afterAll(() => rm(folder, { recursive: true }));

/** Runs the command until just before the given file operation, and ends it with kill -9 there. */
async function killAt(point: string, args: readonly string[]): Promise<void> {
  const NODE_OPTIONS = `--import ${new URL('kill-at.mjs', import.meta.url).href}`;
  const { exitCode, stderr } = await runCommand(folder, args, { env: { ...passwords, NODE_OPTIONS, KILL_AT: point } });
  expect({ exitCode, stderr }).toEqual({ exitCode: null, stderr: '' });
}

async function statesOf(registrationId: string): Promise<string[]> {
  const inventory = await openInventory(join(folder, 'pki/inventory.db'));
  const records = await collect(inventory.find({ registrationId }));
  await inventory.close();
  return records.map(({ state }) => state);
}

const readFolder = async (name: string): Promise<string[]> => (await readdir(join(folder, name))).sort();

describe('contoso-pki device, killed and run again', () => {
  const device = (id: string, ...more: string[]): string[] => ['device', id, '--line', 'line-1', '--out', id, ...more];

  /** The device's three files belong together, nothing else is there, and the inventory has that certificate. */
  async function expectWhole(id: string, serialNumber: unknown): Promise<void> {
    expect(await readFolder(id)).toEqual([`${id}.chain.pem`, `${id}.key.pem`, `${id}.pfx`]);
    const path = join(folder, id, id);
    const pfx = await readCredential({ path: `${path}.pfx`, password: passwords.DEVICE_PASSWORD });
    const pem = await readCredential({ path: `${path}.chain.pem`, keyPath: `${path}.key.pem` });
    expect([pfx.serialNumber, pem.serialNumber]).toEqual([serialNumber, serialNumber]);
  }

  it.each([
    ['link:1', ['abandoned', 'delivered']], // nothing is in place
    ['link:2', ['delivered']], // the PFX
    ['rm:1', ['delivered']], // all of it
  ])('before %s', async (point, states) => {
    const id = `new-${point.replace(':', '-')}`;
    await killAt(point, device(id, '--key-pem'));
    expect(await statesOf(id)).toEqual(['issued']);
    const { serialNumber } = await resultOf(folder, ...device(id, '--key-pem'));
    await expectWhole(id, serialNumber);
    expect(await statesOf(id)).toEqual(states);
  });

  it('before rename:2, when it renews', async () => {
    const { serialNumber: first } = await resultOf(folder, ...device('renewed', '--key-pem'));
    await killAt('rename:2', device('renewed', '--key-pem', '--renew'));
    const { serialNumber } = await resultOf(folder, ...device('renewed', '--key-pem', '--renew'));
    expect(serialNumber).not.toBe(first);
    await expectWhole('renewed', serialNumber);
    expect(await statesOf('renewed')).toEqual(['renewed', 'delivered']);
  });

  it('issues nothing where a file of somebody else is in the way', async () => {
    await mkdir(join(folder, 'taken'));
    await writeFile(join(folder, 'taken/taken.pfx'), 'precious');
    const { exitCode, lines } = await runCommand(folder, device('taken', '--json'));
    expect({ exitCode, lines }).toMatchObject({ exitCode: 1, lines: [{ error: { code: 'ERR_PKI_FILE_EXISTS' } }] });
    expect(await statesOf('taken')).toEqual([]);
    expect(await readFile(join(folder, 'taken/taken.pfx'), 'utf8')).toBe('precious');
  });
});

it('contoso-pki csr, killed before its file is entered, and run again', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(join(folder, 'a.csr'), await createDeviceRequest({ registrationId: 'csr-1', key: privateKey }));
  const csr = ['csr', 'a.csr', '--line', 'line-1', '--out', 'a.pem'];
  await killAt('rm:1', csr);
  const { serialNumber, chainPath } = await resultOf(folder, ...csr);
  const [leaf] = readCertificates(await readFile(join(folder, String(chainPath)), 'utf8'));
  expect(leaf?.serialNumber).toBe(serialNumber);
  expect(await statesOf('csr-1')).toEqual(['delivered']);
  const again = await runCommand(folder, [...csr, '--json']);
  expect(again.lines).toMatchObject([{ error: { code: 'ERR_PKI_ALREADY_ISSUED' } }]);
});

it('contoso-pki open, killed between two files of a device, and run again', async () => {
  const station = await makeStation();
  const device = await issueDeviceCertificate(line, { registrationId: 'sealed' });
  const bundle = await sealDeviceBundle({ devices: [device], recipientCertificatePem: station.certificatePem });
  await writeFile(join(folder, 'in.bundle.p7m'), bundle);
  await writeFile(join(folder, 'station.pem'), station.certificatePem + station.privateKeyPem);
  await writeFile(join(folder, 'root.pem'), line.chainPem.slice(line.certificatePem.length));
  const open = ['open', 'in.bundle.p7m', '--station', 'station.pem', '--trusted-root', 'root.pem', '--key-pem'];
  await killAt('link:2', open);
  expect(await resultOf(folder, ...open)).toMatchObject({ devices: 1, skipped: 0 });
  expect(await readFolder('devices')).toEqual(['sealed.chain.pem', 'sealed.key.pem', 'sealed.pfx']);
  expect(await resultOf(folder, ...open)).toMatchObject({ devices: 0, skipped: 1 });
});
