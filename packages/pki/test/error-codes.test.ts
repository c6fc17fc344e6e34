import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  checkRegistrationId,
  createCrl,
  createDeviceRequest,
  createLineAuthority,
  createRootAuthority,
  createSoftwareKey,
  decodePfx,
  decryptPrivateKey,
  encodePfx,
  encryptPrivateKey,
  issueDeviceCertificate,
  issueMany,
  loadAuthority,
  openAuthority,
  openDeviceBundle,
  openSoftwareKey,
  planLineRollover,
  readCertificates,
  readCrl,
  readCredential,
  renewDeviceCertificate,
  saveAuthority,
  saveDevice,
  sealDeviceBundle,
  signDeviceRequest,
  type IssueManyOptions,
  type KeyAlgorithm,
  type PkiErrorCode,
} from '../src/index.ts';
import { openInventory, type Inventory } from '../src/inventory/index.ts';
import { createFactory, expectCode, makeRequest, makeStation, password } from './fixtures.ts';
import { collect, responsible } from './inventory-engines.ts';

let folder = '';
let inventory: Inventory;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pki-codes-'));
  inventory = await openInventory(join(folder, 'inventory.db'));
});
afterAll(async () => {
  await inventory.close();
  await rm(folder, { recursive: true });
});

const { root, line, device } = await createFactory();
const other = await createFactory();
const [station, stranger] = [await makeStation(), await makeStation()];
const key = await createSoftwareKey();
const csr = await createDeviceRequest({ registrationId: 'thermostat-1', key });
const bundle = await sealDeviceBundle({ devices: [device], recipientCertificatePem: station.certificatePem });
const encryptedKey = await encryptPrivateKey(device.privateKeyPem, password);
const pfx = await encodePfx({ ...device, password });
const trustedRootsPem = root.certificatePem;
const inAHundredYears = new Date(Date.now() + 100 * 366 * 86_400_000);

/** The text with one character of the base64 near its end exchanged. */
function altered(pem: string): string {
  const at = pem.lastIndexOf('-----END') - 20;
  return pem.slice(0, at) + (pem[at] === 'A' ? 'B' : 'A') + pem.slice(at + 1);
}

const issue = (ids: readonly string[], options: Partial<IssueManyOptions> = {}) =>
  collect(issueMany(ids, { line, inventory, ...responsible, threads: 0, ...options }));

/** Each code, provoked by what a caller would do; or the test in which that is done with what it takes (a server, the command). */
const provocations: Readonly<Record<PkiErrorCode, (() => unknown) | `${string}.test.ts`>> = {
  ERR_PKI_REGISTRATION_ID_EMPTY: () => checkRegistrationId(''),
  ERR_PKI_REGISTRATION_ID_TOO_LONG: () => checkRegistrationId('a'.repeat(129)),
  ERR_PKI_REGISTRATION_ID_UPPER_CASE: () => checkRegistrationId('A'),
  ERR_PKI_REGISTRATION_ID_CHARACTER: () => checkRegistrationId('a b'),
  ERR_PKI_REGISTRATION_ID_EDGE: () => checkRegistrationId('a-'),
  ERR_PKI_REGISTRATION_ID_MISMATCH: () => signDeviceRequest(line, csr, { registrationId: 'thermostat-2' }),
  ERR_PKI_REGISTRATION_ID_NOT_ALLOWED: () => signDeviceRequest(line, csr, { allow: ['thermostat-2'] }),
  ERR_PKI_COMMON_NAME: () => createRootAuthority({ commonName: '' }),
  ERR_PKI_VALIDITY: () => issueDeviceCertificate(line, { registrationId: 'a', validityDays: -1 }),
  ERR_PKI_KEY_ALGORITHM: () => createSoftwareKey({ keyAlgorithm: 'P-521' as KeyAlgorithm }),
  ERR_PKI_PATH_LENGTH: () => createLineAuthority(line, { lineName: 'below' }),
  ERR_PKI_ISSUER_NOT_VALID: () => issueDeviceCertificate(line, { registrationId: 'a', now: inAHundredYears }),
  ERR_PKI_NOT_AN_AUTHORITY: async () =>
    openAuthority({ chainPem: device.chainPem, key: await openSoftwareKey(encryptedKey, password) }),
  ERR_PKI_CERTIFICATE_UNREADABLE: () => readCertificates('nothing'),
  ERR_PKI_KEY_UNREADABLE: () => decryptPrivateKey('nothing', password),
  ERR_PKI_KEY_MISMATCH: () => encodePfx({ ...device, privateKeyPem: other.device.privateKeyPem, password }),
  ERR_PKI_KEY_NOT_EXPORTABLE: () =>
    encryptPrivateKey(
      { keyAlgorithm: 'P-256', publicKeyDer: key.publicKeyDer, sign: (data) => key.sign(data) },
      password,
    ),
  ERR_PKI_CUSTODY_UNAVAILABLE: 'custody-key-vault.test.ts',
  ERR_PKI_CUSTODY_DENIED: 'custody-key-vault.test.ts',
  ERR_PKI_CUSTODY_KEY_MISSING: 'custody-key-vault.test.ts',
  ERR_PKI_CUSTODY_KEY_EXISTS: 'custody-key-vault.test.ts',
  ERR_PKI_CUSTODY_FAILED: 'custody-key-vault.test.ts',
  ERR_PKI_CSR_UNREADABLE: () => signDeviceRequest(line, 'nothing', { allow: 'any' }),
  ERR_PKI_CSR_SIGNATURE: () => signDeviceRequest(line, altered(csr), { allow: 'any' }),
  ERR_PKI_CSR_SUBJECT: async () => signDeviceRequest(line, (await makeRequest('O=Contoso')).pem, { allow: 'any' }),
  ERR_PKI_BUNDLE_UNREADABLE: () => openDeviceBundle({ bundle: new Uint8Array(9), ...station, trustedRootsPem }),
  ERR_PKI_BUNDLE_RECIPIENT: () => openDeviceBundle({ bundle, ...stranger, trustedRootsPem }),
  ERR_PKI_BUNDLE_ALTERED: () =>
    openDeviceBundle({ bundle: bundle.with(-1, (bundle.at(-1) ?? 0) ^ 1), ...station, trustedRootsPem }),
  ERR_PKI_BUNDLE_UNTRUSTED: () => openDeviceBundle({ bundle, ...station, trustedRootsPem: other.root.certificatePem }),
  ERR_PKI_BUNDLE_SIZE: () => sealDeviceBundle({ devices: [], recipientCertificatePem: station.certificatePem }),
  ERR_PKI_STATION_CERTIFICATE: () =>
    sealDeviceBundle({
      devices: [device],
      recipientCertificatePem: station.certificatePem,
      now: inAHundredYears,
    }),
  ERR_PKI_PFX_UNREADABLE: () => decodePfx(new Uint8Array(9), password),
  ERR_PKI_CRL_UNREADABLE: () => readCrl('nothing'),
  ERR_PKI_REVOCATION: () => createCrl(line, { revoked: [], number: 1, nextUpdate: new Date(0) }),
  ERR_PKI_RENEWAL: () => renewDeviceCertificate(line, { previous: line.certificatePem }),
  ERR_PKI_ROLLOVER: () =>
    planLineRollover({
      enrollmentGroupId: 'line-1',
      oldCertificatePem: line.certificatePem,
      newCertificatePem: line.certificatePem,
    }),
  ERR_PKI_PASSWORD_EMPTY: () => decodePfx(pfx, ''),
  ERR_PKI_PASSWORD_WRONG: () => decodePfx(pfx, 'other'),
  ERR_PKI_ENCRYPTION_UNSUPPORTED: 'openssl.test.ts',
  ERR_PKI_ALREADY_ISSUED: async () => {
    await issue(['a']);
    const requests = [{ csr: await createDeviceRequest({ registrationId: 'a', key }) }];
    await collect(issueMany(requests, { line, inventory, ...responsible, threads: 0, allow: 'any' }));
  },
  ERR_PKI_ALREADY_REVOKED: async () => {
    const [{ serialNumber } = { serialNumber: '' }] = await issue(['b']);
    const revocation = { ...responsible, serialNumber, reason: 'superseded' } as const;
    await inventory.revoke(revocation);
    await inventory.revoke(revocation);
  },
  ERR_PKI_DEVICE_REVOKED: async () => {
    const [{ serialNumber } = { serialNumber: '' }] = await issue(['c']);
    await inventory.revoke({ ...responsible, serialNumber, reason: 'keyCompromise' });
    await issue(['c']);
  },
  ERR_PKI_ITEMS_REFUSED: 'command-many.test.ts',
  ERR_PKI_KEY_REUSED: async () => {
    const sameKey = ['e', 'f'].map((registrationId) => createDeviceRequest({ registrationId, key }));
    const requests = (await Promise.all(sameKey)).map((csr) => ({ csr }));
    await collect(issueMany(requests, { line, inventory, ...responsible, threads: 0, allow: 'any' }));
  },
  ERR_PKI_KEY_WIPED: async () => {
    for await (const one of issueMany(['d'], { line, threads: 0 })) {
      one.wipe();
      return one.privateKeyPem;
    }
    return undefined;
  },
  ERR_PKI_NOT_IN_INVENTORY: () => inventory.history('nobody'),
  ERR_PKI_STATION_BUSY: async () => {
    const held = await inventory.claimStation('station-9');
    await inventory.claimStation('station-9').finally(() => held.release());
  },
  ERR_PKI_CHAIN_INVALID: 'command-single.test.ts',
  ERR_PKI_INVENTORY_ALTERED: 'command-single.test.ts',
  ERR_PKI_INVENTORY_UNAVAILABLE: async () => {
    await writeFile(join(folder, 'text.db'), 'x'.repeat(5000));
    await openInventory(join(folder, 'text.db'));
  },
  ERR_PKI_FILE_NAME: () => saveAuthority(root, { folder, name: '../root', password }),
  ERR_PKI_FILE_MISSING: () => loadAuthority({ folder, name: 'nobody', password }),
  ERR_PKI_FILE_EXISTS: async () => {
    await saveDevice(device, { folder, password });
    await saveDevice(device, { folder, password });
  },
  ERR_PKI_FILE_READ: () => readCredential({ path: folder }),
  ERR_PKI_FILE_WRITE: async () => {
    await writeFile(join(folder, 'file'), '');
    await saveDevice(device, { folder: join(folder, 'file'), password });
  },
};

describe('every code is provoked', () => {
  it.each(Object.entries(provocations) as [PkiErrorCode, (typeof provocations)[PkiErrorCode]][])(
    '%s',
    async (code, provoke) => {
      if (typeof provoke === 'function') {
        await expectCode(async () => await provoke(), code);
        return;
      }
      expect(await readFile(new URL(provoke, import.meta.url), 'utf8')).toContain(`'${code}'`);
    },
  );

  it('those of chain problems in some test; and all of them are explained in the README', async () => {
    const read = (path: string): Promise<string> => readFile(new URL(path, import.meta.url), 'utf8');
    const codesIn = async (path: string): Promise<string[]> =>
      [...(await read(path)).matchAll(/'((?:ERR|CHAIN)_[A-Z_]+)'/g)].map(([, code = '']) => code);
    const [errors, problems] = [await codesIn('../src/errors.ts'), await codesIn('../src/chain-problem.ts')];
    expect(errors.sort()).toEqual(Object.keys(provocations).sort());
    expect(problems.length).toBeGreaterThan(10);
    const names = (await readdir(new URL('.', import.meta.url))).filter((name) => name.endsWith('.test.ts'));
    const tested = (await Promise.all(names.map(read))).join('\n');
    expect(problems.filter((code) => !tested.includes(`'${code}'`))).toEqual([]);
    const readme = (await read('../README.md')) + (await read('../docs/explain.md'));
    expect([...errors, ...problems].filter((code) => !readme.includes(code))).toEqual([]);
  });
});
