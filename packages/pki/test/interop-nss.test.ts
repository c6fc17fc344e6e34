import { describe, expect } from '@jest/globals';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { explain, readCrl, verifyChain } from '../src/index.ts';
import { inTemporaryFolder } from './fixtures.ts';
import { keyAlgorithms, openPfxFile, plainPassword, writeInteropFiles } from './interop-fixtures.ts';
import { interopTool } from './interop-tool.ts';

const nss = interopTool({
  name: 'NSS',
  commands: ['certutil', 'pk12util', 'crlutil'],
  debianPackage: 'libnss3-tools',
});

nss.itSaysWhetherItIsThere();

/** A certificate database of its own; without a password, since NSS hardens it for seconds. */
async function createDatabase(folder: string) {
  const path = (name: string): string => `${folder}/${name}`;
  await mkdir(path('nss'));
  await writeFile(path('pfx.password'), `${plainPassword}\n`);
  await writeFile(path('noise'), 'as random as it gets in a test, and long enough for NSS');
  const database = ['-d', `sql:${path('nss')}`];
  nss.run('certutil', ['-N', '--empty-password', ...database]);
  return {
    certutil: (...args: string[]): string => nss.run('certutil', [...args, ...database]),
    attempt: (...args: string[]) => nss.attempt('certutil', [...args, ...database]),
    /** Answers to its questions: an authority, without path length, critical. */
    authority: (...args: string[]) => nss.run('certutil', [...args, '-2', ...database], { input: 'y\n\ny\n' }),
    crlutil: (...args: string[]): string => nss.run('crlutil', [...args, ...database]),
    pk12util: (...args: string[]): string => nss.run('pk12util', [...args, ...database, '-w', path('pfx.password')]),
    path,
  };
}

describe('NSS takes what we write', () => {
  nss.itWith.each(keyAlgorithms)(
    'imports our PFX, verifies the device below our root, honours our CRL: %s',
    (keyAlgorithm) =>
      inTemporaryFolder(async (folder) => {
        const { path, device, revoked } = await writeInteropFiles(folder, keyAlgorithm);
        const { certutil, attempt, crlutil, pk12util } = await createDatabase(folder);
        for (const name of ['device', 'revoked']) pk12util('-i', path(`${name}.pfx`));
        const verify = ({ registrationId }: typeof device): string =>
          attempt('-V', '-n', registrationId, '-u', 'C', '-e').text.trim();
        expect(verify(device)).toContain('not trusted');
        certutil('-M', '-n', 'Contoso Root CA', '-t', 'CT,,');
        expect([verify(device), verify(revoked)]).toEqual(Array(2).fill('certutil: certificate is valid'));
        crlutil('-I', '-i', path('line.crl.der'));
        expect(verify(device)).toBe('certutil: certificate is valid');
        expect(verify(revoked)).toContain('has been revoked');
        expect(crlutil('-L', '-n', 'Line 1')).toMatch(/CRL reason code\s+Data: 1 /);
      }),
  );
});

describe('we take what NSS writes', () => {
  nss.itWith.each([
    ['AES-256-CBC', undefined],
    ['AES-128-CBC', undefined],
    ['PKCS #12 V2 PBE With SHA-1 And 3KEY Triple DES-CBC', 'triple DES'],
    ['PKCS #12 V2 PBE With SHA-1 And 128 Bit RC2 CBC', 'RC2, which was given up'],
    ['PKCS #12 V2 PBE With SHA-1 And 40 Bit RC2 CBC', 'RC2 with 40 bits'],
    ['PKCS #12 V2 PBE With SHA-1 And 128 Bit RC4', 'RC4, which is broken'],
    ['PKCS #12 V2 PBE With SHA-1 And 40 Bit RC4', 'RC4 with 40 bits'],
  ])(
    'PFX, in lengths that are not definite: %s',
    (cipher, weakness) =>
      inTemporaryFolder(async (folder) => {
        const { path, device } = await writeInteropFiles(folder);
        const { pk12util } = await createDatabase(folder);
        pk12util('-i', path('device.pfx'));
        pk12util('-o', path('nss.pfx'), '-n', 'thermostat-1', '-c', cipher, '-C', cipher);
        const { chainPem, privateKeyPem, weaknesses } = await openPfxFile(path('nss.pfx'));
        expect({ chainPem, privateKeyPem }).toEqual({ chainPem: device.chainPem, privateKeyPem: device.privateKeyPem });
        if (weakness === undefined) expect(weaknesses).toEqual([]);
        else expect(weaknesses.join()).toContain(weakness);
      }),
    60_000,
  );

  nss.itWith('its own authority, device and CRL (whose number it writes without a tag)', () =>
    inTemporaryFolder(async (folder) => {
      const { authority, certutil, crlutil, pk12util, path } = await createDatabase(folder);
      const key = ['-k', 'ec', '-q', 'secp256r1', '-z', path('noise'), '-v', '3', '--keyUsage'];
      const root = ['-n', 'ca', '-s', 'CN=NSS CA', '-x', '-t', 'CT,,', '-m', '1'];
      authority('-S', ...root, ...key, 'certSigning,crlSigning,critical');
      const device = ['-n', 'dev', '-s', 'CN=nss-1', '-c', 'ca', '-t', ',,', '-m', '77'];
      certutil('-S', ...device, ...key, 'digitalSignature,critical', '--extKeyUsage', 'clientAuth');
      pk12util('-o', path('dev.pfx'), '-n', 'dev');
      const { chainPem } = await openPfxFile(path('dev.pfx'));
      expect(await verifyChain({ chainPem, registrationId: 'nss-1' })).toEqual({ isValid: true, problems: [] });
      await writeFile(
        path('crl.txt'),
        'update=20260101000000Z\nnextupdate=20360101000000Z\naddcert 77 20260101000000Z\naddext crlNumber 0 12\n',
      );
      crlutil('-G', '-n', 'ca', '-c', path('crl.txt'), '-o', path('ca.crl'));
      const crl = await readFile(path('ca.crl'));
      expect(readCrl(crl)).toMatchObject({ number: undefined, revoked: [{ serialNumber: '4d' }] });
      const { findings } = await explain(chainPem, { crls: [crl] });
      expect(findings.map(({ code }) => code)).toContain('CHAIN_REVOKED');
    }),
  );
});
