import { describe, expect } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { explain, readCrl, signDeviceRequest, verifyChain } from '../src/index.ts';
import { createFactory, inTemporaryFolder } from './fixtures.ts';
import { keyAlgorithms, openPfxFile, plainPassword, writeInteropFiles } from './interop-fixtures.ts';
import { interopTool } from './interop-tool.ts';

const gnuTls = interopTool({ name: 'GnuTLS', commands: ['certtool'], debianPackage: 'gnutls-bin' });
const certtool = (...args: string[]): string => gnuTls.run('certtool', args);

gnuTls.itSaysWhetherItIsThere();

describe('GnuTLS certtool takes what we write', () => {
  gnuTls.itWith.each(keyAlgorithms)('opens our PFX: %s', (keyAlgorithm) =>
    inTemporaryFolder(async (folder) => {
      const { path, device } = await writeInteropFiles(folder, keyAlgorithm);
      const args = ['--p12-info', '--inder', '--infile', path('device.pfx')];
      const shown = gnuTls.attempt('certtool', [...args, '--password', plainPassword]).text;
      for (const block of device.chainPem.split(/(?<=-----END CERTIFICATE-----\n)/)) expect(shown).toContain(block);
      expect(shown).toContain('PKCS #8 Encrypted key');
      expect(gnuTls.attempt('certtool', [...args, '--password', 'other']).text).not.toContain('BEGIN CERTIFICATE');
    }),
  );

  gnuTls.itWith.each(keyAlgorithms)('verifies our chain, and refuses it below another root: %s', (keyAlgorithm) =>
    inTemporaryFolder(async (folder) => {
      const { path } = await writeInteropFiles(folder, keyAlgorithm);
      const other = await createFactory();
      await writeFile(path('other.pem'), other.root.certificatePem);
      const verify = (trusted: string, chain: string): string =>
        gnuTls.attempt('certtool', ['--verify', '--load-ca-certificate', path(trusted), '--infile', path(chain)]).text;
      expect(verify('root.pem', 'device.chain.pem')).toContain('Chain verification output: Verified.');
      expect(verify('other.pem', 'device.chain.pem')).toContain('Chain verification output: Not verified.');
    }),
  );

  gnuTls.itWith.each(keyAlgorithms)('reads our CRL, and refuses the device that is on it: %s', (keyAlgorithm) =>
    inTemporaryFolder(async (folder) => {
      const { path, revoked } = await writeInteropFiles(folder, keyAlgorithm);
      const shown = certtool('--crl-info', '--infile', path('line.crl.pem'));
      for (const words of [
        'Version: 2',
        'CRL Number (not critical): 05',
        'Revoked certificates (1)',
        revoked.serialNumber,
      ]) {
        expect(shown).toContain(words);
      }
      const list = ['--verify-crl', '--load-ca-certificate', path('line.pem'), '--infile', path('line.crl.pem')];
      expect(gnuTls.attempt('certtool', list).text).toContain('Verification output: Verified.');
      const verify = (chain: string): string =>
        gnuTls.attempt('certtool', [
          ...['--verify', '--load-ca-certificate', path('root.pem')],
          ...['--load-crl', path('line.crl.pem'), '--infile', path(chain)],
        ]).text;
      expect(verify('device.chain.pem')).toContain('Chain verification output: Verified.');
      expect(verify('revoked.chain.pem')).toContain('The certificate chain is revoked.');
    }),
  );
});

describe('we take what GnuTLS certtool writes', () => {
  gnuTls.itWith.each(['ecdsa --curve secp256r1', 'ecdsa --curve secp384r1', 'rsa --bits 2048'])(
    'chain, request, CRL and PFX: %s',
    (keyType) => inTemporaryFolder((folder) => checkItsFiles(folder, keyType.split(' '))),
    120_000,
  );
});

async function checkItsFiles(folder: string, keyType: string[]): Promise<void> {
  const path = (name: string): string => `${folder}/${name}`;
  const template = async (name: string, ...lines: string[]): Promise<string[]> => {
    await writeFile(path(`${name}.cfg`), [...lines, ''].join('\n'));
    return ['--template', path(`${name}.cfg`)];
  };
  const key = (name: string): string[] => ['--load-privkey', path(`${name}.key`)];
  const ca = ['--load-ca-certificate', path('ca.pem'), '--load-ca-privkey', path('ca.key')];
  for (const name of ['ca', 'device'])
    certtool('--generate-privkey', '--key-type', ...keyType, '--outfile', path(`${name}.key`));
  const caTemplate = await template(
    'ca',
    'cn = "GnuTLS CA"',
    'ca',
    'cert_signing_key',
    'crl_signing_key',
    'expiration_days = 30',
  );
  certtool('--generate-self-signed', ...key('ca'), ...caTemplate, '--outfile', path('ca.pem'));
  const deviceTemplate = await template(
    'device',
    'cn = "gnutls-1"',
    'signing_key',
    'tls_www_client',
    'expiration_days = 30',
    'serial = 4711',
  );
  certtool('--generate-certificate', ...key('device'), ...ca, ...deviceTemplate, '--outfile', path('device.pem'));
  certtool('--generate-request', ...key('device'), ...deviceTemplate, '--outfile', path('device.csr'));
  const crlTemplate = await template('crl', 'crl_next_update = 30', 'crl_number = 9');
  const list = [...ca, '--load-certificate', path('device.pem'), ...crlTemplate, '--outfile', path('ca.crl')];
  certtool('--generate-crl', ...list);

  const read = (name: string): Promise<string> => readFile(path(name), 'utf8');
  const [device, root] = [await read('device.pem'), await read('ca.pem')];
  const chainPem = device.slice(device.indexOf('-----BEGIN CERT')) + root.slice(root.indexOf('-----BEGIN CERT'));
  expect(await verifyChain({ chainPem, trustedRootsPem: root, registrationId: 'gnutls-1' })).toEqual({
    isValid: true,
    problems: [],
  });
  const signed = await signDeviceRequest((await createFactory()).line, await read('device.csr'), { allow: 'any' });
  expect(signed.registrationId).toBe('gnutls-1');
  expect(readCrl(await read('ca.crl'))).toMatchObject({ number: 9n, revoked: [{ serialNumber: '1267' }] });
  const explained = await explain(chainPem, { crls: [await read('ca.crl')] });
  expect(explained.findings.map(({ code }) => code)).toEqual(['CHAIN_REVOKED']);
  // Keys don't change how a PFX is encrypted.
  if (keyType.includes('secp256r1')) await checkItsPfx(path, chainPem);
}

async function checkItsPfx(path: (name: string) => string, chainPem: string): Promise<void> {
  const write = (cipher: string): void => {
    const files = ['--load-privkey', path('device.key'), '--load-certificate', path('device.pem')];
    const rest = [
      '--load-ca-certificate',
      path('ca.pem'),
      '--p12-name',
      'gnutls',
      '--outder',
      '--outfile',
      path('x.pfx'),
    ];
    certtool('--to-p12', ...files, ...rest, '--password', plainPassword, '--pkcs-cipher', cipher);
  };
  const pem = (text: string): string[] =>
    text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  for (const [cipher, weakness] of [
    ['aes-256', undefined],
    ['aes-128', undefined],
    ['3des', undefined],
    ['3des-pkcs12', 'triple DES'],
    ['rc2-40', 'RC2 with 40 bits'],
    ['arcfour', 'RC4, which is broken'],
  ] as const) {
    write(cipher);
    const { weaknesses, chainPem: read } = await openPfxFile(path('x.pfx'));
    expect(pem(read)).toEqual(pem(chainPem));
    if (weakness === undefined) expect(weaknesses.join()).not.toContain('encrypted');
    else expect(weaknesses.join()).toContain(weakness);
  }
}
