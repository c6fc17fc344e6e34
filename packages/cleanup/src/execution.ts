import {
  blockDevice,
  deleteDeviceIdentity,
  deleteEnrollmentGroup,
  deleteRegistrationRecord,
  getEnrollmentGroup,
  isDpsAdminError,
  updateEnrollmentGroup,
} from '@contoso/dps-admin';
import type { AzureSession } from '@contoso/dps-admin';
import { CleanupError } from './errors.ts';
import type { CleanupPlan, CleanupStep } from './plan.ts';
import type { CleanupReport, StepOutcome, StepReport } from './report.ts';

export interface ExecutionOptions {
  /** Called after each step. */
  readonly onStep?: (report: StepReport) => void;
}

/**
 * Does what a plan says. What is already gone is reported and passed over. May be stopped at any point and run again, with the same
 * plan or a new one: it goes on.
 *
 * @throws {CleanupError} ERR_CLEANUP_INPUT: the plan was made in another cloud or subscription; nothing was changed
 * @throws {CleanupError} ERR_CLEANUP_CHANGED_MEANWHILE: the group was changed or enabled again since the plan was made
 * @throws {CleanupError} ERR_CLEANUP_STEP_FAILED: Azure refused a step or could not be reached; `steps` says what was done before
 */
export async function executeCleanup(
  session: AzureSession,
  plan: CleanupPlan,
  { onStep }: ExecutionOptions = {},
): Promise<CleanupReport> {
  checkSession(session, plan);
  const done: StepReport[] = [];
  for (const step of plan.steps) {
    const report = { step, outcome: await tryStep({ session, plan, done }, step) };
    done.push(report);
    onStep?.(report);
  }
  return { deviceId: plan.deviceId, steps: done, warnings: plan.warnings };
}

function checkSession({ cloud, subscriptionId }: AzureSession, plan: CleanupPlan): void {
  if (cloud.name === plan.cloud && subscriptionId === plan.subscriptionId) return;
  throw new CleanupError(
    'ERR_CLEANUP_INPUT',
    `The plan was made in cloud '${plan.cloud}', subscription ${plan.subscriptionId}; the session is in cloud '${cloud.name}', subscription ${subscriptionId}. Plan again with this session. Nothing was changed.`,
  );
}

interface Execution {
  readonly session: AzureSession;
  readonly plan: CleanupPlan;
  readonly done: readonly StepReport[];
}

async function tryStep(execution: Execution, step: CleanupStep): Promise<StepOutcome> {
  try {
    return await runStep(execution, step);
  } catch (cause) {
    if (!isDpsAdminError(cause)) throw cause;
    if (cause.code === 'ERR_ETAG_STALE') throw changedMeanwhile(execution, step, cause);
    throw new CleanupError(
      'ERR_CLEANUP_STEP_FAILED',
      `Step ${execution.done.length + 1} of ${execution.plan.steps.length} failed (${step.title}); what was done before stays done. ${cause.message} Then run the clean-up again: it goes on.`,
      { cause, steps: execution.done },
    );
  }
}

async function runStep(execution: Execution, step: CleanupStep): Promise<StepOutcome> {
  const { session, plan } = execution;
  const { dpsName } = plan;
  switch (step.action) {
    case 'disable-enrollment-group':
      return disableGroup(execution, step);
    case 'block-device':
      return (await blockDevice(session, { dpsName, registrationId: step.registrationId })) ? 'done' : 'already-done';
    case 'delete-device-identity':
      return (await deleteDeviceIdentity(session, step)) ? 'done' : 'already-gone';
    case 'delete-registration-record':
      return (await deleteRegistrationRecord(session, { dpsName, registrationId: step.registrationId }))
        ? 'done'
        : 'already-gone';
    case 'delete-enrollment-group':
      return deleteGroup(execution, step);
  }
}

async function disableGroup(
  execution: Execution,
  step: CleanupStep & { readonly action: 'disable-enrollment-group' },
): Promise<StepOutcome> {
  const target = { dpsName: execution.plan.dpsName, enrollmentGroupId: step.enrollmentGroupId };
  const group = await getEnrollmentGroup(execution.session, target);
  if (group === undefined) return 'already-gone';
  if (group.provisioningStatus === 'disabled') return 'already-done';
  await updateEnrollmentGroup(execution.session, { ...target, provisioningStatus: 'disabled', etag: step.etag });
  return 'done';
}

/** Only while it is disabled: somebody who enabled it again since wants to keep it. */
async function deleteGroup(
  execution: Execution,
  step: CleanupStep & { readonly action: 'delete-enrollment-group' },
): Promise<StepOutcome> {
  const target = { dpsName: execution.plan.dpsName, enrollmentGroupId: step.enrollmentGroupId };
  const group = await getEnrollmentGroup(execution.session, target);
  if (group === undefined) return 'already-gone';
  if (group.provisioningStatus === 'enabled') throw changedMeanwhile(execution, step);
  return (await deleteEnrollmentGroup(execution.session, { ...target, etag: group.etag })) ? 'done' : 'already-gone';
}

function changedMeanwhile({ plan, done }: Execution, step: CleanupStep, cause?: unknown): CleanupError {
  return new CleanupError(
    'ERR_CLEANUP_CHANGED_MEANWHILE',
    `Step ${done.length + 1} of ${plan.steps.length} was not done (${step.title}): somebody changed enrollment group '${plan.enrollmentGroupId}' since the plan was made. Look at the group, then plan again.`,
    { cause, steps: done },
  );
}
