import { describe, expect } from '@jest/globals';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readCredential } from '../src/index.ts';
import { initFolder, passwords, resultOf, runCommand } from './command-runner.ts';
import { inTemporaryFolder } from './fixtures.ts';
import { itSaysWhetherOpenSslIsThere, itWithOpenSsl, openSsl } from './openssl-cli.ts';

const withPassword = { ...passwords, STATION_PASSWORD: 'station-secret' };
const station = ['--station', 'station.pem', '--station-key', 'station.key', '--trusted-root', 'root.pem'];

/** Certificate and key of a receiving station, made with OpenSSL as its operator would; the key is encrypted. */
function makeStation(folder: string, name = 'station'): void {
  const [key, certificate] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', key];
  const subject = ['-subj', `/CN=${name}`, '-days', '30', '-passout', `pass:${withPassword.STATION_PASSWORD}`];
  openSsl(['req', '-x509', ...curve, '-out', certificate, ...subject]);
}

/** A factory that has sealed an order, and a station to which nothing but the bundles and the root's certificate went. */
async function inTwoPlaces(ids: readonly string[], work: (place: string, bundles: string[]) => Promise<void>) {
  await inTemporaryFolder(async (folder) => {
    const [factory, place] = [join(folder, 'factory'), join(folder, 'station')];
    await mkdir(factory);
    await mkdir(place);
    makeStation(place);
    await initFolder(factory);
    await writeFile(join(factory, 'order.txt'), ids.join('\n'));
    const recipient = ['--recipient', join(place, 'station.pem'), '--out', join(place, 'in'), '--batch-size', '2'];
    await resultOf(factory, 'many', 'order.txt', '--line', 'line-1', ...recipient);
    await writeFile(join(place, 'root.pem'), await readFile(join(factory, 'pki/root.cer.pem')));
    await work(
      place,
      (await readdir(join(place, 'in'))).map((name) => `in/${name}`),
    );
  });
}

describe('contoso-pki open, on the receiving station', () => {
  itSaysWhetherOpenSslIsThere();

  itWithOpenSsl(
    "turns bundles into each device's files, which nobody else can read, and shows no key",
    () =>
      inTwoPlaces(['a', 'b', 'c'], async (place, bundles) => {
        const open = ['open', ...bundles, ...station, '--key-pem', '--json'];
        const { exitCode, stdout, stderr, lines } = await runCommand(place, open, { env: withPassword });
        expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
        expect(stdout).not.toContain('PRIVATE');
        expect(lines.at(-1)).toEqual({ result: { bundles: 2, devices: 3, skipped: 0, folder: 'devices' } });
        for (const id of ['a', 'b', 'c']) {
          const path = (ending: string): string => join(place, 'devices', `${id}.${ending}`);
          const pfx = await readCredential({ path: path('pfx'), password: passwords.DEVICE_PASSWORD });
          const pem = await readCredential({ path: path('chain.pem'), keyPath: path('key.pem') });
          expect(pfx).toMatchObject({ commonName: id, privateKeyPem: pem.privateKeyPem });
          for (const secret of ['pfx', 'key.pem']) expect((await stat(path(secret))).mode & 0o777).toBe(0o600);
          const { serialNumber } = pfx;
          expect(lines).toContainEqual({ device: expect.objectContaining({ registrationId: id, serialNumber }) });
        }
        // Interrupted while it saved the third one, and run again.
        await rm(join(place, 'devices/c.key.pem'));
        const again = await runCommand(place, open, { env: withPassword });
        expect(again.lines.at(-1)).toMatchObject({ result: { devices: 1, skipped: 2 } });
        expect(await readdir(join(place, 'devices'))).toHaveLength(9);
      }),
    60_000,
  );

  itWithOpenSsl(
    'fail: another station, another root, no password, damage; nothing is saved',
    () =>
      inTwoPlaces(['a'], async (place, [bundle = '']) => {
        makeStation(place, 'other');
        const codeOf = async (args: readonly string[], env: Record<string, string> = withPassword) => {
          const { exitCode, lines } = await runCommand(place, ['open', ...args, '--json'], { env });
          const { code, message } = lines.at(-1)?.['error'] as { code: string; message: string };
          return { exitCode, code, message };
        };
        const foreign = ['--station', 'other.pem', '--station-key', 'other.key', '--trusted-root', 'root.pem'];
        const wrongStation = await codeOf([bundle, ...foreign]);
        expect(wrongStation).toMatchObject({ exitCode: 1, code: 'ERR_PKI_BUNDLE_RECIPIENT' });
        expect(wrongStation.message).toContain(bundle);
        const untrusted = [...station.slice(0, -1), 'station.pem'];
        expect(await codeOf([bundle, ...untrusted])).toMatchObject({ code: 'ERR_PKI_BUNDLE_UNTRUSTED' });
        expect(await codeOf([bundle, ...station], passwords)).toMatchObject({ exitCode: 2, code: 'ERR_USAGE' });
        expect(await codeOf([bundle, ...station], { ...withPassword, STATION_PASSWORD: 'x' })).toMatchObject({
          code: 'ERR_PKI_PASSWORD_WRONG',
        });
        const bytes = await readFile(join(place, bundle));
        bytes.set([(bytes.at(-1) ?? 0) ^ 1], bytes.length - 1);
        await writeFile(join(place, 'damaged'), bytes);
        expect(await codeOf(['damaged', ...station])).toMatchObject({ code: 'ERR_PKI_BUNDLE_ALTERED' });
        await expect(readdir(join(place, 'devices'))).rejects.toThrow();
      }),
    60_000,
  );

  itWithOpenSsl(
    "leaves another certificate's files alone, unless it is told to replace them",
    () =>
      inTwoPlaces(['a'], async (place, bundles) => {
        await mkdir(join(place, 'devices'));
        await writeFile(join(place, 'devices/a.chain.pem'), 'of last year');
        const open = ['open', ...bundles, ...station, '--json'];
        const { lines } = await runCommand(place, open, { env: withPassword });
        expect(lines).toMatchObject([{ error: { code: 'ERR_PKI_FILE_EXISTS' } }]);
        expect(await readdir(join(place, 'devices'))).toEqual(['a.chain.pem']);
        const replaced = await runCommand(place, [...open, '--overwrite'], { env: withPassword });
        expect(replaced.lines.at(-1)).toMatchObject({ result: { devices: 1 } });
      }),
    60_000,
  );
});
