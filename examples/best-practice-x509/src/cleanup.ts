import { executeCleanup, planCleanup } from '@contoso/cleanup';
import type { AzureSession } from '@contoso/dps-admin';
import type { Reporter } from './reporter.ts';

export interface CleanUpOptions {
  readonly resourceGroup: string;
  readonly dpsName: string;
  readonly iotHubName: string;
  readonly deviceId: string;
  readonly groupEnrollmentId: string;
  /** Only show the plan. */
  readonly dryRun: boolean;
}

export interface CleanUpResult {
  readonly deviceId: string;
  readonly dryRun: boolean;
  /** Steps that changed something, or would. */
  readonly steps: number;
  /** What had been gone before. */
  readonly alreadyGone: number;
}

/** The sample's clean-up: the group first, so that the device can't come back; then the device. */
export async function cleanUp(
  session: AzureSession,
  options: CleanUpOptions,
  reporter: Reporter,
): Promise<CleanUpResult> {
  const { groupEnrollmentId: enrollmentGroupId, dryRun, deviceId } = options;
  const plan = await planCleanup(session, { ...options, enrollmentGroupId });
  for (const { message } of plan.warnings) reporter.warn(message);
  if (dryRun) {
    for (const { title, reason, isThere } of plan.steps)
      reporter.step(`Would: ${title}`, { why: reason, ...(!isThere && { now: 'gone' }) });
    const steps = plan.steps.filter(({ isThere }) => isThere).length;
    return { deviceId, dryRun, steps, alreadyGone: plan.steps.length - steps };
  }
  const report = await executeCleanup(session, plan, {
    onStep: ({ step, outcome }) => reporter.step(step.title, { outcome }),
  });
  const done = report.steps.filter(({ outcome }) => outcome === 'done').length;
  return { deviceId, dryRun, steps: done, alreadyGone: report.steps.length - done };
}
