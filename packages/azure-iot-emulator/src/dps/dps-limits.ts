/** How much a DPS instance takes; more is refused. `Infinity` for no limit. */
export interface DpsLimits {
  /** Register calls of all devices in a minute. */
  readonly registrationsPerMinute: number;
  /** Calls of the service plane in a minute. */
  readonly operationsPerMinute: number;
  /** Polls of one device in ten seconds. */
  readonly pollsPerTenSeconds: number;
  /** Registration records. */
  readonly registrations: number;
  readonly individualEnrollments: number;
  readonly x509Groups: number;
  readonly symmetricKeyGroups: number;
}

/** "Azure DPS limits" of 2026-04-24; the polls and the symmetric key groups can't be raised there, the others can. */
export const documentedDpsLimits: DpsLimits = {
  registrationsPerMinute: 1000,
  operationsPerMinute: 1000,
  pollsPerTenSeconds: 5,
  registrations: 1_000_000,
  individualEnrollments: 1_000_000,
  x509Groups: 100,
  symmetricKeyGroups: 100,
};

/** What holds unless a caller asks for more: the polls alone, since a device's own mistake shows there. */
export const defaultDpsLimits: DpsLimits = {
  registrationsPerMinute: Infinity,
  operationsPerMinute: Infinity,
  pollsPerTenSeconds: 5,
  registrations: Infinity,
  individualEnrollments: Infinity,
  x509Groups: Infinity,
  symmetricKeyGroups: Infinity,
};
