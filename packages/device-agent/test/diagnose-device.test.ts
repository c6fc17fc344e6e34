import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'libsql';
import { runChecks } from '../src/diagnosis/check-run.ts';
import { certificateChecks } from '../src/diagnosis/certificate-checks.ts';
import type { CheckName, Diagnosis, DiagnosisCheck } from '../src/diagnosis/diagnosis.ts';
import type { DiagnoseOptions } from '../src/diagnosis/examination.ts';
import { identityChecks } from '../src/diagnosis/identity-checks.ts';
import { machineChecks } from '../src/diagnosis/machine-checks.ts';
import { thisMachine, type Machine } from '../src/diagnosis/machine.ts';
import { stateChecks } from '../src/diagnosis/state-checks.ts';
import { systemClock, type Clock } from '../src/index.ts';
import { takeFolderLock } from '../src/state/folder-lock.ts';
import { draftDatabase, placeDraft } from '../src/state/schema.ts';
import { makeDevice, type OpensslDevice } from './openssl-device.ts';

let folder: string;
let good: OpensslDevice;

beforeAll(() => {
  good = makeDevice();
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'diagnose-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string): string => join(folder, name);

/** Writes chain and key as files of mode 0600, and says where they are. */
function identityFiles(chain: readonly string[], key: string): { chainFile: string; keyFile: string } {
  writeFileSync(file('chain.pem'), chain.join(''), { mode: 0o600 });
  writeFileSync(file('key.pem'), key, { mode: 0o600 });
  return { chainFile: file('chain.pem'), keyFile: file('key.pem') };
}

const asFiles = ({ leaf, line, root, key }: OpensslDevice): { chainFile: string; keyFile: string } =>
  identityFiles([leaf, line, root], key);

/** A state folder as an agent leaves it, with what the statements put in; device-1 is device 1 there. */
function keptState(...statements: readonly string[]): void {
  mkdirSync(file('state'), { mode: 0o700 });
  draftDatabase(file('state/agent.db'));
  placeDraft(file('state/agent.db'));
  takeFolderLock(file('state')).release();
  const database = new Database(file('state/agent.db'));
  database.exec(["INSERT INTO device VALUES (1, 'device-1')", ...statements].join(';'));
  database.close();
}

const keptAssignment = (configuredIdScope: string, idScope = configuredIdScope): string =>
  `INSERT INTO fact VALUES (1, 'assignment', '${JSON.stringify({ idScope, configuredIdScope, assignedHub: 'hub.test', deviceId: 'device-1' })}')`;

const waitingMessage = (sequence: number, ageMs: number): string =>
  `INSERT INTO outbox (device, sequence, added_ms, priority, size, message_id, created_at, content_type, content_encoding, properties, body)
   VALUES (1, ${sequence}, ${Date.now() - ageMs}, 0, 700, 'm', '', '', '', '{}', x'00')`;

/** The checks that need no network. */
function look(changes: Partial<DiagnoseOptions> = {}, machine: Partial<Machine> = {}): Promise<Diagnosis> {
  const options: DiagnoseOptions = {
    identity: 'identity' in changes ? changes.identity : asFiles(good),
    connectTo: { idScope: '0ne00000000' },
    stateFolder: file('state'),
    ...changes,
  };
  const { clock = systemClock } = options;
  const findings = { open: { dps: new Set<never>(), hub: new Set<never>() }, handshakes: {} };
  return runChecks(
    [...machineChecks, ...identityChecks, ...stateChecks, ...certificateChecks],
    { options, machine: { ...thisMachine, ...machine }, clock, findings },
    { clock },
  );
}

const checkOf = (diagnosis: Diagnosis, name: CheckName): DiagnosisCheck =>
  diagnosis.checks.find((check) => check.name === name)!;

const laterBy = (days: number): Clock => ({
  ...systemClock,
  now: () => new Date(Date.now() + days * 86_400_000),
});

const devicesWith = (options: Parameters<typeof makeDevice>[0]) => () => ({ identity: asFiles(makeDevice(options)) });

type Provoked = Partial<DiagnoseOptions> & { readonly machine?: Partial<Machine> };

interface Case {
  readonly name: CheckName;
  readonly status: 'warning' | 'failed';
  readonly provoke: () => Provoked;
  readonly detail: RegExp;
  readonly fix: RegExp;
}

const cases: readonly Case[] = [
  {
    name: 'node-version',
    status: 'failed',
    provoke: () => ({ machine: { nodeVersion: '20.18.3' } }),
    detail: /20\.18\.3 runs; 20\.19 is the lowest/,
    fix: /Install Node/,
  },
  {
    name: 'node-version',
    status: 'warning',
    provoke: () => ({ machine: { nodeVersion: '23.1.0' } }),
    detail: /no long-term support/,
    fix: /even release/,
  },
  {
    name: 'identity-file',
    status: 'failed',
    provoke: () => ({ identity: { ...asFiles(good), keyFile: file('missing.pem') } }),
    detail: /missing\.pem.*ENOENT/,
    fix: /permissions|Mend what it names/,
  },
  {
    name: 'identity-password',
    status: 'failed',
    provoke: () => {
      const files = asFiles(good);
      writeFileSync(
        files.keyFile,
        '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n',
      );
      return { identity: { ...files, password: 'secret' } };
    },
    detail: /does not open/,
    fix: /./,
  },
  {
    name: 'identity-key',
    status: 'failed',
    provoke: () => ({ identity: identityFiles([good.leaf, good.line], makeDevice().key) }),
    detail: /no certificate that the private key belongs to/,
    fix: /./,
  },
  {
    name: 'key-file-mode',
    status: 'failed',
    provoke: () => {
      const identity = asFiles(good);
      chmodSync(identity.keyFile, 0o644);
      return { identity };
    },
    detail: /key\.pem has mode 0644: every user/,
    fix: /^chmod 600 .*key\.pem$/,
  },
  {
    name: 'key-file-mode',
    status: 'warning',
    provoke: () => {
      const identity = asFiles(good);
      chmodSync(identity.keyFile, 0o640);
      return { identity };
    },
    detail: /mode 0640: its group/,
    fix: /chmod 600/,
  },
  ...(
    [
      ['failed', 'device#1', /contains "#", which DPS does not allow/],
      ['failed', 'device.', /must end with a letter, a digit or a hyphen/],
      ['warning', 'Device-1', /upper-case letters/],
    ] as const
  ).map(([status, commonName, detail]) => ({
    name: 'registration-id' as const,
    status,
    provoke: devicesWith({ commonName }),
    detail,
    fix: /Issue the certificate again/,
  })),
  {
    name: 'chain-present',
    status: 'warning',
    provoke: () => ({ identity: identityFiles([good.leaf], good.key) }),
    detail: /CN=device-1 stands alone: its issuer CN=Line/,
    fix: /every certificate up to the root/,
  },
  {
    name: 'chain-order',
    status: 'warning',
    provoke: () => ({ identity: identityFiles([good.root, good.leaf, good.line], good.key) }),
    detail: /found CN=Root, CN=device-1, CN=Line; the agent sends CN=device-1, CN=Line, CN=Root/,
    fix: /device certificate, then its issuer/,
  },
  {
    name: 'chain-order',
    status: 'warning',
    provoke: () => ({
      identity: identityFiles([good.leaf, good.line, makeDevice({ commonName: 'stranger' }).leaf], good.key),
    }),
    detail: /CN=stranger belongs to no chain/,
    fix: /nothing else/,
  },
  {
    name: 'chain-signatures',
    status: 'failed',
    provoke: devicesWith({ hasNamesakeIssuer: true }),
    detail: /CN=device-1 names CN=Line as its issuer, and the certificate of that name has not signed it/,
    fix: /issuer’s own certificate/,
  },
  {
    name: 'certificate-valid',
    status: 'failed',
    provoke: devicesWith({ validFrom: -20, validTo: -1 }),
    detail: /CN=device-1 expired at 20.*clock says 20/,
    fix: /same common name, or set the clock/,
  },
  {
    name: 'certificate-valid',
    status: 'failed',
    provoke: () => ({ clock: laterBy(-1000) }),
    detail: /CN=device-1 is valid from 20/,
    fix: /Set the clock/,
  },
  {
    name: 'renewal-due',
    status: 'warning',
    provoke: () => ({ clock: laterBy(27) }),
    detail: /due since 20.*; [23] days are left/,
    fix: /renewal is configured/,
  },
  ...(
    [
      ['extendedKeyUsage=serverAuth', /1\.3\.6\.1\.5\.5\.7\.3\.1, without clientAuth/],
      ['keyUsage=critical,keyEncipherment', /without digitalSignature/],
      ['basicConstraints=critical,CA:TRUE', /certificate of a CA/],
    ] as const
  ).map(([extensions, detail]) => ({
    name: 'certificate-usage' as const,
    status: 'failed' as const,
    provoke: devicesWith({ extensions: `${extensions}\n` }),
    detail,
    fix: /clientAuth/,
  })),
  ...(
    [
      [{ newKey: ['rsa:1024'] }, /RSA key of 1024 bits/],
      [{ newKey: ['ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'] }, /curve secp256k1/],
      [{ newKey: ['ed25519'] }, /type ed25519/],
      [{ digest: 'sha1' }, /CN=device-1 is signed with sha1/],
    ] as const
  ).map(([options, detail]) => ({
    name: 'certificate-strength' as const,
    status: 'failed' as const,
    provoke: devicesWith(options),
    detail,
    fix: /RSA of 2048 bits or more/,
  })),
  {
    name: 'state-folder',
    status: 'failed',
    provoke: () => {
      writeFileSync(file('state'), 'a file');
      return {};
    },
    detail: /state is not a folder/,
    fix: /another folder/,
  },
  {
    name: 'state-folder',
    status: 'failed',
    // Also for root: this file system makes no files.
    provoke: () => ({ stateFolder: '/proc/self/agent' }),
    detail: /\/proc\/self: .*(ENOENT|EACCES|EPERM|EINVAL)/,
    fix: /owner and mode/,
  },
  {
    name: 'disk-space',
    status: 'failed',
    provoke: () => ({ machine: { freeSpace: async () => ({ bytes: 1_048_576, files: 1000 }) } }),
    detail: /^1 MiB free/,
    fix: /Free space/,
  },
  {
    name: 'disk-space',
    status: 'failed',
    provoke: () => ({ machine: { freeSpace: async () => ({ bytes: 1e12, files: 0 }) } }),
    detail: /inodes are used up/,
    fix: /Free space/,
  },
  {
    name: 'disk-space',
    status: 'warning',
    provoke: () => ({ machine: { freeSpace: async () => ({ bytes: 20 * 1_048_576, files: 1000 }) } }),
    detail: /^20 MiB free/,
    fix: /Free space/,
  },
  {
    name: 'state-database',
    status: 'failed',
    provoke: () => {
      mkdirSync(file('state'));
      writeFileSync(
        file('state/agent.db'),
        'no database at all, but some text that is long enough to be taken for one',
      );
      return {};
    },
    detail: /not a database/,
    fix: /move the agent\.db files elsewhere/,
  },
  {
    name: 'state-database',
    status: 'failed',
    provoke: () => {
      keptState(waitingMessage(1, 0));
      truncateSync(file('state/agent.db'), 8192);
      return {};
    },
    detail: /malformed|invalid page|out of order|never used|size/i,
    fix: /Check the disk/,
  },
  {
    name: 'outbox',
    status: 'warning',
    provoke: () => {
      keptState(waitingMessage(1, 3 * 86_400_000), waitingMessage(2, 0));
      return {};
    },
    detail: /^2 messages wait, 1400 bytes; the oldest for 2592\d\d s/,
    fix: /next connection/,
  },
  {
    name: 'assignment',
    status: 'warning',
    provoke: () => {
      keptState(keptAssignment('0ne0000000F'));
      return {};
    },
    detail: /when 0ne0000000F was configured, and 0ne00000000 is now/,
    fix: /asks the configured DPS/,
  },
];

describe('what the device is and keeps', () => {
  it('ok: nothing to complain about, with files, before the first start', async () => {
    const diagnosis = await look();
    expect(diagnosis.checks.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(checkOf(diagnosis, 'state-folder').detail).toMatch(/state will be made in /);
  });

  it('ok: the same of an agent that has run, with its outbox and assignment', async () => {
    keptState(keptAssignment('0ne00000000'), waitingMessage(1, 1000));
    const diagnosis = await look();
    expect(diagnosis.checks.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(checkOf(diagnosis, 'assignment').detail).toBe('device-1 at hub.test');
    expect(checkOf(diagnosis, 'agent-running').detail).toBe('none does');
  });

  it('ok: an assignment from the DPS that an operator moved the device to', async () => {
    keptState(keptAssignment('0ne00000000', '0ne0000000F'));
    expect(checkOf(await look(), 'assignment')).toMatchObject({
      status: 'ok',
      detail: 'device-1 at hub.test, by 0ne0000000F, where an operator moved it',
    });
  });

  it('ok: an identity in a PFX, whose order says nothing', async () => {
    const { chainFile, keyFile } = asFiles(good);
    const source = ['-in', chainFile, '-inkey', keyFile, '-passout', 'pass:secret', '-out', file('device.pfx')];
    execFileSync('openssl', ['pkcs12', '-export', ...source], { stdio: 'pipe' });
    chmodSync(file('device.pfx'), 0o600);
    const diagnosis = await look({ identity: { pfxFile: file('device.pfx'), password: 'secret' } });
    const others = diagnosis.checks.filter(({ status }) => status !== 'ok');
    expect(others.map(({ name, detail }) => [name, detail])).toEqual([
      ['chain-order', expect.stringMatching(/a PFX keeps no order/)],
    ]);
    expect(checkOf(diagnosis, 'chain-signatures').detail).toBe('3 looked at');
    const wrong = await look({ identity: { pfxFile: file('device.pfx'), password: 'guessed' } });
    expect(checkOf(wrong, 'identity-password')).toMatchObject({ status: 'failed', fix: expect.stringMatching(/./) });
    expect(JSON.stringify(wrong)).not.toMatch(/guessed/);
  });

  it('ok: an agent that runs is seen and not disturbed', async () => {
    keptState();
    const held = takeFolderLock(file('state'));
    expect(checkOf(await look(), 'agent-running').detail).toMatch(/^one does/);
    expect(checkOf(await look(), 'agent-running').detail).toMatch(/^one does/);
    held.release();
    expect(checkOf(await look(), 'agent-running').detail).toBe('none does');
  });

  it.each(cases.map((one) => [one.status, one.name, one.detail, one] as const))(
    '%s: %s says %s',
    async (_status, _name, _detail, { name, status, provoke, detail, fix }) => {
      const { machine, ...changes } = provoke();
      const diagnosis = await look(changes, machine);
      const check = checkOf(diagnosis, name);
      expect(check).toMatchObject({ status, detail: expect.stringMatching(detail), fix: expect.stringMatching(fix) });
      expect(JSON.stringify(diagnosis)).not.toMatch(/secret|BEGIN/);
    },
  );

  it('skipped: what stands on a failed check says so', async () => {
    const diagnosis = await look({ identity: { ...asFiles(good), keyFile: file('missing.pem') } });
    const skipped = diagnosis.checks.filter(({ status }) => status === 'skipped');
    expect(skipped.map(({ name, detail }) => [name, detail])).toEqual([
      ['identity-password', 'stands on identity-file, which failed'],
      ['identity-key', 'stands on identity-password, which was skipped'],
      ['key-file-mode', 'stands on identity-file, which failed'],
      ['registration-id', 'stands on identity-key, which was skipped'],
      ['outbox', 'stands on identity-key, which was skipped'],
      ['assignment', 'stands on identity-key, which was skipped'],
      ['credential', 'stands on identity-key, which was skipped'],
      ['chain-present', 'stands on identity-key, which was skipped'],
      ['chain-order', 'stands on chain-present, which was skipped'],
      ['chain-signatures', 'stands on chain-present, which was skipped'],
      ['certificate-valid', 'stands on identity-key, which was skipped'],
      ['renewal-due', 'stands on certificate-valid, which was skipped'],
      ['certificate-usage', 'stands on identity-key, which was skipped'],
      ['certificate-strength', 'stands on identity-key, which was skipped'],
    ]);
  });

  it('every check that can fail is in the table', () => {
    const names = [...machineChecks, ...identityChecks, ...certificateChecks, ...stateChecks].map(({ name }) => name);
    const provoked = new Set(cases.map(({ name }) => name));
    // They tell and judge nothing.
    expect(names.filter((name) => !provoked.has(name))).toEqual(['credential', 'agent-running']);
  });
});
