import type { ClientIdentity } from './hub-client.ts';
import { HubError } from './hub-error.ts';
import type { LogRecord } from './record-log.ts';
import { encodePropertyBag } from './property-bag.ts';

/** Which outcomes the sender wants to hear of. */
export type Acknowledgement = 'none' | 'positive' | 'negative' | 'full';

/** What a back end sends to a device. */
export interface CloudToDeviceRequest {
  readonly body: Uint8Array;
  /** Default: a new one. */
  readonly messageId?: string;
  readonly correlationId?: string;
  readonly userId?: string;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  /** Default `none`. */
  readonly ack?: Acknowledgement;
  /** Milliseconds since 1970; default one hour from now, at most two days. */
  readonly expiryTimeMs?: number;
  /** Application properties; null is a key without a value. */
  readonly properties?: Readonly<Record<string, string | null>>;
}

/** A message in a device's queue. */
export interface QueuedMessage {
  readonly sequenceNumber: number;
  readonly messageId: string;
  readonly request: CloudToDeviceRequest;
  readonly enqueuedTimeMs: number;
  readonly expiryTimeMs: number;
  /** How often it was sent, as it is kept; absent before the first time. */
  readonly deliveryCount?: number;
}

/** How a message left its queue, as feedback calls it. */
export type MessageOutcome = 'Success' | 'Expired' | 'DeliveryCountExceeded' | 'Purged';

/** What the service-bound feedback endpoint would say of a message whose sender asked for it. */
export interface FeedbackRecord extends LogRecord {
  readonly originalMessageId: string;
  /** Milliseconds since 1970 at which the outcome was known. */
  readonly enqueuedTimeMs: number;
  readonly statusCode: MessageOutcome;
  readonly description: MessageOutcome;
  readonly deviceId: string;
  /** Where the message was for a module. */
  readonly moduleId?: string;
  readonly deviceGenerationId: string;
}

const largestMessageBytes = 64 * 1024;
const defaultTimeToLiveMs = 3_600_000;
const longestTimeToLiveMs = 48 * 3_600_000;

/** @throws {HubError} MessageTooLarge, ArgumentInvalid */
export function queuedMessage(
  request: CloudToDeviceRequest,
  place: { readonly sequenceNumber: number; readonly nowMs: number; readonly newId: () => string },
): QueuedMessage {
  if (request.body.length > largestMessageBytes) {
    throw new HubError('MessageTooLarge', {
      text: `a cloud-to-device message may have ${largestMessageBytes} bytes and has ${request.body.length}`,
    });
  }
  const expiryTimeMs = request.expiryTimeMs ?? place.nowMs + defaultTimeToLiveMs;
  if (expiryTimeMs > place.nowMs + longestTimeToLiveMs) {
    throw new HubError('ArgumentInvalid', { text: 'a cloud-to-device message may live for two days at most' });
  }
  return {
    sequenceNumber: place.sequenceNumber,
    messageId: request.messageId ?? place.newId(),
    // A copy, since the sender may go on to write into its buffer.
    request: { ...request, body: Uint8Array.from(request.body) },
    enqueuedTimeMs: place.nowMs,
    expiryTimeMs,
  };
}

/** True where the sender of a message wants to hear of its outcome. */
export function wantsFeedback(ack: Acknowledgement | undefined, outcome: MessageOutcome): boolean {
  return ack === 'full' || ack === (outcome === 'Success' ? 'positive' : 'negative');
}

/** Topic on which a device or module gets a message: system properties first, then the sender's own. */
export function messageTopic(
  { deviceId, moduleId }: Pick<ClientIdentity, 'deviceId' | 'moduleId'>,
  { messageId, request }: QueuedMessage,
): string {
  const { correlationId, userId, contentType, contentEncoding, ack = 'none', properties = {} } = request;
  const module = moduleId === undefined ? '' : `modules/${encodeURIComponent(moduleId)}/`;
  const system: [string, string | undefined][] = [
    ['$.mid', messageId],
    ['$.to', `/devices/${encodeURIComponent(deviceId)}/${module}messages/devicebound`],
    ['$.cid', correlationId],
    ['$.uid', userId],
    ['$.ct', contentType],
    ['$.ce', contentEncoding],
    ['iothub-ack', ack],
  ];
  const given = system.filter((entry): entry is [string, string] => entry[1] !== undefined);
  const bag = encodePropertyBag(new Map([...given, ...Object.entries(properties)]));
  return `devices/${deviceId}/${moduleId === undefined ? '' : `modules/${moduleId}/`}messages/devicebound/${bag}`;
}

/** MQTT packet identifiers of messages are the upper half, so that a message keeps its own when it is sent again. */
export function packetIdOf({ sequenceNumber }: QueuedMessage): number {
  return 0x8000 + (sequenceNumber % 0x8000);
}
