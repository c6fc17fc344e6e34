import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readCredential, verifyChain } from '../src/index.ts';
import { passwords, resultOf, runCommand } from './command-runner.ts';
import { inTemporaryFolder } from './fixtures.ts';
import { itSaysWhetherSoftHsmIsThere, itWithSoftHsm, withToken, type TestToken } from './softhsm.ts';

/** Two machines that share nothing but what is carried from one to the other. */
async function inTwoPlaces(work: (rootPlace: string, linePlace: string) => Promise<void>): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const [rootPlace, linePlace] = [join(folder, 'root'), join(folder, 'line')];
    await mkdir(rootPlace);
    await mkdir(linePlace);
    await resultOf(rootPlace, 'init', 'Contoso Root CA');
    await resultOf(linePlace, 'line', 'line-1', '--request');
    await work(rootPlace, linePlace);
  });
}

/** Options and environment of a command that uses a token; the PIN comes from a file. */
async function useToken(place: string, { modulePath, tokenLabel, pin, env }: TestToken) {
  await mkdir(place, { recursive: true });
  await writeFile(join(place, 'pin'), `${pin}\n`);
  const options = ['--pkcs11-module', modulePath, '--pkcs11-token', tokenLabel, '--pkcs11-pin-file', 'pin'];
  return async (...args: string[]): Promise<Record<string, unknown>> => {
    const device = { DEVICE_PASSWORD: passwords.DEVICE_PASSWORD };
    const { lines, stdout, stderr } = await runCommand(place, [...args, ...options, '--json'], {
      env: { ...env, ...device },
    });
    expect(stdout + stderr).not.toContain(pin);
    return lines.at(-1) ?? {};
  };
}

describe('contoso-pki with keys in tokens', () => {
  itSaysWhetherSoftHsmIsThere();

  itWithSoftHsm(
    'holds the whole ceremony, issues and revokes; no key is in a file',
    () =>
      inTemporaryFolder((folder) =>
        withToken((rootToken) =>
          withToken(async (lineToken) => {
            const [rootPlace, linePlace] = [join(folder, 'root'), join(folder, 'line')];
            const atRoot = await useToken(rootPlace, rootToken);
            const atLine = await useToken(linePlace, lineToken);
            const rootFile = join(rootPlace, 'pki/root.cer.pem');
            const chainFile = join(rootPlace, 'pki/line-1.chain.pem');
            const csrFile = join(linePlace, 'pki/line-1.csr.pem');
            const named = ['--pkcs11-key-label', 'contoso-root'];
            expect(await atRoot('init', 'Contoso Root CA', '--key-algorithm', 'P-384', ...named)).toHaveProperty(
              'result',
            );
            expect(await atLine('line', 'line-1', '--request')).toMatchObject({ result: { line: 'line-1' } });
            expect(await atRoot('line', 'line-1', '--sign', csrFile, ...named)).toHaveProperty('result');
            expect(await atRoot('crl', '--root', ...named)).toMatchObject({ result: { number: 1, revoked: 0 } });
            const take = ['line', 'line-1', '--import', chainFile, '--trusted-root', rootFile];
            expect(await atLine(...take)).toHaveProperty('result');
            expect(await atLine('device', 'thermostat-1', '--line', 'line-1')).toHaveProperty('result');
            expect(await atLine('crl', '--line', 'line-1')).toMatchObject({ result: { number: 1, revoked: 0 } });
            const { chainPem } = await readCredential({
              path: join(linePlace, 'devices/thermostat-1.pfx'),
              password: passwords.DEVICE_PASSWORD,
            });
            const trustedRootsPem = await readFile(rootFile, 'utf8');
            expect(await verifyChain({ chainPem, trustedRootsPem })).toMatchObject({ isValid: true });
            for (const place of [rootPlace, linePlace]) {
              expect((await readdir(join(place, 'pki'))).filter((name) => name.includes('key'))).toEqual([]);
            }
          }),
        ),
      ),
    120_000,
  );

  itWithSoftHsm(
    'fail: wrong PIN, no such key, a name that is taken, half of the options',
    () =>
      inTemporaryFolder((folder) =>
        withToken(async (token) => {
          const run = await useToken(folder, token);
          const wrong = await useToken(join(folder, 'wrong'), { ...token, pin: 'not-the-PIN' });
          expect(await wrong('init', 'Root')).toMatchObject({ error: { code: 'ERR_PKI_CUSTODY_DENIED' } });
          expect(await run('init', 'Root', '--pkcs11-key-label', 'root-1')).toHaveProperty('result');
          expect(await run('init', 'Root')).toMatchObject({ error: { code: 'ERR_PKI_FILE_EXISTS' } });
          const elsewhere = ['--folder', 'other'];
          expect(await run('init', 'Root', '--pkcs11-key-label', 'root-1', ...elsewhere)).toMatchObject({
            error: { code: 'ERR_PKI_CUSTODY_KEY_EXISTS' },
          });
          expect(await run('line', 'line-1', '--sign', 'pki/root.cer.pem')).toMatchObject({
            error: { code: 'ERR_PKI_CUSTODY_KEY_MISSING' },
          });
          expect(await run('line', 'line-1')).toMatchObject({ error: { code: 'ERR_USAGE' } });
          const half = await runCommand(folder, ['init', 'Root', '--folder', 'third', '--pkcs11-token', 'Factory']);
          expect(half).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--pkcs11-module') as unknown });
        }),
      ),
    120_000,
  );
});

describe('contoso-pki line, with a root that is never online', () => {
  it('asks, has it signed, takes the certificate, and issues', async () => {
    await inTwoPlaces(async (rootPlace, linePlace) => {
      expect((await readdir(join(linePlace, 'pki'))).sort()).toEqual(['line-1.csr.pem', 'line-1.key.pem']);
      expect((await stat(join(linePlace, 'pki/line-1.key.pem'))).mode & 0o777).toBe(0o600);
      const signed = await resultOf(rootPlace, 'line', 'line-1', '--sign', join(linePlace, 'pki/line-1.csr.pem'));
      expect(await readdir(join(rootPlace, 'pki'))).not.toContain('line-1.key.pem');
      const { lines } = await runCommand(rootPlace, ['list', '--root', '--json']);
      const record = { registrationId: 'line-1', state: 'delivered', serialNumber: signed['serialNumber'] };
      expect(lines).toMatchObject([{ certificate: record }, { result: { certificates: 1 } }]);
      expect(await resultOf(rootPlace, 'crl', '--root')).toMatchObject({ number: 1, revoked: 0 });
      const rootFile = join(rootPlace, 'pki/root.cer.pem');
      const chainFile = join(rootPlace, 'pki/line-1.chain.pem');
      const taken = await resultOf(linePlace, 'line', 'line-1', '--import', chainFile, '--trusted-root', rootFile);
      expect(taken['thumbprintSha256']).toBe(signed['thumbprintSha256']);
      const device = await resultOf(linePlace, 'device', 'thermostat-1', '--line', 'line-1');
      const { chainPem } = await readCredential({
        path: join(linePlace, String(device['pfxPath'])),
        password: passwords.DEVICE_PASSWORD,
      });
      const verdict = await verifyChain({
        chainPem,
        trustedRootsPem: await readFile(rootFile, 'utf8'),
        registrationId: 'thermostat-1',
      });
      expect(verdict).toMatchObject({ isValid: true });
    });
  }, 60_000);

  it('fail: another line, another root, no root, two walks at once; nothing is written', async () => {
    await inTwoPlaces(async (rootPlace, linePlace) => {
      const csr = join(linePlace, 'pki/line-1.csr.pem');
      const [before, beforeRoot] = [await readdir(join(linePlace, 'pki')), await readdir(join(rootPlace, 'pki'))];
      const wrongName = await runCommand(rootPlace, ['line', 'line-2', '--sign', csr, '--json']);
      expect(wrongName).toMatchObject({ exitCode: 1, lines: [{ error: { code: 'ERR_PKI_CSR_SUBJECT' } }] });
      const both = await runCommand(linePlace, ['line', 'line-1', '--request', '--sign', csr]);
      expect(both).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/a walk of its own/) as unknown });
      const again = await runCommand(linePlace, ['line', 'line-1', '--request', '--json']);
      expect(again).toMatchObject({ exitCode: 1, lines: [{ error: { code: 'ERR_PKI_FILE_EXISTS' } }] });
      expect(await readdir(join(rootPlace, 'pki'))).toEqual(beforeRoot);

      await resultOf(rootPlace, 'line', 'line-1', '--sign', csr);
      const twice = await runCommand(rootPlace, ['line', 'line-1', '--sign', csr, '--json']);
      expect(twice).toMatchObject({ exitCode: 1, lines: [{ error: { code: 'ERR_PKI_FILE_EXISTS' } }] });
      expect(await resultOf(rootPlace, 'list', '--root')).toEqual({ certificates: 1 });
      const chain = join(rootPlace, 'pki/line-1.chain.pem');
      const unnamed = await runCommand(linePlace, ['line', 'line-1', '--import', chain]);
      expect(unnamed).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/--trusted-root/) as unknown });
      await resultOf(linePlace, 'init', 'Contoso Root CA', '--folder', 'other');
      const other = ['--trusted-root', join(linePlace, 'other/root.cer.pem')];
      const foreign = await runCommand(linePlace, ['line', 'line-1', '--import', chain, ...other]);
      expect(foreign).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/no chain to that root/) as unknown });
      expect(await readdir(join(linePlace, 'pki'))).toEqual(before);
    });
  }, 60_000);
});
