/**
 * What a device is told about the devices that may lose their connection together with it: it can't know by itself. The
 * price is patience: where a whole window is needed, a device that was cut off alone waits for half of it on average.
 */
export interface Fleet {
  /** Devices behind the same hubs, or in the same region. Default 1: the device counts for itself alone. */
  readonly size: number;
  /** New connections a second that its hubs take together. Default 100: one S1 hub of up to 8 units. */
  readonly hubConnectionsPerSecond?: number;
  /** Registrations a minute that its DPS instance takes. Default 1,000. */
  readonly dpsRegistrationsPerMinute?: number;
  /**
   * The first connection after the agent's start waits a random part of this, in milliseconds. Default 0: whoever installs
   * a device wants to see it connect. Where power comes back to many at once: `size` / connections a second ("Best
   * practices for large-scale deployments").
   */
  readonly startWindowMs?: number;
}

/** Where a try goes. */
export type Destination = 'hub' | 'dps';

/** How much of a quota a fleet uses: random moments bunch, and there are other callers. */
const quotaShare = 0.8;

/**
 * The time in which each device of a fleet may try once without all of them going over the quota, in milliseconds:
 * 100,000 devices on one S1 hub take 21 minutes, on ten units of S2 104 seconds, at DPS 125 minutes.
 */
export function spreadWindowMs(fleet: Fleet, to: Destination): number {
  const { size, hubConnectionsPerSecond = 100, dpsRegistrationsPerMinute = 1_000 } = fleet;
  const perSecond = to === 'hub' ? hubConnectionsPerSecond : dpsRegistrationsPerMinute / 60;
  return (size * 1_000) / (perSecond * quotaShare);
}
