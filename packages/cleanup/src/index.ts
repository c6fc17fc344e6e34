export { CleanupError } from './errors.ts';
export type { CleanupErrorCode } from './errors.ts';
export { executeCleanup } from './execution.ts';
export type { ExecutionOptions } from './execution.ts';
export type { CleanupPlan, CleanupRequest, CleanupStep, CleanupWarning } from './plan.ts';
export { planCleanup } from './planning.ts';
export type { CleanupReport, StepOutcome, StepReport } from './report.ts';
