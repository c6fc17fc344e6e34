import type { Packet } from 'mqtt-packet';
import type { PacketTrace, StartPacketTrace } from '../mqtt/packet-trace.ts';
import { receivedWords, sentWords } from './packet-words.ts';
import { plainText } from '../plain-text.ts';

/** Explains each MQTT packet in a line, such as `MQTT from d1: PUBLISH 2 (QoS 1, 12 bytes): sends telemetry`. */
export function mqttTrace(write: (line: string) => void): StartPacketTrace {
  return () => new ConnectionTrace(write);
}

class ConnectionTrace implements PacketTrace {
  readonly #write: (line: string) => void;
  /** Known from CONNECT on. */
  #client = 'a new client';

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  received(packet: Packet): void {
    if (packet.cmd === 'connect') this.#client = plainText(packet.clientId) || 'a client without ID';
    this.#write(`MQTT from ${this.#client}: ${receivedWords(packet)}`);
  }

  sent(packet: Packet, why?: string): void {
    this.#write(`MQTT to ${this.#client}: ${sentWords(packet, why)}`);
  }

  ended(graceful: boolean, reason: string): void {
    this.#write(`MQTT with ${this.#client}: connection ended${graceful ? '' : `: ${plainText(reason)}`}`);
  }
}
