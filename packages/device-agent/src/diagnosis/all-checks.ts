import { dpsCheck, hubCheck } from './azure-checks.ts';
import { certificateChecks } from './certificate-checks.ts';
import { clockCheck } from './clock-check.ts';
import type { Check } from './examination.ts';
import { identityChecks } from './identity-checks.ts';
import { machineChecks } from './machine-checks.ts';
import { networkChecks } from './network-checks.ts';
import { serverChecks } from './server-checks.ts';
import { stateChecks } from './state-checks.ts';

/** In the order in which they run: what the device is and keeps, then the way to DPS and hub. */
export const allChecks: readonly Check[] = [
  ...machineChecks,
  ...identityChecks,
  ...stateChecks,
  ...certificateChecks,
  ...networkChecks,
  ...serverChecks('dps'),
  dpsCheck,
  ...serverChecks('hub'),
  clockCheck,
  hubCheck,
];
