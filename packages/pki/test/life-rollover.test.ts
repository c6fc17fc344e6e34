import { describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createCrossCertificate,
  createLineAuthority,
  createRootAuthority,
  explain,
  issueDeviceCertificate,
  planLineRollover,
  planRootRollover,
  readCertificates,
  renewDeviceCertificate,
  type CertificateAuthority,
  type RootRolloverOptions,
} from '../src/index.ts';
import { createFactory, expectCode, inTemporaryFolder } from './fixtures.ts';
import { itSaysWhetherOpenSslIsThere, itWithOpenSsl, openSsl } from './openssl-cli.ts';

const dayMs = 86_400_000;

async function codes(chainPem: string, trustedRootsPem: string, now?: Date): Promise<string[]> {
  const { findings } = await explain(chainPem, { trustedRootsPem, ...(now && { now }) });
  return findings.map(({ code }) => code);
}

/** Two roots of one name, a line and a device below each, and each root certified by the other. */
async function rollRoot(commonName = 'Contoso Root CA') {
  const { root: oldRoot, line: oldLine, device: oldDevice } = await createFactory();
  const newRoot = await createRootAuthority({ commonName });
  const newLine = await createLineAuthority(newRoot, { lineName: 'Line 1' });
  const newDevice = await renewDeviceCertificate(newLine, {
    previous: oldDevice.certificatePem,
    formerLinesPem: oldLine.certificatePem,
  });
  const newWithOld = await createCrossCertificate(oldRoot, { certificatePem: newRoot.certificatePem });
  const oldWithNew = await createCrossCertificate(newRoot, { certificatePem: oldRoot.certificatePem });
  return { oldRoot, oldLine, oldDevice, newRoot, newLine, newDevice, newWithOld, oldWithNew };
}

describe('cross-certificates: old and new verify through the transition', () => {
  it('a root is rolled over under its name', async () => {
    const { oldRoot, oldLine, oldDevice, newRoot, newLine, newDevice, newWithOld, oldWithNew } = await rollRoot();
    const lineOf = (line: CertificateAuthority): string => line.certificatePem;
    expect(await codes(oldDevice.chainPem, oldRoot.certificatePem)).toEqual([]);
    expect(await codes(newDevice.chainPem, newRoot.certificatePem)).toEqual([]);
    expect(
      await codes(newDevice.certificatePem + lineOf(newLine) + newWithOld.chainPem, oldRoot.certificatePem),
    ).toEqual([]);
    expect(
      await codes(oldDevice.certificatePem + lineOf(oldLine) + oldWithNew.chainPem, newRoot.certificatePem),
    ).toEqual([]);
    expect(await codes(newDevice.chainPem, oldRoot.certificatePem)).toContain('CHAIN_ROOT_UNTRUSTED');
    const both = oldRoot.certificatePem + newRoot.certificatePem;
    for (const { chainPem } of [oldDevice, newDevice]) expect(await codes(chainPem, both)).toEqual([]);
  });

  it('an old line is certified by the new root, so that its devices verify below both', async () => {
    const { oldRoot, oldDevice, newRoot, oldLine } = await rollRoot('Next Root');
    const moved = await createCrossCertificate(newRoot, { certificatePem: oldLine.certificatePem });
    expect(await codes(oldDevice.chainPem, oldRoot.certificatePem)).toEqual([]);
    expect(await codes(oldDevice.certificatePem + moved.chainPem, newRoot.certificatePem)).toEqual([]);
    expect(moved).toMatchObject({ subject: oldLine.subject, issuer: 'CN=Next Root' });
  });

  it('never outlives its issuer, nor the certificate that it stands beside', async () => {
    const long = await createRootAuthority({ commonName: 'Long', validityDays: 3000 });
    const short = await createRootAuthority({ commonName: 'Short', validityDays: 100 });
    const one = await createCrossCertificate(long, { certificatePem: short.certificatePem });
    const other = await createCrossCertificate(short, { certificatePem: long.certificatePem });
    expect([one.notAfter, other.notAfter]).toEqual([short.notAfter, short.notAfter]);
    const [cut] = [await createCrossCertificate(long, { certificatePem: short.certificatePem, validityDays: 10 })];
    expect(cut.notAfter.getTime()).toBeLessThan(Date.now() + 11 * dayMs);
  });

  it('fail: a device, or an issuer that may not have authorities below it', async () => {
    const { root, line, device } = await createFactory();
    await expectCode(
      createCrossCertificate(root, { certificatePem: device.certificatePem }),
      'ERR_PKI_NOT_AN_AUTHORITY',
    );
    await expectCode(createCrossCertificate(line, { certificatePem: root.certificatePem }), 'ERR_PKI_PATH_LENGTH');
  });

  it('under another name one authority too many is told', async () => {
    const { oldRoot, newDevice, newLine, newWithOld } = await rollRoot('Next Root');
    const chainPem = newDevice.certificatePem + newLine.certificatePem + newWithOld.chainPem;
    expect(await codes(chainPem, oldRoot.certificatePem)).toContain('CHAIN_PATH_LENGTH');
  });
});

itSaysWhetherOpenSslIsThere();

describe('OpenSSL agrees', () => {
  itWithOpenSsl('through the whole transition', () =>
    inTemporaryFolder(async (folder) => {
      const { oldRoot, oldLine, oldDevice, newRoot, newLine, newDevice, newWithOld, oldWithNew } = await rollRoot();
      const verify = async (chainPem: string, rootPem: string): Promise<string> => {
        await writeFile(join(folder, 'chain.pem'), chainPem);
        await writeFile(join(folder, 'root.pem'), rootPem);
        const files = ['-CAfile', join(folder, 'root.pem'), '-untrusted', join(folder, 'chain.pem')];
        return openSsl(['verify', '-x509_strict', '-purpose', 'sslclient', ...files, join(folder, 'chain.pem')]);
      };
      const crossed = [
        [oldDevice.chainPem, oldRoot],
        [newDevice.chainPem, newRoot],
        [newDevice.certificatePem + newLine.certificatePem + newWithOld.certificatePem, oldRoot],
        [oldDevice.certificatePem + oldLine.certificatePem + oldWithNew.certificatePem, newRoot],
      ] as const;
      for (const [chainPem, root] of crossed) expect(await verify(chainPem, root.certificatePem)).toMatch(/: OK$/m);
      const other = await createFactory();
      await expect(verify(other.device.chainPem, newRoot.certificatePem)).rejects.toThrow('error');
    }),
  );
});

describe('the plan for a line', () => {
  it('is data: both certificates, then the new one alone, and what the factory does in between', async () => {
    const { root, line } = await createFactory();
    const next = await createLineAuthority(root, { lineName: 'Line 2' });
    const plan = planLineRollover({
      enrollmentGroupId: 'line-1',
      oldCertificatePem: line.chainPem,
      newCertificatePem: next.chainPem,
    });
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    expect(plan.map(({ action }) => action)).toEqual([
      'ensureEnrollmentGroup',
      'issueFrom',
      'waitForDevices',
      'ensureEnrollmentGroup',
      'revokeAuthority',
    ]);
    const { certificatePem } = line;
    expect(plan[0]?.input).toEqual({
      enrollmentGroupId: 'line-1',
      certificatePem,
      secondaryCertificatePem: next.certificatePem,
    });
    expect(plan[2]?.input).toMatchObject({
      authority: { subject: 'CN=Line 1', thumbprintSha256: line.thumbprintSha256 },
      until: line.notAfter.toISOString(),
    });
    expect(plan[3]?.input).toEqual({
      enrollmentGroupId: 'line-1',
      certificatePem: next.certificatePem,
      secondaryCertificatePem: null,
    });
  });

  it('for a compromised line leaves it out at once', async () => {
    const { root, line } = await createFactory();
    const next = await createLineAuthority(root, { lineName: 'Line 2' });
    const [first, ...rest] = planLineRollover({
      enrollmentGroupId: 'line-1',
      oldCertificatePem: line.certificatePem,
      newCertificatePem: next.certificatePem,
      isCompromised: true,
    });
    expect(first?.input).toMatchObject({ certificatePem: next.certificatePem, secondaryCertificatePem: null });
    expect(rest[0]).toMatchObject({
      action: 'ensureEnrollmentGroup',
      input: {
        enrollmentGroupId: `compromised-${line.serialNumber}`,
        certificatePem: line.certificatePem,
        provisioningStatus: 'disabled',
      },
    });
    expect(rest.map(({ action }) => action)).toContain('disableDevices');
    expect(rest.find(({ action }) => action === 'revokeAuthority')?.input).toMatchObject({ reason: 'cACompromise' });
  });

  it('fail: a device, the same key, one that has expired or is not valid yet', async () => {
    const { root, line, device } = await createFactory();
    const next = await createLineAuthority(root, { lineName: 'Line 2', validityDays: 10 });
    const plan = (old: string, fresh: string, now?: Date) => (): unknown =>
      planLineRollover({
        enrollmentGroupId: 'g',
        oldCertificatePem: old,
        newCertificatePem: fresh,
        ...(now && { now }),
      });
    const cases = [
      [plan(line.certificatePem, device.certificatePem), "not a certificate authority's"],
      [plan(line.certificatePem, line.certificatePem), 'same key'],
      [plan(line.certificatePem, next.certificatePem, new Date(Date.now() + 20 * dayMs)), 'and not now'],
      [plan(line.certificatePem, next.certificatePem, new Date(Date.now() - 20 * dayMs)), 'and not now'],
      [plan(next.certificatePem, line.certificatePem, new Date(Date.now() + 20 * dayMs)), 'expired on'],
    ] as const;
    for (const [action, words] of cases) {
      expect((await expectCode(action, 'ERR_PKI_ROLLOVER')).message).toContain(words);
    }
  });
});

describe('the plan for a root', () => {
  it('brings the new root, rolls every line over, and ends with the old root', async () => {
    const { oldRoot, oldLine, newRoot, newLine } = await rollRoot();
    const secondOld = await createLineAuthority(oldRoot, { lineName: 'Line 2' });
    const secondNew = await createLineAuthority(newRoot, { lineName: 'Line 2' });
    const plan = planRootRollover({
      oldRoot: { certificateName: 'root-2024', certificatePem: oldRoot.certificatePem },
      newRoot: { certificateName: 'root-2034', certificatePem: newRoot.certificatePem },
      lines: [
        {
          enrollmentGroupId: 'l1',
          oldCertificatePem: oldLine.certificatePem,
          newCertificatePem: newLine.certificatePem,
        },
        {
          enrollmentGroupId: 'l2',
          oldCertificatePem: secondOld.certificatePem,
          newCertificatePem: secondNew.certificatePem,
        },
      ],
    });
    expect(plan.map(({ action }) => action)).toEqual([
      'ensureRootCertificate',
      ...Array<string>(2).fill('ensureEnrollmentGroup'),
      ...Array<string>(2).fill('issueFrom'),
      ...Array<string>(2).fill('waitForDevices'),
      ...Array<string>(2).fill('ensureEnrollmentGroup'),
      'deleteCaCertificate',
    ]);
    expect(plan[0]?.input).toEqual({ certificateName: 'root-2034', certificatePem: newRoot.certificatePem });
    expect(plan.at(-1)?.input).toEqual({ certificateName: 'root-2024' });
    expect(readCertificates(newRoot.certificatePem)[0]?.subject).toBe(oldRoot.subject);
  });

  it('fail: one name for both, not a root, a line of another root', async () => {
    const { oldRoot, oldLine, newRoot, newLine } = await rollRoot();
    const line = {
      enrollmentGroupId: 'l1',
      oldCertificatePem: oldLine.certificatePem,
      newCertificatePem: newLine.certificatePem,
    };
    const good: RootRolloverOptions = {
      oldRoot: { certificateName: 'old', certificatePem: oldRoot.certificatePem },
      newRoot: { certificateName: 'new', certificatePem: newRoot.certificatePem },
      lines: [line],
    };
    const fails = async (change: Partial<RootRolloverOptions>, words: string): Promise<void> => {
      const error = await expectCode(() => planRootRollover({ ...good, ...change }), 'ERR_PKI_ROLLOVER');
      expect(error.message).toContain(words);
    };
    await fails({ newRoot: { ...good.newRoot, certificateName: 'old' } }, 'another name');
    await fails({ newRoot: { ...good.newRoot, certificatePem: newLine.certificatePem } }, 'is not a root');
    const stranger = await createLineAuthority(oldRoot, { lineName: 'Line 1' });
    await fails({ lines: [{ ...line, newCertificatePem: stranger.certificatePem }] }, 'was not issued by the root');
    const device = await issueDeviceCertificate(newLine, { registrationId: 'd1' });
    await fails({ lines: [{ ...line, newCertificatePem: device.certificatePem }] }, "not a certificate authority's");
  });
});
