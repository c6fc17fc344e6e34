import type { StepReport } from './report.ts';

/** What went wrong; fixed strings to branch on. */
export type CleanupErrorCode =
  | 'ERR_CLEANUP_INPUT'
  | 'ERR_CLEANUP_RESOURCE_GROUP_MISSING'
  | 'ERR_CLEANUP_DPS_MISSING'
  | 'ERR_CLEANUP_HUB_MISSING'
  | 'ERR_CLEANUP_PLAN_FAILED'
  | 'ERR_CLEANUP_CHANGED_MEANWHILE'
  | 'ERR_CLEANUP_STEP_FAILED';

/**
 * Every failure of this package except a wrong argument type (`TypeError`) and an error of the caller's own `onStep`, which is passed
 * on as it is. `cause` is dps-admin's error with Azure's code and tracking ID. Branch on `code`.
 */
export class CleanupError extends Error {
  readonly code: CleanupErrorCode;
  /** What was done before the failure, in order; empty while planning. */
  readonly steps: readonly StepReport[];

  constructor(
    code: CleanupErrorCode,
    message: string,
    details: { readonly cause?: unknown; readonly steps?: readonly StepReport[] } = {},
  ) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = 'CleanupError';
    this.code = code;
    this.steps = details.steps ?? [];
  }
}
