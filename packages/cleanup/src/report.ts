import type { CleanupStep, CleanupWarning } from './plan.ts';

/** How a step ended; `already-done`: it was so before, `already-gone`: there was nothing left to delete. */
export type StepOutcome = 'done' | 'already-done' | 'already-gone';

export interface StepReport {
  readonly step: CleanupStep;
  readonly outcome: StepOutcome;
}

export interface CleanupReport {
  readonly deviceId: string;
  readonly steps: readonly StepReport[];
  /** The plan's. */
  readonly warnings: readonly CleanupWarning[];
}
