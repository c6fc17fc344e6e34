import type { AzureIotEmulator, Seed } from '@contoso/azure-iot-emulator';

/** One thing that goes wrong, in the emulator's words. */
export type Fault = Parameters<AzureIotEmulator['faults']['add']>[0];

/** What the emulator's process is told; it answers each with an {@link AzureAnswer} of the same number. */
export type AzureOrder =
  | { readonly do: 'start'; readonly dataFolder: string; readonly seed: Seed }
  /** Begins at once, and is over with `clear`. */
  | { readonly do: 'fault'; readonly fault: Fault }
  | { readonly do: 'clear' }
  | { readonly do: 'message'; readonly deviceId: string; readonly messageId: string }
  | { readonly do: 'desired'; readonly deviceId: string; readonly desired: Readonly<Record<string, unknown>> }
  /** What has arrived after that place in the hub's log. */
  | { readonly do: 'telemetry'; readonly after: number }
  | { readonly do: 'twin'; readonly deviceId: string };

/** Where devices find it. */
export interface AzurePlace {
  readonly idScope: string;
  readonly endpoint: string;
  readonly trustedRootsPem: string;
}

/** A telemetry message, by its place in the hub's log. */
export interface Arrival {
  readonly sequence: number;
  readonly deviceId: string;
  readonly number: number;
}

/** What is said to an order: it is on the emulator's disk, or why not. */
export interface AzureAnswer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}
