import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { DeviceAgentError } from '../errors.ts';

/** What is worth more stays longer where `whenFull` is `drop-lowest-priority`. It changes nothing about the order of sending. */
export type TelemetryPriority = 'low' | 'normal' | 'high';

/** In the order in which they are dropped. */
export const priorities: readonly TelemetryPriority[] = ['low', 'normal', 'high'];

/** A telemetry message as the application gives it. */
export interface TelemetryMessage {
  /** Text goes as UTF-8, other values as JSON. */
  readonly body: string | Uint8Array | Readonly<Record<string, unknown>> | readonly unknown[];
  /** Default `application/json`. */
  readonly contentType?: string;
  /** Default `utf-8`. */
  readonly contentEncoding?: string;
  /** Application properties: what message routes look at. */
  readonly properties?: Readonly<Record<string, string>>;
  /**
   * Default: a new UUID. It stays the same over every retry, so that the back office can tell duplicates. At most 128
   * characters out of ASCII letters, digits and `- : . + % _ # * ? ! ( ) , = @ ; $ '`.
   */
  readonly messageId?: string;
  /** When it was measured; default: when `send` is called. */
  readonly createdAt?: Date;
  /** Default `normal`. */
  readonly priority?: TelemetryPriority;
  /**
   * True: the body goes as gzip (content encoding `gzip`). Default: by the outbox's `compressAboveBytes`, which also decides
   * for all that isn't true here where there are batches.
   */
  readonly compress?: boolean;
}

/** A message that is checked, and has no place in the outbox yet. */
export interface PreparedMessage {
  readonly messageId: string;
  readonly body: Buffer;
  readonly contentType: string;
  readonly contentEncoding: string;
  readonly properties: Readonly<Record<string, string>>;
  /** ISO 8601, when it was measured; it goes as application property `iothub-creation-time-utc`. */
  readonly createdAt: string;
  /** Milliseconds on the outbox's own time line: from here on it waits. */
  readonly addedMs: number;
  readonly priority: TelemetryPriority;
  /** Bytes, as the hub counts them. */
  readonly size: number;
}

/** A message on disk, waiting for the hub's acknowledgement. */
export interface StoredMessage extends PreparedMessage {
  /** Its place among this device's messages. */
  readonly sequence: number;
}

/** IoT Hub's limit for a device-to-cloud message, in bytes. */
export const maximumBytes = 256 * 1024;

/** MQTT 3.1.1 section 1.5.3: a topic is at most this long in UTF-8; the properties are part of it. */
const maximumTopicBytes = 65_535;

/** `devices/{device ID of at most 128 characters}/messages/events/`. */
const topicStartBytes = 8 + 128 * 3 + 17;

export const creationTimeName = 'iothub-creation-time-utc';
const creationTimeBytes = creationTimeName.length + '2026-01-01T00:00:00.000Z'.length;

const messageIdPattern = /^[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}$/;
const noProperties: Readonly<Record<string, string>> = Object.freeze({});

/**
 * Checks a message by the hub's rules, and compresses it where that is asked for.
 *
 * @param time - the device's clock, and the outbox's time line
 * @param compressAboveBytes - bodies above it go as gzip, unless the message says otherwise
 * @throws {DeviceAgentError} ERR_AGENT_MESSAGE_INVALID, ERR_AGENT_MESSAGE_TOO_LARGE
 */
export function prepareMessage(
  message: TelemetryMessage,
  { now, addedMs }: { readonly now: Date; readonly addedMs: number },
  compressAboveBytes = Infinity,
): PreparedMessage {
  const { contentType = 'application/json', properties = noProperties, priority = 'normal' } = message;
  const messageId = message.messageId === undefined ? randomUUID() : checkMessageId(message.messageId);
  const { body, contentEncoding } = encodeBody(message, messageId, compressAboveBytes);
  checkTypes(message, messageId);
  checkProperties(messageId, properties);
  const prepared = {
    messageId,
    body,
    contentType,
    contentEncoding,
    properties,
    createdAt: (message.createdAt ?? now).toISOString(),
    addedMs,
    priority,
  };
  const size = hubSize(prepared);
  checkSize(messageId, size, body.length);
  checkTopic(prepared, size - body.length);
  return { ...prepared, size };
}

/**
 * A message's size as IoT Hub counts it: the body, the values of the system properties, names and values of the application
 * properties (Azure documents, "Create and read IoT Hub messages").
 */
export function hubSize(message: Omit<PreparedMessage, 'size'>): number {
  let size = message.body.length + creationTimeBytes;
  size += message.messageId.length + byteLength(message.contentType) + byteLength(message.contentEncoding);
  for (const name in message.properties) size += byteLength(name) + byteLength(message.properties[name] ?? '');
  return size;
}

function encodeBody(
  message: TelemetryMessage,
  messageId: string,
  compressAboveBytes: number,
): { body: Buffer; contentEncoding: string } {
  const { contentEncoding = 'utf-8', compress } = message;
  const body = toBytes(message.body);
  if (!body) throw new TypeError(`body of message ${messageId} must be text, bytes, or a value that JSON knows.`);
  const isPlain = contentEncoding === 'utf-8';
  if (compress === true && !isPlain) {
    throw invalid(
      messageId,
      `it is to be compressed, and its content encoding is ${contentEncoding} already`,
      'Leave out one of the two.',
    );
  }
  const isCompressed = compress ?? (isPlain && body.length > compressAboveBytes);
  return isCompressed ? { body: gzipSync(body), contentEncoding: 'gzip' } : { body, contentEncoding };
}

function toBytes(body: TelemetryMessage['body']): Buffer | undefined {
  if (typeof body === 'string') return Buffer.from(body, 'utf8');
  // A copy: the application may use its bytes again before they are on disk.
  if (body instanceof Uint8Array) return Buffer.from(body);
  // Undefined for undefined, which only JavaScript can pass.
  const text = JSON.stringify(body) as string | undefined;
  return text === undefined ? undefined : Buffer.from(text, 'utf8');
}

function checkTypes({ createdAt, priority = 'normal' }: TelemetryMessage, messageId: string): void {
  if (createdAt && Number.isNaN(createdAt.getTime())) {
    throw new TypeError(`createdAt of message ${messageId} must be a valid Date.`);
  }
  if (!priorities.includes(priority)) {
    throw new TypeError(`priority of message ${messageId} must be low, normal or high.`);
  }
}

function checkMessageId(messageId: string): string {
  if (messageIdPattern.test(messageId)) return messageId;
  throw invalid(
    messageId.slice(0, 128),
    'the hub does not take its ID',
    "Use 1 to 128 characters out of A-Z a-z 0-9 - : . + % _ # * ? ! ( ) , = @ ; $ '.",
  );
}

function checkProperties(messageId: string, properties: Readonly<Record<string, string>>): void {
  for (const name in properties) {
    const value: unknown = properties[name];
    if (typeof value !== 'string') throw new TypeError(`Property ${name} of message ${messageId} must be a string.`);
    if (name === '') throw invalid(messageId, 'a property has no name', 'Name it.');
    if (name.startsWith('$.')) {
      throw invalid(messageId, `property ${name} would be taken for a system property`, 'Name it without "$.".');
    }
    if (name === creationTimeName) {
      throw invalid(messageId, `property ${name} is the agent's own`, 'Give the time as createdAt.');
    }
  }
}

function checkSize(messageId: string, size: number, bodyBytes: number): void {
  if (size <= maximumBytes) return;
  throw new DeviceAgentError(
    'ERR_AGENT_MESSAGE_TOO_LARGE',
    `Message ${messageId} has ${size} bytes (body ${bodyBytes}, properties ${size - bodyBytes}); IoT Hub takes ${maximumBytes}.`,
    { advice: 'Split or compress it.' },
  );
}

function checkTopic(
  { messageId, properties, contentType, contentEncoding }: Omit<PreparedMessage, 'size'>,
  propertyBytes: number,
): void {
  // Percent-encoding makes three of a byte; only what may be too long then is measured.
  if (propertyBytes * 3 + Object.keys(properties).length * 2 < maximumTopicBytes - 1000) return;
  const texts = [messageId, contentType, contentEncoding, ...Object.entries(properties).flat()];
  const length = texts.reduce(
    (total, text) => total + encodeURIComponent(text).length + 1,
    topicStartBytes + creationTimeBytes + 30,
  );
  if (length <= maximumTopicBytes) return;
  throw new DeviceAgentError(
    'ERR_AGENT_MESSAGE_TOO_LARGE',
    `The properties of message ${messageId} make an MQTT topic of ${length} bytes; ${maximumTopicBytes} is the most.`,
    { advice: 'Move some of them into the body.' },
  );
}

function byteLength(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

function invalid(messageId: string, why: string, advice: string): DeviceAgentError {
  return new DeviceAgentError('ERR_AGENT_MESSAGE_INVALID', `Message ${messageId} can't be sent: ${why}.`, { advice });
}
