import type { ByteSlab } from './byte-slab.ts';
import type { ClientIdentity } from './hub-client.ts';
import type { LogRecord, Unopened } from './record-log.ts';
import { decodePropertyBag, type PropertyBag } from './property-bag.ts';

/** How a device had proved who it is, as `iothub-connection-auth-method` says it. */
export type AuthenticationMethod = 'x509' | 'deviceKey' | 'policyKey';

/** One device-to-cloud message as the Event Hubs-compatible endpoint would hand it out. */
export interface TelemetryMessage extends LogRecord {
  readonly deviceId: string;
  /** Where a module sent it. */
  readonly moduleId?: string;
  /** Milliseconds since 1970. */
  readonly enqueuedTimeMs: number;
  /**
   * By the names that Azure uses there: `iothub-connection-device-id`, `iothub-connection-module-id`, `iothub-connection-auth-method` (JSON text),
   * `iothub-connection-auth-generation-id`, `iothub-enqueuedtime` (milliseconds), `iothub-message-source`, and, where the
   * device set them, `message-id`, `correlation-id`, `user-id`, `content-type`, `content-encoding`, `to`, `dt-subject`.
   */
  readonly systemProperties: Readonly<Record<string, string | number>>;
  /** With `iothub-creation-time-utc` where the device set it; null is a key without a value. */
  readonly applicationProperties: Readonly<Record<string, string | null>>;
  readonly body: Uint8Array;
}

/** What is known of a message before it has its place in the log. */
export interface ReceivedTelemetry {
  readonly identity: ClientIdentity;
  readonly authenticationMethod: AuthenticationMethod;
  readonly enqueuedTimeMs: number;
  /** Undecoded property bag of the topic. */
  readonly bag: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly isWill: boolean;
}

/** Keys of the property bag that become system properties ("Communicate with an IoT hub using MQTT"). */
const systemKeys = new Map([
  ['$.mid', 'message-id'],
  ['$.cid', 'correlation-id'],
  ['$.uid', 'user-id'],
  ['$.to', 'to'],
  ['$.ct', 'content-type'],
  ['$.ce', 'content-encoding'],
  ['$.exp', 'absolute-expiry-time'],
  ['$.sub', 'dt-subject'],
  ['$.ifid', 'iothub-interface-id'],
]);

/** As captured for an X.509 device; the other two were seen in the same form. */
const authenticationMethods: Readonly<Record<AuthenticationMethod, string>> = {
  x509: JSON.stringify({ scope: 'device', type: 'x509Certificate', issuer: 'external', acceptingIpFilterRule: null }),
  deviceKey: JSON.stringify({ scope: 'device', type: 'sas', issuer: 'iothub', acceptingIpFilterRule: null }),
  policyKey: JSON.stringify({ scope: 'hub', type: 'sas', issuer: 'iothub', acceptingIpFilterRule: null }),
};

/** Where {@link UnreadTelemetry} stands. */
export interface TelemetryPlace {
  readonly sequenceNumber: number;
  /** Has room for the payload. */
  readonly slab: ByteSlab;
}

/** A message that was taken and that nobody has read yet: what it came with, and a copy of its body. */
export class UnreadTelemetry implements Unopened<TelemetryMessage> {
  readonly sequenceNumber: number;
  readonly #identity: ClientIdentity;
  readonly #authenticationMethod: AuthenticationMethod;
  readonly #enqueuedTimeMs: number;
  readonly #properties: PropertyBag | undefined;
  readonly #slab: ByteSlab;
  readonly #start: number;
  readonly #length: number;
  readonly #isRetained: boolean;
  readonly #isWill: boolean;

  /** @throws {URIError} where the property bag has a malformed escape */
  constructor(received: ReceivedTelemetry, { sequenceNumber, slab }: TelemetryPlace) {
    this.sequenceNumber = sequenceNumber;
    this.#identity = received.identity;
    this.#authenticationMethod = received.authenticationMethod;
    this.#enqueuedTimeMs = received.enqueuedTimeMs;
    this.#properties = received.bag === '' ? undefined : decodePropertyBag(received.bag);
    // The payload is a view of a whole network buffer, which would be kept with it.
    this.#slab = slab;
    this.#start = slab.copy(received.payload);
    this.#length = received.payload.length;
    this.#isRetained = received.retain;
    this.#isWill = received.isWill;
  }

  get size(): number {
    return sizeOfLength(this.#length);
  }

  open(): TelemetryMessage {
    const { deviceId, moduleId, generationId } = this.#identity;
    const systemProperties: Record<string, string | number> = {
      'iothub-connection-device-id': deviceId,
      ...(moduleId !== undefined && { 'iothub-connection-module-id': moduleId }),
      'iothub-connection-auth-method': authenticationText(this.#authenticationMethod, moduleId),
      'iothub-connection-auth-generation-id': generationId,
      'iothub-enqueuedtime': this.#enqueuedTimeMs,
      'iothub-message-source': 'Telemetry',
    };
    const applicationProperties: Record<string, string | null> = {};
    if (this.#properties) sortProperties(this.#properties, { systemProperties, applicationProperties });
    if (this.#isRetained) applicationProperties['mqtt-retain'] = 'true';
    if (this.#isWill) applicationProperties['iothub-MessageType'] = 'Will';
    return {
      sequenceNumber: this.sequenceNumber,
      deviceId,
      ...(moduleId !== undefined && { moduleId }),
      enqueuedTimeMs: this.#enqueuedTimeMs,
      systemProperties,
      applicationProperties,
      body: this.#slab.bytes.slice(this.#start, this.#start + this.#length),
    };
  }
}

/** JSON text; the scope of a module's own key is assumed to be `module`. */
function authenticationText(method: AuthenticationMethod, moduleId: string | undefined): string {
  const known = authenticationMethods[method];
  return moduleId === undefined ? known : known.replace('"scope":"device"', '"scope":"module"');
}

/** Roughly what a message costs in memory. */
export function telemetrySize({ body }: Pick<TelemetryMessage, 'body'>): number {
  return sizeOfLength(body.length);
}

function sizeOfLength(length: number): number {
  return length + 1024;
}

function sortProperties(
  bag: PropertyBag,
  {
    systemProperties,
    applicationProperties,
  }: {
    readonly systemProperties: Record<string, string | number>;
    readonly applicationProperties: Record<string, string | null>;
  },
): void {
  for (const [key, value] of bag) {
    const name = systemKeys.get(key);
    if (name !== undefined) systemProperties[name] = value ?? '';
    else define(applicationProperties, key === '$.ctime' ? 'iothub-creation-time-utc' : key, value);
  }
}

/** A device may call a property `__proto__`. */
function define(properties: Record<string, string | null>, key: string, value: string | null): void {
  if (key in properties)
    Object.defineProperty(properties, key, { value, enumerable: true, configurable: true, writable: true });
  else properties[key] = value;
}
