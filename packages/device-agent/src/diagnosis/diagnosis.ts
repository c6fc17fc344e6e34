/**
 * Every check by its name, in the order in which they run:
 * what the device is, what it keeps, then the way to DPS and hub, step by step.
 */
export type CheckName =
  | 'node-version'
  | 'identity-file'
  | 'identity-password'
  | 'identity-key'
  | 'key-file-mode'
  | 'registration-id'
  | 'state-folder'
  | 'disk-space'
  | 'agent-running'
  | 'state-database'
  | 'outbox'
  | 'assignment'
  | 'credential'
  | 'chain-present'
  | 'chain-order'
  | 'chain-signatures'
  | 'certificate-valid'
  | 'renewal-due'
  | 'certificate-usage'
  | 'certificate-strength'
  | 'trusted-roots'
  | 'network-address'
  | 'captive-portal'
  | 'proxy'
  | 'dns-dps'
  | 'port-8883-dps'
  | 'port-443-dps'
  | 'ipv6-dps'
  | 'tls-dps'
  | 'mtu-dps'
  | 'websocket-dps'
  | 'dps-registration'
  | 'dns-hub'
  | 'port-8883-hub'
  | 'port-443-hub'
  | 'tls-hub'
  | 'mtu-hub'
  | 'websocket-hub'
  | 'clock'
  | 'hub-connection';

/**
 * - `ok`
 * - `warning`: works today and wants attention
 * - `failed`: the agent can't work, or not safely, until it is mended
 * - `skipped`: not looked at; the detail says why
 */
export type CheckStatus = 'ok' | 'warning' | 'failed' | 'skipped';

/** What one check found. */
export interface DiagnosisCheck {
  readonly name: CheckName;
  readonly title: string;
  readonly status: CheckStatus;
  /** What was found; holds no secret. */
  readonly detail: string;
  /** What to do; there with every `failed` and `warning`. */
  readonly fix?: string;
  readonly durationMs: number;
}

/** What `diagnose` found: plain data, for `JSON.stringify` or `formatDiagnosis`. */
export interface Diagnosis {
  /** ISO 8601, by this device's clock. */
  readonly startedAt: string;
  readonly durationMs: number;
  /** Where the identity could be read. */
  readonly registrationId?: string;
  /** Checks by status. */
  readonly counts: Readonly<Record<CheckStatus, number>>;
  /** Every check, each after the ones it stands on. */
  readonly checks: readonly DiagnosisCheck[];
}

/** Exit code for a command: 0 where nothing failed (warnings count as well), 1 otherwise. A command that can't run at all ends with 2. */
export function exitCode({ counts }: Diagnosis): 0 | 1 {
  return counts.failed === 0 ? 0 : 1;
}
