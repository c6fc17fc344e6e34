import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createLineAuthority, createRootAuthority, issueDeviceCertificate } from '@contoso/pki';
import type { DeviceCredential } from '@contoso/pki';
import {
  blockDevice,
  deleteDeviceIdentity,
  deleteIndividualEnrollment,
  deleteRegistrationRecord,
  disableDeviceIdentity,
  ensureEnrollmentGroup,
  ensureRootCertificate,
  getDeviceIdentity,
  getIndividualEnrollment,
  getRegistrationRecord,
  listRegistrationRecords,
  putIndividualEnrollment,
} from '../src/index.ts';
import { names, prover, useAzure } from './azure.ts';
import { registerDevice } from './device.ts';
import { failureOf } from './failure.ts';

const test = useAzure({ isSetUp: true });
const { dpsName, resourceGroup } = names;
const root = await createRootAuthority({ commonName: 'Contoso Device Root' });
const line = await createLineAuthority(root, { lineName: 'Line A' });
const enrollmentGroupId = 'line-a';

let counter = 0;
let device: DeviceCredential;
let target: { dpsName: string; registrationId: string };
beforeAll(async () => {
  const { certificatePem } = root;
  await ensureRootCertificate(test.session, { resourceGroup, dpsName, certificatePem, signProof: prover(root) });
  await ensureEnrollmentGroup(test.session, {
    dpsName,
    enrollmentGroupId,
    certificatePem: line.certificatePem,
    resourceGroup,
  });
});
beforeEach(async () => {
  counter += 1;
  device = await issueDeviceCertificate(line, { registrationId: `device-${counter}` });
  target = { dpsName, registrationId: device.registrationId };
});

const register = (): ReturnType<typeof registerDevice> =>
  registerDevice(test.azure.cloud, { idScope: test.azure.dps(dpsName).idScope, device });
const hubHostName = (): string => `${names.hubName}.${test.azure.cloud.hubSuffix}`;

describe('registration records', () => {
  it('tell where a device was sent, one by one and by group', async () => {
    expect(await getRegistrationRecord(test.session, target)).toBeUndefined();
    expect((await register()).result).toBe('assigned');
    const record = await getRegistrationRecord(test.session, target);
    expect(record).toMatchObject({
      registrationId: device.registrationId,
      deviceId: device.registrationId,
      assignedHub: hubHostName(),
      status: 'assigned',
    });
    expect(await listRegistrationRecords(test.session, { dpsName, enrollmentGroupId })).toContainEqual(record);
    expect(await listRegistrationRecords(test.session, { dpsName, enrollmentGroupId: 'no-such-group' })).toEqual([]);
  });

  it('are deleted once, by ETag where one is given', async () => {
    await register();
    expect((await failureOf(() => deleteRegistrationRecord(test.session, { ...target, etag: 'c3RhbGU=' }))).code).toBe(
      'ERR_ETAG_STALE',
    );
    expect(await deleteRegistrationRecord(test.session, target)).toBe(true);
    expect(await deleteRegistrationRecord(test.session, target)).toBe(false);
  });

  it('of more than a page are all listed', async () => {
    const devices = await Promise.all(
      Array.from({ length: 120 }, (_, index) => issueDeviceCertificate(line, { registrationId: `page-${index}` })),
    );
    const { idScope } = test.azure.dps(dpsName);
    for (const one of devices) await registerDevice(test.azure.cloud, { idScope, device: one });
    const ids = (await listRegistrationRecords(test.session, { dpsName, enrollmentGroupId })).map(
      ({ registrationId }) => registrationId,
    );
    expect(ids.filter((id) => id.startsWith('page-'))).toHaveLength(120);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('individual enrollments', () => {
  it('are created, read, replaced by ETag and deleted', async () => {
    expect(await getIndividualEnrollment(test.session, target)).toBeUndefined();
    const options = { ...target, certificatePem: device.certificatePem };
    const created = await putIndividualEnrollment(test.session, {
      ...options,
      deviceId: 'thermostat',
      initialTwin: { tags: { a: 1 } },
    });
    expect(created).toMatchObject({
      deviceId: 'thermostat',
      provisioningStatus: 'enabled',
      initialTwin: { tags: { a: 1 } },
      attestation: { type: 'x509' },
    });
    expect(await getIndividualEnrollment(test.session, target)).toEqual(created);

    const exists = await failureOf(() => putIndividualEnrollment(test.session, options));
    expect(exists).toMatchObject({ code: 'ERR_ENROLLMENT_EXISTS', advice: 're-read', httpStatus: 409 });
    const stale = await failureOf(() => putIndividualEnrollment(test.session, { ...options, etag: 'c3RhbGU=' }));
    expect(stale.code).toBe('ERR_ETAG_STALE');

    const replaced = await putIndividualEnrollment(test.session, {
      ...options,
      etag: created.etag,
      provisioningStatus: 'disabled',
    });
    expect(replaced.provisioningStatus).toBe('disabled');
    expect(await deleteIndividualEnrollment(test.session, { ...target, etag: replaced.etag })).toBe(true);
    expect(await deleteIndividualEnrollment(test.session, target)).toBe(false);
  });
});

describe('blockDevice', () => {
  it('keeps one device out while its group goes on', async () => {
    expect((await register()).result).toBe('assigned');
    expect(await blockDevice(test.session, target)).toBe(true);
    expect(await blockDevice(test.session, target)).toBe(false);
    expect(await getIndividualEnrollment(test.session, target)).toMatchObject({
      provisioningStatus: 'disabled',
      attestation: { type: 'symmetricKey' },
    });
    expect((await register()).result).not.toBe('assigned');
    device = await issueDeviceCertificate(line, { registrationId: `device-${counter}-other` });
    expect((await register()).result).toBe('assigned');
  });

  it('disables an enrollment that is there', async () => {
    const { certificatePem } = device;
    await putIndividualEnrollment(test.session, { ...target, certificatePem });
    expect(await blockDevice(test.session, target)).toBe(true);
    expect(await getIndividualEnrollment(test.session, target)).toMatchObject({
      provisioningStatus: 'disabled',
      attestation: { type: 'x509', primary: { subjectName: `CN=${device.registrationId}` } },
    });
  });

  it('two operators at once both end with a blocked device', async () => {
    const both = await Promise.all([blockDevice(test.session, target), blockDevice(test.session, target)]);
    expect(both.toSorted()).toEqual([false, true]);
  });
});

describe('device identities', () => {
  it('are read, disabled and deleted', async () => {
    await register();
    const identity = { hubHostName: hubHostName(), deviceId: device.registrationId };
    expect(await getDeviceIdentity(test.session, identity)).toMatchObject({
      deviceId: device.registrationId,
      status: 'enabled',
      connectionState: 'Disconnected',
    });
    expect(await disableDeviceIdentity(test.session, identity)).toMatchObject({ status: 'disabled' });
    expect(await disableDeviceIdentity(test.session, identity)).toMatchObject({ status: 'disabled' });
    expect(await deleteDeviceIdentity(test.session, identity)).toBe(true);
    expect(await deleteDeviceIdentity(test.session, identity)).toBe(false);
    expect(await getDeviceIdentity(test.session, identity)).toBeUndefined();
    expect(await disableDeviceIdentity(test.session, identity)).toBeUndefined();
  });

  it('ERR_HUB_NOT_FOUND for a hub that does not exist', async () => {
    const error = await failureOf(() =>
      getDeviceIdentity(test.session, { hubHostName: `no-such-hub.${test.azure.cloud.hubSuffix}`, deviceId: 'd' }),
    );
    expect(error).toMatchObject({ code: 'ERR_HUB_NOT_FOUND', advice: 'fix-azure' });
  });

  it('ERR_INVALID_INPUT for an ID that no hub takes', async () => {
    expect(
      (await failureOf(() => getDeviceIdentity(test.session, { hubHostName: hubHostName(), deviceId: 'a b' }))).code,
    ).toBe('ERR_INVALID_INPUT');
  });
});
