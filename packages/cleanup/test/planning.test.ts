import { describe, expect, it } from '@jest/globals';
import {
  blockDevice,
  createEnrollmentGroup,
  deleteEnrollmentGroup,
  putIndividualEnrollment,
  updateEnrollmentGroup,
} from '@contoso/dps-admin';
import { issueDeviceCertificate } from '@contoso/pki';
import { planCleanup } from '../src/index.ts';
import type { CleanupPlan } from '../src/index.ts';
import { failureOf } from './failure.ts';
import { secondHub, untouched, useFactory, withHubsDown } from './factory.ts';

const factory = useFactory();
const plan = (change: object = {}): Promise<CleanupPlan> =>
  planCleanup(factory.session, { ...factory.request, ...change });
const actions = ({ steps }: CleanupPlan): string[] => steps.map(({ action }) => action);
const warned = ({ warnings }: CleanupPlan): string[] => warnings.map(({ code }) => code);

describe('planCleanup', () => {
  it('is plain data: group disabled first, group deleted last, each step with its reason; nothing is changed', async () => {
    const made = await plan();
    expect(actions(made)).toEqual([
      'disable-enrollment-group',
      'delete-device-identity',
      'delete-registration-record',
      'delete-enrollment-group',
    ]);
    expect(made.steps.every(({ title, reason, isThere }) => title !== '' && reason !== '' && isThere)).toBe(true);
    expect(made.warnings).toEqual([]);
    expect(made).toMatchObject({
      ...factory.request,
      subscriptionId: factory.session.subscriptionId,
      cloud: 'emulator',
    });
    expect(JSON.parse(JSON.stringify(made))).toEqual(made);
    expect(await factory.look()).toEqual(untouched);
  });

  it('takes x509GroupEnrollment where no group is named', async () => {
    const { enrollmentGroupId, ...unnamed } = factory.request;
    expect(enrollmentGroupId).not.toBe('x509GroupEnrollment');
    expect((await planCleanup(factory.session, unnamed)).enrollmentGroupId).toBe('x509GroupEnrollment');
  });

  it('says what is gone already', async () => {
    await deleteEnrollmentGroup(factory.session, factory.request);
    const made = await plan({ deviceId: 'never-was' });
    expect(made.steps.map(({ action, isThere }) => [action, isThere])).toEqual([
      ['delete-device-identity', false],
      ['delete-registration-record', false],
      ['delete-enrollment-group', false],
    ]);
  });

  it('leaves out what is disabled already', async () => {
    await updateEnrollmentGroup(factory.session, { ...factory.request, provisioningStatus: 'disabled' });
    expect(actions(await plan())[0]).toBe('delete-device-identity');
  });

  it('with keepGroup blocks the one device and leaves the group', async () => {
    const made = await plan({ keepGroup: true });
    expect(actions(made)).toEqual(['block-device', 'delete-device-identity', 'delete-registration-record']);
    expect(warned(made)).toEqual(['individual-enrollment-stays']);
  });
});

describe('warnings', () => {
  it.each(['certificate', 'reference'])(
    'a group above by %s would admit the device: the group is kept, disabled',
    async (kind) => {
      const above = {
        dpsName: factory.request.dpsName,
        enrollmentGroupId: 'all-lines',
        ...(kind === 'certificate' ? { certificatePem: factory.root.certificatePem } : { caReference: 'rootCA' }),
      };
      await createEnrollmentGroup(factory.session, above);
      const made = await plan();
      expect(actions(made)).toEqual([
        'disable-enrollment-group',
        'delete-device-identity',
        'delete-registration-record',
      ]);
      expect(warned(made)).toEqual(['group-above-admits']);
      expect(made.warnings[0]?.message).toContain("'all-lines'");

      await updateEnrollmentGroup(factory.session, { ...above, provisioningStatus: 'disabled' });
      expect(actions(await plan())).toContain('delete-enrollment-group');
      await deleteEnrollmentGroup(factory.session, above);
    },
  );

  it('other devices of the group stay in their hubs', async () => {
    for (let index = 0; index < 6; index += 1) {
      const registrationId = `${factory.device.registrationId}-other-${index}`;
      await factory.register(await issueDeviceCertificate(factory.line, { registrationId }));
    }
    const made = await plan();
    expect(warned(made)).toEqual(['other-devices-in-group']);
    expect(made.warnings[0]?.message).toMatch(/^6 other device\(s\).*-other-4', \.\.\.\)/);
    expect(warned(await plan({ keepGroup: true }))).not.toContain('other-devices-in-group');
  });

  it('the device is in another hub: it is deleted from both', async () => {
    const made = await plan({ iotHubName: secondHub });
    expect(made.steps.flatMap((step) => (step.action === 'delete-device-identity' ? [step.hubHostName] : []))).toEqual([
      factory.hubHost(secondHub),
      factory.hubHost(factory.request.iotHubName),
    ]);
    expect(warned(made)).toEqual(['assigned-to-other-hub']);
  });

  it('the device did not register through the group', async () => {
    await createEnrollmentGroup(factory.session, {
      ...factory.request,
      enrollmentGroupId: 'unrelated',
      certificatePem: factory.root.certificatePem,
    });
    const made = await plan({ enrollmentGroupId: 'unrelated' });
    expect(warned(made)).toEqual(['not-registered-through-group']);
    await deleteEnrollmentGroup(factory.session, { ...factory.request, enrollmentGroupId: 'unrelated' });
  });

  it('an enrollment of its own is disabled and stays', async () => {
    const { dpsName, deviceId: registrationId } = factory.request;
    const { certificatePem } = factory.device;
    await putIndividualEnrollment(factory.session, { dpsName, registrationId, certificatePem });
    const made = await plan();
    expect(actions(made).slice(0, 2)).toEqual(['disable-enrollment-group', 'block-device']);
    expect(warned(made)).toEqual(['individual-enrollment-stays']);
    await blockDevice(factory.session, { dpsName, registrationId });
    expect(actions(await plan())).not.toContain('block-device');
  });
});

describe('what cannot be planned', () => {
  it.each([
    ['resourceGroup', 'no-such-group', 'ERR_CLEANUP_RESOURCE_GROUP_MISSING'],
    ['dpsName', 'no-such-dps', 'ERR_CLEANUP_DPS_MISSING'],
    ['iotHubName', 'no-such-hub', 'ERR_CLEANUP_HUB_MISSING'],
    ['deviceId', 'a b', 'ERR_CLEANUP_INPUT'],
    ['enrollmentGroupId', 'a/b', 'ERR_CLEANUP_INPUT'],
  ])('%s %s is %s, and nothing is changed', async (name, value, code) => {
    const error = await failureOf(() => plan({ [name]: value }));
    expect(error).toMatchObject({ code, steps: [] });
    expect(error.message).toContain(`'${value}'`);
    expect(error.message).toContain('othing was changed');
    expect(await factory.look()).toEqual(untouched);
  });

  it('a hub that is down is ERR_CLEANUP_PLAN_FAILED, and nothing is changed', async () => {
    const error = await failureOf(() => planCleanup(withHubsDown(factory.session), factory.request));
    expect(error).toMatchObject({ code: 'ERR_CLEANUP_PLAN_FAILED', cause: { code: 'ERR_CONNECTION_REFUSED' } });
    expect(error.message).toMatch(/nothing was changed.*Nothing listens there/s);
    expect(await factory.look()).toEqual(untouched);
  });

  it('a hub that is not active is ERR_CLEANUP_HUB_MISSING', async () => {
    const { iotHubResource } = factory.session.iotHubs;
    const { resourceGroup } = factory.request;
    const description = { location: 'westeurope', sku: { name: 'S1', capacity: 1 } };
    await iotHubResource.beginCreateOrUpdateAndWait(resourceGroup, 'hub-to-go', description);
    await iotHubResource.beginDeleteAndWait(resourceGroup, 'hub-to-go');
    expect((await failureOf(() => plan({ iotHubName: 'hub-to-go' }))).code).toBe('ERR_CLEANUP_HUB_MISSING');
  });

  it('a wrong type is a TypeError', async () => {
    await expect(plan({ deviceId: 7 })).rejects.toBeInstanceOf(TypeError);
  });
});
