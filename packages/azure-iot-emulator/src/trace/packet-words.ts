import type { IConnectPacket, IPublishPacket, Packet } from 'mqtt-packet';
import { deliveryWords, filterWords, publishWords } from './topic-words.ts';
import { plainText } from '../plain-text.ts';

/** CONNACK return codes (MQTT 3.1.1 section 3.2.2.3). */
const refusals = new Map([
  [1, 'wrong protocol version'],
  [2, 'client ID not allowed'],
  [3, 'service unavailable'],
  [4, 'malformed user name or password'],
  [5, 'not authorized'],
]);

/** What a client's packet means. */
export function receivedWords(packet: Packet): string {
  switch (packet.cmd) {
    case 'connect':
      return connectWords(packet);
    case 'publish':
      return `${publishHead(packet)}: ${publishWords(packet.topic)}${packet.retain ? ', with RETAIN' : ''}`;
    case 'puback':
      return `PUBACK ${packet.messageId ?? 0}: has the message`;
    case 'subscribe': {
      const wanted = packet.subscriptions.map(({ topic, qos }) => `${filterWords(topic)} (QoS ${qos})`);
      return `SUBSCRIBE ${packet.messageId ?? 0}: wants ${wanted.join(', ')}`;
    }
    case 'unsubscribe':
      return `UNSUBSCRIBE ${packet.messageId ?? 0}: no longer wants ${packet.unsubscriptions.map(filterWords).join(', ')}`;
    case 'pingreq':
      return 'PINGREQ: is still there';
    case 'disconnect':
      return 'DISCONNECT: says goodbye';
    default:
      return `${packet.cmd.toUpperCase()}: nothing that a client of DPS or IoT Hub sends`;
  }
}

/** What a packet to a client means; `why` where it refuses something. */
export function sentWords(packet: Packet, why: string | undefined): string {
  switch (packet.cmd) {
    case 'connack':
      return connackWords(packet.returnCode ?? 0, packet.sessionPresent, why);
    case 'publish':
      return `${publishHead(packet)}: ${deliveryWords(packet.topic, Buffer.from(packet.payload))}`;
    case 'puback':
      return `PUBACK ${packet.messageId ?? 0}: the message is taken`;
    case 'suback': {
      const granted = packet.granted
        .filter((qos) => typeof qos === 'number' && qos !== 0x80)
        .map((qos) => `QoS ${qos as number}`);
      const parts = [
        ...(granted.length > 0 ? [`granted with ${granted.join(', ')}`] : []),
        ...(granted.length < packet.granted.length ? [`refused: ${plainText(why ?? '')}`] : []),
      ];
      return `SUBACK ${packet.messageId ?? 0}: ${parts.join('; ')}`;
    }
    case 'unsuback':
      return `UNSUBACK ${packet.messageId ?? 0}: done`;
    case 'pingresp':
      return 'PINGRESP: so is the service';
    default:
      return packet.cmd.toUpperCase();
  }
}

function connectWords({ clientId, username = '', password, clean, keepalive = 0, will }: IConnectPacket): string {
  const parts = [
    `asks to be let in as ${plainText(clientId)} with the user name ${plainText(username)}`,
    password && password.length > 0 ? 'with a token' : 'without a password',
    clean ? 'clean session' : 'session to be kept',
    keepalive === 0 ? 'no keep-alive' : `keep-alive ${keepalive} s`,
    ...(will ? ['with a will'] : []),
  ];
  return `CONNECT: ${parts.join(', ')}`;
}

function connackWords(returnCode: number, sessionPresent: boolean, why: string | undefined): string {
  if (returnCode === 0) return `CONNACK: let in, ${sessionPresent ? 'the session goes on' : 'a new session'}`;
  return `CONNACK: refused with ${returnCode} (${refusals.get(returnCode) ?? 'unknown'}): ${plainText(why ?? '')}`;
}

function publishHead({ messageId, qos, dup, payload }: IPublishPacket): string {
  const id = messageId === undefined || qos === 0 ? '' : ` ${messageId}`;
  return `PUBLISH${id} (QoS ${qos}${dup ? ', sent again' : ''}, ${Buffer.byteLength(payload)} bytes)`;
}
