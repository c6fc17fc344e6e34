import { describe, expect, it } from '@jest/globals';
import {
  createCrl,
  createLineAuthority,
  createRootAuthority,
  issueDeviceCertificate,
  planLineRollover,
  planRootRollover,
  renewDeviceCertificate,
} from '@contoso/pki';
import type { CertificateAuthority, DeviceCredential } from '@contoso/pki';
import { applyRolloverStep, ensureEnrollmentGroup, ensureRootCertificate, getCaCertificate } from '../src/index.ts';
import type { RolloverStep } from '../src/index.ts';
import { names, prover, useAzure } from './azure.ts';
import { registerDevice } from './device.ts';
import { failureOf } from './failure.ts';

/** A device may ask five times in ten seconds: Azure's clock goes on by that much before each registration. */
let pastMs = 0;
const test = useAzure({ isSetUp: true, now: () => Date.now() + pastMs });
const { resourceGroup, dpsName } = names;
let counter = 0;

/** A verified root with one line, its group and one device. */
async function createFactory() {
  counter += 1;
  const root = await createRootAuthority({ commonName: `Root ${counter}` });
  const line = await createLineAuthority(root, { lineName: `Line ${counter}` });
  const certificateName = `root-${counter}`;
  const enrollmentGroupId = `line-${counter}`;
  const target = { resourceGroup, dpsName };
  const { certificatePem } = root;
  await ensureRootCertificate(test.session, { ...target, certificateName, certificatePem, signProof: prover(root) });
  await ensureEnrollmentGroup(test.session, {
    ...target,
    enrollmentGroupId,
    certificatePem: line.certificatePem,
    initialTwin: { tags: { line: enrollmentGroupId } },
  });
  const device = await issueDeviceCertificate(line, { registrationId: `device-${counter}` });
  return { root, line, certificateName, enrollmentGroupId, device };
}

const newDevice = (line: CertificateAuthority): Promise<DeviceCredential> =>
  issueDeviceCertificate(line, { registrationId: `new-device-${counter}` });

/** `assigned`, or the refusal's code. */
async function register(device: DeviceCredential): Promise<string> {
  pastMs += 10_000;
  return (await registerDevice(test.azure.cloud, { idScope: test.azure.dps(dpsName).idScope, device })).result;
}

/** What a plan looks like that was kept in a file. */
function written(plan: readonly RolloverStep[]): RolloverStep[] {
  return JSON.parse(JSON.stringify(plan)) as RolloverStep[];
}

describe('a line is rolled over by its plan', () => {
  it('old and new devices register all the way; the old one changes over under the same ID', async () => {
    const { root, line, enrollmentGroupId, device } = await createFactory();
    const nextLine = await createLineAuthority(root, { lineName: `Line ${counter} (next)` });
    const fresh = await newDevice(nextLine);
    const steps = written(
      planLineRollover({
        enrollmentGroupId,
        oldCertificatePem: line.certificatePem,
        newCertificatePem: nextLine.certificatePem,
      }),
    );
    const seen: [string, string, string, string][] = [];
    let current: DeviceCredential = device;
    for (const step of steps) {
      const { outcome } = await applyRolloverStep(test.session, step, { resourceGroup, dpsName });
      if (step.action === 'waitForDevices') {
        seen.push([step.action, outcome, await register(current), await register(fresh)]);
        current = await renewDeviceCertificate(nextLine, {
          previous: device.certificatePem,
          formerLinesPem: line.certificatePem,
        });
      }
      if (step.action === 'revokeAuthority') {
        const { serialNumber } = line;
        const now = new Date();
        const crl = await createCrl(root, {
          revoked: [{ serialNumber, revokedAt: now, reason: 'superseded' }],
          number: 1,
          nextUpdate: new Date(now.getTime() + 86_400_000),
        });
        expect(crl.revoked).toHaveLength(1);
      }
      seen.push([step.action, outcome, await register(current), await register(fresh)]);
    }
    expect(seen).toEqual([
      ['ensureEnrollmentGroup', 'changed', 'assigned', 'assigned'],
      ['issueFrom', 'left-to-you', 'assigned', 'assigned'],
      ['waitForDevices', 'left-to-you', 'assigned', 'assigned'],
      ['waitForDevices', 'left-to-you', 'assigned', 'assigned'],
      ['ensureEnrollmentGroup', 'changed', 'assigned', 'assigned'],
      ['revokeAuthority', 'left-to-you', 'assigned', 'assigned'],
    ]);
    expect(current.registrationId).toBe(device.registrationId);
    expect(await register(device)).toBe('401002');
  });

  it('before the plan begins, the new line is refused; every step may be repeated', async () => {
    const { root, line, enrollmentGroupId } = await createFactory();
    const nextLine = await createLineAuthority(root, { lineName: `Line ${counter} (next)` });
    expect(await register(await newDevice(nextLine))).toBe('401002');
    const plan = planLineRollover({
      enrollmentGroupId,
      oldCertificatePem: line.certificatePem,
      newCertificatePem: nextLine.certificatePem,
    });
    const steps = plan.filter(({ action }) => action === 'ensureEnrollmentGroup');
    for (const step of steps) {
      expect(await applyRolloverStep(test.session, step, { resourceGroup, dpsName })).toEqual({ outcome: 'changed' });
      expect(await applyRolloverStep(test.session, step, { resourceGroup, dpsName })).toEqual({ outcome: 'unchanged' });
    }
  });

  it('a compromised line: its devices are out at once, and come back renewed', async () => {
    const { root, line, enrollmentGroupId, device } = await createFactory();
    const nextLine = await createLineAuthority(root, { lineName: `Line ${counter} (next)` });
    const [first, block, ...rest] = planLineRollover({
      enrollmentGroupId,
      oldCertificatePem: line.certificatePem,
      newCertificatePem: nextLine.certificatePem,
      isCompromised: true,
    });
    const target = { resourceGroup, dpsName };
    await applyRolloverStep(test.session, first!, target);
    expect(await register(device)).toBe('401002');
    expect(await applyRolloverStep(test.session, block!, target)).toEqual({ outcome: 'changed' });
    expect(await applyRolloverStep(test.session, block!, target)).toEqual({ outcome: 'unchanged' });
    const renewed = await renewDeviceCertificate(nextLine, {
      previous: device.certificatePem,
      formerLinesPem: line.certificatePem,
    });
    expect(await register(renewed)).toBe('assigned');
    expect(rest.map(({ action }) => action)).toEqual([
      'disableDevices',
      'revokeAuthority',
      'issueFrom',
      'waitForDevices',
    ]);
  });
});

describe('a compromised line below a group for its root', () => {
  /** As createFactory, and with a group that takes every device below the root. */
  async function createFactoryBelowGroup() {
    const factory = await createFactory();
    const { root, line, enrollmentGroupId } = factory;
    const target = { resourceGroup, dpsName };
    const { certificatePem } = root;
    await ensureEnrollmentGroup(test.session, { ...target, enrollmentGroupId: `all-${counter}`, certificatePem });
    const nextLine = await createLineAuthority(root, { lineName: `Line ${counter} (next)` });
    const steps = written(
      planLineRollover({
        enrollmentGroupId,
        oldCertificatePem: line.certificatePem,
        newCertificatePem: nextLine.certificatePem,
        isCompromised: true,
      }),
    );
    return { ...factory, nextLine, steps, target };
  }

  it('enrols no more devices, neither known nor new ones, and those of its follower are', async () => {
    const { line, device, nextLine, steps, target } = await createFactoryBelowGroup();
    const forged = await issueDeviceCertificate(line, { registrationId: `forged-${counter}` });
    const fresh = await newDevice(nextLine);
    for (const step of steps) await applyRolloverStep(test.session, step, target);
    expect([await register(device), await register(forged), await register(fresh)]).toEqual([
      expect.stringMatching(/^40[13]/),
      expect.stringMatching(/^40[13]/),
      'assigned',
    ]);
    const renewed = await renewDeviceCertificate(nextLine, {
      previous: device.certificatePem,
      formerLinesPem: line.certificatePem,
    });
    expect(await register(renewed)).toBe('assigned');
  });

  it('stays out when its follower is compromised too', async () => {
    const { root, line, enrollmentGroupId, nextLine, steps, target } = await createFactoryBelowGroup();
    const third = await createLineAuthority(root, { lineName: `Line ${counter} (third)` });
    const again = planLineRollover({
      enrollmentGroupId,
      oldCertificatePem: nextLine.certificatePem,
      newCertificatePem: third.certificatePem,
      isCompromised: true,
    });
    for (const step of [...steps, ...again]) await applyRolloverStep(test.session, step, target);
    const found: string[] = [];
    for (const [index, issuer] of [line, nextLine, third].entries()) {
      const device = await issueDeviceCertificate(issuer, { registrationId: `late-${counter}-${index}` });
      found.push(await register(device));
    }
    expect(found).toEqual([expect.stringMatching(/^40[13]/), expect.stringMatching(/^40[13]/), 'assigned']);
  });
});

describe('a root is rolled over by its plan', () => {
  it.each(['the same name', 'another name'])('old and new devices register all the way: %s', async (naming) => {
    const { root, line, certificateName, enrollmentGroupId, device } = await createFactory();
    const commonName = naming === 'the same name' ? `Root ${counter}` : `Next Root ${counter}`;
    const nextRoot = await createRootAuthority({ commonName });
    const nextLine = await createLineAuthority(nextRoot, { lineName: `Line ${counter}` });
    const fresh = await newDevice(nextLine);
    const steps = written(
      planRootRollover({
        oldRoot: { certificateName, certificatePem: root.certificatePem },
        newRoot: { certificateName: `next-root-${counter}`, certificatePem: nextRoot.certificatePem },
        lines: [
          {
            enrollmentGroupId,
            oldCertificatePem: line.certificatePem,
            newCertificatePem: nextLine.certificatePem,
          },
        ],
      }),
    );
    const target = { resourceGroup, dpsName, signProof: prover(nextRoot) };
    const seen: [string, string, string, string][] = [];
    let current: DeviceCredential = device;
    for (const step of steps) {
      const { outcome } = await applyRolloverStep(test.session, step, target);
      seen.push([step.action, outcome, await register(current), await register(fresh)]);
      if (step.action === 'waitForDevices') {
        current = await renewDeviceCertificate(nextLine, {
          previous: device.certificatePem,
          formerLinesPem: line.certificatePem,
        });
      }
    }
    expect(seen).toEqual([
      ['ensureRootCertificate', 'changed', 'assigned', '401002'],
      ['ensureEnrollmentGroup', 'changed', 'assigned', 'assigned'],
      ['issueFrom', 'left-to-you', 'assigned', 'assigned'],
      ['waitForDevices', 'left-to-you', 'assigned', 'assigned'],
      ['ensureEnrollmentGroup', 'changed', 'assigned', 'assigned'],
      ['deleteCaCertificate', 'changed', 'assigned', 'assigned'],
    ]);
    expect(await register(device)).toBe('401002');
    expect(await getCaCertificate(test.session, { resourceGroup, dpsName, certificateName })).toBeUndefined();
    for (const step of steps.filter(({ action }) => action !== 'ensureEnrollmentGroup')) {
      expect((await applyRolloverStep(test.session, step, target)).outcome).not.toBe('changed');
    }
  });

  it('ERR_INVALID_INPUT without signProof', async () => {
    const { certificatePem } = await createRootAuthority({ commonName: 'Root' });
    const step = { title: 'Upload', action: 'ensureRootCertificate', input: { certificateName: 'x', certificatePem } };
    const error = await failureOf(() => applyRolloverStep(test.session, step, { resourceGroup, dpsName }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_INPUT', advice: 'fix-input' });
  });
});
