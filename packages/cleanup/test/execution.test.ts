import { describe, expect, it } from '@jest/globals';
import {
  createEnrollmentGroup,
  deleteEnrollmentGroup,
  getDeviceIdentity,
  putIndividualEnrollment,
  updateEnrollmentGroup,
} from '@contoso/dps-admin';
import { issueDeviceCertificate } from '@contoso/pki';
import { executeCleanup, planCleanup } from '../src/index.ts';
import type { CleanupPlan, CleanupReport, StepReport } from '../src/index.ts';
import { failureOf } from './failure.ts';
import { allGone, secondHub, untouched, useFactory, withHubsDown } from './factory.ts';

const factory = useFactory();
const plan = (change: object = {}): Promise<CleanupPlan> =>
  planCleanup(factory.session, { ...factory.request, ...change });
const outcomes = ({ steps }: Pick<CleanupReport, 'steps'>): string[] => steps.map(({ outcome }) => outcome);

describe('executeCleanup', () => {
  it('takes device and group away; the device cannot come back, at no moment', async () => {
    const seen: StepReport[] = [];
    const attempts: Promise<string>[] = [];
    const made = await plan();
    const report = await executeCleanup(factory.session, made, {
      onStep: (step) => {
        seen.push(step);
        attempts.push(factory.register(factory.device));
      },
    });
    expect(report).toEqual({ deviceId: factory.device.registrationId, steps: seen, warnings: [] });
    expect(seen.map(({ step }) => step)).toEqual(made.steps);
    expect(outcomes(report)).toEqual(['done', 'done', 'done', 'done']);
    expect(await Promise.all(attempts)).not.toContain('assigned');
    expect(await factory.look()).toEqual(allGone);
    expect(await factory.register(factory.device)).not.toBe('assigned');
  });

  it('passes over what is gone already, with the same plan and with a new one', async () => {
    const made = await plan();
    await executeCleanup(factory.session, made);
    expect(outcomes(await executeCleanup(factory.session, made))).toEqual(Array(4).fill('already-gone'));
    expect(outcomes(await executeCleanup(factory.session, await plan()))).toEqual(Array(3).fill('already-gone'));
  });

  it.each([0, 1, 2, 3].flatMap((stop) => [[stop, 'the same'] as const, [stop, 'a new'] as const]))(
    'stopped after step %i goes on with %s plan',
    async (stop, which) => {
      const made = await plan();
      const onStep = ({ step }: StepReport): void => {
        if (step === made.steps[stop]) throw new Error('stopped');
      };
      await expect(executeCleanup(factory.session, made, { onStep })).rejects.toThrow('stopped');
      await executeCleanup(factory.session, which === 'the same' ? made : await plan());
      expect(await factory.look()).toEqual(allGone);
    },
  );

  it('with keepGroup keeps out one device of a group that stays in use', async () => {
    const report = await executeCleanup(factory.session, await plan({ keepGroup: true }));
    expect(outcomes(report)).toEqual(['done', 'done', 'done']);
    expect(await factory.look()).toEqual({ ...allGone, group: 'enabled', individual: 'disabled' });
    expect(await factory.register(factory.device)).not.toBe('assigned');
    const other = await issueDeviceCertificate(factory.line, {
      registrationId: `${factory.device.registrationId}-other`,
    });
    expect(await factory.register(other)).toBe('assigned');
    expect(outcomes(await executeCleanup(factory.session, await plan({ keepGroup: true })))).toEqual([
      'already-done',
      'already-gone',
      'already-gone',
    ]);
  });

  it('keeps the group disabled where a group above would admit the device', async () => {
    const above = { dpsName: factory.request.dpsName, enrollmentGroupId: 'all-lines' };
    await createEnrollmentGroup(factory.session, { ...above, certificatePem: factory.root.certificatePem });
    await executeCleanup(factory.session, await plan());
    expect(await factory.look()).toEqual({ ...allGone, group: 'disabled' });
    expect(await factory.register(factory.device)).not.toBe('assigned');
    await deleteEnrollmentGroup(factory.session, factory.request);
    // This is what the plan spares us.
    expect(await factory.register(factory.device)).toBe('assigned');
    await deleteEnrollmentGroup(factory.session, above);
  });

  it('disables an enrollment of the device’s own', async () => {
    const { dpsName, deviceId: registrationId } = factory.request;
    await putIndividualEnrollment(factory.session, {
      dpsName,
      registrationId,
      certificatePem: factory.device.certificatePem,
    });
    await executeCleanup(factory.session, await plan());
    expect(await factory.look()).toEqual({ ...allGone, individual: 'disabled' });
    expect(await factory.register(factory.device)).not.toBe('assigned');
  });

  it('deletes from the hub that DPS chose as well', async () => {
    await executeCleanup(factory.session, await plan({ iotHubName: secondHub }));
    const { iotHubName, deviceId } = factory.request;
    expect(
      await getDeviceIdentity(factory.session, { hubHostName: factory.hubHost(iotHubName), deviceId }),
    ).toBeUndefined();
  });
});

describe('failures', () => {
  it('a hub that goes down is ERR_CLEANUP_STEP_FAILED: the device stays out, and the next run goes on', async () => {
    const made = await plan();
    const error = await failureOf(() => executeCleanup(withHubsDown(factory.session), made));
    expect(error).toMatchObject({ code: 'ERR_CLEANUP_STEP_FAILED', cause: { code: 'ERR_CONNECTION_REFUSED' } });
    expect(outcomes(error)).toEqual(['done']);
    expect(error.message).toMatch(/^Step 2 of 4 failed.*run the clean-up again/s);
    expect(await factory.look()).toEqual({ ...untouched, group: 'disabled' });
    expect(await factory.register(factory.device)).not.toBe('assigned');
    expect(outcomes(await executeCleanup(factory.session, made))).toEqual(['already-done', 'done', 'done', 'done']);
  });

  it('a group that was changed since is ERR_CLEANUP_CHANGED_MEANWHILE, and nothing is done', async () => {
    const made = await plan();
    await updateEnrollmentGroup(factory.session, { ...factory.request, capabilities: { iotEdge: true } });
    const error = await failureOf(() => executeCleanup(factory.session, made));
    expect(error).toMatchObject({ code: 'ERR_CLEANUP_CHANGED_MEANWHILE', steps: [] });
    expect(error.message).toContain('plan again');
    expect(await factory.look()).toEqual(untouched);
  });

  it('a group that somebody enables again is not deleted', async () => {
    const made = await plan();
    const { enrollmentGroupId, dpsName } = factory.request;
    await expect(
      executeCleanup(factory.session, made, {
        onStep: ({ step }) => {
          if (step.action === 'delete-registration-record') throw new Error('stopped');
        },
      }),
    ).rejects.toThrow('stopped');
    await updateEnrollmentGroup(factory.session, { dpsName, enrollmentGroupId, provisioningStatus: 'enabled' });
    const onlyDeletion = { ...made, steps: made.steps.slice(-1) };
    const error = await failureOf(() => executeCleanup(factory.session, onlyDeletion));
    expect(error.code).toBe('ERR_CLEANUP_CHANGED_MEANWHILE');
    expect((await factory.look()).group).toBe('enabled');
  });

  it.each([{ subscriptionId: 'another' }, { cloud: 'public' }])(
    'a plan made for %j is ERR_CLEANUP_INPUT',
    async (change) => {
      const made = { ...(await plan()), ...change };
      const error = await failureOf(() => executeCleanup(factory.session, made));
      expect(error.code).toBe('ERR_CLEANUP_INPUT');
      expect(await factory.look()).toEqual(untouched);
    },
  );
});
