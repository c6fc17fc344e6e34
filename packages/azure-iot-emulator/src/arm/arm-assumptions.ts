import type { AssumptionNote } from '../hub/hub-assumptions.ts';

/** What Resource Manager does where nothing of Microsoft's shows it; {@link armAssumptionNotes} says what is known. */
export interface ArmAssumptions {
  /** A linked hub's connection string: its hub and key have to be there, or anything goes. Default `check`. */
  readonly linkedHubKey: 'check' | 'accept';
  /** A proof of possession whose certificate has expired or isn't valid yet. Default `refuse`. */
  readonly expiredProof: 'refuse' | 'accept';
}

/** What each is unless {@link ArmAssumptions} says otherwise. */
export const defaultArmAssumptions: ArmAssumptions = { linkedHubKey: 'check', expiredProof: 'refuse' };

/** What each default rests on. */
export const armAssumptionNotes: Readonly<Record<keyof ArmAssumptions, AssumptionNote>> = {
  linkedHubKey: { mark: 'assumed', source: 'no answer to a wrong connection string is known' },
  expiredProof: { mark: 'assumed', source: 'RFC 5280 section 6.1.3; an expired CA was accepted at upload in 2023' },
};
