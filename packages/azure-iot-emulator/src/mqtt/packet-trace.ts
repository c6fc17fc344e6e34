import type { Packet } from 'mqtt-packet';

/** Sees the packets of one connection go by. */
export interface PacketTrace {
  received(packet: Packet): void;
  /** `why` where the packet refuses something. */
  sent(packet: Packet, why?: string): void;
  /** Called once; `graceful` is true after a DISCONNECT packet. */
  ended(graceful: boolean, reason: string): void;
}

/** Makes a trace for each connection. */
export type StartPacketTrace = () => PacketTrace;
