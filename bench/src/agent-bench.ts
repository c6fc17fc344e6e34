import type { Device } from './agent-way.ts';

/** What all measurements of the agent share. */
export interface AgentBench {
  /** A device that the cloud hasn't seen. */
  device(): Device;
  /** Cuts the device's connection to its hub, on the hub's side. */
  cut(deviceId: string): Promise<void>;
  /** For state folders; on a disk, not in memory. */
  readonly folder: string;
  readonly progress: (text: string) => void;
}
