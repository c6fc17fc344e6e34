import { describe, expect, it } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Libsql from 'libsql';
import { describeProgress } from '../src/commands/progress-bar.ts';
import { createDeviceRequest, openDeviceBundle, verifyChain } from '../src/index.ts';
import { hasTerminal, initFolder, resultOf, runCommand, runOnTerminal } from './command-runner.ts';
import { inTemporaryFolder } from './fixtures.ts';
import { itSaysWhetherOpenSslIsThere, itWithOpenSsl, openSsl } from './openssl-cli.ts';

/** A station that receives devices: certificate and key, made with OpenSSL as its operator would. */
function makeStation(folder: string): void {
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    join(folder, 'station.key'),
  ];
  openSsl(['req', '-x509', ...key, '-out', join(folder, 'station.pem'), '-subj', '/CN=station-7', '-days', '30']);
}

async function openBundles(folder: string, out: string): Promise<string[]> {
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
  const opened: string[] = [];
  for (const name of await readdir(join(folder, out))) {
    const devices = await openDeviceBundle({
      bundle: await readFile(join(folder, out, name)),
      certificatePem: await read('station.pem'),
      privateKeyPem: await read('station.key'),
      trustedRootsPem: await read('pki/root.cer.pem'),
    });
    opened.push(...devices.map(({ registrationId }) => registrationId));
  }
  return opened.sort();
}

describe('contoso-pki many', () => {
  itSaysWhetherOpenSslIsThere();

  itWithOpenSsl(
    'seals an order’s devices for the receiving station, once',
    async () => {
      await inTemporaryFolder(async (folder) => {
        await initFolder(folder);
        makeStation(folder);
        const ids = Array.from({ length: 250 }, (_, index) => `device-${String(index).padStart(3, '0')}`);
        await writeFile(join(folder, 'order.txt'), `# order 4711\n\n${ids.join('\r\n')}\n`);
        const many = ['many', 'order.txt', '--line', 'line-1', '--recipient', 'station.pem', '--batch-size', '100'];
        expect(await resultOf(folder, ...many)).toMatchObject({ issued: 250, skipped: 0, refused: 0, files: 3 });
        expect(await openBundles(folder, 'issued')).toEqual(ids);
        expect(await resultOf(folder, ...many)).toMatchObject({ issued: 0, skipped: 250, files: 0 });
        expect(await resultOf(folder, 'audit')).toMatchObject({ isIntact: true, certificates: 250 });
      });
    },
    60_000,
  );

  itWithOpenSsl(
    'knows a bundle that was written when the inventory was not told any more',
    async () => {
      await inTemporaryFolder(async (folder) => {
        await initFolder(folder);
        makeStation(folder);
        const ids = ['a', 'b', 'c', 'd'];
        const many = ['many', '-', '--line', 'line-1', '--recipient', 'station.pem', '--batch-size', '2', '--json'];
        await runCommand(folder, many, { input: ids.join('\n') });
        // As a kill -9 after the bundles were written, and before the entries about it, leaves things.
        const database = new Libsql(join(folder, 'pki/inventory.db'));
        database.exec("DROP TRIGGER audit_entry_kept; DELETE FROM audit_entry WHERE action = 'delivered'");
        database.exec("UPDATE certificate SET state = 'issued', changed_in = issued_in");
        database.close();
        const [gone] = (await readdir(join(folder, 'issued'))).filter((name) => name.startsWith('c.'));
        await rm(join(folder, 'issued', gone!));
        const { lines } = await runCommand(folder, many, { input: ids.join('\n') });
        expect(lines.at(-1)).toMatchObject({ result: { issued: 2, skipped: 2 } });
        expect(await openBundles(folder, 'issued')).toEqual(ids);
      });
    },
    60_000,
  );

  it('signs requests out of a folder or one file, and lists what it refuses', async () => {
    await inTemporaryFolder(async (folder) => {
      await initFolder(folder);
      await mkdir(join(folder, 'requests'));
      const pems: string[] = [];
      for (const registrationId of ['one', 'two', 'Three']) {
        const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
        // The third one's name is broken on purpose, in a request that is otherwise good.
        const pem =
          registrationId === 'Three'
            ? 'nothing\n-----END CERTIFICATE REQUEST-----\n'
            : await createDeviceRequest({ registrationId, key: privateKey });
        pems.push(pem);
        await writeFile(join(folder, 'requests', `${registrationId}.csr`), pem);
      }
      await writeFile(join(folder, 'all.pem'), pems.join(''));
      const requests = ['--requests', '--line', 'line-1', '--out', 'certificates', '--json'];
      expect(await runCommand(folder, ['many', 'requests', ...requests])).toMatchObject({ exitCode: 2 });
      const many = [...requests, '--allow-any'];
      const { exitCode, lines, stderr } = await runCommand(folder, ['many', 'requests', ...many]);
      expect(exitCode).toBe(1);
      expect(lines).toMatchObject([
        { result: { issued: 2, refused: 1, files: 1 } },
        { error: { code: 'ERR_PKI_ITEMS_REFUSED' } },
      ]);
      expect(stderr).toMatch(/Item 1 \(unreadable\): ERR_PKI_CSR_UNREADABLE/);
      const again = await runCommand(folder, ['many', 'all.pem', ...many]);
      expect(again.lines[0]).toMatchObject({ result: { issued: 0, skipped: 2, refused: 1 } });
      await writeFile(join(folder, 'order'), 'one\n');
      const few = await runCommand(folder, ['many', 'requests', ...requests, '--allow', 'order']);
      expect(few.lines[0]).toMatchObject({ result: { issued: 0, skipped: 1, refused: 2 } });
      expect(few.stderr).toMatch(/Item 3 \(two\): ERR_PKI_REGISTRATION_ID_NOT_ALLOWED/);
      const [file] = await readdir(join(folder, 'certificates'));
      const written = (await readFile(join(folder, 'certificates', file!), 'utf8')).trim().split('\n');
      for (const line of written) {
        const { registrationId, chainPem } = JSON.parse(line) as { registrationId: string; chainPem: string };
        expect(await verifyChain({ chainPem, registrationId })).toMatchObject({ isValid: true });
      }
      expect(written).toHaveLength(2);
    });
  }, 60_000);

  it('exit code 2 without a recipient for keys, or with one for requests, or without a source', async () => {
    await inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'ids'), 'a');
      await writeFile(join(folder, 'station.pem'), '');
      const many = ['many', 'ids', '--line', 'line-1'];
      expect(await runCommand(folder, many)).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining('--recipient') as unknown,
      });
      expect(await runCommand(folder, [...many, '--requests', '--recipient', 'station.pem'])).toMatchObject({
        exitCode: 2,
      });
      expect(await runCommand(folder, [...many, '--recipient', 'station.pem', '--allow-any'])).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining('--requests') as unknown,
      });
      expect(await runCommand(folder, ['many', 'nowhere', '--line', 'l', '--recipient', 'station.pem'])).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining('nowhere') as unknown,
      });
    });
  }, 60_000);

  (hasTerminal ? itWithOpenSsl : it.skip)(
    'draws progress at a terminal (skipped without `script` of util-linux), and takes it away at the end',
    () =>
      inTemporaryFolder(async (folder) => {
        await initFolder(folder);
        makeStation(folder);
        await writeFile(join(folder, 'order.txt'), Array.from({ length: 3000 }, (_, index) => `d${index}\n`).join(''));
        const seen = await runOnTerminal(folder, [
          ...['many', 'order.txt', '--line', 'line-1', '--recipient', 'station.pem', '--batch-size', '100'],
        ]);
        expect(seen).toMatch(/\r\[[#-]{24}\] [\d,]+ of 3,000, [\d,]+\/s/);
        expect(seen).toContain('\r\u001b[Kissued');
      }),
    60_000,
  );

  it('draws progress in one line', () => {
    const progress = {
      issued: 12_000,
      skipped: 345,
      refused: 0,
      total: 49_380,
      ratePerSecond: 27_412.3,
      secondsLeft: 1.3,
    };
    expect(describeProgress(progress)).toBe('[######------------------] 12,345 of 49,380, 27,412/s, 2 s left');
    expect(describeProgress({ ...progress, total: undefined, secondsLeft: undefined })).toBe('12,345, 27,412/s');
    expect(describeProgress({ ...progress, secondsLeft: 600 })).toMatch(/10 min left$/);
    expect(describeProgress({ ...progress, secondsLeft: 7200 })).toMatch(/2\.0 h left$/);
  });
});
