import type { AzureSession } from './azure-session.ts';
import { deleteCaCertificate } from './ca-certificate.ts';
import { ensureEnrollmentGroup } from './enrollment-group.ts';
import type { EnrollmentGroupOptions } from './enrollment-group.ts';
import { DpsAdminError } from './errors.ts';
import { ensureRootCertificate } from './root-certificate.ts';
import type { RootCertificateOptions } from './root-certificate.ts';

/** Where a roll-over takes place, and how possession of a new root's key is proved. */
export interface RolloverTarget {
  readonly resourceGroup: string;
  readonly dpsName: string;
  /** As `ensureRootCertificate` takes it; needed for plans that bring a new root. */
  readonly signProof?: RootCertificateOptions['signProof'];
  /** Default: the system's clock. */
  readonly now?: () => Date;
}

/**
 * One step of a plan for rolling over a line or a root, plain data as `planLineRollover` and `planRootRollover` of
 * @contoso/pki make it. `action` names what is done and `input` has the options that the function of that name takes besides
 * where the instance is.
 */
export interface RolloverStep {
  readonly title: string;
  readonly action: string;
  readonly input: object;
}

export interface RolloverStepResult {
  /** `left-to-you`: nothing that DPS knows of, such as renewing devices; do what the title says and go on with the next step. */
  readonly outcome: 'changed' | 'unchanged' | 'left-to-you';
}

/**
 * Does one step of a plan. Steps are done in their order, each when the one before is finished; a step that was done already
 * changes nothing.
 *
 * @throws {DpsAdminError} ERR_INVALID_INPUT: the plan brings a new root and `signProof` is missing
 * @throws {DpsAdminError} as `ensureRootCertificate`, `ensureEnrollmentGroup` and `deleteCaCertificate`
 */
export async function applyRolloverStep(
  session: AzureSession,
  step: RolloverStep,
  { signProof, ...target }: RolloverTarget,
): Promise<RolloverStepResult> {
  switch (step.action) {
    case 'ensureRootCertificate': {
      if (signProof === undefined) throw proofMissing(step);
      const input = step.input as Pick<RootCertificateOptions, 'certificateName' | 'certificatePem'>;
      const { changed } = await ensureRootCertificate(session, { ...input, ...target, signProof });
      return { outcome: changed ? 'changed' : 'unchanged' };
    }
    case 'ensureEnrollmentGroup': {
      const input = step.input as Omit<EnrollmentGroupOptions, keyof RolloverTarget>;
      const { outcome } = await ensureEnrollmentGroup(session, { ...input, ...target });
      return { outcome: outcome === 'unchanged' ? outcome : 'changed' };
    }
    case 'deleteCaCertificate': {
      const input = step.input as { readonly certificateName: string };
      return { outcome: (await deleteCaCertificate(session, { ...input, ...target })) ? 'changed' : 'unchanged' };
    }
    default:
      return { outcome: 'left-to-you' };
  }
}

function proofMissing({ title }: RolloverStep): DpsAdminError {
  return new DpsAdminError(
    'ERR_INVALID_INPUT',
    `Step '${title}' needs signProof, a function that signs with the key of the new root. Nothing was sent.`,
    { advice: 'fix-input' },
  );
}
