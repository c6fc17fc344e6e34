import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDeviceRequest, readCredential, readCrl, verifyChain } from '../src/index.ts';
import { openInventory } from '../src/inventory/index.ts';
import { initFolder, passwords, resultOf, runCommand } from './command-runner.ts';
import { inTemporaryFolder } from './fixtures.ts';
import { collect } from './inventory-engines.ts';

const secrets = Object.values(passwords);

async function makeRequestFile(folder: string, registrationId: string): Promise<string> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const path = join(folder, `${registrationId}.csr`);
  await writeFile(path, await createDeviceRequest({ registrationId, key: privateKey }));
  return path;
}

/** A certificate of line-1 that ended yesterday. */
async function recordEnded(folder: string, registrationId: string): Promise<string> {
  const inventory = await openInventory(join(folder, 'pki/inventory.db'));
  const [other] = await collect(inventory.find());
  if (!other) throw new Error('the line has issued nothing yet');
  const { line, lineKeyIdentifier, thumbprintSha1, thumbprintSha256, keyIdentifier } = other;
  const serialNumber = `1${other.serialNumber.slice(1)}`;
  const yesterday = new Date(Date.now() - 86_400_000);
  const certificate = { registrationId, serialNumber, thumbprintSha1, thumbprintSha256, keyIdentifier };
  const responsible = { station: 'a test', orderedBy: 'a test' };
  const certificates = [{ ...certificate, notBefore: yesterday, notAfter: yesterday }];
  const ids = await inventory.record({ ...responsible, issued: { line, lineKeyIdentifier, certificates } });
  await inventory.record({ ...responsible, delivered: ids ? [ids] : [] });
  await inventory.close();
  return serialNumber;
}

describe('contoso-pki', () => {
  it('makes root, line and device, and knows them afterwards', async () => {
    await inTemporaryFolder(async (folder) => {
      await initFolder(folder);
      const device = await resultOf(folder, 'device', 'thermostat-1', '--line', 'line-1', '--ordered-by', 'order 4711');
      const credential = await readCredential({
        path: join(folder, String(device['pfxPath'])),
        password: passwords.DEVICE_PASSWORD,
      });
      expect(credential.serialNumber).toBe(device['serialNumber']);
      const trustedRootsPem = await readFile(join(folder, 'pki/root.cer.pem'), 'utf8');
      const { isValid } = await verifyChain({
        chainPem: credential.chainPem,
        trustedRootsPem,
        registrationId: 'thermostat-1',
      });
      expect(isValid).toBe(true);
      const { lines } = await runCommand(folder, ['list', '--device', 'thermostat-1', '--json']);
      expect(lines).toMatchObject([
        { certificate: { state: 'delivered', orderedBy: 'order 4711', thumbprintSha1: credential.thumbprintSha1 } },
        { event: { action: 'issued' } },
        { event: { action: 'delivered' } },
        { result: { certificates: 1, events: 2 } },
      ]);
      for (const name of ['root.key.pem', 'line-1.key.pem', 'inventory.db']) {
        expect((await stat(join(folder, 'pki', name))).mode & 0o777).toBe(0o600);
      }
    });
  }, 60_000);

  it('issues once, renews on request, and not what was revoked', async () => {
    await inTemporaryFolder(async (folder) => {
      await initFolder(folder);
      const issue = ['device', 'thermostat-1', '--line', 'line-1'];
      const first = await resultOf(folder, ...issue);
      const again = await runCommand(folder, issue);
      expect(again).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('--renew') as unknown });
      const renewed = await resultOf(folder, ...issue, '--renew');
      expect(renewed['serialNumber']).not.toBe(first['serialNumber']);
      await resultOf(folder, 'revoke', 'thermostat-1', '--reason', 'keyCompromise');
      const refused = await runCommand(folder, [...issue, '--renew', '--json']);
      expect(refused).toMatchObject({ exitCode: 1, lines: [{ error: { code: 'ERR_PKI_DEVICE_REVOKED' } }] });
      await resultOf(folder, ...issue, '--renew', '--reissue-revoked');
    });
  }, 60_000);

  it('signs a request into a file, and onto standard output', async () => {
    await inTemporaryFolder(async (folder) => {
      await initFolder(folder);
      const one = await makeRequestFile(folder, 'device-1');
      const { chainPath } = await resultOf(
        folder,
        'csr',
        one,
        '--line',
        'line-1',
        '--allow-any',
        '--out',
        'device-1.pem',
      );
      const two = await makeRequestFile(folder, 'device-2');
      const { stdout } = await runCommand(folder, ['csr', two, '--line', 'line-1', '--registration-id', 'device-2']);
      for (const [registrationId, chainPem] of [
        ['device-1', await readFile(join(folder, String(chainPath)), 'utf8')],
        ['device-2', stdout],
      ] as const) {
        expect(await verifyChain({ chainPem, registrationId })).toMatchObject({ isValid: true });
      }
      const foreign = await runCommand(folder, ['csr', one, '--line', 'line-1', '--registration-id', 'device-9']);
      expect(foreign).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('ERR_PKI_REGISTRATION_ID_MISMATCH') as unknown,
      });
      const again = await runCommand(folder, ['csr', one, '--line', 'line-1', '--allow-any', '--renew', '--json']);
      expect(again.lines).toMatchObject([{ error: { code: 'ERR_PKI_RENEWAL' } }]);
    });
  }, 60_000);

  it('signs a request for a device that is allowed, and for nobody unless it is told for whom', async () => {
    await inTemporaryFolder(async (folder) => {
      await initFolder(folder);
      const csr = ['csr', await makeRequestFile(folder, 'device-1'), '--line', 'line-1', '--json'];
      await writeFile(join(folder, 'order'), '# order 4711\ndevice-1\n');
      await writeFile(join(folder, 'other'), 'device-2\n');
      const sign = async (...args: string[]): Promise<unknown> => {
        const { exitCode, lines } = await runCommand(folder, [...csr, ...args]);
        return [exitCode, (lines.at(-1)?.['error'] as { code: string } | undefined)?.code];
      };
      expect(await sign()).toEqual([2, 'ERR_USAGE']);
      expect(await sign('--allow', 'order', '--allow-any')).toEqual([2, 'ERR_USAGE']);
      expect(await sign('--allow', 'missing')).toEqual([2, 'ERR_USAGE']);
      expect(await sign('--allow', 'other')).toEqual([1, 'ERR_PKI_REGISTRATION_ID_NOT_ALLOWED']);
      expect(await sign('--allow', 'other', '--registration-id', 'device-1')).toEqual([
        1,
        'ERR_PKI_REGISTRATION_ID_NOT_ALLOWED',
      ]);
      expect(await sign('--allow', 'order')).toEqual([0, undefined]);
    });
  }, 60_000);

  it('puts revoked certificates on a numbered list, and explains a chain with it', async () => {
    await inTemporaryFolder(async (folder) => {
      await initFolder(folder);
      const { chainPath, serialNumber } = await resultOf(folder, 'device', 'stolen', '--line', 'line-1');
      const good = await runCommand(folder, [
        'explain',
        String(chainPath),
        '--trusted',
        'pki/root.cer.pem',
        '--registration-id',
        'stolen',
        '--json',
      ]);
      expect(good).toMatchObject({ exitCode: 0, lines: [{ result: { isValid: true } }] });
      await resultOf(folder, 'revoke', String(serialNumber), '--reason', 'keyCompromise');
      await resultOf(folder, 'crl', '--line', 'line-1');
      const { path, number } = await resultOf(folder, 'crl', '--line', 'line-1', '--next-update', '3');
      expect(number).toBe(2);
      const crl = readCrl(await readFile(join(folder, String(path))));
      expect(crl.number).toBe(2n);
      expect(crl.revoked).toMatchObject([{ serialNumber, reason: 'keyCompromise' }]);
      const bad = await runCommand(folder, ['explain', String(chainPath), '--crl', String(path), '--json']);
      expect(bad.exitCode).toBe(1);
      expect(bad.lines[0]).toMatchObject({ finding: { code: 'CHAIN_REVOKED', severity: 'error' } });
      expect(bad.lines.at(-1)).toMatchObject({ error: { code: 'ERR_PKI_CHAIN_INVALID' } });
    });
  }, 60_000);

  it('revokes all that a device could still use, or one certificate by its serial number', async () => {
    await inTemporaryFolder(async (folder) => {
      await initFolder(folder);
      const issue = async (id: string, ...args: string[]): Promise<unknown> =>
        (await resultOf(folder, 'device', id, '--line', 'line-1', ...args))['serialNumber'];
      const stolen = [await issue('stolen'), await issue('stolen', '--renew'), await issue('stolen', '--renew')];
      const ended = await recordEnded(folder, 'lost');
      const lost = [await issue('lost', '--renew'), await issue('lost', '--renew')];
      const revoke = async (which: unknown): Promise<unknown[]> => {
        const args = ['revoke', String(which), '--reason', 'keyCompromise', '--json'];
        const { lines } = await runCommand(folder, args);
        return lines.map(({ revoked, result, error }) =>
          revoked ? (revoked as { serialNumber: string }).serialNumber : (result ?? (error as { code: string }).code),
        );
      };
      // As an interrupted run leaves it: the rest is revoked by the next one.
      expect(await revoke(stolen[1])).toEqual([stolen[1], { certificates: 1, reason: 'keyCompromise' }]);
      expect(await revoke('stolen')).toEqual([stolen[0], stolen[2], { certificates: 2, reason: 'keyCompromise' }]);
      expect(await revoke('stolen')).toEqual(['ERR_PKI_ALREADY_REVOKED']);
      expect(await revoke('lost')).toEqual([...lost, { certificates: 2, reason: 'keyCompromise' }]);
      expect(await revoke(ended)).toEqual([ended, { certificates: 1, reason: 'keyCompromise' }]);
      expect(await revoke('nobody')).toEqual(['ERR_PKI_NOT_IN_INVENTORY']);
      const { path } = await resultOf(folder, 'crl', '--line', 'line-1');
      const { revoked } = readCrl(await readFile(join(folder, String(path))));
      expect(revoked.map(({ serialNumber }) => serialNumber).sort()).toEqual([...stolen, ...lost, ended].sort());
    });
  }, 60_000);

  it('keeps an ended certificate on the list until it was on one that was signed after its end', async () => {
    await inTemporaryFolder(async (folder) => {
      await initFolder(folder);
      const { serialNumber: kept } = await resultOf(folder, 'device', 'kept', '--line', 'line-1');
      await resultOf(folder, 'revoke', 'kept', '--reason', 'keyCompromise');
      const ended = await recordEnded(folder, 'ended');
      const sign = async (...args: string[]): Promise<unknown[]> => {
        const { path } = await resultOf(folder, 'crl', '--line', 'line-1', ...args);
        const { revoked } = readCrl(await readFile(join(folder, String(path))));
        return revoked.map(({ serialNumber }) => serialNumber);
      };
      await writeFile(join(folder, 'pki/line-1.crl'), 'no list at all');
      expect(await sign()).toEqual([kept]);
      await resultOf(folder, 'revoke', ended, '--reason', 'superseded');
      expect(await sign()).toEqual([kept, ended]);
      expect(await sign()).toEqual([kept]);
      // Nothing says here that it was on a list.
      expect(await sign('--out', 'elsewhere.crl')).toEqual([kept, ended]);
      expect(await sign('--out', 'elsewhere.crl')).toEqual([kept]);
    });
  }, 60_000);

  it('knows the lines of a root, revokes them, and signs the root’s list too', async () => {
    await inTemporaryFolder(async (folder) => {
      await initFolder(folder);
      await resultOf(folder, 'line', 'line-2', '--ordered-by', 'ceremony 2');
      const { chainPath } = await resultOf(folder, 'device', 'a', '--line', 'line-1');
      const { lines } = await runCommand(folder, ['list', '--root', '--json']);
      expect(lines).toMatchObject([
        { certificate: { registrationId: 'line-1', line: 'Contoso Root CA', state: 'delivered' } },
        { certificate: { registrationId: 'line-2', orderedBy: 'ceremony 2', state: 'delivered' } },
        { result: { certificates: 2 } },
      ]);
      const explainWith = async (): Promise<unknown[]> => {
        const crls = ['--crl', 'pki/root.crl', '--crl', 'pki/line-1.crl', '--trusted', 'pki/root.cer.pem'];
        const explained = await runCommand(folder, ['explain', String(chainPath), ...crls, '--json']);
        return explained.lines.flatMap(({ finding }) => (finding ? (finding as { code: string }).code : []));
      };
      await resultOf(folder, 'crl', '--line', 'line-1');
      expect(await resultOf(folder, 'crl', '--root')).toMatchObject({ number: 1, revoked: 0, path: 'pki/root.crl' });
      const verify = ['verify', '-crl_check_all', '-CAfile', 'pki/root.cer.pem', '-untrusted', 'pki/line-1.cer.pem'];
      const lists = ['-CRLfile', 'pki/root.crl.pem', '-CRLfile', 'pki/line-1.crl.pem', String(chainPath)];
      const byOpenSsl = spawnSync('openssl', [...verify, ...lists], { cwd: folder, encoding: 'utf8' });
      if (!byOpenSsl.error) expect(byOpenSsl.stdout).toContain(': OK');
      expect(await explainWith()).toEqual([]);
      await resultOf(folder, 'revoke', 'line-1', '--root', '--reason', 'cACompromise', '--ordered-by', 'incident 6');
      expect(await resultOf(folder, 'crl', '--root')).toMatchObject({ number: 2, revoked: 1 });
      expect(await explainWith()).toEqual(['CHAIN_REVOKED']);
      expect(await resultOf(folder, 'audit', '--root')).toMatchObject({ isIntact: true, certificates: 2 });
      expect(await runCommand(folder, ['crl', '--root', '--line', 'line-1'])).toMatchObject({ exitCode: 2 });
      expect(await runCommand(folder, ['revoke', 'a', '--reason', 'cACompromise'])).toMatchObject({ exitCode: 2 });
    });
  }, 60_000);

  it('lists by state, thumbprint and end, and exports', async () => {
    await inTemporaryFolder(async (folder) => {
      await initFolder(folder);
      const soon = await resultOf(folder, 'device', 'soon', '--line', 'line-1', '--days', '20');
      await resultOf(folder, 'device', 'late', '--line', 'line-1');
      const ids = async (...args: string[]): Promise<unknown[]> =>
        (await runCommand(folder, [...args, '--json'])).lines.flatMap(({ certificate }) =>
          certificate ? (certificate as { registrationId: string }).registrationId : [],
        );
      expect(await ids('expiring', '--within', '30')).toEqual(['soon']);
      expect(await ids('expiring', '--within', '10')).toEqual([]);
      expect(await ids('list', '--thumbprint', String(soon['thumbprintSha1']))).toEqual(['soon']);
      expect(await ids('list', '--state', 'delivered', '--line', 'line-1')).toEqual(['soon', 'late']);
      const { stdout: csv } = await runCommand(folder, ['list', '--format', 'csv']);
      expect(csv.trim().split('\r\n')).toHaveLength(3);
      const { stdout: ndjson } = await runCommand(folder, ['expiring', '--within', '30', '--format', 'ndjson']);
      expect(JSON.parse(ndjson)).toMatchObject({ registrationId: 'soon', thumbprintSha256: soon['thumbprintSha256'] });
    });
  }, 60_000);

  it('shows the certificate in use as expiring while its renewal is interrupted, and then what renewed it', async () => {
    await inTemporaryFolder(async (folder) => {
      await initFolder(folder);
      await writeFile(join(folder, 'full'), 'no room for a folder');
      const device = ['device', 'a', '--line', 'line-1'];
      const rows = async (...args: string[]): Promise<Record<string, unknown>[]> =>
        (await runCommand(folder, [...args, '--json'])).lines.flatMap(({ certificate }) =>
          certificate === undefined ? [] : [certificate as Record<string, unknown>],
        );
      const { serialNumber } = await resultOf(folder, ...device, '--days', '20');
      expect(await runCommand(folder, [...device, '--renew', '--out', 'full'])).toMatchObject({ exitCode: 1 });
      expect(await rows('expiring', '--within', '30')).toMatchObject([{ serialNumber, state: 'delivered' }]);
      const renewed = await resultOf(folder, ...device, '--renew');
      expect(await rows('expiring', '--within', '30')).toEqual([]);
      const [first] = await rows('list', '--serial', String(serialNumber));
      expect(first).toMatchObject({ state: 'renewed', renewedBy: renewed['serialNumber'] });
    });
  }, 60_000);

  it('plans a roll-over as data', async () => {
    await inTemporaryFolder(async (folder) => {
      await initFolder(folder);
      await resultOf(folder, 'line', 'line-1b');
      const rollover = ['rollover', '--group', 'line-1', '--old', 'pki/line-1.cer.pem', '--new', 'pki/line-1b.cer.pem'];
      expect(await resultOf(folder, ...rollover, '--out', 'steps.json')).toEqual({ steps: 5, path: 'steps.json' });
      const steps = JSON.parse(await readFile(join(folder, 'steps.json'), 'utf8')) as { action: string }[];
      expect(steps[0]).toMatchObject({ action: 'ensureEnrollmentGroup', input: { enrollmentGroupId: 'line-1' } });
      expect(await runCommand(folder, [...rollover, '--group', 'line-2'])).toMatchObject({ exitCode: 2 });
    });
  }, 60_000);

  it('audits the inventory, up to a mark', async () => {
    await inTemporaryFolder(async (folder) => {
      await initFolder(folder);
      await resultOf(folder, 'device', 'a', '--line', 'line-1');
      const { head } = await resultOf(folder, 'audit');
      await resultOf(folder, 'device', 'b', '--line', 'line-1');
      expect(await resultOf(folder, 'audit', '--mark', String(head))).toMatchObject({ isIntact: true, entries: 4 });
      const unmarked = await runCommand(folder, ['audit']);
      expect(unmarked).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('--mark') as unknown });
      const other = await runCommand(folder, ['audit', '--mark', `1:${'0'.repeat(64)}`, '--json']);
      expect(other.exitCode).toBe(1);
      expect(other.lines[0]).toMatchObject({ problem: { code: 'AUDIT_MARK_DIFFERENT' } });
      expect(other.lines.at(-1)).toMatchObject({ error: { code: 'ERR_PKI_INVENTORY_ALTERED' } });
      expect(await runCommand(folder, ['audit', '--mark', 'x'])).toMatchObject({ exitCode: 2 });
    });
  }, 60_000);

  it.each([['list'], ['expiring'], ['audit'], ['revoke', 'a', '--reason', 'superseded']])(
    'fails where there is no inventory, and makes none: %s',
    async (...args) => {
      await inTemporaryFolder(async (folder) => {
        const { exitCode, lines } = await runCommand(folder, [...args, '--folder', 'typo', '--json']);
        expect(exitCode).toBe(1);
        expect(lines).toMatchObject([{ error: { code: 'ERR_PKI_INVENTORY_UNAVAILABLE' } }]);
        expect(await readdir(folder)).toEqual([]);
      });
    },
  );

  it('shows no password, and no key', async () => {
    await inTemporaryFolder(async (folder) => {
      const runs = [
        await runCommand(folder, ['init', 'Contoso Root CA']),
        await runCommand(folder, ['line', 'line-1', '--json']),
        await runCommand(folder, ['device', 'a', '--line', 'line-1']),
        await runCommand(folder, ['line', 'line-1']),
        await runCommand(folder, ['device', 'b', '--line', 'line-1'], {
          env: { ...passwords, LINE_PASSWORD: 'wrong-secret' },
        }),
      ];
      expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 1, 1]);
      for (const { stdout, stderr } of runs) {
        for (const secret of [...secrets, 'wrong-secret', 'PRIVATE KEY']) expect(stdout + stderr).not.toContain(secret);
      }
    });
  }, 60_000);

  it('takes passwords from files, and refuses to go without', async () => {
    await inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'password'), 'from-a-file\n');
      await writeFile(join(folder, 'empty'), '');
      const init = ['init', 'Root', '--json'];
      expect(await runCommand(folder, init, { env: {} })).toMatchObject({
        exitCode: 2,
        lines: [{ error: { code: 'ERR_USAGE', message: expect.stringMatching(/ROOT_PASSWORD/) as unknown } }],
      });
      expect(await runCommand(folder, [...init, '--root-password-file', 'empty'])).toMatchObject({ exitCode: 2 });
      expect(await runCommand(folder, [...init, '--root-password-file', 'missing'])).toMatchObject({ exitCode: 2 });
      expect(await readdir(folder)).toEqual(['empty', 'password']);
      expect(await runCommand(folder, [...init, '--root-password-file', 'password'], { env: {} })).toMatchObject({
        exitCode: 0,
      });
      expect(
        await runCommand(folder, ['line', 'l'], { env: { ROOT_PASSWORD: 'from-a-file', LINE_PASSWORD: 'x' } }),
      ).toMatchObject({ exitCode: 0 });
    });
  }, 60_000);

  it.each([
    [['nonsense'], /unknown command/],
    [['init'], /missing required argument/],
    [['device', 'a'], /--line/],
    [['device', 'a', '--line', 'l', '--days', '0'], /above 0/],
    [['revoke', 'a'], /--reason/],
    [['list', '--state', 'sold'], /Allowed choices/],
    [['line', 'root'], /root's name/],
    [['list', '--format', 'csv', '--json'], /one of them/],
    [['rollover', '--group', 'g', '--old', 'a', '--new', 'b', '--old-root', 'x=y'], /--new-root/],
  ])('exit code 2: %j', async (args, message) => {
    await inTemporaryFolder(async (folder) => {
      const { exitCode, stderr } = await runCommand(folder, args);
      expect(exitCode).toBe(2);
      const { lines } = await runCommand(folder, [...args, '--json']);
      expect(lines).toMatchObject([{ error: { code: 'ERR_USAGE' } }]);
      if (!args.includes('--json')) expect(stderr).toMatch(message);
    });
  });

  it('has help with examples for every command', async () => {
    await inTemporaryFolder(async (folder) => {
      const { stdout, exitCode } = await runCommand(folder, ['--help']);
      expect(exitCode).toBe(0);
      expect(stdout).toContain('Exit codes: 0 done, 1 failed');
      const commands = [...stdout.matchAll(/^ {2}([a-z]+) (?:\[options\]|<)/gm)]
        .map(([, name]) => name!)
        .filter((name) => name !== 'help');
      expect(commands.sort()).toEqual([
        'audit',
        'crl',
        'csr',
        'device',
        'expiring',
        'explain',
        'init',
        'line',
        'list',
        'many',
        'open',
        'revoke',
        'rollover',
      ]);
      for (const name of commands) {
        expect((await runCommand(folder, [name, '--help'])).stdout).toContain(`$ contoso-pki ${name}`);
      }
    });
  }, 60_000);
});
