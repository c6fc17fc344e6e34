import { beforeEach, describe, expect, it } from '@jest/globals';
import { createLineAuthority, createRootAuthority, issueDeviceCertificate } from '@contoso/pki';
import {
  createEnrollmentGroup,
  deleteCaCertificate,
  deleteEnrollmentGroup,
  ensureEnrollmentGroup,
  ensureRootCertificate,
  getCaCertificate,
  getEnrollmentGroup,
  listEnrollmentGroups,
  updateEnrollmentGroup,
} from '../src/index.ts';
import type { EnrollmentGroupOptions, EnrollmentSettings } from '../src/index.ts';
import { createAuthorities, names, prover, useAzure } from './azure.ts';
import { failureOf } from './failure.ts';

const test = useAzure({ isSetUp: true });
const { dpsName, resourceGroup } = names;
const { root } = await createAuthorities();

let counter = 0;
let options: EnrollmentGroupOptions & { certificatePem: string };
beforeEach(async () => {
  counter += 1;
  const line = await createLineAuthority(root, { lineName: `Line ${counter}` });
  options = { dpsName, enrollmentGroupId: `line-${counter}`, certificatePem: line.certificatePem };
});

const find = (): ReturnType<typeof getEnrollmentGroup> => getEnrollmentGroup(test.session, options);

describe('ensureEnrollmentGroup', () => {
  it('creates a group with Azure’s defaults', async () => {
    const { outcome, group } = await ensureEnrollmentGroup(test.session, options);
    expect(outcome).toBe('created');
    expect(group).toMatchObject({
      enrollmentGroupId: options.enrollmentGroupId,
      provisioningStatus: 'enabled',
      capabilities: { iotEdge: false },
      reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: true },
      iotHubs: [],
      attestation: { type: 'x509', primary: { subjectName: `CN=Line ${counter}` }, secondary: undefined },
    });
    expect(group.createdAt).toMatch(/^20\d\d-\d\d-\d\dT.*Z$/);
    expect(await find()).toEqual(group);
  });

  it('sets a secondary certificate, keeps it, promotes it and takes it out', async () => {
    const next = await createLineAuthority(root, { lineName: `Next line ${counter}` });
    const third = await createLineAuthority(root, { lineName: `Third line ${counter}` });
    const attestation = async (change: Partial<EnrollmentGroupOptions>): Promise<unknown[]> => {
      const { dpsName, enrollmentGroupId } = options;
      const result = await ensureEnrollmentGroup(test.session, { dpsName, enrollmentGroupId, ...change });
      const { primary, secondary } = result.group.attestation as Extract<
        typeof result.group.attestation,
        { type: 'x509' }
      >;
      return [result.outcome, primary?.thumbprintSha256, secondary?.thumbprintSha256];
    };
    const thumbprint = (authority: { thumbprintSha256: string }): string => authority.thumbprintSha256;
    const line = await createLineAuthority(root, { lineName: 'Line' });
    const { certificatePem } = line;
    const both = { certificatePem, secondaryCertificatePem: next.certificatePem };
    expect(await attestation(both)).toEqual(['created', thumbprint(line), thumbprint(next)]);
    expect(await attestation(both)).toEqual(['unchanged', thumbprint(line), thumbprint(next)]);
    expect(await attestation({ provisioningStatus: 'disabled' })).toEqual([
      'changed',
      thumbprint(line),
      thumbprint(next),
    ]);
    expect(await attestation({ certificatePem: third.certificatePem })).toEqual([
      'changed',
      thumbprint(third),
      thumbprint(next),
    ]);
    expect(await attestation({ certificatePem: next.certificatePem })).toEqual([
      'changed',
      thumbprint(next),
      undefined,
    ]);
    expect(await attestation({ secondaryCertificatePem: third.certificatePem })).toEqual([
      'changed',
      thumbprint(next),
      thumbprint(third),
    ]);
    expect(await attestation({ secondaryCertificatePem: null })).toEqual(['changed', thumbprint(next), undefined]);
    expect(await attestation({ secondaryCertificatePem: null })).toEqual(['unchanged', thumbprint(next), undefined]);
  });

  it('ERR_INVALID_INPUT, ERR_CERTIFICATE_INVALID, ERR_AUTHORITY_NOT_VERIFIED for a secondary certificate', async () => {
    const device = await issueDeviceCertificate(await createLineAuthority(root, { lineName: 'Line' }), {
      registrationId: 'd1',
    });
    const stranger = await createRootAuthority({ commonName: 'Stranger' });
    const foreign = await createLineAuthority(stranger, { lineName: 'Foreign' });
    const fails = (change: Partial<EnrollmentGroupOptions>): ReturnType<typeof failureOf> =>
      failureOf(() => ensureEnrollmentGroup(test.session, { ...options, ...change }));
    const { certificatePem, ...rest } = options;
    expect(certificatePem).toContain('CERTIFICATE');
    expect(await fails({ secondaryCertificatePem: device.certificatePem })).toMatchObject({
      code: 'ERR_CERTIFICATE_INVALID',
    });
    const withReference = { ...rest, caReference: 'rootCA', secondaryCertificatePem: foreign.certificatePem };
    expect(await failureOf(() => ensureEnrollmentGroup(test.session, withReference))).toMatchObject({
      code: 'ERR_INVALID_INPUT',
    });
    await ensureRootCertificate(test.session, {
      resourceGroup,
      dpsName,
      certificatePem: root.certificatePem,
      signProof: prover(root),
    });
    const error = await fails({ resourceGroup, secondaryCertificatePem: foreign.certificatePem });
    expect(error).toMatchObject({ code: 'ERR_AUTHORITY_NOT_VERIFIED' });
    expect(error.message).toContain('Stranger');
    expect(await find()).toBeUndefined();
    await deleteCaCertificate(test.session, { resourceGroup, dpsName, certificateName: 'rootCA' });
  });

  it('leaves alone what is as it should be', async () => {
    const { group } = await ensureEnrollmentGroup(test.session, options);
    expect(await ensureEnrollmentGroup(test.session, options)).toEqual({ outcome: 'unchanged', changes: [], group });
  });

  it('takes every option at once, and finds them unchanged the second time', async () => {
    const settings: EnrollmentSettings = {
      provisioningStatus: 'disabled',
      capabilities: { iotEdge: true },
      initialTwin: { tags: { line: 'a', site: { name: 'Ulm' } }, desired: { targetTemperature: 21 } },
      iotHubs: [`${names.hubName}.${test.azure.cloud.hubSuffix}`],
      allocationPolicy: 'static',
      reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: false },
    };
    const { group } = await ensureEnrollmentGroup(test.session, { ...options, ...settings });
    expect(group).toMatchObject(settings);
    expect((await ensureEnrollmentGroup(test.session, { ...options, ...settings })).outcome).toBe('unchanged');
  });

  it.each<[string, EnrollmentSettings]>([
    ['provisioningStatus', { provisioningStatus: 'disabled' }],
    ['capabilities', { capabilities: { iotEdge: true } }],
    ['initialTwin', { initialTwin: { tags: { line: 'a' } } }],
    ['allocationPolicy', { allocationPolicy: 'geoLatency' }],
    ['reprovisionPolicy', { reprovisionPolicy: { updateHubAssignment: false, migrateDeviceData: false } }],
  ])('changes %s in place and nothing else', async (name, settings) => {
    const { group: before } = await ensureEnrollmentGroup(test.session, {
      ...options,
      initialTwin: { desired: { a: 1 } },
    });
    const { outcome, changes, group } = await ensureEnrollmentGroup(test.session, { ...options, ...settings });
    expect({ outcome, changes }).toEqual({ outcome: 'changed', changes: [name] });
    const { etag, lastUpdatedAt, ...kept } = before;
    expect(group).toMatchObject({ ...kept, ...settings });
    expect(group.etag).not.toBe(etag);
    expect(lastUpdatedAt).toBeDefined();
  });

  it('never enables again what an operator has disabled', async () => {
    await ensureEnrollmentGroup(test.session, options);
    await updateEnrollmentGroup(test.session, {
      dpsName,
      enrollmentGroupId: options.enrollmentGroupId,
      provisioningStatus: 'disabled',
    });
    const { outcome, group } = await ensureEnrollmentGroup(test.session, options);
    expect(outcome).toBe('unchanged');
    expect(group.provisioningStatus).toBe('disabled');
  });

  it('empties the initial twin and the hub list', async () => {
    const hub = `${names.hubName}.${test.azure.cloud.hubSuffix}`;
    await ensureEnrollmentGroup(test.session, { ...options, initialTwin: { tags: { a: 1 } }, iotHubs: [hub] });
    const { changes, group } = await ensureEnrollmentGroup(test.session, { ...options, initialTwin: {}, iotHubs: [] });
    expect(changes).toEqual(['initialTwin', 'iotHubs']);
    expect(group).toMatchObject({ initialTwin: { tags: {}, desired: {} }, iotHubs: [] });
  });

  it('changes to a new line certificate, and to an uploaded CA', async () => {
    await ensureEnrollmentGroup(test.session, options);
    const renewed = await createLineAuthority(root, { lineName: `Line ${counter} renewed` });
    const first = await ensureEnrollmentGroup(test.session, { ...options, certificatePem: renewed.certificatePem });
    expect(first).toMatchObject({ outcome: 'changed', changes: ['attestation'] });
    expect(first.group.attestation).toMatchObject({ primary: { subjectName: `CN=Line ${counter} renewed` } });

    const certificateName = `ca-${counter}`;
    await ensureRootCertificate(test.session, {
      resourceGroup,
      dpsName,
      certificateName,
      certificatePem: root.certificatePem,
      signProof: prover(root),
    });
    const { certificatePem, ...byReference } = { ...options, caReference: certificateName, resourceGroup };
    expect(certificatePem).toBeDefined();
    const second = await ensureEnrollmentGroup(test.session, byReference);
    expect(second.group.attestation).toEqual({
      type: 'x509-ca-reference',
      primary: certificateName,
      secondary: undefined,
    });
    expect((await ensureEnrollmentGroup(test.session, byReference)).outcome).toBe('unchanged');
  });

  it('recreates when asked for', async () => {
    const { group: before } = await ensureEnrollmentGroup(test.session, {
      ...options,
      initialTwin: { tags: { a: 1 } },
    });
    const { outcome, group } = await ensureEnrollmentGroup(test.session, { ...options, recreate: true });
    expect(outcome).toBe('recreated');
    expect(group.initialTwin.tags ?? {}).toEqual({});
    expect(group.etag).not.toBe(before.etag);
    expect(
      (
        await ensureEnrollmentGroup(test.session, {
          ...options,
          enrollmentGroupId: `${options.enrollmentGroupId}-x`,
          certificatePem: root.certificatePem,
          recreate: true,
        })
      ).outcome,
    ).toBe('created');
  });
});

describe('ETags', () => {
  it('a stale one is refused with ERR_ETAG_STALE and nothing changes', async () => {
    const { group: first } = await ensureEnrollmentGroup(test.session, options);
    const { group: second } = await ensureEnrollmentGroup(test.session, {
      ...options,
      capabilities: { iotEdge: true },
    });
    const error = await failureOf(() =>
      ensureEnrollmentGroup(test.session, { ...options, provisioningStatus: 'disabled', etag: first.etag }),
    );
    expect(error).toMatchObject({ code: 'ERR_ETAG_STALE', advice: 're-read', httpStatus: 412 });
    expect(error.trackingId).toBeDefined();
    expect(await find()).toEqual(second);
    expect((await failureOf(() => deleteEnrollmentGroup(test.session, { ...options, etag: first.etag }))).code).toBe(
      'ERR_ETAG_STALE',
    );
    expect(await deleteEnrollmentGroup(test.session, { ...options, etag: second.etag })).toBe(true);
  });

  it('of the group as it is lets the change through', async () => {
    const { group } = await ensureEnrollmentGroup(test.session, options);
    const { outcome } = await ensureEnrollmentGroup(test.session, {
      ...options,
      provisioningStatus: 'disabled',
      etag: group.etag,
    });
    expect(outcome).toBe('changed');
  });

  it('four operators at once lose no change of theirs', async () => {
    await ensureEnrollmentGroup(test.session, options);
    const settings: EnrollmentSettings[] = [
      { provisioningStatus: 'disabled' },
      { capabilities: { iotEdge: true } },
      { initialTwin: { tags: { a: 1 } } },
      { reprovisionPolicy: { updateHubAssignment: false, migrateDeviceData: false } },
    ];
    await Promise.all(settings.map((change) => ensureEnrollmentGroup(test.session, { ...options, ...change })));
    expect(await find()).toMatchObject(Object.assign({}, ...settings) as object);
  });

  it('two who create at once both end with the group', async () => {
    const both = await Promise.all([
      ensureEnrollmentGroup(test.session, options),
      ensureEnrollmentGroup(test.session, options),
    ]);
    expect(both.map(({ outcome }) => outcome).toSorted()).toEqual(['created', 'unchanged']);
  });
});

describe('createEnrollmentGroup', () => {
  it('ERR_ENROLLMENT_GROUP_EXISTS says what to do, and changes nothing', async () => {
    const { group } = await createEnrollmentGroup(test.session, options);
    const error = await failureOf(() =>
      createEnrollmentGroup(test.session, { ...options, provisioningStatus: 'disabled' }),
    );
    expect(error).toMatchObject({ code: 'ERR_ENROLLMENT_GROUP_EXISTS', advice: 'fix-input', httpStatus: 409 });
    expect(error.message).toContain(`'${options.enrollmentGroupId}'`);
    expect(await find()).toEqual(group);
  });

  it('deletes and creates with force', async () => {
    await createEnrollmentGroup(test.session, { ...options, capabilities: { iotEdge: true } });
    const { outcome, group } = await createEnrollmentGroup(test.session, { ...options, force: true });
    expect({ outcome, iotEdge: group.capabilities.iotEdge }).toEqual({ outcome: 'recreated', iotEdge: false });
  });

  it('with force and a bad certificate deletes nothing', async () => {
    const { group } = await createEnrollmentGroup(test.session, options);
    const error = await failureOf(() =>
      createEnrollmentGroup(test.session, { ...options, certificatePem: 'x', force: true }),
    );
    expect(error.code).toBe('ERR_CERTIFICATE_INVALID');
    expect(await find()).toEqual(group);
  });
});

describe('updateEnrollmentGroup', () => {
  it('keeps the certificate that DPS does not give back', async () => {
    const { group: before } = await ensureEnrollmentGroup(test.session, options);
    const { dpsName: dps, enrollmentGroupId } = options;
    const { group } = await updateEnrollmentGroup(test.session, {
      dpsName: dps,
      enrollmentGroupId,
      provisioningStatus: 'disabled',
    });
    expect(group.attestation).toEqual(before.attestation);
    expect(group.provisioningStatus).toBe('disabled');
  });

  it('ERR_ENROLLMENT_GROUP_NOT_FOUND when there is none', async () => {
    const error = await failureOf(() =>
      updateEnrollmentGroup(test.session, { ...options, provisioningStatus: 'disabled' }),
    );
    expect(error).toMatchObject({ code: 'ERR_ENROLLMENT_GROUP_NOT_FOUND', advice: 'fix-input' });
    expect(await find()).toBeUndefined();
    expect((await failureOf(() => ensureEnrollmentGroup(test.session, { ...options, etag: 'x' }))).code).toBe(
      'ERR_ENROLLMENT_GROUP_NOT_FOUND',
    );
  });
});

describe('lists and deletion', () => {
  it('list has every group', async () => {
    await ensureEnrollmentGroup(test.session, options);
    const ids = (await listEnrollmentGroups(test.session, dpsName)).map(({ enrollmentGroupId }) => enrollmentGroupId);
    expect(ids).toContain(options.enrollmentGroupId);
  });

  it('deletion is told apart from absence', async () => {
    await ensureEnrollmentGroup(test.session, options);
    expect(await deleteEnrollmentGroup(test.session, options)).toBe(true);
    expect(await deleteEnrollmentGroup(test.session, options)).toBe(false);
  });
});

describe('the authority above the line', () => {
  const certificateName = 'above';
  const upload = { resourceGroup, dpsName, certificateName, certificatePem: '', signProof: prover(root) };

  it('ERR_AUTHORITY_NOT_VERIFIED while it is not uploaded, then while it is not verified; the group is not created', async () => {
    const own = await createRootAuthority({ commonName: `Root ${counter}` });
    const line = await createLineAuthority(own, { lineName: `Line ${counter} of its own` });
    const checked = { ...options, certificatePem: line.certificatePem, resourceGroup };

    const missing = await failureOf(() => ensureEnrollmentGroup(test.session, checked));
    expect(missing).toMatchObject({ code: 'ERR_AUTHORITY_NOT_VERIFIED', advice: 'fix-azure' });
    expect(missing.message).toMatch(/'Root \d+'.*is not uploaded/);

    const signProof = (): Promise<string> => Promise.reject(new Error('no key here'));
    await expect(
      ensureRootCertificate(test.session, { ...upload, certificatePem: own.certificatePem, signProof }),
    ).rejects.toThrow('no key here');
    const unverified = await failureOf(() => ensureEnrollmentGroup(test.session, checked));
    expect(unverified.code).toBe('ERR_AUTHORITY_NOT_VERIFIED');
    expect(unverified.message).toContain("as 'above', but not verified");
    const { certificatePem, ...byReference } = { ...checked, caReference: certificateName };
    expect(certificatePem).toBeDefined();
    expect((await failureOf(() => ensureEnrollmentGroup(test.session, byReference))).code).toBe(
      'ERR_AUTHORITY_NOT_VERIFIED',
    );
    expect(await find()).toBeUndefined();

    await ensureRootCertificate(test.session, {
      ...upload,
      certificatePem: own.certificatePem,
      signProof: prover(own),
    });
    expect((await ensureEnrollmentGroup(test.session, checked)).outcome).toBe('created');
    await deleteCaCertificate(test.session, upload);
    expect(await getCaCertificate(test.session, upload)).toBeUndefined();
  });

  it('ERR_DPS_NOT_FOUND for an instance that does not exist', async () => {
    const error = await failureOf(() =>
      ensureEnrollmentGroup(test.session, { ...options, dpsName: 'no-such-dps', resourceGroup }),
    );
    expect(error).toMatchObject({ code: 'ERR_DPS_NOT_FOUND', advice: 'fix-azure' });
    // The service API answers for a name that nobody has as for one that is not ours; on Azure the name does not resolve.
    const unasked = await failureOf(() => getEnrollmentGroup(test.session, { ...options, dpsName: 'no-such-dps' }));
    expect(unasked).toMatchObject({ code: 'ERR_NOT_AUTHORIZED', advice: 'fix-access' });
    expect(unasked.message).toMatch(/'no-such-dps'.*Check the names/s);
  });
});

describe('bad input', () => {
  it.each<[string, Partial<EnrollmentGroupOptions>]>([
    ['enrollment group ID', { enrollmentGroupId: 'a/b' }],
    ['DPS name', { dpsName: 'x' }],
    ['not both', { caReference: 'rootCA' }],
    ['allocationPolicy', { allocationPolicy: 'static' }],
  ])('ERR_INVALID_INPUT names the %s', async (title, change) => {
    const error = await failureOf(() => ensureEnrollmentGroup(test.session, { ...options, ...change }));
    expect(error.code).toBe('ERR_INVALID_INPUT');
    expect(error.message).toContain(title);
  });

  it('ERR_INVALID_INPUT for a new group without a certificate', async () => {
    const { certificatePem, ...bare } = options;
    expect(certificatePem).toBeDefined();
    expect((await failureOf(() => ensureEnrollmentGroup(test.session, bare))).message).toContain('certificatePem');
  });

  it('ERR_CERTIFICATE_INVALID for a device’s certificate', async () => {
    const line = await createLineAuthority(root, { lineName: 'Line D' });
    const { certificatePem } = await issueDeviceCertificate(line, { registrationId: 'd1' });
    const error = await failureOf(() => ensureEnrollmentGroup(test.session, { ...options, certificatePem }));
    expect(error.code).toBe('ERR_CERTIFICATE_INVALID');
    expect(error.message).toContain('line certificate');
  });

  it('a hub that is not linked is refused with Azure’s code', async () => {
    const error = await failureOf(() =>
      ensureEnrollmentGroup(test.session, { ...options, iotHubs: ['elsewhere.azure-devices.net'] }),
    );
    expect(error.azureCode).toBeDefined();
    expect(error.trackingId).toBeDefined();
    expect(await find()).toBeUndefined();
  });
});
