import { describe, expect } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { createFactory, inTemporaryFolder } from './fixtures.ts';
import { explain, readCrl, signDeviceRequest, verifyChain } from '../src/index.ts';
import { keyAlgorithms, openPfxFile, plainPassword, writeInteropFiles } from './interop-fixtures.ts';
import { interopTool } from './interop-tool.ts';

const java = interopTool({ name: 'Java', commands: ['keytool'], debianPackage: 'default-jre-headless' });
const secret = ['-storepass', plainPassword];
const store = (path: string): string[] => ['-storetype', 'PKCS12', '-keystore', path, ...secret];
const keytool = (...args: string[]): string => java.run('keytool', args);

java.itSaysWhetherItIsThere();

describe('Java keytool takes what we write', () => {
  java.itWith.each(keyAlgorithms)(
    'lists our PFX with its chain, prints our CRL: %s',
    (keyAlgorithm) =>
      inTemporaryFolder(async (folder) => {
        const { path, revoked } = await writeInteropFiles(folder, keyAlgorithm);
        const shown = keytool('-list', '-v', ...store(path('device.pfx')));
        for (const words of [
          'Alias name: thermostat-1',
          'PrivateKeyEntry',
          'Certificate chain length: 3',
          'CN=Line 1',
        ]) {
          expect(shown).toContain(words);
        }
        const wrong = ['-list', '-storetype', 'PKCS12', '-keystore', path('device.pfx'), '-storepass', 'another'];
        expect(java.attempt('keytool', wrong).isGood).toBe(false);
        const list = keytool('-printcrl', '-file', path('line.crl.pem')).toLowerCase().replaceAll(':', '');
        for (const words of ['x.509 crl v2', 'key_compromise', revoked.serialNumber]) expect(list).toContain(words);
      }),
    60_000,
  );

  java.itWith(
    'establishes our chain below a root that it trusts, and below no other',
    () =>
      inTemporaryFolder(async (folder) => {
        const { root, line } = await createFactory();
        const path = (name: string): string => `${folder}/${name}`;
        const install = async (name: string, rootPem: string): Promise<string> => {
          const own = store(path(`${name}.p12`));
          keytool(
            '-genkeypair',
            '-alias',
            'dev',
            '-keyalg',
            'EC',
            '-groupname',
            'secp256r1',
            '-dname',
            'CN=java-1',
            ...own,
          );
          const signed = await signDeviceRequest(line, keytool('-certreq', '-alias', 'dev', ...own), { allow: 'any' });
          await writeFile(path('root.pem'), rootPem);
          await writeFile(path('line.pem'), line.certificatePem);
          await writeFile(path('device.pem'), signed.certificatePem);
          keytool('-importcert', '-noprompt', '-alias', 'root', '-file', path('root.pem'), ...own);
          keytool('-importcert', '-noprompt', '-alias', 'line', '-file', path('line.pem'), ...own);
          return java.attempt('keytool', ['-importcert', '-alias', 'dev', '-file', path('device.pem'), ...own]).text;
        };
        expect(await install('good', root.certificatePem)).toContain('Certificate reply was installed');
        const { chainPem } = await openPfxFile(path('good.p12'));
        expect(await verifyChain({ chainPem, trustedRootsPem: root.certificatePem })).toMatchObject({ isValid: true });
        const other = await createFactory();
        expect(await install('bad', other.root.certificatePem)).toContain('Failed to establish chain from reply');
      }),
    60_000,
  );
});

describe('we take what Java keytool writes', () => {
  java.itWith.each([
    ['today', [], []],
    ['before 2020', ['-J-Dkeystore.pkcs12.legacy'], ['SHA-1', 'RC2 with 40 bits', 'triple DES']],
  ] as const)(
    'PFX, chain, request and CRL: as written %s',
    (_name, options, weaknesses) =>
      inTemporaryFolder(async (folder) => {
        const path = (name: string): string => `${folder}/${name}`;
        const [ca, device] = [store(path('ca.p12')), store(path('device.p12'))];
        const make = (alias: string, name: string, ...args: string[]): string =>
          keytool(
            '-genkeypair',
            '-alias',
            alias,
            '-keyalg',
            'EC',
            '-groupname',
            'secp256r1',
            '-dname',
            `CN=${name}`,
            ...args,
          );
        make('ca', 'Java CA', '-ext', 'bc:c=ca:true', '-ext', 'ku:c=keyCertSign,cRLSign', ...ca);
        make('dev', 'java-1', ...options, ...device);
        await writeFile(path('device.csr'), keytool('-certreq', '-alias', 'dev', ...device));
        const usage = ['-ext', 'ku:c=digitalSignature', '-ext', 'eku=clientAuth'];
        const issued = keytool('-gencert', '-alias', 'ca', '-infile', path('device.csr'), '-rfc', ...usage, ...ca);
        const root = keytool('-exportcert', '-alias', 'ca', '-rfc', ...ca);
        await writeFile(path('ca.pem'), root);
        await writeFile(path('device.pem'), issued);
        keytool('-importcert', '-noprompt', '-alias', 'ca', '-file', path('ca.pem'), ...options, ...device);
        keytool('-importcert', '-alias', 'dev', '-file', path('device.pem'), ...options, ...device);

        const { chainPem, weaknesses: found } = await openPfxFile(path('device.p12'));
        expect(await verifyChain({ chainPem, trustedRootsPem: root, registrationId: 'java-1' })).toMatchObject({
          problems: [],
        });
        if (weaknesses.length === 0) expect(found).toEqual([]);
        for (const words of weaknesses) expect(found.join()).toContain(words);
        const crl = keytool('-gencrl', '-alias', 'ca', '-id', '12345', '-rfc', ...ca);
        expect(readCrl(crl)).toMatchObject({ issuer: 'CN=Java CA', revoked: [{ serialNumber: '3039' }] });
        expect((await explain(chainPem, { crls: [crl] })).findings.map(({ code }) => code)).not.toContain('CHAIN_CRL');
        const signed = await signDeviceRequest(
          (await createFactory()).line,
          await readFile(path('device.csr'), 'utf8'),
          { registrationId: 'java-1' },
        );
        expect(signed.registrationId).toBe('java-1');
      }),
    60_000,
  );
});
