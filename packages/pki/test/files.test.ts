import { describe, expect, it } from '@jest/globals';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  createLineAuthority,
  encryptPrivateKey,
  issueDeviceCertificate,
  loadAuthority,
  readCredential,
  saveAuthority,
  saveDevice,
  verifyChain,
  type CertificateAuthority,
} from '../src/index.ts';
import { createFactory, expectCode, inTemporaryFolder, makeChain, password, toPem } from './fixtures.ts';

/** Every file of a folder, hidden ones too, with its content. */
async function snapshot(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder);
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'base64')] as const)),
  );
}

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

function withoutKey(authority: CertificateAuthority): unknown {
  return { ...authority, key: authority.key.publicKeyDer };
}

describe('authority files', () => {
  it('are written with the key encrypted and closed to others, and read back', () =>
    inTemporaryFolder(async (folder) => {
      const { line } = await createFactory();
      const paths = await saveAuthority(line, { folder: join(folder, 'new', 'folder'), name: 'line-1', password });
      expect(paths).toEqual({
        certificatePath: join(folder, 'new', 'folder', 'line-1.cer.pem'),
        chainPath: join(folder, 'new', 'folder', 'line-1.chain.pem'),
        keyPath: join(folder, 'new', 'folder', 'line-1.key.pem'),
      });
      await expect(modeOf(paths.keyPath ?? '')).resolves.toBe('600');
      await expect(readFile(paths.certificatePath, 'utf8')).resolves.toBe(line.certificatePem);
      await expect(readFile(paths.chainPath, 'utf8')).resolves.toBe(line.chainPem);
      await expect(readFile(paths.keyPath ?? '', 'utf8')).resolves.toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
      const loaded = await loadAuthority({ folder: join(folder, 'new', 'folder'), name: 'line-1', password });
      expect(withoutKey(loaded)).toEqual(withoutKey(line));
      const device = await issueDeviceCertificate(loaded, { registrationId: 'd1' });
      await expect(verifyChain({ chainPem: device.chainPem })).resolves.toMatchObject({ isValid: true });
    }));

  it('are found in any order of the chain file', () =>
    inTemporaryFolder(async (folder) => {
      const { root, line } = await createFactory();
      const { chainPath } = await saveAuthority(line, { folder, name: 'line', password });
      await writeFile(chainPath, root.certificatePem + line.certificatePem);
      await expect(loadAuthority({ folder, name: 'line', password })).resolves.toMatchObject({
        chainPem: line.chainPem,
      });
    }));

  it('fail: wrong password, which no message repeats', () =>
    inTemporaryFolder(async (folder) => {
      const { root } = await createFactory();
      await saveAuthority(root, { folder, name: 'root', password });
      const error = await expectCode(
        loadAuthority({ folder, name: 'root', password: 'not-Sesame' }),
        'ERR_PKI_PASSWORD_WRONG',
      );
      expect(inspect(error, { depth: 9 })).not.toContain('Sesame');
    }));

  it('fail: missing file, unreadable file', () =>
    inTemporaryFolder(async (folder) => {
      const error = await expectCode(loadAuthority({ folder, name: 'root', password }), 'ERR_PKI_FILE_MISSING');
      expect(error.message).toBe(
        `File ${join(folder, 'root.chain.pem')} doesn't exist: check the folder and the name.`,
      );
      await mkdir(join(folder, 'root.chain.pem'));
      await expectCode(loadAuthority({ folder, name: 'root', password }), 'ERR_PKI_FILE_READ');
    }));

  it.each(['', '../root', 'a/b', '.hidden', 'a\0b'])('fail: file name %j', async (name) => {
    const { root } = await createFactory();
    await expectCode(saveAuthority(root, { folder: '/nowhere', name, password }), 'ERR_PKI_FILE_NAME');
  });

  it("fail: another authority's key", () =>
    inTemporaryFolder(async (folder) => {
      const { root, line } = await createFactory();
      const first = await saveAuthority(root, { folder, name: 'root', password });
      const second = await saveAuthority(line, { folder, name: 'line', password });
      const other = await createFactory();
      await writeFile(second.keyPath ?? '', await encryptPrivateKey(other.line.key, password));
      const error = await expectCode(loadAuthority({ folder, name: 'line', password }), 'ERR_PKI_KEY_MISMATCH');
      expect(error.message).toContain(second.chainPath);
      await expect(modeOf(first.keyPath ?? '')).resolves.toBe('600');
    }));

  it("fail: a device's certificate and key in an authority's place", () =>
    inTemporaryFolder(async (folder) => {
      const { device } = await createFactory();
      await writeFile(join(folder, 'x.chain.pem'), device.chainPem);
      await writeFile(join(folder, 'x.key.pem'), await encryptPrivateKey(device.privateKeyPem, password));
      await expectCode(loadAuthority({ folder, name: 'x', password }), 'ERR_PKI_NOT_AN_AUTHORITY');
    }));

  it('loads an expired authority, which signs no more', () =>
    inTemporaryFolder(async (folder) => {
      const { root } = await makeChain({ root: { notAfter: '2026-02-01T00:00:00Z' } });
      await writeFile(join(folder, 'old.chain.pem'), toPem(root));
      await writeFile(join(folder, 'old.key.pem'), await encryptPrivateKey(root.key, password));
      const loaded = await loadAuthority({ folder, name: 'old', password });
      await expectCode(createLineAuthority(loaded, { lineName: 'Line' }), 'ERR_PKI_ISSUER_NOT_VALID');
    }));
});

describe('device files', () => {
  it('are a closed PFX and the chain; the key alone only when asked for', () =>
    inTemporaryFolder(async (folder) => {
      const { device } = await createFactory();
      const paths = await saveDevice(device, { folder, password });
      expect(paths).toEqual({
        pfxPath: join(folder, 'thermostat-1.pfx'),
        chainPath: join(folder, 'thermostat-1.chain.pem'),
        keyPath: undefined,
      });
      expect((await readdir(folder)).sort()).toEqual(['thermostat-1.chain.pem', 'thermostat-1.pfx']);
      await expect(modeOf(paths.pfxPath)).resolves.toBe('600');
      const { keyPath } = await saveDevice(device, { folder: join(folder, 'pem'), password, keyPem: true });
      await expect(modeOf(keyPath ?? '')).resolves.toBe('600');
      await expect(readFile(keyPath ?? '', 'utf8')).resolves.toBe(device.privateKeyPem);
    }));

  it('are read back from PFX, from two PEM files, and from one, encrypted or not', () =>
    inTemporaryFolder(async (folder) => {
      const { root, line, device } = await createFactory();
      const { pfxPath, chainPath, keyPath = '' } = await saveDevice(device, { folder, password, keyPem: true });
      const { registrationId, ...issued } = device;
      const credential = { ...issued, weaknesses: [] };
      await expect(readCredential({ path: pfxPath, password })).resolves.toEqual(credential);
      await expect(readCredential({ path: chainPath, keyPath })).resolves.toEqual(credential);
      const single = join(folder, `${registrationId}.all.pem`);
      const encrypted = await encryptPrivateKey(device.privateKeyPem, password);
      await writeFile(single, root.certificatePem + line.certificatePem + encrypted + device.certificatePem);
      await expect(readCredential({ path: single, password })).resolves.toEqual(credential);
    }));

  it('fail: to be read', () =>
    inTemporaryFolder(async (folder) => {
      const { device, line } = await createFactory();
      const { pfxPath, chainPath } = await saveDevice(device, { folder, password });
      const path = join(folder, 'none.pfx');
      expect((await expectCode(readCredential({ path, password }), 'ERR_PKI_FILE_MISSING')).message).toContain(path);
      await expectCode(readCredential({ path: pfxPath, password: 'other' }), 'ERR_PKI_PASSWORD_WRONG');
      await expectCode(readCredential({ path: pfxPath }), 'ERR_PKI_PASSWORD_EMPTY');
      await expectCode(readCredential({ path: chainPath }), 'ERR_PKI_KEY_UNREADABLE');
      const otherKey = join(folder, 'other.key.pem');
      await writeFile(otherKey, (await issueDeviceCertificate(line, { registrationId: 'd2' })).privateKeyPem);
      const alone = join(folder, 'alone.pem');
      await writeFile(alone, device.certificatePem);
      await expectCode(readCredential({ path: alone, keyPath: otherKey }), 'ERR_PKI_KEY_MISMATCH');
    }));

  it('fail: a registration ID that would leave the folder', async () => {
    const { device } = await createFactory();
    await expectCode(
      saveDevice({ ...device, registrationId: '../x' }, { folder: '/nowhere', password }),
      'ERR_PKI_REGISTRATION_ID_CHARACTER',
    );
  });
});

describe('a set of files', () => {
  it.each(['thermostat-1.pfx', 'thermostat-1.chain.pem', 'thermostat-1.key.pem'])(
    'is not begun where %s exists',
    (name) =>
      inTemporaryFolder(async (folder) => {
        const { device } = await createFactory();
        await writeFile(join(folder, name), 'precious');
        const before = await snapshot(folder);
        const error = await expectCode(saveDevice(device, { folder, password, keyPem: true }), 'ERR_PKI_FILE_EXISTS');
        expect(error.message).toContain(`${join(folder, name)} exists already and was left as it is`);
        expect(error.message).toContain('overwrite: true');
        await expect(snapshot(folder)).resolves.toEqual(before);
      }),
  );

  it('replaces what is there when asked to, with the right mode', () =>
    inTemporaryFolder(async (folder) => {
      const { device, line } = await createFactory();
      const { pfxPath } = await saveDevice(device, { folder, password });
      await chmod(pfxPath, 0o644);
      const renewed = await issueDeviceCertificate(line, { registrationId: 'thermostat-1' });
      await saveDevice(renewed, { folder, password, overwrite: true });
      await expect(modeOf(pfxPath)).resolves.toBe('600');
      expect((await readCredential({ path: pfxPath, password })).certificatePem).toBe(renewed.certificatePem);
      expect((await readdir(folder)).sort()).toEqual(['thermostat-1.chain.pem', 'thermostat-1.pfx']);
    }));

  it('does not write through a link that somebody left there', () =>
    inTemporaryFolder(async (folder) => {
      const { device } = await createFactory();
      const elsewhere = join(folder, 'elsewhere');
      await writeFile(elsewhere, 'precious');
      await symlink(elsewhere, join(folder, 'thermostat-1.pfx'));
      await expectCode(saveDevice(device, { folder, password }), 'ERR_PKI_FILE_EXISTS');
      await saveDevice(device, { folder, password, overwrite: true });
      await expect(readFile(elsewhere, 'utf8')).resolves.toBe('precious');
    }));

  it('is written whole or not at all: something in the way of the last file', () =>
    inTemporaryFolder(async (folder) => {
      const { device } = await createFactory();
      const { pfxPath, chainPath } = await saveDevice(device, { folder, password });
      const before = [await readFile(pfxPath), await readFile(chainPath)];
      await mkdir(join(folder, 'thermostat-1.key.pem'));
      const names = await readdir(folder);
      const error = await expectCode(
        saveDevice(device, { folder, password, keyPem: true, overwrite: true }),
        'ERR_PKI_FILE_WRITE',
      );
      expect(error.message).toContain('is not a file');
      expect([await readFile(pfxPath), await readFile(chainPath)]).toEqual(before);
      await expect(readdir(folder)).resolves.toEqual(names);
    }));

  it('fail: a folder that is a file', () =>
    inTemporaryFolder(async (folder) => {
      const { device } = await createFactory();
      await writeFile(join(folder, 'file'), '');
      const error = await expectCode(
        saveDevice(device, { folder: join(folder, 'file'), password }),
        'ERR_PKI_FILE_WRITE',
      );
      expect(error.message).toContain('nothing was changed');
      expect(error.cause).toBeDefined();
    }));

  it('has exactly one winner among parallel writers of one name', () =>
    inTemporaryFolder(async (folder) => {
      const { line } = await createFactory();
      const devices = await Promise.all(
        Array.from({ length: 12 }, () => issueDeviceCertificate(line, { registrationId: 'd1' })),
      );
      const results = await Promise.allSettled(devices.map((device) => saveDevice(device, { folder, password })));
      const winners = devices.filter((_device, index) => results[index]?.status === 'fulfilled');
      expect(winners).toHaveLength(1);
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ERR_PKI_FILE_EXISTS' });
      }
      expect((await readdir(folder)).sort()).toEqual(['d1.chain.pem', 'd1.pfx']);
      await expect(readFile(join(folder, 'd1.chain.pem'), 'utf8')).resolves.toBe(winners[0]?.chainPem);
      const { chainPem } = await readCredential({ path: join(folder, 'd1.pfx'), password });
      expect(chainPem).toBe(winners[0]?.chainPem);
    }));
});
