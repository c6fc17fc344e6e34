import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readCredential, verifyChain } from '../src/index.ts';
import { passwords, resultOf, runCommand } from './command-runner.ts';
import { inTemporaryFolder } from './fixtures.ts';

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

describe('contoso-pki line, with a root that is never online', () => {
  it('asks, has it signed, takes the certificate, and issues', async () => {
    await inTwoPlaces(async (rootPlace, linePlace) => {
      expect((await readdir(join(linePlace, 'pki'))).sort()).toEqual(['line-1.csr.pem', 'line-1.key.pem']);
      expect((await stat(join(linePlace, 'pki/line-1.key.pem'))).mode & 0o777).toBe(0o600);
      const signed = await resultOf(rootPlace, 'line', 'line-1', '--sign', join(linePlace, 'pki/line-1.csr.pem'));
      expect(await readdir(join(rootPlace, 'pki'))).not.toContain('line-1.key.pem');
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
