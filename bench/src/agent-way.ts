import type { Credential } from './azure-server.ts';

/** A device and where it finds its cloud. */
export interface Device extends Credential {
  readonly endpoint: string;
  readonly idScope: string;
  readonly trustedRootsPem: string;
}

/** What every way sends first. */
export const firstBody = { temperature: 21 };

/** A device that has found its hub. */
export interface Client {
  readonly hubName: string;
  /** Resolves when the message is in the client's hands for good: on disk with the agent, acknowledged with the others. */
  send(body: object): Promise<void>;
  /** Resolves when everything sent up to now is acknowledged. */
  acknowledged(): Promise<void>;
  /** Follows the twin and takes methods and messages from the cloud, where it doesn't anyhow. */
  listen(): Promise<void>;
  close(): Promise<void>;
}

/** One way of being a device; every way does the same. */
export interface Way {
  readonly name: string;
  /** From nothing to the first acknowledged message, over DPS. */
  coldStart(device: Device, stateFolder: string): Promise<Client>;
  /** The same, with the hub known from an earlier start. */
  warmStart(device: Device, stateFolder: string, hubName: string): Promise<Client>;
}
