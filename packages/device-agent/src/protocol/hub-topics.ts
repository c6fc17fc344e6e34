import type { StoredMessage } from '../telemetry/telemetry-message.ts';
import { readRetryAfterMs } from './retry-after.ts';

/** IoT Hub's topics for a device (Azure documents, "Communicate with an IoT hub using the MQTT protocol"). */
const methodRequests = '$iothub/methods/POST/#';
const twinResponses = '$iothub/twin/res/#';
const desiredChanges = '$iothub/twin/PATCH/properties/desired/#';

const cloudToDeviceMessages = (deviceId: string): string => `devices/${deviceId}/messages/devicebound/#`;

/** The four subscriptions of a device that does everything; a hub allows five. */
export const everySubscription = (deviceId: string): { topic: string; qos: 0 | 1 }[] => [
  { topic: cloudToDeviceMessages(deviceId), qos: 1 },
  { topic: methodRequests, qos: 0 },
  { topic: twinResponses, qos: 0 },
  { topic: desiredChanges, qos: 0 },
];

/** System properties go as `$.` names, application properties by their own; both percent-encoded. */
export function telemetryTopic(deviceId: string, message: StoredMessage): string {
  const bag = [
    ['$.mid', message.messageId],
    ['$.ct', message.contentType],
    ['$.ce', message.contentEncoding],
    ...Object.entries(message.properties),
    // When the device measured, whenever the hub enqueues it.
    ['iothub-creation-time-utc', message.createdAt],
  ];
  const text = bag.map(([name = '', value = '']) => `${encode(name)}=${encode(value)}`).join('&');
  return `devices/${deviceId}/messages/events/${text}`;
}

const plain = /^[A-Za-z0-9._~-]*$/;

/** Most names and values need no encoding, and looking costs less than doing it. */
function encode(text: string): string {
  return plain.test(text) ? text : encodeURIComponent(text);
}

export const twinGet = (requestId: string): string => `$iothub/twin/GET/?$rid=${requestId}`;

export const twinReport = (requestId: string): string => `$iothub/twin/PATCH/properties/reported/?$rid=${requestId}`;

export const methodAnswer = (status: number, requestId: string): string =>
  `$iothub/methods/res/${status}/?$rid=${requestId}`;

/** What a topic from the hub is about. */
export type HubTopic =
  | { readonly kind: 'message' }
  | { readonly kind: 'method'; readonly name: string; readonly requestId: string }
  | { readonly kind: 'desired' }
  | {
      readonly kind: 'twin-answer';
      readonly status: number;
      readonly requestId: string;
      readonly version: number | undefined;
      readonly retryAfterMs: number | undefined;
    };

/** Undefined for a topic that no device document names. */
export function readTopic(topic: string): HubTopic | undefined {
  if (topic.startsWith('devices/')) return { kind: 'message' };
  const [path = '', query = ''] = topic.split('?', 2);
  const parameters = new URLSearchParams(query);
  const requestId = parameters.get('$rid') ?? '';
  if (path.startsWith('$iothub/twin/PATCH/properties/desired')) return { kind: 'desired' };
  const [, part, verb, third = ''] = path.split('/');
  if (part === 'methods' && verb === 'POST') return { kind: 'method', name: decodeURIComponent(third), requestId };
  if (part === 'twin' && verb === 'res') {
    const version = parameters.get('$version');
    return {
      kind: 'twin-answer',
      status: Number(third),
      requestId,
      version: version === null ? undefined : Number(version),
      retryAfterMs: readRetryAfterMs(parameters),
    };
  }
  return undefined;
}
