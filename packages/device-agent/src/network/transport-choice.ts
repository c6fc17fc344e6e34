import type { NetworkFailureKind } from './connection-error.ts';
import type { Transport } from './open-stream.ts';

/** What a user configures. `auto`: port 8883 first, WebSocket on 443 where that doesn't get through, and what worked is remembered. */
export type TransportChoice = Transport | 'auto';

/** Which transport worked; a plain value, kept with the device's state. */
export interface TransportMemory {
  readonly worked: Transport;
  /** ISO 8601: since when, and for WebSocket when port 8883 was tried last. */
  readonly at: string;
}

/** With WebSocket working, port 8883 is tried again by the first connection after so many milliseconds (a day). */
export const primaryAgainAfterMs = 86_400_000;

/**
 * Failures that a firewall or proxy makes of a port it doesn't like. A name without an address, an impostor and a portal are the same
 * on every port.
 */
const portFailures: ReadonlySet<NetworkFailureKind> = new Set([
  'tcp',
  'timeout',
  'tls',
  'proxy',
  'websocket',
  'closed',
]);

/** What a connection begins with. */
export function firstTransport(choice: TransportChoice, memory: TransportMemory | undefined, now: Date): Transport {
  if (choice !== 'auto') return choice;
  return memory?.worked === 'mqtt-websocket' && isFresh(memory, now) ? 'mqtt-websocket' : 'mqtt';
}

/** What comes after an attempt that failed before the service had said anything. */
export function nextTransport(
  choice: TransportChoice,
  tried: Transport,
  failure: NetworkFailureKind | undefined,
): Transport {
  if (choice !== 'auto') return choice;
  if (failure === undefined || !portFailures.has(failure)) return tried;
  return tried === 'mqtt' ? 'mqtt-websocket' : 'mqtt';
}

/** The memory after a connection that came about; the same object where nothing has to be written. */
export function rememberTransport(memory: TransportMemory | undefined, worked: Transport, now: Date): TransportMemory {
  const isKnown = memory?.worked === worked && (worked === 'mqtt' || isFresh(memory, now));
  return isKnown ? memory : { worked, at: now.toISOString() };
}

/** A clock that was set back counts as a day gone by. */
function isFresh({ at }: TransportMemory, now: Date): boolean {
  const ageMs = now.getTime() - Date.parse(at);
  return ageMs >= 0 && ageMs < primaryAgainAfterMs;
}
